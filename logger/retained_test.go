package logger_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// A run may go on for longer than the files of its start and of its lines are kept.
func TestRunOutlivesTheFileOfItsStart(t *testing.T) {
	dir := t.TempDir()
	store := openDir(t, dir, nil)
	ctx, run := operation(store).Start(t.Context(), logger.TriggeredBy("test@example.com"))
	run.Info("before")
	sctx, step := logger.StartStep(ctx, "long")
	logger.FromContext(sctx).Info("before")
	require.NoError(t, store.Rotate(t.Context(), logger.FileUsage))
	for _, name := range closed(t, dir, logger.FileUsage) {
		require.NoError(t, store.Files().Delete(t.Context(), filepath.Base(name)))
	}
	logger.FromContext(sctx).Warn("after")
	run.Info("after")
	check := func(t *testing.T, state, step, status int) {
		m := mainLog(t, store, run.ID())
		require.Equal(t, []int{state, status}, []int{m.State, m.Status})
		require.Equal(t, map[zapcore.Level]int64{levels.Info: 3, levels.Warn: 1}, m.Lines)
		require.Equal(t, "test@example.com", m.TriggeredBy)
		require.Len(t, m.SubLogs, 1)
		require.Equal(t, map[zapcore.Level]int64{levels.Info: 1, levels.Warn: 1}, m.SubLogs[0].Lines)
		require.Equal(t, step, m.SubLogs[0].State)
	}
	t.Run("R2.8 library: counts are live while a run is in progress, also when its start was deleted", func(t *testing.T) {
		check(t, query.StateInProgress, query.StateStarted, query.StatusInProgress)
	})
	step.End(nil, nil)
	run.End(nil)
	t.Run("R2.8 library: the end says what was counted all along", func(t *testing.T) {
		check(t, query.StateFinished, query.StateFinished, query.StatusSuccess)
		require.NoError(t, store.Close())
		for _, gone := range []string{"", filepath.Join(".journal", "tables")} {
			if gone != "" {
				require.NoError(t, os.Remove(filepath.Join(dir, gone)))
			}
			store = openDir(t, dir, nil)
			check(t, query.StateFinished, query.StateFinished, query.StatusSuccess)
			require.NoError(t, store.Close())
		}
		text, err := os.ReadFile(filepath.Join(dir, "usage.log"))
		require.NoError(t, err)
		require.Equal(t, 2, strings.Count(string(text), `"phase":"end"`))
	})
}

// A run is closed as failed by the next process, although its start was deleted.
func TestDeadRunOutlivesTheFileOfItsStart(t *testing.T) {
	t.Run("R2.8 library: a run whose process died and whose start was deleted is closed", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, nil)
		_, run := operation(store).Start(t.Context())
		require.NoError(t, store.Rotate(t.Context(), logger.FileUsage))
		for _, name := range closed(t, dir, logger.FileUsage) {
			require.NoError(t, store.Files().Delete(t.Context(), filepath.Base(name)))
		}
		run.Info("x")
		require.NoError(t, store.Close()) // as a process that dies, but for what was saved
		store = openDir(t, dir, nil)
		m := mainLog(t, store, run.ID())
		require.Equal(t, query.StatusFailed, m.Status)
		require.NotEmpty(t, m.Reason)
		require.EqualValues(t, 1, m.Lines[levels.Info])
		require.NoError(t, store.Close())
	})
}
