package journal_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/vfs"
)

// Tables that would take longer to write than Close has are given up: all is in the texts.
func TestCloseBeforeTablesAreSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const timeout = 5 * time.Second
		mem := vfs.NewMem()
		f := open(t, vfs.Inject(mem, func(op vfs.Op) error {
			if op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, "tables.tmp") {
				time.Sleep(timeout * 2 / 3)
			}
			return nil
		}), func(o *journal.Options) { o.CloseTimeout, o.Mode = timeout, journal.ModeWrite })
		for n := range 6_000 { // more than one write
			f.lifecycle(identity(n, 0), line.Lifecycle{Phase: line.PhaseStart, TriggeredBy: "me"})
		}
		require.NoError(t, f.Close())
		require.False(t, f.problemSeen())
		g := open(t, mem, func(o *journal.Options) { o.KeepOpen = func(*runs.Run) bool { return true } })
		require.Len(t, g.Snapshot().Runs(), 6_000)
		require.NoError(t, g.Close())
	})
}

// Close leaves large tables as they are saved where little was logged since.
func TestCloseAfterLittle(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	path := filepath.Join(dir, ".journal", "tables")
	large := func(o *journal.Options) { o.SaveAfter, o.KeepOpen = 1<<10, func(*runs.Run) bool { return true } }
	f := open(t, mem, large)
	started := 0
	start := func() {
		f.lifecycle(identity(started, 0), line.Lifecycle{Phase: line.PhaseStart, TriggeredBy: "me"})
		started++
	}
	for range 500 {
		start()
	}
	require.NoError(t, f.Close())
	saved := fileContent(t, mem, path)
	for range 3 {
		f = open(t, mem, large)
		require.True(t, f.TookSaved())
		require.Len(t, f.Snapshot().Runs(), started)
		start()
		require.NoError(t, f.Close())
		require.Equal(t, saved, fileContent(t, mem, path))
	}
	f = open(t, mem, large)
	for range 100 {
		start()
	}
	require.NoError(t, f.Close())
	require.NotEqual(t, saved, fileContent(t, mem, path))
	f = open(t, mem, large)
	require.Len(t, f.Snapshot().Runs(), started)
}
