package runs_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

// TestStartIsGone reads what is left of runs whose first file was deleted.
func TestStartIsGone(t *testing.T) {
	update := func(id uint64) line.Lifecycle {
		return line.Lifecycle{Phase: line.PhaseUpdate, ID: id, Counted: true, Processed: 5}
	}
	ends := func(id uint64) line.Lifecycle {
		lc := end
		lc.ID, lc.Started, lc.TriggeredBy, lc.Schedule, lc.Inbound = id, at(id), " me ", "nightly", true
		return lc
	}
	t.Run("R2.8 library: an end tells what the start said when an update came before it", func(t *testing.T) {
		f := newFed()
		f.seq = 10
		f.record(1, run("r"), update(1))
		stepEnd := ends(2)
		stepEnd.Order, stepEnd.Iterated, stepEnd.IterationIndex, stepEnd.IterationValue = 7, true, 3, []byte(`"x"`)
		f.record(1, step("r", "s"), update(2))
		f.line(step("r", "s"), 0)
		before := f.view().Run("r")
		require.Equal(t, at(11), before.Started)
		f.record(1, step("r", "s"), stepEnd)
		f.line(step("r", "s"), 0)
		f.record(1, run("r"), ends(1))
		f.line(run("r"), 0)

		check := func() {
			t.Helper()
			r := f.view().Run("r")
			require.EqualValues(t, 1, r.Seq)
			require.Equal(t, at(1), r.Started)
			require.Equal(t, " me ", r.Start.TriggeredBy)
			require.Equal(t, "nightly", r.Start.Schedule)
			require.True(t, r.Start.Inbound)
			require.EqualValues(t, 3, r.State().Lines[line.LevelIndex(0)])
			require.Len(t, r.Steps(), 1)
			s := r.Steps()[0]
			require.Same(t, r, s.Run())
			require.EqualValues(t, 2, s.Seq)
			require.Equal(t, at(2), s.Started)
			require.Equal(t, 7, s.Start.Order)
			require.Equal(t, 3, s.Start.IterationIndex)
			require.Equal(t, `"x"`, string(s.Start.IterationValue))
			require.EqualValues(t, 2, s.State().Lines[line.LevelIndex(0)])
			require.EqualValues(t, 5, s.State().Processed)
			row, ok := f.view().Row("r")
			require.True(t, ok)
			require.Equal(t, at(1).UnixNano(), row.Started)
			code, ok := f.view().Trigger("me")
			require.True(t, ok)
			require.Equal(t, code, row.Trigger)
		}
		check()
		f.Settle(true)
		check()
		require.Equal(t, at(11), before.Started, "who has the run may read it on")
	})
	t.Run("R2.8 library: a step whose run is not known is told by its end", func(t *testing.T) {
		f := newFed()
		f.seq = 10
		f.record(1, step("r", "s"), update(2))
		stepEnd := ends(2)
		stepEnd.Order = 7
		f.record(1, step("r", "s"), stepEnd)
		f.record(1, run("r"), ends(1))
		s := f.view().Run("r").Steps()[0]
		require.Equal(t, at(2), s.Started)
		require.Equal(t, 7, s.Start.Order)
		require.True(t, s.State().Ended)
	})
	t.Run("R2.1 library: steps stand in the order of their starts, in whatever order they ended", func(t *testing.T) {
		for name, before := range map[string]bool{"run known": true, "run not known": false} {
			t.Run(name, func(t *testing.T) {
				f := newFed()
				f.seq = 20
				if before {
					f.record(1, run("r"), update(1))
				}
				for _, id := range []uint64{5, 3, 2, 4} {
					f.record(1, step("r", string(rune('a'+id))), ends(id))
				}
				f.record(1, run("r"), ends(1))
				places := func() (seqs []uint64) {
					for _, s := range f.view().Run("r").Steps() {
						seqs = append(seqs, s.Seq)
					}
					row, _ := f.view().Row("r")
					for i, s := range f.view().AppendSteps(nil, &row) {
						require.Equal(t, seqs[i], s.Seq)
					}
					reader := f.view().ReadSteps(&row)
					for s := reader.Next(); s != nil; s = reader.Next() {
						require.Equal(t, seqs[reader.Place()], s.Seq)
					}
					var teller runs.Teller
					require.True(t, f.view().Tell(row.Ref(), &teller))
					teller.Run(math.MaxInt)
					for i := range seqs {
						require.Equal(t, seqs[i], teller.Step().Seq)
					}
					return seqs
				}
				require.Equal(t, []uint64{2, 3, 4, 5}, places())
				f.Settle(true)
				require.Equal(t, []uint64{2, 3, 4, 5}, places())
			})
		}
	})
	t.Run("R2.8 library: an end that says of the start what is known changes no object", func(t *testing.T) {
		f := newFed()
		f.record(1, run("r"), start)
		r := f.view().Run("r")
		lc := end
		lc.ID, lc.Started = 1, time.Time{}
		f.record(1, run("r"), lc)
		require.Same(t, r, f.view().Run("r"))
	})
}

// TestStepIDComesAgain has a step whose id one of a run without records has.
func TestStepIDComesAgain(t *testing.T) {
	f := newFed()
	f.record(1, step("gone", "s"), end)
	f.line(step("gone", "s"), 0)
	f.record(2, run("r"), start)
	f.record(2, step("r", "s"), start)
	f.line(step("r", "s"), 0)
	f.record(2, step("gone", "s"), end)
	check := func(ended bool) {
		t.Helper()
		steps := f.view().Run("r").Steps()
		require.Len(t, steps, 1)
		require.EqualValues(t, 4, steps[0].Seq)
		require.Equal(t, ended, steps[0].State().Ended)
		require.EqualValues(t, 1, steps[0].State().Lines[line.LevelIndex(0)])
	}
	check(false)
	f.do(func() { f.Expire(1) })
	check(false)
	f.record(2, step("r", "s"), end)
	f.record(2, run("r"), end)
	f.Settle(true)
	check(true)
	f.record(3, step("gone", "s"), end)
	check(true)
	f.Settle(true)
	live, _, _ := f.Held()
	require.Zero(t, live)
}
