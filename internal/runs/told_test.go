package runs_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

// tellsOf compares what a Teller tells of a run and its steps with their objects.
func tellsOf(t *testing.T, v *runs.View, row *runs.Row, teller *runs.Teller) {
	r := v.Of(row.Ref())
	require.NotNil(t, r)
	require.True(t, v.Tell(row.Ref(), teller))
	told := teller.Run(math.MaxInt)
	same := func(told *runs.Told, seq uint64, id *line.Identity, started time.Time, start line.Lifecycle, state runs.State) {
		t.Helper()
		got := *told.Scope
		got.Run, got.RootRun, got.ParentRun, got.ParentStep = told.Run, told.RootRun, told.ParentRun, told.ParentStep
		got.Step, got.Action, got.ActionName, got.Attempt = told.Step, told.Action, told.ActionName, told.Attempt
		require.Equal(t, *id, got)
		require.Equal(t, seq, told.Seq)
		require.Equal(t, started, told.Started)
		require.Equal(t, start, told.Start)
		require.Equal(t, state, told.State)
	}
	same(told, r.Seq, r.Identity, r.Started, r.Start, r.State())
	require.Equal(t, len(r.Steps()), teller.Steps())
	for _, s := range r.Steps() {
		told := teller.Step()
		require.NotNil(t, told)
		same(told, s.Seq, s.Identity, s.Started, s.Start, s.State())
		var own runs.Told
		s.Tell(&own)
		same(&own, s.Seq, s.Identity, s.Started, s.Start, s.State())
	}
	require.Zero(t, teller.Steps())
	require.Nil(t, teller.Step())
}

// A Teller tells of runs that go on, and of those that are over, what their objects do.
func TestTeller(t *testing.T) {
	f := newFed()
	rnd := rand.New(rand.NewPCG(3, 4))
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	id := func() string { return pick(uuid.NewString(), fmt.Sprint("id-", rnd.Int64()), uuid.NewString()) }
	for range 300 {
		r := run(id())
		r.Operation, r.OperationName = pick("o-1", "o-2"), pick("", "Flow")
		r.RootRun, r.ParentRun, r.ParentStep = pick("", id()), pick("", id()), pick("", id())
		f.record(1, r, line.Lifecycle{Phase: line.PhaseStart, TriggeredBy: pick("", "me"), Schedule: pick("", "nightly"), Inbound: rnd.IntN(2) == 0})
		for i := range rnd.IntN(6) {
			s := r
			s.Step, s.Action, s.ActionName, s.Attempt = id(), pick("read", "write"), pick("", "Read"), rnd.IntN(4)
			if rnd.IntN(3) == 0 {
				s.Project, s.ParentRun = pick("p-2", "p"), pick("", id())
			}
			begin := line.Lifecycle{Phase: line.PhaseStart, Order: rnd.IntN(3)}
			if rnd.IntN(3) == 0 {
				begin.Iterated, begin.IterationIndex, begin.IterationValue = true, i, []byte(pick(`{"a":1}`, `"x"`))
			}
			f.record(1, s, begin)
			for range rnd.IntN(4) {
				f.line(s, zapcore.Level(rnd.IntN(4)-1))
			}
			f.record(1, s, line.Lifecycle{Phase: line.PhaseUpdate, Counted: true, Processed: 3, Failed: int64(rnd.IntN(3))})
			if rnd.IntN(4) > 0 {
				f.record(1, s, line.Lifecycle{Phase: line.PhaseEnd, Outcome: pick("succeeded", "failed", "odd"), Reason: pick("", "why"),
					Levels: line.Levels{2: int64(rnd.IntN(3))}, Duration: time.Duration(rnd.IntN(1e9))})
			}
		}
		if rnd.IntN(4) > 0 {
			f.record(1, r, line.Lifecycle{Phase: line.PhaseEnd, Outcome: pick("succeeded", "cancelled"), Reason: pick("", "done")})
		}
	}
	var teller runs.Teller // one for all
	for _, settled := range []bool{false, true} {
		if settled {
			f.Settle(true)
			live, _, _ := f.Held()
			require.Positive(t, live)
			require.Less(t, live, 300)
		}
		v := f.view()
		told := 0
		v.AllRuns().Each(true, 0, 0, runs.AnyClass(), func(row *runs.Row) bool {
			tellsOf(t, v, row, &teller)
			if told++; told%7 == 0 {
				teller.Forget()
			}
			return true
		})
		require.Equal(t, 300, told)
		var first runs.Row
		v.AllRuns().Each(true, 0, 0, runs.AnyClass(), func(row *runs.Row) bool {
			first = *row
			return false
		})
		if settled {
			f.do(func() { f.Expire(1) })
			require.False(t, v.Tell(first.Ref(), &teller), "it was removed")
		}
	}
}

// The edition of a run that is over stays the same as long as no such run changes.
func TestEdition(t *testing.T) {
	f := newFed()
	for _, id := range []string{"a", "b"} {
		f.record(1, run(id), line.Lifecycle{Phase: line.PhaseStart})
		f.record(1, step(id, id+"-1"), line.Lifecycle{Phase: line.PhaseStart})
	}
	of := func(id string) (e runs.Edition, over bool) {
		v := f.view()
		row, ok := v.Row(id)
		require.True(t, ok)
		return v.Edition(row.Ref())
	}
	_, over := of("a")
	require.False(t, over, "it goes on")
	f.record(1, run("a"), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
	f.Settle(true)
	first, over := of("a")
	require.True(t, over)

	f.record(1, run("b"), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
	f.record(1, run("c"), line.Lifecycle{Phase: line.PhaseStart})
	f.Settle(true)
	same, over := of("a")
	require.True(t, over)
	require.Equal(t, first, same, "others began, or are over now")

	changed := func(why string, change func()) {
		t.Helper()
		before, _ := of("a")
		change()
		f.Settle(true)
		after, over := of("a")
		require.True(t, over)
		require.NotEqual(t, before, after, why)
	}
	changed("a step ended late", func() {
		f.record(2, step("a", "a-1"), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "failed"})
	})
	changed("a line came late", func() { f.line(step("a", "a-1"), zapcore.InfoLevel) })
	changed("a part of it expired", func() { f.do(func() { f.Expire(2) }) })
	before := f.view()
	row, _ := before.Row("a")
	old, _ := before.Edition(row.Ref())
	f.do(f.Restart)
	f.record(1, run("a"), line.Lifecycle{Phase: line.PhaseStart})
	f.record(1, run("a"), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "failed"})
	f.Settle(true)
	fresh, over := of("a")
	require.True(t, over)
	require.NotEqual(t, old, fresh, "another table tells of it")
	still, _ := before.Edition(row.Ref())
	require.Equal(t, old, still, "the view has the table of before")
}
