package audit

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// sorted is what encoding/json made of a text, as parseTree has it.
func sorted(v any) any {
	switch v := v.(type) {
	case map[string]any:
		o := object{}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			o = append(o, member{k, sorted(v[k])})
		}
		return o
	case []any:
		list := []any{}
		for _, e := range v {
			list = append(list, sorted(e))
		}
		return list
	}
	return v
}

// Whatever encoding/json takes, normal takes as the same.
func FuzzTree(f *testing.F) {
	for _, text := range []string{
		`{"b":1,"a":[true,false,null,"x"],"c":{}}`, ` { "a" : 1 , "a" : 2 , "A" : 3 } `, `[]`, `""`, "\"\\u00e9\\n\\\"\\ud800x\"", "\"\xff é\"",
		`-0.5e+10`, `9007199254740993`, `{"":{"":{"":[[],[{}]]}}}`, `nul`, `{"a":1,}`, `[1 2]`, `1 2`, "\t\r\n", `{"a"}`, `"\x"`, `01`, `-`, `"` + "\x01" + `"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := normal(json.RawMessage(text))
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var want any
		if !json.Valid(text) {
			if text != nil {
				require.ErrorIs(t, err, errDiff)
			}
			return
		}
		require.NoError(t, d.Decode(&want))
		require.NoError(t, err)
		require.Equal(t, sorted(want), got)
		again, err := normal(json.RawMessage(canonical(nil, got)))
		require.NoError(t, err)
		require.True(t, equal(got, again), "%s", text)
	})
}
