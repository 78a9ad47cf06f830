package runs_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

// Runs and steps go with the file that has their last record, their ids too.
func TestExpire(t *testing.T) {
	for _, settled := range []bool{false, true} {
		f := newFed()
		f.record(1, run("old"), start)
		f.record(1, run("old"), end)
		f.record(1, run("kept"), start)
		f.record(1, step("kept", "gone"), start)
		f.record(2, step("kept", "stays"), start)
		f.record(2, run("kept"), end)
		f.record(2, run("moved"), start)
		f.record(2, run("moved"), end)
		if settled {
			f.Settle(true)
		}
		before := f.view()
		f.do(func() { f.Expire(1) })
		require.Nil(t, f.Run("old"))
		require.Nil(t, f.Step("gone"))
		require.Equal(t, "kept", f.Step("stays").Run().Identity.Run)
		require.Equal(t, 1, f.Run("kept").State().Steps)
		v := f.view()
		all := v.AllRuns()
		require.EqualValues(t, 2, all.Count(runs.AnyClass(), v.AsOf))
		flow := before.List(runs.ByOperation, "o")
		require.EqualValues(t, 2, flow.Count(runs.AnyClass(), v.AsOf), "states are those of the moment")
		f.do(func() { f.Moved(2, 7) })
		f.do(func() { f.Expire(2) })
		require.NotNil(t, f.Run("moved"))
		f.do(func() { f.Expire(7) })
		require.Nil(t, f.Run("moved"))
		require.Zero(t, f.view().AllRuns().Len())
	}
}

// What is left of many runs of which most expired tells what it did, and so do those
// that get the room that became free. Twice, so that room is used again.
func TestExpireOfMany(t *testing.T) {
	f := newFed()
	id := func(round, i int) string { return fmt.Sprintf("r-%d-%d", round, i) }
	var before [][]any
	tell := func(round, i int) []any {
		r := f.Run(id(round, i))
		require.NotNil(t, r)
		require.Equal(t, id(round, i), r.Identity.Run)
		steps := r.Steps()
		require.Len(t, steps, 1)
		require.Equal(t, id(round, i)+"/s", steps[0].Identity.Step)
		return append(told(r.State()), told(steps[0].State())...)
	}
	for round := range uint32(2) {
		for i := range 2000 {
			file := 2 * round
			if i%16 == 0 {
				file++ // which stays
			}
			r := id(int(round), i)
			f.record(file, run(r), start)
			f.record(file, step(r, r+"/s"), start)
			f.record(file, step(r, r+"/s"), end)
			f.record(file, run(r), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "failed", Reason: r})
		}
		f.Settle(true)
		for i := 0; i < 2000; i += 16 {
			before = append(before, tell(int(round), i))
		}
		full := f.Bytes()
		require.Less(t, full, 1<<20, "a run that is over takes few bytes")
		f.do(func() { f.Expire(2 * round) })
		require.Less(t, f.Bytes(), full/2, "what is left takes less")
		require.Nil(t, f.Run(id(int(round), 1)))
		for k, want := range before {
			require.Equal(t, want, tell(k/125, k%125*16))
		}
		require.EqualValues(t, len(before), f.view().AllRuns().Len())
	}
}

// A run that goes on, and what goes on in it, stay when the file goes with their records:
// it is counted for as before, until it has ended and the file goes that says so. Where
// the file may have said more, they go.
func TestExpireWhatGoesOn(t *testing.T) {
	for _, all := range []bool{false, true} {
		f := newFed()
		f.record(1, run("r"), start)
		f.record(1, step("r", "done"), start)
		f.record(1, step("r", "done"), end)
		f.record(1, step("r", "open"), start)
		f.line(step("r", "open"), zapcore.InfoLevel)
		f.do(func() {
			if all {
				f.ExpireAll(1)
			} else {
				f.Expire(1)
			}
		})
		require.Equal(t, all, f.Run("r") == nil)
		require.Equal(t, all, f.Step("open") == nil)
		require.Nil(t, f.Step("done"))
		if all {
			continue
		}
		f.line(step("r", "open"), zapcore.InfoLevel)
		require.EqualValues(t, 2, f.Run("r").State().Lines[2])
		require.EqualValues(t, 2, f.Step("open").State().Lines[2])
		require.Equal(t, 1, f.Run("r").State().Steps)
		require.Len(t, f.Going(), 1)
		f.record(2, step("r", "open"), end)
		f.record(2, run("r"), end)
		f.Settle(true)
		f.do(func() { f.Expire(1) })
		require.EqualValues(t, 1, f.Run("r").Seq)
		f.do(func() { f.Expire(2) })
		require.Nil(t, f.Run("r"))
		require.Nil(t, f.Step("open"))
	}
}

// Steps of a run without records go with the file that has their last one; what else is
// known for such a run stays until its record is read.
func TestExpireBeforeTheirRun(t *testing.T) {
	f := newFed()
	f.record(2, step("logs", "goes"), end)
	f.line(step("logs", "other"), zapcore.InfoLevel)
	f.record(3, step("starts", "stays"), start)
	sealed := step("sealed", "other")
	f.do(func() {
		f.AddTally(&sealed, &runs.Tally{Lines: line.Levels{4: 5}, Bytes: 500}, 77)
		f.Moved(2, 7)
		f.Expire(2)
	})
	require.NotNil(t, f.Step("goes"), "its record stands in another file now")
	f.do(func() { f.Expire(7) })
	require.Nil(t, f.Step("goes"))
	require.NotNil(t, f.Step("stays"))
	for _, id := range []string{"logs", "starts", "sealed"} {
		f.record(8, run(id), start)
	}
	require.Equal(t, line.Levels{2: 1}, f.Run("logs").State().Lines)
	require.Zero(t, f.Run("logs").State().Steps)
	require.Equal(t, 1, f.Run("starts").State().Steps)
	require.Equal(t, line.Levels{4: 5}, f.Run("sealed").State().Lines)
}
