package query_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
)

func TestRecordDetails(t *testing.T) {
	r := query.Record{Seq: 7, Raw: []byte(`{"seq":7,"details":{"n":9007199254740993,"a":{"b":[{"c":1},{"d":"x"}]},"a.b":true,"null":null}}`)}
	details, err := r.Details()
	require.NoError(t, err)
	require.Equal(t, json.Number("9007199254740993"), details["n"])
	details["n"] = nil
	again, err := r.Details()
	require.NoError(t, err)
	require.NotNil(t, again["n"], "each call gives a map of its own")

	f := func(path string, want any, found bool) {
		t.Helper()
		got, ok := r.Field(path)
		require.Equal(t, found, ok, path)
		require.Equal(t, want, got, path)
	}
	f("n", json.Number("9007199254740993"), true)
	f("a.b", true, true) // the literal key goes before the path
	f("a.b.c", json.Number("1"), true)
	f("a.b.d", "x", true)
	f("null", nil, true)
	f("a.x", nil, false)
	f("n.x", nil, false)
	f("", nil, false)

	none, err := query.Record{Raw: []byte(`{"seq":1}`)}.Details()
	require.NoError(t, err)
	require.NotNil(t, none)
	require.Empty(t, none)

	damaged := query.Record{Seq: 8, Raw: []byte(`{"seq"`)}
	_, err = damaged.Details()
	require.ErrorContains(t, err, "record 8")
	_, ok := damaged.Field("a")
	require.False(t, ok)
}
