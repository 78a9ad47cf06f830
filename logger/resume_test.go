package logger_test

import (
	"strings"
	"testing"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

func TestDeadProcess(t *testing.T) {
	// die leaves a folder as a killed process does: one run with an open step
	// and counts, and one that ended.
	die := func(t *testing.T) *vfs.Mem {
		t.Helper()
		disk := vfs.NewMem()
		store, err := logger.OpenFS(disk, "logs", nil)
		require.NoError(t, err)
		ctx, run := operation(store, logger.DisplayName("Sync prices")).Start(t.Context(), logger.ID("open"), logger.Project("p-1"))
		_, step := logger.StartStep(ctx, "a", logger.ID("step"))
		step.Info("working")
		run.Add(query.Counts{Processed: 7, Succeeded: 7})
		step.Add(query.Counts{Processed: 2})
		_, done := operation(store).Start(t.Context(), logger.ID("done"))
		done.End(nil)
		dead := disk.Kill()
		require.NoError(t, store.Close())
		return dead
	}
	open := func(t *testing.T, disk vfs.FS, o *logger.Options) *logger.Store {
		t.Helper()
		store, err := logger.OpenFS(disk, "logs", o)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		return store
	}
	const died = "the process died before the run ended"

	t.Run("R2.8 library: a run whose process died is closed as failed with a reason", func(t *testing.T) {
		store := open(t, die(t), nil)
		m := mainLog(t, store, "open")
		require.Equal(t, query.Failed, m.Outcome)
		require.Equal(t, died, m.Reason)
		require.Equal(t, query.Failed, m.SubLogs[0].Outcome)
		require.Equal(t, query.Counts{Processed: 7, Succeeded: 7}, m.Counts, "counts are right after a crash")
		require.Equal(t, int64(2), m.SubLogs[0].Counts.Processed)
		require.Equal(t, int64(1), m.Lines[levels.Info])
		require.Equal(t, query.Succeeded, mainLog(t, store, "done").Outcome, "a finished run is never touched")
		opened := records(t, store, query.Filter{Topic: "system"})
		d := details(t, opened[len(opened)-1])
		require.EqualValues(t, "1", d["runs_closed"])
		require.EqualValues(t, "1", d["steps_closed"])
	})
	t.Run("R2.8 library: unless the host says that it goes on elsewhere", func(t *testing.T) {
		var asked []query.MainLog
		store := open(t, die(t), &logger.Options{OpenRun: func(m query.MainLog) bool {
			asked = append(asked, m)
			return m.Operation == "sync-prices"
		}})
		require.Len(t, asked, 1)
		require.Equal(t, "open", asked[0].Run)
		require.Equal(t, "p-1", asked[0].Project)
		require.Equal(t, int64(7), asked[0].Counts.Processed)
		require.Equal(t, query.StateInProgress, asked[0].State)
		require.Equal(t, query.Running, mainLog(t, store, "open").Outcome)

		require.NoError(t, store.EndRun(t.Context(), "open", query.Succeeded, nil))
		m := mainLog(t, store, "open")
		require.Equal(t, query.Succeeded, m.Outcome)
		require.Equal(t, int64(7), m.Counts.Processed)
		require.Equal(t, query.Failed, m.SubLogs[0].Outcome)
	})
	t.Run("R2.8 library: a hook that panics keeps nothing open", func(t *testing.T) {
		var problems heard
		store, err := logger.OpenFS(die(t), "logs", &logger.Options{OnProblem: problems.hook, OpenRun: func(query.MainLog) bool { panic("boom") }})
		require.NoError(t, err)
		require.Equal(t, query.Failed, mainLog(t, store, "open").Outcome)
		require.NoError(t, store.Close())
		require.ErrorIs(t, problems.all()[0], logger.ErrPanicked)
	})
	t.Run("R2.8 library: a durable engine goes on with a run in a new process", func(t *testing.T) {
		for name, o := range map[string]*logger.Options{
			"kept open":    {OpenRun: func(query.MainLog) bool { return true }},
			"closed first": nil,
		} {
			t.Run(name, func(t *testing.T) {
				store := open(t, die(t), o)
				other := store.Server("edge-2").Service("orders").Operation("sync-prices")
				ctx, run, err := other.Resume(t.Context(), "open")
				require.NoError(t, err)
				require.Equal(t, query.Running, mainLog(t, store, "open").Outcome)
				logger.FromContext(ctx).Info("going on")
				run.Add(query.Counts{Processed: 1, Succeeded: 1})
				_, step := logger.StartStep(ctx, "a", logger.ID("step"), logger.Attempt(9))
				step.Add(query.Counts{Processed: 1})
				step.End(nil, nil)
				run.End(nil)
				m := mainLog(t, store, "open")
				require.Equal(t, query.Succeeded, m.Outcome)
				require.Equal(t, query.Counts{Processed: 8, Succeeded: 8}, m.Counts, "counting goes on, too")
				require.Len(t, m.SubLogs, 1)
				require.Equal(t, query.Succeeded, m.SubLogs[0].Outcome)
				require.Equal(t, 1, m.SubLogs[0].Attempt, "it is the step that was started")
				require.Equal(t, int64(3), m.SubLogs[0].Counts.Processed)
				line := one(t, store, query.Filter{Run: "open", Server: "edge-2", Kinds: []query.Kind{query.KindLine}})
				require.Equal(t, "p-1", line.Project)
				require.Equal(t, "Sync prices", line.OperationName)
				starts := 0
				for _, r := range records(t, store, query.Filter{Run: "open", Kinds: []query.Kind{query.KindRun}}) {
					if r.Phase == "start" {
						starts++
					}
				}
				require.Equal(t, 1, starts, "no second start")
			})
		}
	})
	t.Run("R2.8 library: the end of a run that went on says what its start said, when that is deleted", func(t *testing.T) {
		disk := die(t)
		store, err := logger.OpenFS(disk, "logs", nil)
		require.NoError(t, err)
		before := mainLog(t, store, "open")
		require.NoError(t, store.Rotate(t.Context(), logger.FileUsage))
		_, run, err := operation(store).Resume(t.Context(), "open")
		require.NoError(t, err)
		run.End(nil)
		infos, err := store.Files().List()
		require.NoError(t, err)
		for _, info := range infos {
			if info.Log == logger.FileUsage && !info.Active {
				require.NoError(t, store.Files().Delete(t.Context(), info.Name))
			}
		}
		require.NoError(t, store.Close())
		require.NoError(t, disk.Remove("logs/.journal/tables")) // what is known is what the text says
		store = open(t, disk, nil)
		all := records(t, store, query.Filter{Run: "open", Kinds: []query.Kind{query.KindRun}})
		require.Equal(t, []string{"run resumed", "run succeeded"}, messages(all))
		after := mainLog(t, store, "open")
		require.Equal(t, query.Succeeded, after.Outcome)
		require.Equal(t, before.ID, after.ID)
		require.Equal(t, "p-1", after.Project)
		require.Equal(t, before.Started, after.Started)
		require.Equal(t, before.Counts, after.Counts)
	})
	t.Run("R2.8 library: an id that is too long is known by its whole and by its short form", func(t *testing.T) {
		store := open(t, vfs.NewMem(), nil)
		id := strings.Repeat("r", 2000)
		_, run := operation(store).Start(t.Context(), logger.ID(id))
		for _, form := range []string{id, run.ID()} {
			_, same, err := operation(store).Resume(t.Context(), form)
			require.NoError(t, err)
			require.Equal(t, run.ID(), same.ID())
		}
		require.Less(t, len(run.ID()), 1025)
		run.End(nil)
	})
	t.Run("R2.8 library: Start with the id goes on as well", func(t *testing.T) {
		store := open(t, die(t), nil)
		_, run := operation(store).Start(t.Context(), logger.ID("open"))
		require.Equal(t, query.Running, mainLog(t, store, "open").Outcome)
		run.End(nil)
		require.Equal(t, query.Succeeded, mainLog(t, store, "open").Outcome)
		require.Len(t, mainLogs(t, store, query.RunFilter{}), 2)
	})
	t.Run("R2.8 library: an end by id replaces the one that the library gave", func(t *testing.T) {
		store := open(t, die(t), nil)
		require.NoError(t, store.EndRun(t.Context(), "open", query.Continued, nil))
		require.Equal(t, query.Continued, mainLog(t, store, "open").Outcome)
		require.ErrorIs(t, store.EndRun(t.Context(), "open", query.Failed, nil), logger.ErrRunEnded)
	})
	t.Run("R2.8 library: a run that nobody knows cannot be resumed, but its lines are kept", func(t *testing.T) {
		store := open(t, vfs.NewMem(), nil)
		ctx, run, err := operation(store).Resume(t.Context(), "lost")
		require.ErrorIs(t, err, logger.ErrRunUnknown)
		require.Equal(t, "lost", run.ID())
		logger.FromContext(ctx).Info("kept")
		run.End(nil)
		require.Equal(t, "kept", one(t, store, query.Filter{Run: "lost"}).Message)
		require.Empty(t, mainLogs(t, store, query.RunFilter{}))
	})
	t.Run("R2.8 library: nothing goes on in a store that is closed", func(t *testing.T) {
		store := openMemory(t, nil)
		op := store.Server("edge-1").Service("orders").Operation("sync-prices")
		op.Start(t.Context(), logger.ID("run-1"))
		_, over := op.Start(t.Context(), logger.ID("over"))
		over.End(nil)
		require.NoError(t, store.Close())
		for _, id := range []string{"over", "unknown", "run-1"} {
			_, run, err := op.Resume(t.Context(), id)
			require.ErrorIs(t, err, logger.ErrClosed, id)
			require.Equal(t, id, run.ID())
			run.Info("dropped")
			run.End(nil)
		}
		require.EqualValues(t, 3+1, store.Stats().Dropped, "a line of each, and the end of the one that was open")
	})
	t.Run("R2.8 library: an id of another operation's run is reported", func(t *testing.T) {
		store := open(t, vfs.NewMem(), nil)
		_, run := operation(store).Start(t.Context(), logger.ID("run-1"))
		_, same, err := store.Server("edge-1").Service("orders").Operation("other").Resume(t.Context(), "run-1")
		require.ErrorIs(t, err, logger.ErrOtherRun)
		require.Equal(t, run.ID(), same.ID())
		same.End(nil)
		require.Equal(t, "sync-prices", mainLog(t, store, "run-1").Operation)
	})
}
