package journal_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// TestSavedRows opens a folder after a clean end, with what was saved of its rows
// and without, and compares what it knows.
func TestSavedRows(t *testing.T) {
	mem := vfs.NewMem()
	f := open(t, mem)
	run := line.Identity{Server: "edge-1", Operation: "o", Run: "r-1"}
	for i := range 1500 {
		if i%3 == 0 {
			f.lifecycle(line.Identity{Run: "r-1", Operation: "o", Step: string(rune('a' + i%26))}, line.Lifecycle{Phase: line.PhaseStart, Order: i})
		}
		_, err := f.log("user", run, zapcore.InfoLevel, "message")
		require.NoError(t, err)
	}
	f.lifecycle(run, line.Lifecycle{Phase: line.PhaseStart, TriggeredBy: "me"})
	f.lifecycle(run, line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded", Reason: "done"})
	want := messages(t, f.Journal, "user")
	require.NoError(t, f.Close())
	path := filepath.Join(dir, ".journal", "tables")
	_, err := mem.Lstat(path)
	require.NoError(t, err)

	check := func(name string) {
		t.Helper()
		f := open(t, mem)
		require.Equal(t, want, messages(t, f.Journal, "user"), name)
		state := f.Run("r-1").State()
		require.True(t, state.Ended, name)
		require.Equal(t, "done", state.Reason, name)
		require.EqualValues(t, len(want), state.Lines[2], name)
		require.Equal(t, 26, state.Steps, name)
		require.False(t, f.problemSeen(), name)
		_, err := f.log("user", run, zapcore.InfoLevel, "more")
		require.NoError(t, err)
		want = append(want, "more")
		require.NoError(t, f.Close())
	}
	check("saved")
	check("saved after it was taken in")
	// A bit of it is another: what is saved is not believed, or says the same.
	whole := fileContent(t, mem, path)
	for at := 0; at < len(whole); at += 1 + len(whole)/40 {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x10
		other := mem.Kill()
		out, err := other.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
		require.NoError(t, err)
		_, err = out.Write(damaged)
		require.NoError(t, errors.Join(err, out.Close()))
		f := open(t, other)
		require.Equal(t, want, messages(t, f.Journal, "user"), at)
		require.EqualValues(t, len(want), f.Run("r-1").State().Lines[2], at)
		require.Equal(t, 26, f.Run("r-1").State().Steps, at)
		require.NoError(t, f.Close())
	}
	require.NoError(t, mem.Remove(path))
	check("not saved")
}

func fileContent(t *testing.T, fsys vfs.FS, path string) []byte {
	t.Helper()
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	return b
}

// Files that a rule deletes while a folder is opened take their runs with them,
// also where the tables are read back.
func TestRetainedWhileOpened(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	f := open(t, mem)
	long := identity(100, 0)
	f.lifecycle(long, line.Lifecycle{Phase: line.PhaseStart})
	f.lifecycle(identity(100, 1), line.Lifecycle{Phase: line.PhaseStart})
	f.lifecycle(identity(100, 1), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
	for i := range 4 {
		f.lifecycle(identity(i, 0), line.Lifecycle{Phase: line.PhaseStart})
		f.lifecycle(identity(i, 0), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
		if i < 3 {
			require.NoError(t, f.Rotate(journal.FileUsage))
		}
	}
	f.lifecycle(long, line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
	require.NoError(t, f.Close())
	_, err := mem.Lstat(filepath.Join(dir, ".journal", "tables"))
	require.NoError(t, err)

	f = open(t, mem, func(o *journal.Options) { o.Rule.MaxFiles = 1 })
	require.Eventually(t, func() bool { return len(f.Snapshot().Runs()) == 3 }, 10*time.Second, time.Millisecond)
	snap := f.Snapshot()
	require.Nil(t, snap.Run("r-0"))
	require.Nil(t, snap.Run("r-1"))
	require.NotNil(t, snap.Run("r-2"))
	require.NotNil(t, snap.Run("r-3"))
	require.Empty(t, snap.Run("r-100").Steps(), "its records are gone")
	require.Nil(t, snap.Step("r-100-s-1"))
	for range 2 {
		require.NoError(t, f.Rotate(journal.FileUsage))
		f.lifecycle(identity(200, 0), line.Lifecycle{Phase: line.PhaseUpdate})
	}
	require.NoError(t, f.Rotate(journal.FileUsage))
	require.Eventually(t, func() bool { return len(f.Snapshot().Runs()) == 1 }, 10*time.Second, time.Millisecond)
}
