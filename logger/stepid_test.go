package logger_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestStepsWithOneID(t *testing.T) {
	// phases returns how many records of each phase the steps of a store have.
	phases := func(t *testing.T, store *logger.Store) map[string]int {
		t.Helper()
		all := map[string]int{}
		for _, r := range records(t, store, query.Filter{Kinds: []query.Kind{query.KindStep}}) {
			all[r.Phase]++
		}
		return all
	}
	t.Run("R2.8 library: a step that is open is one step, whoever starts it again", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, _ := operation(store).Start(t.Context())
		_, first := logger.StartStep(ctx, "a", logger.ID("s-1"))
		second := logger.FromContext(ctx).With(zap.String("bound", "by the second"))
		sctx, again := logger.StartStep(logger.NewContext(ctx, second), "a", logger.ID("s-1"))
		require.Same(t, first, again)
		first.Add(query.Counts{Processed: 1})
		again.Add(query.Counts{Processed: 2})
		logger.FromContext(sctx).Info("m")
		again.End("of the second", nil)
		first.End("of the first", nil)
		logs := subLogs(t, store, query.StepFilter{})
		require.Len(t, logs, 1)
		require.EqualValues(t, 3, logs[0].Counts.Processed)
		require.Equal(t, 1, phases(t, store)["end"], "the first end stands")
		line := one(t, store, query.Filter{Step: "s-1", Kinds: []query.Kind{query.KindLine}})
		bound, _ := line.Field("bound")
		require.Equal(t, "by the second", bound)
		_, after := logger.StartStep(ctx, "a", logger.ID("s-1"))
		require.NotSame(t, first, after, "an end stands")
	})
	t.Run("R2.8 library: who gives an attempt the id of the one before is told what to do", func(t *testing.T) {
		var problems heard
		store := openMemory(t, &logger.Options{OnProblem: problems.hook})
		ctx, _ := operation(store).Start(t.Context(), logger.ID("r-1"))
		for attempt := range 2 {
			_, step := logger.StartStep(ctx, "a", logger.ID("a"), logger.Attempt(attempt+1))
			step.End(nil, nil)
		}
		require.NoError(t, store.Close())
		require.Len(t, problems.all(), 1)
		require.EqualError(t, problems.all()[0],
			`start step "a" of run "r-1": it has ended, and its end stands: a further attempt or turn needs an id of its own`)
	})
	t.Run("R2.8 library: many start, count and end a step at the same time", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, _ := operation(store).Start(t.Context())
		const rounds, callers = 50, 16
		for i := range rounds {
			var wg sync.WaitGroup
			begin, started := make(chan struct{}), make(chan struct{}, callers)
			counted := make(chan struct{})
			for range callers {
				wg.Go(func() {
					<-begin
					_, step := logger.StartStep(ctx, "a", logger.ID(fmt.Sprint("s-", i)))
					step.Add(query.Counts{Processed: 1})
					started <- struct{}{}
					<-counted
					step.End(nil, nil)
				})
			}
			close(begin)
			for range callers {
				<-started
			}
			close(counted)
			wg.Wait()
		}
		require.Equal(t, map[string]int{"start": rounds, "update": rounds * callers, "end": rounds}, phases(t, store))
		for _, log := range subLogs(t, store, query.StepFilter{}) {
			require.EqualValues(t, callers, log.Counts.Processed)
		}
	})
	t.Run("R2.8 library: runs that start steps with one id at the same time have one each", func(t *testing.T) {
		var problems sync.Map
		store := openMemory(t, &logger.Options{OnProblem: func(err error) { problems.Store(err.Error(), err) }})
		const rounds, callers = 100, 8
		for i := range rounds {
			var wg sync.WaitGroup
			begin := make(chan struct{})
			for range callers {
				ctx, run := operation(store).Start(t.Context())
				wg.Go(func() {
					<-begin
					_, step := logger.StartStep(ctx, "a", logger.ID(fmt.Sprint("s-", i)))
					step.End(nil, nil)
					run.End(nil)
				})
			}
			close(begin)
			wg.Wait()
		}
		require.Equal(t, map[string]int{"start": rounds * callers, "end": rounds * callers}, phases(t, store))
		page, err := store.Query().MainLogs(t.Context(), query.RunFilter{}, query.Paging{Limit: query.MaxLimit})
		require.NoError(t, err)
		require.Len(t, page.Items, rounds*callers)
		for _, run := range page.Items {
			require.Equal(t, 1, run.Steps, "of run %s", run.Run)
			require.Equal(t, query.Succeeded, run.SubLogs[0].Outcome)
		}
		problems.Range(func(_, err any) bool {
			require.ErrorIs(t, err.(error), logger.ErrOtherRun)
			return true
		})
	})
	t.Run("R2.8 library: a step that its run had ended goes on when it is started again", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		_, step := logger.StartStep(ctx, "a", logger.ID("s-1"))
		run.End(nil)
		_, again := logger.StartStep(ctx, "a", logger.ID("s-1"))
		require.Equal(t, query.Running, subLogs(t, store, query.StepFilter{})[0].Outcome)
		again.End(nil, nil)
		step.End(nil, nil)
		require.Equal(t, query.Succeeded, subLogs(t, store, query.StepFilter{})[0].Outcome)
	})
}
