package logger_test

import (
	"testing"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

func TestMarkArchived(t *testing.T) {
	dir := t.TempDir()
	store := openDir(t, dir, nil)
	ctx, run := operation(store).Start(t.Context())
	_, first := logger.StartStep(ctx, "first")
	_, second := logger.StartStep(ctx, "second")
	first.Add(query.Counts{Processed: 3})
	first.End(nil, nil)
	second.End(nil, nil)
	run.End(nil)
	m := mainLog(t, store, run.ID())
	require.NoError(t, store.MarkArchived(t.Context(), m.ID))
	require.NoError(t, store.MarkArchived(t.Context(), m.SubLogs[1].ID))
	require.NoError(t, store.MarkArchived(t.Context(), m.SubLogs[1].ID), "twice is fine")
	require.ErrorIs(t, store.MarkArchived(t.Context(), 0), logger.ErrRunUnknown)
	require.ErrorContains(t, store.MarkArchived(t.Context(), 0), "mark log ")
	require.ErrorIs(t, store.MarkArchived(t.Context(), 1<<40), logger.ErrRunUnknown)

	check := func(s *logger.Store) {
		got := mainLog(t, s, run.ID())
		require.True(t, got.Archived)
		require.False(t, got.SubLogs[0].Archived)
		require.True(t, got.SubLogs[1].Archived)
		require.Equal(t, query.Succeeded, got.Outcome, "everything else stays")
		require.EqualValues(t, 3, got.SubLogs[0].Counts.Processed)
	}
	check(store)
	require.NoError(t, store.Close())
	check(openDir(t, dir, nil))
	require.ErrorIs(t, store.MarkArchived(t.Context(), m.ID), logger.ErrClosed)
	require.ErrorIs(t, (*logger.Store)(nil).MarkArchived(t.Context(), m.ID), logger.ErrClosed)
}
