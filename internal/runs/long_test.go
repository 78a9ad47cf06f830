package runs_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

// Who looks at a run that is over, with very many steps, does not keep the mutex, for which whoever logs
// waits, while it is made and its steps are read: most of the time it is free.
func TestLongRun(t *testing.T) {
	const steps = 5_000
	f := longRun(steps)
	f.Settle(true)
	v := f.view()
	over, ok := v.Row("over")
	require.True(t, ok)
	var in runs.Reading
	var rows []runs.StepRow
	for what, look := range map[string]func(){
		"a run by its row":        func() { require.Len(t, v.Read(over.Ref(), &in).Steps(), steps) },
		"a run by its id":         func() { require.Len(t, f.Run("over").Steps(), steps) },
		"a run of a view":         func() { require.Len(t, v.Run("over").Steps(), steps) },
		"its steps, for a filter": func() { rows = v.AppendSteps(rows[:0], &over); require.Len(t, rows, steps) },
	} {
		t.Run(what, func(t *testing.T) {
			var stop atomic.Bool
			var looks atomic.Int32
			done := make(chan struct{})
			go func() {
				defer close(done)
				for ; !stop.Load(); looks.Add(1) {
					look()
				}
			}()
			free, held := 0, 0
			for free+held < 20 || looks.Load() < 5 {
				if f.mu.TryLock() {
					f.mu.Unlock()
					free++
				} else {
					held++
				}
				runtime.Gosched()
			}
			stop.Store(true)
			<-done
			require.Greater(t, free, held)
		})
	}
}

// longRun returns a table of one run that is over, with so many steps.
func longRun(steps int) *fed {
	f := newFed()
	f.record(1, run("over"), start)
	for n := range steps {
		s := step("over", fmt.Sprint("over/", n))
		f.record(1, s, start)
		f.record(1, s, end)
	}
	f.record(1, run("over"), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
	return f
}

// Others get the mutex now and then while a run with very many steps is packed.
func TestLongRunIsPacked(t *testing.T) {
	f := longRun(5_000)
	f.Settle(true)
	require.Greater(t, f.Turns(), 5_000/64)
	live, objects, _ := f.Held()
	require.Zero(t, live+objects)
	require.Equal(t, 5_000, len(f.Run("over").Steps()))
	require.Equal(t, "over/4711", f.Step("over/4711").Identity.Step)
}

// What happens to a run while it is packed is lost neither by the run nor by its steps.
func TestLongRunChangesWhilePacked(t *testing.T) {
	const steps = 1_000
	f := longRun(steps)
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			f.Settle(true)
		}
	}()
	lines, more := map[string]int64{}, 0
	for n := range 100 {
		id := fmt.Sprint("over/", n*n%steps)
		if f.line(step("over", id), zapcore.InfoLevel); n%10 == 0 {
			f.record(1, step("over", fmt.Sprint("late/", n)), start)
			more++
		}
		lines[id]++
		require.Equal(t, id, f.Step(id).Identity.Step)
		require.EqualValues(t, n+1, f.Run("over").State().Lines[2])
		for range n % 7 * 3 {
			f.Held() // lets the other go on
		}
	}
	stop.Store(true)
	<-done
	f.Settle(true)
	live, objects, _ := f.Held()
	require.Zero(t, live+objects)
	require.Equal(t, steps+more, len(f.Run("over").Steps()))
	for id, n := range lines {
		require.Equal(t, n, f.Step(id).State().Lines[2], id)
	}
}

// Others get the mutex now and then while very many runs expire, or one with very many
// steps does.
func TestLongExpiry(t *testing.T) {
	t.Run("many runs", func(t *testing.T) {
		const many = 2_000
		f := newFed()
		for n := range many {
			f.record(1, run(fmt.Sprint("over/", n)), start)
			f.record(1, run(fmt.Sprint("over/", n)), end)
		}
		f.Settle(true)
		before := f.Turns()
		f.do(func() { f.Expire(1) })
		require.Greater(t, f.Turns()-before, many/64-1)
		require.Zero(t, f.view().AllRuns().Len())
	})
	t.Run("many steps", func(t *testing.T) {
		f := longRun(2_000)
		f.Settle(true)
		before := f.Turns()
		f.do(func() { f.Expire(1) })
		require.Greater(t, f.Turns()-before, 2_000/64-1)
		require.Nil(t, f.Run("over"))
		require.Nil(t, f.Step("over/7"))
	})
}

// The steps of a run that goes on are told in memory that is made at once, before the mutex
// is taken for them.
func TestStepsOfALongRun(t *testing.T) {
	f := longRun(5_000)
	v := f.view()
	row, ok := v.Row("over")
	require.True(t, ok)
	require.Less(t, testing.AllocsPerRun(3, func() { v.AppendSteps(nil, &row) }), 8.0)
}

// The memory to save very many runs is made before the mutex is taken for them.
func TestCutOfManyRuns(t *testing.T) {
	const many, rowSize = 3_000, 64
	f := newFed()
	for n := range many {
		f.record(1, run(fmt.Sprint("over/", n)), start)
		f.record(1, run(fmt.Sprint("over/", n)), end)
	}
	f.Settle(true)
	c, ok := f.NewCut(0)
	require.True(t, ok)
	var before, after runtime.MemStats
	f.do(func() {
		runtime.ReadMemStats(&before)
		ok = c.Take(0)
		runtime.ReadMemStats(&after)
	})
	require.True(t, ok)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(many*rowSize/4))
}

// What starts while others expire stays.
func TestStartWhileOthersExpire(t *testing.T) {
	f := newFed()
	for round := range uint32(5) {
		for n := range 2_000 {
			id := fmt.Sprint(round, "/old/", n)
			f.record(round, run(id), start)
			f.record(round, step(id, id+"/step"), start)
			f.record(round, run(id), end)
		}
		f.Settle(true)
		var over atomic.Bool
		go func() {
			f.do(func() { f.Expire(round) })
			over.Store(true)
		}()
		young := 0
		for ; !over.Load() || young == 0; young++ {
			id := fmt.Sprint(round, "/young/", young)
			f.record(100+round, run(id), start)
			f.record(100+round, run(id), end)
			require.NotNil(t, f.Run(id))
			require.Nil(t, f.Run(fmt.Sprint(round, "/none")))
			f.Settle(true)
		}
		require.Nil(t, f.Run(fmt.Sprint(round, "/old/7")))
		require.Nil(t, f.Step(fmt.Sprint(round, "/old/7/step")))
		v := f.view()
		all := v.AllRuns()
		require.EqualValues(t, young, all.Count(runs.AnyClass(), v.AsOf))
		require.Equal(t, young, len(v.Runs()))
		f.do(func() { f.Expire(100 + round) })
		require.Zero(t, f.view().AllRuns().Len())
	}
}
