package logger_test

import (
	"testing"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

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
