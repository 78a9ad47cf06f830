package logger_test

import (
	"context"
	"testing"
	"time"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

// reentrant is a value and an error of the host's whose methods use the run or
// step that is being started or ended with it, as those do that wait for a lock
// whose holder does.
type reentrant struct{ use func() }

func (r reentrant) MarshalJSON() ([]byte, error) { r.use(); return []byte(`"told"`), nil }
func (r reentrant) Error() string                { r.use(); return "told" }

func TestReentrant(t *testing.T) {
	const id = "r-1"
	uses := map[string]func(*logger.Store, *logger.Run, *logger.Step){
		"the run's counts":  func(_ *logger.Store, run *logger.Run, _ *logger.Step) { run.Add(query.Counts{Processed: 1}) },
		"the step's counts": func(_ *logger.Store, _ *logger.Run, step *logger.Step) { step.Add(query.Counts{Processed: 1}) },
		"the run's end":     func(_ *logger.Store, run *logger.Run, _ *logger.Step) { run.End(nil) },
		"the step's end":    func(_ *logger.Store, _ *logger.Run, step *logger.Step) { step.End("inner", nil) },
		"the end by its id": func(store *logger.Store, _ *logger.Run, _ *logger.Step) {
			_ = store.EndRun(t.Context(), id, query.Failed, nil)
		},
		"the start again": func(store *logger.Store, _ *logger.Run, _ *logger.Step) {
			operation(store).Start(t.Context(), logger.ID(id))
		},
		"the run's resuming": func(store *logger.Store, _ *logger.Run, _ *logger.Step) {
			_, _, _ = operation(store).Resume(t.Context(), id)
		},
	}
	ways := map[string]func(context.Context, *logger.Run, *logger.Step, reentrant){
		"the step's output": func(_ context.Context, _ *logger.Run, step *logger.Step, v reentrant) { step.End(v, nil) },
		"the step's error":  func(_ context.Context, _ *logger.Run, step *logger.Step, v reentrant) { step.End(nil, v) },
		"the run's output":  func(_ context.Context, run *logger.Run, _ *logger.Step, v reentrant) { run.Output(v) },
		"the run's error":   func(_ context.Context, run *logger.Run, _ *logger.Step, v reentrant) { run.End(v) },
		"a step's input": func(ctx context.Context, _ *logger.Run, _ *logger.Step, v reentrant) {
			logger.StartStep(ctx, "b", logger.Input(v))
		},
	}
	// ends holds work to half a minute.
	ends := func(t *testing.T, work func()) {
		t.Helper()
		done := make(chan struct{})
		go func() { defer close(done); work() }()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			t.Fatal("the call waits for itself")
		}
	}
	for used, use := range uses {
		for way, give := range ways {
			t.Run("R6.10 library: a value may use what it is given to: "+way+" and "+used, func(t *testing.T) {
				store := openMemory(t, nil)
				ctx, run := operation(store).Start(t.Context(), logger.ID(id))
				sctx, step := logger.StartStep(ctx, "a")
				ends(t, func() {
					give(sctx, run, step, reentrant{func() { use(store, run, step) }})
					step.End(nil, nil)
					run.End(nil)
				})
				require.False(t, mainLog(t, store, id).Ended.IsZero())
			})
		}
	}
	t.Run("R6.10 library: a run's input may use the run", func(t *testing.T) {
		store := openMemory(t, nil)
		ends(t, func() {
			operation(store).Start(t.Context(), logger.ID(id), logger.Input(reentrant{func() {
				require.NoError(t, store.EndRun(t.Context(), id, query.Cancelled, nil))
			}}))
		})
		require.Equal(t, query.Cancelled, mainLog(t, store, id).Outcome)
	})
	t.Run("R6.10 library: what an error says is asked once for an end and its capture", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, _ := operation(store).Start(t.Context(), logger.ID(id))
		_, step := logger.StartStep(ctx, "a")
		asked := 0
		step.End(nil, reentrant{func() { asked++ }})
		require.Equal(t, 1, asked)
		end := one(t, store, query.Filter{Step: step.ID(), Kinds: []query.Kind{query.KindCapture}})
		require.Equal(t, "told", end.ErrorMessage)
		logs := subLogs(t, store, query.StepFilter{Run: id})
		require.Equal(t, "told", logs[0].Reason)
	})
}
