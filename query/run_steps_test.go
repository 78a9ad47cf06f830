package query_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// Pages of the steps of one run say the same as those of all steps of its operation,
// whatever part of them is asked for, and in which order, while the run goes on, when it is
// over and after it was saved.
func TestStepsOfOneRun(t *testing.T) {
	t.Parallel()
	for _, steps := range []int{1, runs.StepsAtMark, runs.StepsAtMark + 1, 3 * runs.StepsAtMark, 1000} {
		t.Run(fmt.Sprint(steps), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			open := func() (*logger.Store, *logger.Operation) {
				s, err := logger.Open(dir, nil)
				require.NoError(t, err)
				return s, s.Server("edge-1").Service("orders").Operation("ship")
			}
			s, flow := open()
			ctx, run := flow.Start(t.Context(), logger.TriggeredBy("me"), logger.Project("p-1"))
			for i := range steps {
				_, step := logger.StartStep(ctx, fmt.Sprint("a-", i%3), logger.Iteration(i, i))
				var err error
				if i%5 == 0 {
					err = errors.New("refused")
				}
				if i%11 != 1 {
					step.End(nil, err)
				}
			}
			askSteps(t, s.Query(), run.ID(), steps)
			run.End(nil)
			askSteps(t, s.Query(), run.ID(), steps)
			require.NoError(t, s.Close())
			s, _ = open()
			askSteps(t, s.Query(), run.ID(), steps)
			require.NoError(t, s.Close())
		})
	}
}

// askSteps asks for parts of the steps of a run, and compares them with what all steps say.
func askSteps(t *testing.T, e *query.Engine, run string, steps int) {
	t.Helper()
	all, err := e.SubLogs(t.Context(), query.StepFilter{Operation: "ship"}, query.Paging{Limit: query.MaxLimit, Oldest: true})
	require.NoError(t, err)
	require.Len(t, all.Items, steps)
	at := func(i int) time.Time { return all.Items[i].Started }
	rnd := rand.New(rand.NewPCG(uint64(steps), 7))
	for range 300 {
		f, matches := query.StepFilter{Run: run}, []func(s *query.SubLog) bool{}
		with := func(match func(s *query.SubLog) bool) { matches = append(matches, match) }
		switch rnd.IntN(4) {
		case 0:
			f.Action = fmt.Sprint("a-", rnd.IntN(4))
			with(func(s *query.SubLog) bool { return s.Action == f.Action })
		case 1:
			f.Outcomes = []query.Outcome{[]query.Outcome{query.Failed, query.Succeeded, query.Running}[rnd.IntN(3)]}
			with(func(s *query.SubLog) bool { return s.Outcome == f.Outcomes[0] })
		}
		if rnd.IntN(4) == 0 {
			f.From = at(rnd.IntN(steps))
			with(func(s *query.SubLog) bool { return !s.Started.Before(f.From) })
		}
		if rnd.IntN(4) == 0 {
			from := slices.IndexFunc(all.Items, func(s query.SubLog) bool { return !s.Started.Before(f.From) })
			f.To = at(from + rnd.IntN(steps-from))
			with(func(s *query.SubLog) bool { return !s.Started.After(f.To) })
		}
		if rnd.IntN(8) == 0 {
			f.Project = fmt.Sprint("p-", 1+rnd.IntN(2))
			with(func(s *query.SubLog) bool { return s.Project == f.Project })
		}
		if rnd.IntN(8) == 0 {
			f.ID = all.Items[rnd.IntN(steps)].ID
			with(func(s *query.SubLog) bool { return s.ID == f.ID })
		}
		p := query.Paging{Limit: 1 + rnd.IntN(150), Oldest: rnd.IntN(2) == 0}
		if rnd.IntN(2) == 0 {
			p.Offset = rnd.IntN(steps + 3)
		}
		if rnd.IntN(3) == 0 {
			p.AsOf = all.Items[rnd.IntN(steps)].ID
			with(func(s *query.SubLog) bool { return s.ID <= p.AsOf })
		}
		want := []query.SubLog{}
		for i := range all.Items {
			if !slices.ContainsFunc(matches, func(match func(*query.SubLog) bool) bool { return !match(&all.Items[i]) }) {
				want = append(want, all.Items[i])
			}
		}
		total := len(want)
		if !p.Oldest {
			slices.Reverse(want)
		}
		want = want[min(p.Offset, len(want)):]
		for {
			page, err := e.SubLogs(t.Context(), f, p)
			require.NoError(t, err)
			require.Equal(t, query.Total{N: int64(total), Exact: true}, page.Total, "%+v %+v", f, p)
			n := min(p.Limit, len(want))
			require.Equal(t, want[:n:n], append([]query.SubLog{}, page.Items...), "%+v %+v", f, p)
			if f.ID == 0 && f.Action == "" && f.Outcomes == nil && f.From.IsZero() && f.To.IsZero() {
				require.LessOrEqual(t, page.Stats.Rows, int64(p.Limit+2*runs.StepsAtMark), "%+v %+v", f, p)
			}
			want = want[n:]
			require.Equal(t, len(want) > 0, page.Next != "")
			if page.Next == "" || rnd.IntN(4) == 0 {
				break
			}
			p.Cursor, p.Offset = page.Next, 0
		}
	}
}
