package query_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
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

// Every fixed field is what the line says, and what conditions and facets find it by.
func TestRecordFixed(t *testing.T) {
	t.Parallel()
	j := openJournal(t, nil, t.TempDir(), rotation.Rule{})
	appendEntries(t, j, querytest.NewGenerator(52).Entries(300))
	flush(t, j)
	e := query.New(query.OverJournal(j))
	keys := []string{"level", "kind", "file", "topic", "server", "server_name", "service", "service_name", "project", "operation",
		"operation_name", "parent_operation", "run", "root_run", "parent_run", "parent_step", "step", "action", "action_name", "trace",
		"span", "logger", "caller", "label", "phase", "error_code"}
	counts := map[string]map[string]int64{}
	for r, err := range e.All(t.Context(), query.Filter{}) {
		require.NoError(t, err)
		var line struct {
			Error struct {
				Code string `json:"code"`
			} `json:"error"`
		}
		require.NoError(t, json.Unmarshal(r.Raw, &line))
		var said map[string]any
		require.NoError(t, json.Unmarshal(r.Raw, &said))
		said["file"], said["error_code"] = r.File, line.Error.Code
		said["kind"] = string(r.Kind) // "" for one of a newer version
		for _, key := range keys {
			got, ok := r.Fixed(key)
			require.True(t, ok, key)
			want, _ := said[key].(string)
			require.Equal(t, want, got, "%s of %s", key, r.Raw)
			if got != "" {
				if counts[key] == nil {
					counts[key] = map[string]int64{}
				}
				counts[key][got]++
			}
		}
		for _, key := range []string{"", "seq", "message", "details", "details.sku", "Level"} {
			got, ok := r.Fixed(key)
			require.False(t, ok, key)
			require.Empty(t, got)
		}
	}
	for _, key := range keys {
		facets, err := e.Facets(t.Context(), query.Filter{}, key, query.MaxLimit)
		require.NoError(t, err)
		got := map[string]int64{}
		for _, f := range facets {
			got[f.Value] = f.Count
		}
		if counts[key] == nil {
			counts[key] = map[string]int64{}
		}
		require.Equal(t, counts[key], got, key)
	}
}

// What a record knows of its line is what the line says, and what another line says if
// it is given one.
func TestRecordObjects(t *testing.T) {
	t.Parallel()
	j := openJournal(t, nil, t.TempDir(), rotation.Rule{})
	appendEntries(t, j, querytest.NewGenerator(51).Entries(600))
	flush(t, j)
	type objects struct{ Error, Details json.RawMessage }
	object := func(raw json.RawMessage) []byte {
		if !bytes.HasPrefix(raw, []byte("{")) {
			return nil
		}
		return raw
	}
	same := func(r *query.Record) {
		t.Helper()
		var want objects
		require.NoError(t, json.Unmarshal(r.Raw, &want))
		failure, details, err := r.Objects()
		require.NoError(t, err)
		require.Equal(t, string(object(want.Error)), string(failure))
		require.Equal(t, string(object(want.Details)), string(details))
	}
	e := query.New(query.OverJournal(j))
	for _, f := range []query.Filter{{}, {Where: query.Not(query.Eq("none", "x"))}} {
		page, err := e.Records(t.Context(), f, query.Paging{Limit: 1000})
		require.NoError(t, err)
		require.Len(t, page.Items, 600)
		for i := range page.Items {
			r := page.Items[i]
			same(&r)
			r.Raw = bytes.Clone(page.Items[(i+1)%600].Raw)
			same(&r)
		}
	}
	damaged := query.Record{Seq: 8, Raw: []byte(`{"seq"`)}
	_, _, err := damaged.Objects()
	require.ErrorContains(t, err, "record 8")
}
