package logger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

func TestRunRecords(t *testing.T) {
	t.Run("R2.1 library: a main log has the run's fields", func(t *testing.T) {
		store := openMemory(t, nil)
		op := operation(store, logger.DisplayName("Sync prices"), logger.ParentFlow("nightly"))
		_, run := op.Start(t.Context(), logger.ID("run-1"), logger.Project("p-1"), logger.TriggeredBy(" test@example.com\n"),
			logger.Schedule("0 3 * * *"), logger.Inbound())
		run.Add(query.Counts{Processed: 3, Succeeded: 2, Failed: 1, Fragments: 4})
		run.End(nil)
		m := mainLog(t, store, "run-1")
		require.NotZero(t, m.ID)
		require.Equal(t, "run-1", m.Run)
		require.Equal(t, "sync-prices", m.Operation)
		require.Equal(t, "Sync prices", m.OperationName)
		require.Equal(t, "nightly", m.ParentOperation)
		require.Equal(t, "p-1", m.Project)
		require.Equal(t, "test@example.com", m.TriggeredBy, "trimmed")
		require.True(t, m.Triggered())
		require.Equal(t, "0 3 * * *", m.Schedule)
		require.True(t, m.Inbound)
		require.False(t, m.Archived)
		require.Equal(t, 1, m.Order)
		require.Equal(t, query.Counts{Processed: 3, Succeeded: 2, Failed: 1, Fragments: 4}, m.Counts)
		require.Empty(t, m.SubLogs)
		require.NotNil(t, m.SubLogs)
	})
	t.Run("R2.1 library: the id is the seq of the start record and a number", func(t *testing.T) {
		store := openMemory(t, nil)
		_, run := operation(store).Start(t.Context())
		r, err := store.Query().Record(t.Context(), mainLog(t, store, run.ID()).ID)
		require.NoError(t, err)
		require.Equal(t, "start", r.Phase)
		require.Equal(t, run.ID(), r.Run)
		run.End(nil)
	})
	t.Run("R2.1 library: triggered by System when nobody did", func(t *testing.T) {
		store := openMemory(t, nil)
		_, run := operation(store).Start(t.Context())
		run.End(nil)
		_, system := operation(store).Start(t.Context(), logger.TriggeredBy("System"))
		system.End(nil)
		for _, m := range mainLogs(t, store, query.RunFilter{}) {
			require.Equal(t, "System", m.TriggeredBy)
			require.False(t, m.Triggered())
		}
	})
	t.Run("R2.1 library: a sub log has the step's fields and repeats its run's trigger", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context(), logger.Project("p-1"), logger.TriggeredBy("test@example.com"),
			logger.Schedule("daily"), logger.Inbound())
		_, step := logger.StartStep(ctx, "read", logger.ID("step-1"), logger.DisplayName("Read Data From ERP"), logger.Order(4))
		step.Add(query.Counts{Processed: 1})
		step.End(nil, nil)
		run.End(nil)
		s := subLogs(t, store, query.StepFilter{Step: "step-1"})[0]
		require.Equal(t, "read", s.Action)
		require.Equal(t, "Read Data From ERP", s.ActionName)
		require.Equal(t, "sync-prices", s.Operation)
		require.Equal(t, run.ID(), s.Run)
		require.Equal(t, 4, s.Order)
		require.Equal(t, 1, s.RowNum)
		require.Equal(t, 1, s.Attempt)
		require.Equal(t, int64(1), s.Counts.Processed)
		require.Equal(t, "test@example.com", s.TriggeredBy)
		require.Equal(t, "daily", s.Schedule)
		require.True(t, s.Inbound)
		require.True(t, s.Triggered())
		require.Equal(t, query.StateFinished, s.State)
		require.Equal(t, query.StatusSuccess, s.Status)
	})
	t.Run("R2.1 library: the order of a step is by default its start position plus one", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		for _, o := range []logger.StepOption{nil, logger.Order(7), nil, logger.Order(-1)} {
			_, step := logger.StartStep(ctx, "a", o)
			step.End(nil, nil)
		}
		run.End(nil)
		var orders []int
		for _, s := range subLogs(t, store, query.StepFilter{Run: run.ID()}) {
			orders = append(orders, s.Order)
		}
		require.Equal(t, []int{2, 7, 4, 5}, orders)
	})
	t.Run("R2.1 library: one sub log for each attempt and each iteration", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		for i := range 2 {
			for attempt := 1; attempt <= 2; attempt++ {
				_, step := logger.StartStep(ctx, "a", logger.Iteration(i, nil), logger.Attempt(attempt))
				step.End(nil, nil)
			}
		}
		run.End(nil)
		require.Equal(t, 4, mainLog(t, store, run.ID()).Steps)
	})
	t.Run("R2.1 library: state 1 until the first step or count, 2 until the end, 3", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, byStep := operation(store).Start(t.Context())
		_, byCount := operation(store).Start(t.Context())
		state := func(run *logger.Run) [2]int {
			m := mainLog(t, store, run.ID())
			return [2]int{m.State, m.Status}
		}
		require.Equal(t, [2]int{1, 1}, state(byStep))
		byStep.Info("a line changes nothing")
		require.Equal(t, [2]int{1, 1}, state(byStep))
		_, step := logger.StartStep(ctx, "a")
		require.Equal(t, [2]int{2, 1}, state(byStep))
		byCount.Add(query.Counts{Processed: 1})
		require.Equal(t, [2]int{2, 1}, state(byCount))
		step.End(nil, nil)
		byStep.End(nil)
		byCount.End(errors.New("no stock"))
		require.Equal(t, [2]int{3, 2}, state(byStep))
		require.Equal(t, [2]int{3, 3}, state(byCount))
	})
	t.Run("R2.1 library: status 4 when it ended well, nothing was processed or failed and counts were given", func(t *testing.T) {
		store := openMemory(t, nil)
		status := func(add []query.Counts, err error) int {
			_, run := operation(store).Start(t.Context())
			for _, c := range add {
				run.Add(c)
			}
			run.End(err)
			return mainLog(t, store, run.ID()).Status
		}
		require.Equal(t, query.StatusEmpty, status([]query.Counts{{}}, nil))
		require.Equal(t, query.StatusSuccess, status(nil, nil))
		require.Equal(t, query.StatusSuccess, status([]query.Counts{{Processed: 1}}, nil))
		require.Equal(t, query.StatusSuccess, status([]query.Counts{{Failed: 1}}, nil))
		require.Equal(t, query.StatusFailed, status([]query.Counts{{}}, errors.New("x")))
	})
	t.Run("R2.1 library: start info, end info, or error when the status is failed", func(t *testing.T) {
		store := openMemory(t, nil)
		_, good := operation(store).Start(t.Context())
		good.End(nil)
		_, bad := operation(store).Start(t.Context())
		bad.End(errors.New("no stock"))
		for run, want := range map[*logger.Run]string{good: "info", bad: "error"} {
			all := records(t, store, query.Filter{Run: run.ID()})
			require.Equal(t, levels.Info, all[0].Level)
			require.Equal(t, want, levels.Name(all[1].Level))
		}
	})
	t.Run("R2.1 library: the end record answers alone", func(t *testing.T) {
		store := openMemory(t, nil)
		_, run := operation(store).Start(t.Context(), logger.TriggeredBy("test@example.com"), logger.Schedule("daily"), logger.Inbound())
		run.Add(query.Counts{Processed: 1})
		run.End(nil)
		var end struct {
			ID        uint64 `json:"id"`
			Started   time.Time
			Triggered string `json:"triggered_by"`
			Schedule  string
			Inbound   bool
			Processed int64
			Outcome   string
		}
		all := records(t, store, query.Filter{Run: run.ID()})
		require.NoError(t, json.Unmarshal(all[len(all)-1].Raw, &end))
		require.Equal(t, all[0].Seq, end.ID)
		require.Equal(t, all[0].Time, end.Started)
		require.Equal(t, "test@example.com daily true 1 succeeded", fmt.Sprint(end.Triggered, " ", end.Schedule, " ", end.Inbound, " ", end.Processed, " ", end.Outcome))
	})
}

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
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, store.EndRun(cancelled, run.ID(), query.Failed, nil), context.Canceled)
	})
}

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

