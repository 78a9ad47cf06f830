package runs_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/runs"
)

// The steps of a run are read from any place on, whether it goes on, is over or was saved.
func TestSeekStep(t *testing.T) {
	for _, steps := range []int{0, 1, 2, runs.StepsAtMark - 1, runs.StepsAtMark, runs.StepsAtMark + 1,
		2 * runs.StepsAtMark, 2*runs.StepsAtMark + 1, 1000} {
		check := func(f *fed, over bool) {
			t.Helper()
			v := f.view()
			row, ok := v.Row("over")
			require.True(t, ok)
			rows := v.AppendSteps(nil, &row)
			require.Len(t, rows, steps)
			r := v.ReadSteps(&row)
			require.Equal(t, over, r.Over())
			require.Equal(t, steps, r.Steps())
			all := v.Run("over").Steps()
			for _, by := range []int{1, 7, runs.StepsAtMark, -1, -13} {
				for n, place := 0, 0; n <= steps; n, place = n+1, ((place+by)%max(steps, 1)+steps)%max(steps, 1) {
					r.Seek(place)
					s := r.Next()
					if steps == 0 {
						require.Nil(t, s)
						break
					}
					require.Equal(t, rows[place].Seq, s.Seq)
					require.Equal(t, place, r.Place())
					require.Equal(t, all[place].Identity.Step, r.Told().Step)
					require.Equal(t, rows[place].Seq, r.Told().Seq)
				}
			}
			for i := range rows {
				require.Equal(t, i, r.After(rows[i].Seq-1))
				require.Equal(t, i+1, r.After(rows[i].Seq))
			}
			require.Zero(t, r.After(0))
			require.Equal(t, steps, r.After(math.MaxUint64))
			for _, behind := range []int{steps, steps + 1, math.MaxInt} {
				r.Seek(behind)
				require.Nil(t, r.Next())
			}
			var teller runs.Teller
			for _, most := range []int{0, 1, steps, math.MaxInt} {
				require.True(t, v.Tell(row.Ref(), &teller))
				require.Equal(t, steps, teller.Run(most).State.Steps)
				require.Equal(t, min(steps, most), teller.Steps())
				for i := range min(steps, most) {
					require.Equal(t, all[i].Identity.Step, teller.Step().Step)
				}
				require.Nil(t, teller.Step())
			}
		}
		f := longRun(steps)
		check(f, false)
		f.Settle(true)
		check(f, true)
		check(f.saved(t), true)
	}
}
