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
	"github.com/steplog/steplog/internal/tables"
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
			require.NoError(t, f.Rotate(tables.Usage))
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
		require.NoError(t, f.Rotate(tables.Usage))
		f.lifecycle(identity(200, 0), line.Lifecycle{Phase: line.PhaseUpdate})
	}
	require.NoError(t, f.Rotate(tables.Usage))
	require.Eventually(t, func() bool { return len(f.Snapshot().Runs()) == 1 }, 10*time.Second, time.Millisecond)
}

// A folder whose writer was killed is opened from the tables that were saved while it
// was open, and what came after them: whatever became of the files meanwhile, it is
// told what is derived from the text alone.
func TestSavedWhileOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(dir, ".journal", "tables")
	small := func(o *journal.Options) { o.SaveAfter = 1 }
	logged := func(f *folder, from, to int) {
		for i := from; i < to; i++ {
			f.lifecycle(identity(i, 0), line.Lifecycle{Phase: line.PhaseStart, TriggeredBy: "me"})
			for s := 1; s < 4; s++ {
				f.lifecycle(identity(i, s), line.Lifecycle{Phase: line.PhaseStart, Order: s})
				_, err := f.log("user", identity(i, s), zapcore.InfoLevel, "message")
				require.NoError(f.t, err)
				if i%3 > 0 {
					f.lifecycle(identity(i, s), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
				}
			}
			if i%2 > 0 {
				f.lifecycle(identity(i, 0), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "failed", Reason: "a reason"})
			}
		}
	}
	for _, c := range []struct {
		name   string
		more   func(t *testing.T, f *folder, mem *vfs.Mem)
		change func(t *testing.T, mem *vfs.Mem)
		took   bool
	}{
		{"nothing more", nil, nil, true},
		{"more of the same runs and of others", func(_ *testing.T, f *folder, _ *vfs.Mem) {
			f.lifecycle(identity(0, 0), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
			logged(f, 20, 30)
		}, nil, true},
		{"closed and sealed since", func(t *testing.T, f *folder, mem *vfs.Mem) {
			logged(f, 20, 30)
			for _, log := range []string{tables.Usage, "user"} {
				require.NoError(t, f.Rotate(log))
			}
			logged(f, 30, 35)
			awaitSidecars(t, mem, 4)
			f.lifecycle(identity(2, 1), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "failed"})
		}, nil, true},
		{"a line less in a text that was saved of", nil, func(t *testing.T, mem *vfs.Mem) {
			whole := fileContent(t, mem, filepath.Join(dir, "user.log"))
			lines := bytes.SplitAfter(whole, []byte("\n"))
			rewrite(t, mem, filepath.Join(dir, "user.log"), bytes.Join(append(lines[:5:5], lines[6:]...), nil))
		}, false},
		{"without a first line", nil, func(t *testing.T, mem *vfs.Mem) {
			whole := fileContent(t, mem, filepath.Join(dir, "user.log"))
			_, rest, _ := bytes.Cut(whole, []byte("\n"))
			rewrite(t, mem, filepath.Join(dir, "user.log"), rest)
		}, false},
		{"without sidecars", nil, func(t *testing.T, mem *vfs.Mem) {
			infos, err := mem.ReadDir(dir)
			require.NoError(t, err)
			for _, info := range infos {
				if filepath.Ext(info.Name()) == ".idx" {
					require.NoError(t, mem.Remove(filepath.Join(dir, info.Name())))
				}
			}
		}, true},
		{"tables cut short", nil, func(t *testing.T, mem *vfs.Mem) {
			whole := fileContent(t, mem, path)
			rewrite(t, mem, path, whole[:len(whole)/2])
		}, false},
		{"tables of a newer version", nil, func(t *testing.T, mem *vfs.Mem) {
			whole := fileContent(t, mem, path)
			whole[16]++
			rewrite(t, mem, path, whole)
		}, false},
		{"tables of an earlier version", nil, func(t *testing.T, mem *vfs.Mem) {
			whole := fileContent(t, mem, path)
			whole[16]--
			rewrite(t, mem, path, whole)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mem := vfs.NewMem()
			f := open(t, mem, small)
			logged(f, 0, 10)
			for _, log := range []string{tables.Usage, "user"} {
				require.NoError(t, f.Rotate(log))
			}
			awaitSidecars(t, mem, 2)
			logged(f, 10, 20)
			// Whatever is saved from now on knows of these.
			upto := f.Snapshot().AsOf
			require.NoError(t, f.SaveNow())
			held := fileContent(t, mem, path)
			if c.more != nil {
				c.more(t, f, mem)
			}
			require.GreaterOrEqual(t, f.Snapshot().AsOf, upto)
			killed := mem.Kill()
			rewrite(t, killed, path, held)
			if c.change != nil {
				c.change(t, killed)
			}
			bare := killed.Kill()
			require.NoError(t, bare.Remove(path))
			// Neither saves anything soon.
			again, anew := open(t, killed), open(t, bare)
			require.Equal(t, c.took, again.TookSaved())
			require.False(t, anew.TookSaved())
			require.Equal(t, toldOf(anew.Journal), toldOf(again.Journal))
			require.Equal(t, messages(t, anew.Journal, "user"), messages(t, again.Journal, "user"))
			checkTotals(t, again.Snapshot(), c.name)
		})
	}
}

// What a process deleted is gone after it was killed too, and the runs with it.
func TestDeletedAndKilled(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	f := open(t, mem, func(o *journal.Options) { o.Rule.MaxFiles = 1 })
	for i := range 2 {
		f.lifecycle(identity(i, 0), line.Lifecycle{Phase: line.PhaseStart})
		f.lifecycle(identity(i, 0), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
		require.NoError(t, f.Rotate(tables.Usage))
	}
	require.Eventually(t, func() bool { return len(f.Snapshot().Runs()) == 1 }, 10*time.Second, time.Millisecond)
	f.lifecycle(identity(2, 0), line.Lifecycle{Phase: line.PhaseStart})
	require.NoError(t, f.SaveNow())
	require.NoError(t, f.Rotate(tables.Usage))
	require.Eventually(t, func() bool { return len(f.Snapshot().Runs()) == 1 }, 10*time.Second, time.Millisecond)
	awaitSidecars(t, mem, 1)
	f = open(t, mem.Kill())
	require.True(t, f.TookSaved())
	require.Nil(t, f.Run("r-1"))
	require.Len(t, f.Snapshot().Runs(), 1)
	require.NotNil(t, f.Run("r-2"))
}

func rewrite(t *testing.T, fsys vfs.FS, path string, content []byte) {
	t.Helper()
	out, err := fsys.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	require.NoError(t, err)
	_, err = out.Write(content)
	require.NoError(t, errors.Join(err, out.Close()))
}

// awaitSidecars waits until there are so many, and nothing that is being made.
func awaitSidecars(t *testing.T, fsys vfs.FS, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		infos, err := fsys.ReadDir(dir)
		require.NoError(t, err)
		sidecars := 0
		for _, info := range infos {
			switch filepath.Ext(info.Name()) {
			case ".idx":
				sidecars++
			case ".tmp":
				return false
			}
		}
		return sidecars == n
	}, 10*time.Second, time.Millisecond)
}