func TestSubFlows(t *testing.T) {
	store := openMemory(t, nil)
	service := store.Server("edge-1").Service("orders")
	ctx, top := service.Operation("top").Start(t.Context(), logger.Project("p-1"))
	sctx, step := logger.StartStep(ctx, "flow/run")
	cctx, child := service.Operation("child").Start(sctx)
	gctx, childStep := logger.StartStep(cctx, "flow/run")
	_, grandchild := service.Operation("grandchild", logger.ParentFlow("elsewhere")).Start(gctx, logger.Project("p-2"))
	_, sibling := service.Operation("sibling").Start(ctx)
	_, apart := service.Operation("apart").Start(t.Context())
	grandchild.End(nil)
	childStep.End(nil, nil)
	child.End(nil)
	step.End(nil, nil)
	sibling.End(nil)
	apart.End(nil)
	top.End(nil)

	t.Run("R2.9 library: a run started inside another run's step carries parent and root ids", func(t *testing.T) {
		m := mainLog(t, store, child.ID())
		require.Equal(t, top.ID(), m.ParentRun)
		require.Equal(t, step.ID(), m.ParentStep)
		require.Equal(t, top.ID(), m.RootRun)
		require.Equal(t, "top", m.ParentOperation)
		require.Equal(t, "p-1", m.Project, "inherited")

		m = mainLog(t, store, grandchild.ID())
		require.Equal(t, child.ID(), m.ParentRun)
		require.Equal(t, childStep.ID(), m.ParentStep)
		require.Equal(t, top.ID(), m.RootRun)
		require.Equal(t, "elsewhere", m.ParentOperation, "as given")
		require.Equal(t, "p-2", m.Project)
	})
	t.Run("R2.9 library: started in a run outside its steps there is no parent step", func(t *testing.T) {
		m := mainLog(t, store, sibling.ID())
		require.Equal(t, top.ID(), m.ParentRun)
		require.Empty(t, m.ParentStep)
	})
	t.Run("R2.9 library: a run on its own has neither", func(t *testing.T) {
		m := mainLog(t, store, apart.ID())
		require.Empty(t, m.ParentRun+m.ParentStep+m.RootRun+m.ParentOperation)
	})
	t.Run("R2.9 library: list by root", func(t *testing.T) {
		var runs []string
		for _, m := range mainLogs(t, store, query.RunFilter{RootRun: top.ID()}) {
			runs = append(runs, m.Run)
		}
		require.Equal(t, []string{top.ID(), child.ID(), grandchild.ID(), sibling.ID()}, runs)
	})
	t.Run("R2.9 library: show nested", func(t *testing.T) {
		below := mainLogs(t, store, query.RunFilter{ParentRun: top.ID(), ParentStep: step.ID()})
		require.Len(t, below, 1)
		require.Equal(t, child.ID(), below[0].Run)
	})
	t.Run("R2.9 library: a run of another store is no parent", func(t *testing.T) {
		other := openMemory(t, nil)
		_, run := operation(other).Start(sctx)
		run.End(nil)
		require.Empty(t, mainLog(t, other, run.ID()).ParentRun)
	})
}

