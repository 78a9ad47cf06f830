package logger_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

// The times of records are those of the system's clock, at any pace of the calls.
func TestTimesOfRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := openMemory(t, nil)
		l := store.Server("edge-1")
		pauses := []time.Duration{0, 1, time.Microsecond, 999 * time.Millisecond, time.Second, time.Minute, 0}
		var want []time.Time
		for _, pause := range pauses {
			<-time.After(pause)
			want = append(want, time.Now().UTC())
			l.Info("tick")
		}
		ticks := records(t, store, query.Filter{Search: "tick"})
		require.Len(t, ticks, len(want))
		for i, tick := range ticks {
			require.Equal(t, want[i], tick.Time, i)
		}
	})
}
