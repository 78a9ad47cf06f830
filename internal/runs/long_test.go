package runs_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

// Who looks at a run that is over, with very many steps, does not keep the mutex, for which whoever logs
// waits, while it is made and its steps are read: most of the time it is free.
func TestLongRun(t *testing.T) {
	const steps = 5_000
	f := newFed()
	f.record(1, run("over"), start)
	for n := range steps {
		s := step("over", fmt.Sprint("over/", n))
		f.record(1, s, start)
		f.record(1, s, end)
	}
	f.record(1, run("over"), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
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