func TestAttemptsAndLoops(t *testing.T) {
	t.Run("R6.4 library: attempt from 1", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		for _, o := range []logger.StepOption{nil, logger.Attempt(1), logger.Attempt(2), logger.Attempt(0)} {
			actx, step := logger.StartStep(ctx, "a", o)
			logger.FromContext(actx).Info("trying")
			step.End(nil, nil)
		}
		run.End(nil)
		var attempts []int
		for _, s := range mainLog(t, store, run.ID()).SubLogs {
			attempts = append(attempts, s.Attempt)
		}
		require.Equal(t, []int{1, 1, 2, 1}, attempts)
		require.Equal(t, 2, records(t, store, query.Filter{Kinds: []query.Kind{query.KindLine}})[2].Attempt, "and on its lines")
	})
	t.Run("R6.4 library: iteration index and value on the step", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		for i, v := range []any{"A-1", map[string]any{"sku": "A-2", "token": "abc"}, nil} {
			_, step := logger.StartStep(ctx, "a", logger.Iteration(i, v))
			step.End(nil, nil)
		}
		run.End(nil)
		steps := mainLog(t, store, run.ID()).SubLogs
		for i, s := range steps {
			require.Equal(t, i, s.Iteration.Index)
			require.Equal(t, i+1, s.RowNum)
		}
		require.JSONEq(t, `"A-1"`, string(steps[0].Iteration.Value))
		require.JSONEq(t, `{"sku":"A-2","token":"***"}`, string(steps[1].Iteration.Value), "masked")
		require.Nil(t, steps[2].Iteration.Value)
	})
}
