package export_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
)

// store is a store in memory whose clock stands still until it is set.
type store struct {
	*logger.Store
	now atomic.Pointer[time.Time]
}

func newStore(t *testing.T) *store {
	s := new(store)
	s.set(t, "2023-06-23T11:33:17.186Z")
	s.Store = logger.OpenMemory(&logger.Options{
		Level:     levels.Trace,
		Clock:     func() time.Time { return *s.now.Load() },
		OnProblem: func(err error) { t.Errorf("the store reports: %v", err) },
	})
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func (s *store) set(t *testing.T, now string) {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, now)
	require.NoError(t, err)
	s.now.Store(&at)
}

// flow returns an operation with the names of the document's example.
func (s *store) flow() *logger.Operation {
	return s.Server("edge-1").Service("orders").Operation("flow-1", logger.DisplayName("price"))
}

// entries unzips the log with an id and returns its entries in their order.
func (s *store) entries(t *testing.T, id uint64) []entry {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, export.Zip(t.Context(), &b, s.Query(), id))
	return unzip(t, b.Bytes())
}

type entry struct {
	name, text string
	modified   time.Time
}

func unzip(t *testing.T, data []byte) []entry {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	var entries []entry
	for _, f := range archive.File {
		r, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		entries = append(entries, entry{f.Name, string(text), f.Modified})
	}
	return entries
}

// document is what the zip's JSON holds.
type document struct {
	Log      json.RawMessage
	Errors   []map[string]any
	Request  json.RawMessage
	Response json.RawMessage
	Steps    []map[string]any
	Lines    []map[string]any
}

func (s *store) document(t *testing.T, id uint64) document {
	t.Helper()
	entries := s.entries(t, id)
	require.Len(t, entries, 1)
	require.Equal(t, fmt.Sprintf("log-%d.json", id), entries[0].name)
	require.True(t, json.Valid([]byte(entries[0].text)))
	require.Equal(t, []string{"log", "errors", "request", "response", "steps", "lines"}, keys(t, entries[0].text))
	var d document
	require.NoError(t, json.Unmarshal([]byte(entries[0].text), &d))
	require.NotNil(t, d.Errors, "[] and not null")
	require.NotNil(t, d.Steps, "[] and not null")
	require.NotNil(t, d.Lines, "[] and not null")
	return d
}

// log returns the log's own document, decoded.
func (s *store) log(t *testing.T, id uint64) map[string]any {
	t.Helper()
	var log map[string]any
	require.NoError(t, json.Unmarshal(s.document(t, id).Log, &log))
	return log
}

// keys returns the keys of an object in their order.
func keys(t *testing.T, object string) []string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(object)))
	_, err := d.Token()
	require.NoError(t, err)
	var names []string
	for d.More() {
		name, err := d.Token()
		require.NoError(t, err)
		names = append(names, name.(string))
		var value json.RawMessage
		require.NoError(t, d.Decode(&value))
	}
	return names
}
