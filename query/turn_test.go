package query_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// Who reads the steps of a run page by page, oldest first, reads each once, and pages say
// the same as one that is asked for alone, also when the run changes between two of them.
func TestStepsPageByPage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() (*logger.Store, *logger.Operation) {
		s, err := logger.Open(dir, nil)
		require.NoError(t, err)
		return s, s.Server("edge-1").Service("orders").Operation("ship")
	}
	const steps = 3000
	s, flow := open()
	ctx, run := flow.Start(t.Context(), logger.TriggeredBy("me"))
	for i := range steps {
		_, step := logger.StartStep(ctx, fmt.Sprint("a-", i%3), logger.Iteration(i, map[string]int{"n": i}))
		var err error
		if i%5 == 0 {
			err = errors.New("refused")
		}
		step.Add(query.Counts{Processed: int64(i)})
		step.End(nil, err)
	}
	all := query.StepFilter{Run: run.ID()}
	compareTurns(t, s.Query(), steps, all, query.StepFilter{Run: run.ID(), Action: "a-1"})
	got, _ := stepsInTurn(t, s.Query(), all, func(n int) {
		_, step := logger.StartStep(ctx, "late") // is not in the pages that follow
		step.End(nil, nil)
	})
	require.Len(t, got, steps)
	run.End(nil)
	require.NoError(t, s.Close())

	s, _ = open() // in which the run is over
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	compareTurns(t, s.Query(), 2*steps, all, query.StepFilter{Run: run.ID(), Action: "a-1"},
		query.StepFilter{Run: run.ID(), Statuses: []int{query.StatusFailed}},
		query.StepFilter{Run: run.ID(), Projects: []string{"p-1", ""}},
		query.StepFilter{Run: run.ID(), Operation: "other"})
	was, _ := stepsInTurn(t, s.Query(), all, func(int) {})
	got, _ = stepsInTurn(t, s.Query(), all, func(n int) {
		if n%5 == 0 {
			require.NoError(t, s.MarkArchived(t.Context(), was[steps-1].ID))
		}
	})
	was[steps-1].Archived = true
	require.Equal(t, was, got)
}

// compareTurns compares pages with one that is asked for in the other order, and so in
// another way.
func compareTurns(t *testing.T, e *query.Engine, steps int, filters ...query.StepFilter) {
	t.Helper()
	for _, f := range filters {
		page, err := e.SubLogs(t.Context(), f, query.Paging{Limit: query.MaxLimit})
		require.NoError(t, err)
		slices.Reverse(page.Items)
		got, rows := stepsInTurn(t, e, f, func(int) {})
		require.Equal(t, page.Items, append([]query.SubLog{}, got...), "%+v", f)
		require.LessOrEqual(t, rows, int64(steps), "%+v", f)
		// Others read it too, from the middle.
		got, _ = stepsInTurn(t, e, f, func(n int) {
			_, err := e.SubLogs(t.Context(), f, query.Paging{Limit: 100 * (n + 1), Oldest: true})
			require.NoError(t, err)
		})
		require.Equal(t, page.Items, append([]query.SubLog{}, got...), "%+v", f)
	}
}

// stepsInTurn returns the steps of all pages, and how many steps were looked at for all
// but the first.
func stepsInTurn(t *testing.T, e *query.Engine, f query.StepFilter, between func(page int)) (all []query.SubLog, rows int64) {
	t.Helper()
	p := query.Paging{Limit: 100, Oldest: true}
	for n := 0; ; n++ {
		page, err := e.SubLogs(t.Context(), f, p)
		require.NoError(t, err)
		require.True(t, page.Total.Exact)
		if all = append(all, page.Items...); n > 0 {
			rows += page.Stats.Rows
		}
		if page.Next == "" {
			require.EqualValues(t, len(all), page.Total.N)
			return all, rows
		}
		p.Cursor = page.Next
		between(n)
	}
}
