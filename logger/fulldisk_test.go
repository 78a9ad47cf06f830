package logger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// Who ends a run or marks a log while the disk is full can ask whether it was that, and
// does it again when there is room.
func TestCallsOnFullDisk(t *testing.T) {
	for _, mode := range []logger.Mode{logger.ModeJournal, logger.ModeWrite} {
		t.Run(mode.String(), func(t *testing.T) {
			mem := vfs.NewMem()
			store, err := logger.OpenFS(mem, "logs", &logger.Options{Mode: mode, RingBytes: 4 << 20})
			require.NoError(t, err)
			_, run := operation(store).Start(t.Context())
			other := store.Server("edge-1").Service("orders").Operation("b")
			_, open := other.Start(t.Context())
			run.End(nil)
			id := mainLog(t, store, run.ID()).ID
			require.NoError(t, store.Sync(t.Context()))

			mem.SetSpace(mem.Used())
			fill := func(file string, call func()) {
				for before := store.Stats().Files[file].Dropped; store.Stats().Files[file].Dropped == before; {
					call()
				}
			}
			fill(logger.FileUser, func() { open.Error(strings.Repeat("x", 60_000)) })
			fill(logger.FileUsage, func() { open.Add(query.Counts{Processed: 1}) })
			err = store.EndRun(t.Context(), open.ID(), query.Failed, nil)
			require.ErrorIs(t, err, logger.ErrDropped)
			require.ErrorContains(t, err, "end run ")
			err = store.MarkArchived(t.Context(), id)
			require.ErrorIs(t, err, logger.ErrDropped)
			require.ErrorContains(t, err, "mark log ")
			require.Equal(t, query.Running, mainLog(t, store, open.ID()).Outcome)

			mem.SetSpace(-1)
			again := func(call func() error) {
				t.Helper()
				require.Eventually(t, func() bool { return call() == nil }, 30*time.Second, 10*time.Millisecond)
			}
			again(func() error { return store.EndRun(t.Context(), open.ID(), query.TimedOut, nil) })
			again(func() error { return store.MarkArchived(t.Context(), id) })
			require.Equal(t, query.TimedOut, mainLog(t, store, open.ID()).Outcome)
			require.True(t, mainLog(t, store, run.ID()).Archived)
			require.NoError(t, store.Close())
		})
	}
}
