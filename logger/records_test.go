package logger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

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
