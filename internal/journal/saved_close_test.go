package journal_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
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

// Text that somebody had indexed for a question is not indexed again by each process that
// opens the folder later.
func TestCloseAfterIndexing(t *testing.T) {
	t.Parallel()
	const lines = 500
	mem := vfs.NewMem()
	path := filepath.Join(dir, ".journal", "tables")
	large := func(o *journal.Options) { o.SaveAfter, o.KeepOpen = 1<<10, func(*runs.Run) bool { return true } }
	indexed := func(f *folder) (rows int) {
		for _, s := range f.Snapshot().Segments {
			if s.File() == "user" && s.Index() != nil {
				rows += s.Len()
			}
		}
		return rows
	}
	f := open(t, mem, large)
	for n := range 500 {
		f.lifecycle(identity(n, 0), line.Lifecycle{Phase: line.PhaseStart, TriggeredBy: "me"})
	}
	f.sayAll("user", numbered(lines))
	require.NoError(t, f.Close())
	saved := fileContent(t, mem, path)

	f = open(t, mem, large)
	require.True(t, f.TookSaved())
	require.Zero(t, indexed(f))
	require.NoError(t, f.IndexRows(t.Context()))
	require.Equal(t, lines, indexed(f))
	require.NoError(t, f.Close())
	require.False(t, bytes.Equal(saved, fileContent(t, mem, path)), "saved again")

	f = open(t, mem, large)
	require.True(t, f.TookSaved())
	require.Equal(t, lines, indexed(f))
	require.Len(t, messages(t, f.Journal, "user"), lines)
}

// An index that was given up before it was made is nothing that tables are saved again for.
func TestCloseAfterIndexingGivenUp(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	large := func(o *journal.Options) { o.SaveAfter = 1 << 10 }
	f := open(t, mem, large)
	f.sayAll("user", numbered(1<<16+1000)) // more than one part
	require.NoError(t, f.Close())

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var reads atomic.Int64
	var opened, saved atomic.Bool
	f = open(t, vfs.Inject(mem, func(op vfs.Op) error {
		if op.Kind == vfs.OpReadAt && strings.HasSuffix(op.Name, "user.log") && opened.Load() && reads.Add(1) == 2 {
			cancel()
		}
		if op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, "tables.tmp") {
			saved.Store(true)
		}
		return nil
	}), large)
	require.True(t, f.TookSaved())
	opened.Store(true)
	require.ErrorIs(t, f.IndexRows(ctx), context.Canceled)
	require.EqualValues(t, 2, reads.Load(), "one part was made")
	require.NoError(t, f.Close())
	require.False(t, saved.Load())
}

// The rows of a file that was sealed after the tables were saved do not stay in them.
func TestCloseAfterSealing(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	path := filepath.Join(dir, ".journal", "tables")
	large := func(o *journal.Options) { o.SaveAfter = 1 << 10 }
	f := open(t, vfs.Inject(mem, func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && strings.Contains(op.Name, ".idx") {
			return errors.New("no sidecar")
		}
		return nil
	}), large)
	f.sayAll("user", numbered(2_000))
	require.NoError(t, f.Flush())
	require.NoError(t, f.Rotate("user"))
	require.Eventually(t, f.problemSeen, 10*time.Second, time.Millisecond)
	require.NoError(t, f.Close())
	saved := len(fileContent(t, mem, path))

	f = open(t, mem, large)
	require.True(t, f.TookSaved())
	require.Eventually(t, func() bool { return f.Unsealed() == 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, f.Close())
	require.Less(t, len(fileContent(t, mem, path)), saved/2)

	f = open(t, mem, large)
	require.True(t, f.TookSaved())
	require.Len(t, messages(t, f.Journal, "user"), 2_000)
}
