package journal_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/tables"
)

// What runs and steps that are over take in memory, with everything that finds
// them: it must not be an object each.
func TestHistoryBytes(t *testing.T) {
	if underRace {
		return // it allocates otherwise
	}
	const fewer, more = 1000, 5000
	size := func(many int) int64 {
		path := t.TempDir()
		t.Run(fmt.Sprint(many), func(t *testing.T) {
			j, err := journal.Open(path, journal.Options{Mode: journal.ModeWrite})
			require.NoError(t, err)
			f := &folder{Journal: j, t: t}
			for i := range many {
				id := line.Identity{Server: "edge-1", Service: "orders", Project: "p", Operation: fmt.Sprint("flow-", i%50), Run: uuid.NewString()}
				seq := f.lifecycle(id, line.Lifecycle{Phase: line.PhaseStart, TriggeredBy: "somebody@example.com"})
				for range 5 {
					step := id
					step.Step, step.Action, step.Attempt = uuid.NewString(), "map_fields", 1
					of := f.lifecycle(step, line.Lifecycle{Phase: line.PhaseStart})
					f.lifecycle(step, line.Lifecycle{Phase: line.PhaseEnd, ID: of, Outcome: "succeeded", Duration: time.Second, Levels: line.Levels{0, 7, 20, 1}, Bytes: 12345})
				}
				f.lifecycle(id, line.Lifecycle{Phase: line.PhaseEnd, ID: seq, Outcome: "succeeded", Duration: time.Second, Levels: line.Levels{0, 35, 100, 5}, Bytes: 123456})
			}
			require.NoError(t, f.Rotate(tables.Usage))
			require.Eventually(t, func() bool {
				return slices.ContainsFunc(f.Snapshot().Segments, func(s journal.Segment) bool { return s.Index() != nil && s.Len() >= 12*many })
			}, 20*time.Second, time.Millisecond)
			require.NoError(t, f.Close())
		})
		before := heap()
		j, err := journal.Open(path, journal.Options{Mode: journal.ModeWrite})
		require.NoError(t, err)
		after := heap()
		require.Equal(t, int64(many), j.Snapshot().AllRuns().Count(runs.AnyClass(), j.Snapshot().AsOf))
		live, steps, _ := j.Held()
		require.Zero(t, live)
		require.Zero(t, steps)
		require.NoError(t, j.Close())
		return after - before
	}
	small, large := size(fewer), size(more)
	each := float64(large-small) / ((more - fewer) * 6)
	t.Logf("%.0f bytes for each run and step", each)
	require.Less(t, each, 100.0)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
