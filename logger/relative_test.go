package logger_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// A process that changes to another folder, as daemons do, goes on in the folder of logs
// that it opened by a relative name, and in no other.
func TestRelativeFolder(t *testing.T) {
	at, other := t.TempDir(), t.TempDir()
	t.Chdir(at)
	problems := make(chan error, 64)
	store, err := logger.Open("logs", &logger.Options{KeepSettings: true, OnProblem: func(err error) { problems <- err }})
	require.NoError(t, err)
	reader, err := query.Open("logs")
	require.NoError(t, err)
	defer reader.Close()
	t.Chdir(other)

	ctx, run := operation(store).Start(t.Context())
	for range 3 {
		logger.FromContext(ctx).Info("after")
		logger.FromContext(ctx).To(logger.FileEmail).Info("after")
		require.NoError(t, store.Rotate(t.Context(), logger.FileUser))
	}
	_, err = store.Audit().Record(t.Context(), audit.Entry{
		Event: audit.FlowUpdated, Actor: audit.User("admin@example.com"), FlowID: "f",
		Before: map[string]any{"a": 1}, After: map[string]any{"a": 2},
	})
	require.NoError(t, err)
	run.End(nil)
	require.NoError(t, store.SetFileRule(t.Context(), logger.FileEmail, logger.FileRule{}))
	require.NoError(t, store.Sync(t.Context()))
	for name, e := range map[string]*query.Engine{"for writing": store.Query(), "read only": reader} {
		page, err := e.LineLogs(t.Context(), query.Filter{Run: run.ID()}, query.Paging{Limit: 10})
		require.NoError(t, err, name)
		require.Len(t, page.Items, 6, name)
		trail, err := e.Audit(t.Context(), query.AuditFilter{}, query.Paging{Limit: 10})
		require.NoError(t, err, name)
		require.NotEmpty(t, trail.Items, name)
	}
	require.NoError(t, store.Close())
	require.Zero(t, store.Stats().Dropped)
	require.Empty(t, problems)
	made, err := filepath.Glob(filepath.Join(other, "*"))
	require.NoError(t, err)
	require.Empty(t, made)
}

// The link to the current release of a program is turned to the next one while this one
// still runs: each goes on in the folder that it opened, and in no other.
func TestLinkTurned(t *testing.T) {
	at := t.TempDir()
	link := filepath.Join(at, "current")
	turn := func(release string) {
		require.NoError(t, os.MkdirAll(filepath.Join(at, release), 0o700))
		require.NoError(t, os.Symlink(release, link+".new"))
		require.NoError(t, os.Rename(link+".new", link))
	}
	problems := make(chan error, 64)
	open := func() *logger.Store {
		store, err := logger.Open(filepath.Join(link, "data", "logs"), &logger.Options{
			KeepSettings: true, OnProblem: func(err error) { problems <- err },
		})
		require.NoError(t, err)
		return store
	}
	work := func(store *logger.Store) {
		for range 3 {
			operation(store).Info("from here")
			operation(store).To(logger.FileEmail).Info("from here")
			require.NoError(t, store.Rotate(t.Context(), logger.FileEmail))
		}
		_, err := store.Audit().Record(t.Context(), audit.Entry{
			Event: audit.FlowUpdated, Actor: audit.User("admin@example.com"), FlowID: "f",
			Before: map[string]any{"a": 1}, After: map[string]any{"a": 2},
		})
		require.NoError(t, err)
		require.NoError(t, store.SetFileRule(t.Context(), logger.FileEmail, logger.FileRule{}))
	}
	turn("r7")
	before := open()
	operation(before).Info("from here")
	turn("r8")
	work(before)
	after := open()
	work(after)
	work(before)
	for store, n := range map[*logger.Store]int64{before: 13, after: 6} {
		page, err := store.Query().Records(t.Context(), query.Filter{Search: `"from here"`}, query.Paging{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, n, page.Total.N)
		require.NoError(t, store.Close())
		require.Zero(t, store.Stats().Dropped)
	}
	require.Empty(t, problems)
	for _, release := range []string{"r7", "r8"} {
		_, err := audit.Verify(t.Context(), filepath.Join(at, release, "data", "logs"), nil)
		require.NoError(t, err)
	}
}
