package logger_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

func TestRunLife(t *testing.T) {
	t.Run("R2.8 library: counts and status are live", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		for i := range 3 {
			run.Add(query.Counts{Processed: 2, Succeeded: 1, Failed: 1})
			require.Equal(t, int64(2*(i+1)), mainLog(t, store, run.ID()).Counts.Processed)
		}
		logger.FromContext(ctx).Warn("slow")
		m := mainLog(t, store, run.ID())
		require.Equal(t, query.StatusInProgress, m.Status)
		require.Equal(t, map[string]int64{"warn": 1}, map[string]int64{"warn": m.Lines[levels.Warn]})
		require.Positive(t, m.Bytes)
		require.Zero(t, m.Duration)
		run.End(nil)
		require.Positive(t, mainLog(t, store, run.ID()).Duration)
	})
	t.Run("R2.8 library: counts of many goroutines add up", func(t *testing.T) {
		store := openMemory(t, nil)
		_, run := operation(store).Start(t.Context())
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 50 {
					run.Add(query.Counts{Processed: 1})
				}
			})
		}
		all.Wait()
		run.End(nil)
		require.Equal(t, int64(400), mainLog(t, store, run.ID()).Counts.Processed)
	})
	t.Run("R2.8 library: outcomes follow from the error", func(t *testing.T) {
		store := openMemory(t, nil)
		for _, c := range []struct {
			err    error
			want   query.Outcome
			status int
		}{
			{nil, query.Succeeded, 2},
			{errors.New("no stock"), query.Failed, 3},
			{context.Canceled, query.Cancelled, 3},
			{fmt.Errorf("fetch: %w", context.DeadlineExceeded), query.TimedOut, 3},
		} {
			ctx, run := operation(store).Start(t.Context())
			_, step := logger.StartStep(ctx, "a")
			step.End(nil, c.err)
			run.End(c.err)
			m := mainLog(t, store, run.ID())
			require.Equal(t, c.want, m.Outcome)
			require.Equal(t, c.status, m.Status)
			require.Equal(t, c.want, m.SubLogs[0].Outcome)
			if c.err != nil {
				require.Equal(t, c.err.Error(), m.Reason)
			}
		}
	})
	t.Run("a reason is cut at 4 KiB, between characters", func(t *testing.T) {
		store := openMemory(t, nil)
		const most = 4 << 10
		for said, want := range map[string]string{
			strings.Repeat("x", most-1):       strings.Repeat("x", most-1),
			strings.Repeat("x", most):         strings.Repeat("x", most),
			strings.Repeat("x", most+1):       strings.Repeat("x", most) + "…",
			strings.Repeat("x", most-1) + "é": strings.Repeat("x", most-1) + "…",
		} {
			_, run := operation(store).Start(t.Context())
			run.End(errors.New(said))
			require.Equal(t, want, mainLog(t, store, run.ID()).Reason)
		}
	})
	t.Run("R2.8 library: outcomes beyond success and failure are kept and map to a status", func(t *testing.T) {
		store := openMemory(t, nil)
		for o, status := range map[query.Outcome]int{
			query.Succeeded: 2, query.Failed: 3, query.Cancelled: 3, query.TimedOut: 3, query.Terminated: 3,
			query.Continued: 2, query.Skipped: 2, query.Panicked: 3,
		} {
			ctx, run := operation(store).Start(t.Context())
			_, step := logger.StartStep(ctx, "a")
			step.EndAs(o, nil, nil)
			run.EndAs(o, nil)
			m := mainLog(t, store, run.ID())
			require.Equal(t, o, m.Outcome)
			require.Equal(t, status, m.Status, o)
			require.Equal(t, o, m.SubLogs[0].Outcome)
		}
		_, run := operation(store).Start(t.Context())
		run.EndAs(query.Running, nil)
		require.Equal(t, query.Succeeded, mainLog(t, store, run.ID()).Outcome, "no end: what End would choose")
	})
	t.Run("R2.8 library: a panic during the deferred End is no success", func(t *testing.T) {
		store := openMemory(t, nil)
		var id, stepID string
		work := func() (err error) {
			ctx, run := operation(store).Start(t.Context(), logger.ID("panics"))
			id = run.ID()
			defer func() { run.End(err) }()
			_, step := logger.StartStep(ctx, "a")
			stepID = step.ID()
			defer step.End(nil, nil)
			panic("boom")
		}
		require.PanicsWithValue(t, "boom", func() { _ = work() }, "the panic goes on")
		m := mainLog(t, store, id)
		require.Equal(t, query.Panicked, m.Outcome)
		require.NotEmpty(t, m.Reason)
		require.Equal(t, query.Panicked, subLogs(t, store, query.StepFilter{Step: stepID})[0].Outcome)

		func() { // a whole flow that runs while a panic unwinds ends in its own way
			defer func() { _ = recover() }()
			defer func() { flow(t, store) }()
			panic("boom")
		}()
		all := mainLogs(t, store, query.RunFilter{})
		require.Equal(t, query.Succeeded, all[len(all)-1].Outcome)
	})
	t.Run("R2.8 library: a goroutine that is ended is no success", func(t *testing.T) {
		store := openMemory(t, nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			ctx, flow := operation(store).Start(t.Context(), logger.ID("ended"))
			defer func() { flow.End(nil) }()
			_, step := logger.StartStep(ctx, "work")
			defer step.End(nil, nil)
			defer func() {
				_, undo := logger.StartStep(ctx, "undo")
				undo.End(nil, nil)
			}()
			runtime.Goexit() // as testing's FailNow does
		}()
		<-done
		m := mainLog(t, store, "ended")
		require.Equal(t, query.Panicked, m.Outcome)
		require.Equal(t, query.Panicked, m.SubLogs[0].Outcome)
		require.Equal(t, query.Succeeded, m.SubLogs[1].Outcome)
	})
	t.Run("R2.8 library: what cleans up after a panic ends as it says", func(t *testing.T) {
		for name, recovers := range map[string]bool{"the panic goes on": false, "the panic was recovered": true} {
			store := openMemory(t, nil)
			work := func() {
				ctx, flow := operation(store).Start(t.Context(), logger.ID("flow"))
				defer flow.End(nil)
				_, step := logger.StartStep(ctx, "work")
				defer func() {
					if recovers {
						_ = recover()
					}
					step.End(nil, nil)
					_, undo := logger.StartStep(ctx, "undo")
					undo.End(nil, nil)
					_, release := logger.StartStep(ctx, "release")
					defer release.End(nil, nil)
					_, failed := logger.StartStep(ctx, "fails")
					failed.End(nil, errors.New("x"))
					_, run := operation(store).Start(ctx, logger.ID("cleaning"))
					run.End(nil)
					func() {
						defer func() { _ = recover() }()
						_, inner := logger.StartStep(ctx, "panics again")
						defer func() { inner.End(nil, nil) }()
						panic("again")
					}()
				}()
				panic("boom")
			}
			if recovers {
				work()
			} else {
				require.PanicsWithValue(t, "boom", work)
			}
			var ends []string
			for _, s := range mainLog(t, store, "flow").SubLogs {
				ends = append(ends, s.Action+" "+s.Outcome.String())
			}
			require.Equal(t, []string{"work panicked", "undo succeeded", "release succeeded", "fails failed", "panics again panicked"}, ends, name)
			require.Equal(t, query.Succeeded, mainLog(t, store, "cleaning").Outcome, name)
			flow := query.Panicked
			if recovers {
				flow = query.Succeeded
			}
			require.Equal(t, flow, mainLog(t, store, "flow").Outcome, name)
		}
	})
	t.Run("R2.8 library: the first end stands", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		_, step := logger.StartStep(ctx, "a")
		step.End(nil, nil)
		step.End(nil, errors.New("late"))
		run.End(nil)
		run.End(errors.New("late"))
		run.Add(query.Counts{Processed: 1})
		m := mainLog(t, store, run.ID())
		require.Equal(t, query.Succeeded, m.Outcome)
		require.Equal(t, query.Succeeded, m.SubLogs[0].Outcome)
		require.False(t, m.Counted)
		require.Len(t, records(t, store, query.Filter{Run: run.ID(), Kinds: []query.Kind{query.KindRun}}), 2)
	})
	t.Run("R2.8 library: starting is idempotent by id", func(t *testing.T) {
		store := openMemory(t, nil)
		_, run := operation(store).Start(t.Context(), logger.ID("run-1"))
		ctx, again := operation(store).Start(t.Context(), logger.ID("run-1"), logger.Input("ignored"))
		require.Equal(t, run.ID(), again.ID())
		logger.FromContext(ctx).Info("through the second")
		again.Add(query.Counts{Processed: 1})
		run.Add(query.Counts{Processed: 1})
		again.End(nil)
		run.End(errors.New("late"))
		m := mainLog(t, store, "run-1")
		require.Equal(t, query.Succeeded, m.Outcome)
		require.Equal(t, int64(2), m.Counts.Processed)
		require.Len(t, records(t, store, query.Filter{Run: "run-1", Kinds: []query.Kind{query.KindCapture}}), 0)
	})
	t.Run("R2.8 library: many goroutines that start one id start one run", func(t *testing.T) {
		store := openMemory(t, nil)
		op := operation(store)
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for i := range 20 {
					_, run := op.Start(t.Context(), logger.ID(fmt.Sprint("run-", i)))
					run.Info("here")
				}
			})
		}
		all.Wait()
		runs := mainLogs(t, store, query.RunFilter{})
		require.Len(t, runs, 20)
		for _, m := range runs {
			require.Equal(t, int64(16), m.Lines[levels.Info])
		}
	})
	t.Run("R2.8 library: steps are idempotent by id too, within their run", func(t *testing.T) {
		var problems heard
		store := logger.OpenMemory(&logger.Options{OnProblem: problems.hook})
		ctx, run := operation(store).Start(t.Context(), logger.ID("run-1"))
		_, first := logger.StartStep(ctx, "a", logger.ID("s"))
		_, second := logger.StartStep(ctx, "a", logger.ID("s"))
		require.Equal(t, first.ID(), second.ID())
		second.End(nil, nil)
		first.End(nil, errors.New("late"))
		_, third := logger.StartStep(ctx, "a", logger.ID("s"))
		third.Info("kept")
		third.End(nil, errors.New("later"))
		require.Equal(t, query.Succeeded, subLogs(t, store, query.StepFilter{Step: "s"})[0].Outcome)

		other, otherRun := operation(store).Start(t.Context(), logger.ID("run-2"))
		_, foreign := logger.StartStep(other, "a", logger.ID("s"))
		require.NotEqual(t, "s", foreign.ID(), "the id is another run's")
		foreign.End(nil, nil)
		otherRun.End(nil)
		run.End(nil)
		require.Equal(t, 1, mainLog(t, store, "run-1").Steps)
		require.Equal(t, 1, mainLog(t, store, "run-2").Steps)
		require.NoError(t, store.Close())
		require.Len(t, problems.all(), 2)
		require.ErrorIs(t, problems.all()[1], logger.ErrOtherRun)
	})
	t.Run("R2.8 library: a finished run is never touched", func(t *testing.T) {
		var problems heard
		store := logger.OpenMemory(&logger.Options{OnProblem: problems.hook})
		_, run := operation(store).Start(t.Context(), logger.ID("run-1"))
		run.End(nil)
		ctx, again := operation(store).Start(t.Context(), logger.ID("run-1"))
		require.Equal(t, "run-1", again.ID())
		logger.FromContext(ctx).Info("kept")
		again.Add(query.Counts{Processed: 1})
		again.End(errors.New("late"))
		_, resumed, err := operation(store).Resume(t.Context(), "run-1")
		require.ErrorIs(t, err, logger.ErrRunEnded)
		resumed.End(errors.New("late"))
		require.ErrorIs(t, store.EndRun(t.Context(), "run-1", query.Failed, nil), logger.ErrRunEnded)
		m := mainLog(t, store, "run-1")
		require.Equal(t, query.Succeeded, m.Outcome)
		require.False(t, m.Counted)
		require.Equal(t, int64(1), m.Lines[levels.Info])
		require.Zero(t, store.Stats().OpenRuns)
		require.NoError(t, store.Close())
		require.Len(t, problems.all(), 1)
		require.ErrorIs(t, problems.all()[0], logger.ErrRunEnded)
	})
	t.Run("R2.8 library: a step may end after its run", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		_, step := logger.StartStep(ctx, "slow")
		_, done := logger.StartStep(ctx, "done")
		done.End(nil, nil)
		run.End(nil)
		s := subLogs(t, store, query.StepFilter{Step: step.ID()})[0]
		require.Equal(t, query.Failed, s.Outcome)
		require.Equal(t, "the run ended first", s.Reason)
		step.Add(query.Counts{Processed: 3})
		step.End("out", nil)
		s = subLogs(t, store, query.StepFilter{Step: step.ID()})[0]
		require.Equal(t, query.Succeeded, s.Outcome)
		require.Equal(t, int64(3), s.Counts.Processed)
		require.Equal(t, query.Succeeded, subLogs(t, store, query.StepFilter{Step: done.ID()})[0].Outcome)
		require.Equal(t, query.Succeeded, mainLog(t, store, run.ID()).Outcome)
	})
	t.Run("R2.8 library: an attempt may end after the next one began", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		_, first := logger.StartStep(ctx, "a", logger.Attempt(1))
		_, second := logger.StartStep(ctx, "a", logger.Attempt(2))
		second.End(nil, nil)
		first.End(nil, context.DeadlineExceeded)
		run.End(nil)
		steps := mainLog(t, store, run.ID()).SubLogs
		require.Equal(t, query.TimedOut, steps[0].Outcome)
		require.Equal(t, query.Succeeded, steps[1].Outcome)
	})
	t.Run("R2.8 library: a step may start after its run ended", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		run.End(nil)
		_, step := logger.StartStep(ctx, "late")
		step.End(nil, nil)
		require.Equal(t, query.Succeeded, mainLog(t, store, run.ID()).SubLogs[0].Outcome)
	})
	t.Run("R2.8 library: ends by id, by a host that learns it from elsewhere", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		_, step := logger.StartStep(ctx, "a")
		require.NoError(t, store.EndRun(t.Context(), run.ID(), query.Terminated, errors.New("killed by an operator")))
		m := mainLog(t, store, run.ID())
		require.Equal(t, query.Terminated, m.Outcome)
		require.Equal(t, "killed by an operator", m.Reason)
		require.Equal(t, "the run ended first", m.SubLogs[0].Reason)
		run.End(nil)
		step.End(nil, nil)
		require.Equal(t, query.Terminated, mainLog(t, store, run.ID()).Outcome)
		require.ErrorIs(t, store.EndRun(t.Context(), "nobody", query.Failed, nil), logger.ErrRunUnknown)
		require.EqualError(t, store.EndRun(t.Context(), "nobody", query.Failed, nil), `end run "nobody": logger: unknown run`)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, store.EndRun(cancelled, run.ID(), query.Failed, nil), context.Canceled)
	})
}
