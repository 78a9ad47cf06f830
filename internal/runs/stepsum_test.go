package runs_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

// What the steps of a run have together is what each of them says; it is not told where
// each must be asked.
func TestStepSum(t *testing.T) {
	f := newFed()
	rnd := rand.New(rand.NewPCG(5, 6))
	start, end := line.Lifecycle{Phase: line.PhaseStart}, line.Lifecycle{Phase: line.PhaseEnd}
	const over, live, mixed, many = 0, 1, 2, 3
	kinds := map[string]int{}
	for i := range 400 {
		id := fmt.Sprint("r-", i)
		kind := over
		if n := rnd.IntN(12); n < 4 {
			kind = n
		}
		kinds[id] = kind
		f.record(1, run(id), start)
		steps := rnd.IntN(9)
		if kind == mixed {
			steps++
		} else if kind == many {
			steps = 70
		}
		for n := range steps {
			s := step(id, fmt.Sprint(id, "/", n))
			if s.Action = fmt.Sprint("action-", rnd.IntN(3)); kind == many {
				s.Action = fmt.Sprint("action-", n)
			}
			if kind == mixed && n == 0 {
				s.Operation = "elsewhere"
			}
			f.record(1, s, start)
			if rnd.IntN(5) > 0 {
				end.Outcome, end.Counted, end.Processed = []string{"succeeded", "failed"}[rnd.IntN(2)], rnd.IntN(2) == 0, int64(rnd.IntN(2))
				f.record(1, s, end)
			}
		}
		if kind != live {
			f.record(1, run(id), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
		}
	}
	f.Settle(true)

	v := f.view()
	var sum runs.StepSum
	told := 0
	v.AllRuns().Each(false, 0, 0, runs.AnyClass(), func(row *runs.Row) bool {
		id := v.Of(row.Ref()).Identity.Run
		rows := v.AppendSteps(nil, row)
		ok := v.StepSum(row, &sum)
		require.Equal(t, kinds[id] == over, ok, id)
		if !ok {
			return true
		}
		told++
		want, have := map[string]int64{}, map[string]int64{}
		for _, c := range sum.Counts {
			have[fmt.Sprint(c.Action, c.Class)] += c.N
		}
		require.Len(t, have, len(sum.Counts))
		first, last, newest := row.Started, row.Started, row.Seq
		for i, s := range rows {
			want[fmt.Sprint(s.Action, s.Class)]++
			if newest = max(newest, s.Seq); i == 0 {
				first, last = s.Started, s.Started
			}
			first, last = min(first, s.Started), max(last, s.Started)
		}
		require.Equal(t, want, have)
		require.Equal(t, [3]int64{first, last, int64(newest)}, [3]int64{sum.First, sum.Last, int64(sum.Newest)})
		return true
	})
	require.Greater(t, told, 100)
}
