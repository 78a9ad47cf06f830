package document_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/document"
)

// AppendJSON is encoding/json, byte for byte, whatever the fields hold and
// whichever fields there are.
func TestAppendJSON(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		same(t, random, (*document.Main).AppendJSON)
		same(t, random, (*document.Sub).AppendJSON)
		same(t, random, (*document.Line).AppendJSON)
		same(t, random, (*document.Entry).AppendJSON)
	}
}

func same[D any](t *testing.T, random *rand.Rand, appendJSON func(*D, []byte) []byte) {
	t.Helper()
	var d D
	fill(random, reflect.ValueOf(&d).Elem())
	want, err := json.Marshal(&d)
	require.NoError(t, err)
	require.Equal(t, string(want), string(appendJSON(&d, nil)))
}

// fill gives every field below v a value.
func fill(random *rand.Rand, v reflect.Value) {
	switch {
	case !v.CanSet(), random.IntN(4) == 0: // none
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		text, _ := json.Marshal(map[string]any{text(random): text(random), "n": random.Int64(), "list": []any{nil, true, 2.5}})
		v.SetBytes(text)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(random, v.Field(i))
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), random.IntN(3), 3))
		for i := range v.Len() {
			fill(random, v.Index(i))
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(random, v.Elem())
	case v.Kind() == reflect.String:
		v.SetString(text(random))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(random.Int64() - random.Int64())
	case v.CanUint():
		v.SetUint(random.Uint64())
	}
}

// text returns one with everything in it that JSON, or a page, minds.
func text(random *rand.Rand) string {
	parts := []string{"plain", "<b>&amp;</b>", `"quoted" \ back`, "\x00\x1f\x7f\n\t\r\b\f", "é€😀", "\u2028\u2029\u2027", "\xff\xe2\x80", ""}
	var b strings.Builder
	for range random.IntN(4) {
		b.WriteString(parts[random.IntN(len(parts))])
	}
	return b.String()
}

func TestAppendHTML(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, `{"a":"<\u003c>&"}`, "{\"a\":\"\u2028 \u2029 € é\"}", `[1,2.5e3,null,true,"\""]`} {
		want, err := json.Marshal(json.RawMessage(text))
		require.NoError(t, err)
		require.Equal(t, string(want), string(document.AppendHTML(nil, []byte(text))))
	}
}
