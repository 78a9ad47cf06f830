package query_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// clock is what stores tell the time by.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// noon is when tests begin.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// store is a logger's store and an engine that sees what it holds.
type store struct {
	*logger.Store
	*clock
	query *query.Engine
}

// everywhere runs a test over a store in memory, over one in a folder, and over
// a folder that is read as another process would.
func everywhere(t *testing.T, test func(t *testing.T, s store)) {
	options := func(t *testing.T, c *clock) *logger.Options {
		return &logger.Options{Level: levels.Trace, Clock: c.time, PerformanceEvery: 1000 * time.Hour,
			OnProblem: func(err error) { t.Error(err) }}
	}
	open := func(t *testing.T, dir string, mode logger.Mode) store {
		s := store{clock: &clock{now: noon}}
		o := options(t, s.clock)
		o.Mode = mode
		var err error
		s.Store, err = logger.Open(dir, o)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		s.query = s.Query()
		return s
	}
	t.Run("memory", func(t *testing.T) {
		s := store{clock: &clock{now: noon}}
		s.Store = logger.OpenMemory(options(t, s.clock))
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		s.query = s.Query()
		test(t, s)
	})
	t.Run("folder", func(t *testing.T) { test(t, open(t, t.TempDir(), logger.ModeJournal)) })
	t.Run("read only", func(t *testing.T) {
		dir := t.TempDir()
		// Another process sees a record when it is in the text: in this mode
		// that is when the call returned.
		s := open(t, dir, logger.ModeWrite)
		e, err := query.Open(dir)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, e.Close()) })
		s.query = e
		test(t, s)
	})
}

// messages returns what records say.
func messages(records []query.Record) []string {
	texts := make([]string, len(records))
	for i, r := range records {
		texts[i] = r.Message
	}
	return texts
}

// found returns the messages of a page of records, in its order.
func found(t *testing.T, e *query.Engine, f query.Filter, p query.Paging) []string {
	t.Helper()
	page, err := e.Records(t.Context(), f, p)
	require.NoError(t, err)
	require.True(t, page.Total.Exact)
	return messages(page.Items)
}

// lines returns the messages of all line logs that f selects, oldest first.
func lines(t *testing.T, e *query.Engine, f query.Filter) []string {
	t.Helper()
	page, err := e.LineLogs(t.Context(), f, query.Paging{Oldest: true})
	require.NoError(t, err)
	require.EqualValues(t, len(page.Items), page.Total.N)
	require.True(t, page.Total.Exact)
	return messages(page.Items)
}
