package logger_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/steplog/steplog/internal/leak"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, leak.Options()...) }

// heard collects what a store reports to its host.
type heard struct {
	mu   sync.Mutex
	errs []error
}

func (h *heard) hook(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.errs = append(h.errs, err)
}

func (h *heard) all() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.errs
}

// openDir opens a folder that is closed when the test ends.
func openDir(t testing.TB, dir string, o *logger.Options) *logger.Store {
	t.Helper()
	store, err := logger.Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// openMemory opens a memory store that is closed when the test ends.
func openMemory(t testing.TB, o *logger.Options) *logger.Store {
	t.Helper()
	store := logger.OpenMemory(o)
	require.NotNil(t, store)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// records returns what a filter selects, oldest first.
func records(t testing.TB, store *logger.Store, f query.Filter) []query.Record {
	t.Helper()
	var all []query.Record
	for r, err := range store.Query().All(t.Context(), f) {
		require.NoError(t, err)
		all = append(all, r)
	}
	return all
}

// one returns the only record that a filter selects.
func one(t testing.TB, store *logger.Store, f query.Filter) query.Record {
	t.Helper()
	all := records(t, store, f)
	require.Len(t, all, 1)
	return all[0]
}

func messages(all []query.Record) []string {
	texts := []string{}
	for _, r := range all {
		texts = append(texts, r.Message)
	}
	return texts
}

// host are the records that are not the store's own about itself.
func host(t testing.TB, store *logger.Store) []query.Record {
	t.Helper()
	var all []query.Record
	for _, r := range records(t, store, query.Filter{}) {
		if r.Topic != "system" && r.Topic != "performance" {
			all = append(all, r)
		}
	}
	return all
}

// details decodes the details of a record.
func details(t testing.TB, r query.Record) map[string]any {
	t.Helper()
	d, err := r.Details()
	require.NoError(t, err)
	return d
}

// lines reads a text file and decodes each of its lines.
func lines(t testing.TB, dir, name string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	all := []map[string]any{}
	for l := range strings.Lines(string(text)) {
		require.True(t, strings.HasSuffix(l, "\n"), "torn line %q", l)
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(l), &m), "%q", l)
		all = append(all, m)
	}
	return all
}

// synced reads a text file of an open store once everything is in it.
func synced(t testing.TB, store *logger.Store, dir, name string) []map[string]any {
	t.Helper()
	require.NoError(t, store.Sync(t.Context()))
	return lines(t, dir, name)
}

func operation(store *logger.Store, options ...logger.OperationOption) *logger.Operation {
	return store.Server("edge-1").Service("orders").Operation("sync-prices", options...)
}

func mainLogs(t testing.TB, store *logger.Store, f query.RunFilter) []query.MainLog {
	t.Helper()
	page, err := store.Query().MainLogs(t.Context(), f, query.Paging{Oldest: true})
	require.NoError(t, err)
	return page.Items
}

func subLogs(t testing.TB, store *logger.Store, f query.StepFilter) []query.SubLog {
	t.Helper()
	page, err := store.Query().SubLogs(t.Context(), f, query.Paging{Oldest: true})
	require.NoError(t, err)
	return page.Items
}

// mainLog returns the main log of a run.
func mainLog(t testing.TB, store *logger.Store, run string) query.MainLog {
	t.Helper()
	all := mainLogs(t, store, query.RunFilter{Run: run})
	require.Len(t, all, 1)
	return all[0]
}
