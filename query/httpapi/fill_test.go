package httpapi

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/document"
	"github.com/steplog/steplog/query"
)

// Lines that are put into a document are what encoding/json would have made of
// them there.
func FuzzFill(f *testing.F) {
	for _, line := range []string{`{"seq":1}`, `{"message":"<b>&amp;\u003c</b>"}`, "{\"message\":\"one\u2028two\u2029three\u2027€\"}", `{"{\"\":0}":"{\"\":0}"}`,
		`{"message":"\\u0000 {\"\":0} é"}`, `{"details":{"a":[1,2.5e3,null,true,{"b":""}]}}`, "{\"a\":\"\xe2\x80\"}"} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var compact json.RawMessage
		if json.Unmarshal(line, &compact) != nil {
			return // no line is like that
		}
		again, err := json.Marshal(compact)
		require.NoError(t, err)
		type page struct {
			First string            `json:"first"`
			Lines []json.RawMessage `json:"lines"`
			Last  string            `json:"last"`
		}
		records := []query.Record{{Raw: line}, {Raw: []byte(`{"seq":2}`)}, {Raw: line}}
		empty, err := encode(page{`{"":0}`, holes(records), string(line)})
		require.NoError(t, err)
		var got, want page
		text, err := fill([]byte("before"), empty, len(records), lines(records))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text[len("before"):], &got))
		full, err := encode(page{`{"":0}`, []json.RawMessage{line, records[1].Raw, line}, string(line)})
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(full, &want))
		require.Equal(t, want.First, got.First)
		require.Equal(t, want.Last, got.Last)
		require.Len(t, got.Lines, 3)
		filled, err := json.Marshal(got.Lines[0])
		require.NoError(t, err)
		require.Equal(t, string(again), string(filled))
		for _, c := range "<>&\u2028\u2029" {
			require.NotContains(t, string(got.Lines[2]), string(c))
		}
	})
}

// Nothing is an empty list, and not null.
func TestFillNothing(t *testing.T) {
	t.Parallel()
	text, err := encode(holes(nil))
	require.NoError(t, err)
	text, err = fill(nil, text, 0, nil)
	require.NoError(t, err)
	require.Equal(t, "[]\n", string(text))
}

// lines puts in the lines of records.
func lines(records []query.Record) func([]byte, int) ([]byte, error) {
	return func(dst []byte, n int) ([]byte, error) { return document.AppendHTML(dst, records[n].Raw), nil }
}
