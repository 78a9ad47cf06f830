package query_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// A file that has its final name already and the active one still, as it has within a
// rename in two steps, is one file to who reads, and to who writes next.
func TestFileWithTwoNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := &logger.Options{Mode: logger.ModeWrite}
	s, err := logger.Open(dir, o)
	require.NoError(t, err)
	_, run := s.Server("edge-1").Service("orders").Operation("sync-prices").Start(t.Context())
	for range 10 {
		run.Info("one of ten")
	}
	run.End(nil)
	require.NoError(t, s.Close())

	ask := func(e *query.Engine) {
		t.Helper()
		page, err := e.LineLogs(t.Context(), query.Filter{Search: "ten"}, query.Paging{})
		require.NoError(t, err)
		require.EqualValues(t, 10, page.Total.N)
		require.Len(t, page.Items, 10)
		runs, err := e.MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
		require.NoError(t, err)
		require.Len(t, runs.Items, 1)
	}
	before, err := query.Open(dir)
	require.NoError(t, err)
	defer before.Close()
	ask(before)
	for _, log := range []string{"user", "usage"} {
		path := filepath.Join(dir, log)
		require.NoError(t, os.Link(path+".log", path+"-2026-11-21T02-03-04.000.log"))
	}
	ask(before)
	fresh, err := query.Open(dir)
	require.NoError(t, err)
	defer fresh.Close()
	ask(fresh)

	s, err = logger.Open(dir, o)
	require.NoError(t, err)
	ask(s.Query())
	s.Server("edge-1").Info("after")
	ask(before)
	ask(fresh)
	require.NoError(t, s.Close())
	ask(before)
	ask(fresh)
}
