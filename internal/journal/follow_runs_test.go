package journal_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// glimpse is what a reader sees of a folder that changes while it looks.
type glimpse struct {
	vfs.FS
	hide   func(name string) bool // from the next listing
	opened func(name string)      // before a file is opened
}

func (g *glimpse) ReadDir(name string) ([]fs.FileInfo, error) {
	infos, err := g.FS.ReadDir(name)
	hide := g.hide
	if hide == nil || name != dir {
		return infos, err
	}
	g.hide = nil
	var seen []fs.FileInfo
	for _, info := range infos {
		if !hide(info.Name()) {
			seen = append(seen, info)
		}
	}
	return seen, err
}

func (g *glimpse) OpenFile(name string, flag int, perm os.FileMode) (vfs.File, error) {
	if g.opened != nil {
		g.opened(filepath.Base(name))
	}
	return g.FS.OpenFile(name, flag, perm)
}

// told is all of a state but what the journal keeps to itself.
func told(s runs.State) []any {
	return []any{s.Ended, s.Implied, s.End, s.Duration, s.Outcome, s.Reason, s.Processed, s.Succeeded, s.Failed,
		s.Fragments, s.Counted, s.Lines, s.Bytes, s.Steps, s.Archived}
}

// requireSameRuns checks that two journals know the same runs and steps, in
// every detail.
func requireSameRuns(t *testing.T, want, got *journal.Journal) {
	t.Helper()
	wanted, runs := want.Snapshot().Runs(), got.Snapshot().Runs()
	require.Len(t, runs, len(wanted))
	for i, w := range wanted {
		r := runs[i]
		require.Equal(t, w.Seq, r.Seq)
		require.Equal(t, told(w.State()), told(r.State()), "run %s", w.Identity.Run)
		require.Len(t, r.Steps(), len(w.Steps()), "run %s", w.Identity.Run)
		for k, s := range w.Steps() {
			require.Equal(t, s.Seq, r.Steps()[k].Seq)
			require.Equal(t, told(s.State()), told(r.Steps()[k].State()), "step %s", s.Identity.Step)
		}
	}
}

func identity(run, step int) line.Identity {
	id := line.Identity{Server: "s", Service: "v", Project: "p", Operation: "o", Run: fmt.Sprintf("r-%d", run)}
	if step > 0 {
		id.Step, id.Action, id.Attempt = fmt.Sprintf("r-%d-s-%d", run, step), "a", 1
	}
	return id
}

// Runs over many files of usage: a step's records may stand in other files than
// those of its run, and lines in others than either.
func writeRuns(t *testing.T, f *folder, runs int) {
	t.Helper()
	for r := range runs {
		f.lifecycle(identity(r, 0), line.Lifecycle{Phase: line.PhaseStart})
	}
	for s := 1; s <= 4; s++ {
		for r := range runs {
			f.lifecycle(identity(r, s), line.Lifecycle{Phase: line.PhaseStart})
			for i := range s {
				_, err := f.log("user", identity(r, s), zapcore.InfoLevel, fmt.Sprint(i))
				require.NoError(t, err)
			}
			if s%2 == 0 {
				f.lifecycle(identity(r, s), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "success"})
			}
			if s == 2 {
				f.lifecycle(identity(r, 0), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "failed", Implied: true})
				f.lifecycle(identity(r, 0), line.Lifecycle{Phase: line.PhaseResume})
			}
			f.lifecycle(identity(r, 0), line.Lifecycle{Phase: line.PhaseUpdate, Counted: true, Processed: int64(s)})
		}
	}
	for r := range runs {
		f.lifecycle(identity(r, 0), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "success"})
	}
}

// A listing is not one moment: it may miss a file that gets another name, or is
// compressed, meanwhile. What runs and steps are does not suffer.
func TestReaderMissesAFile(t *testing.T) {
	t.Parallel()
	for _, compression := range []rotation.Compression{rotation.None, rotation.Gzip} {
		t.Run(compression.String(), func(t *testing.T) {
			t.Parallel()
			mem := vfs.NewMem()
			f := open(t, mem, func(o *journal.Options) {
				o.Mode = journal.ModeWrite
				o.Rule = rotation.Rule{MaxBytes: 4000, Compression: compression}
			})
			writeRuns(t, f, 5)
			require.NoError(t, f.Sync(t.Context()))
			sees := &glimpse{FS: mem}
			r, err := journal.OpenReader(sees, dir)
			require.NoError(t, err)
			t.Cleanup(func() { r.Close() })
			requireSameRuns(t, f.Journal, r)
			names := map[string]bool{}
			for _, s := range r.Snapshot().Segments {
				names[s.Name()] = true
			}
			require.Greater(t, len(names), 6)
			for name := range names {
				sees.hide = func(n string) bool { return strings.HasPrefix(n, name) }
				before := r.Snapshot() // it saw the file again
				requireSameRuns(t, f.Journal, r)
				sees.hide = func(n string) bool { return strings.HasPrefix(n, name) }
				r.Snapshot()
				require.Equal(t, told(f.Run("r-1").State()), told(before.Run("r-1").State()), "of a snapshot taken before")
				require.Nil(t, sees.hide)
			}
			require.Equal(t, messages(t, f.Journal, "user"), messages(t, r, "user"))
		})
	}
}

// A reader reads files one after the other: lines of a step may be seen before
// the step's own record.
func TestReaderSeesLinesBeforeTheirStep(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} {
		t.Run(fmt.Sprintf("the run is known %v", known), func(t *testing.T) {
			t.Parallel()
			mem := vfs.NewMem()
			f := open(t, mem, func(o *journal.Options) { o.Mode = journal.ModeWrite })
			f.sayAll("user", numbered(1))
			if known {
				f.lifecycle(identity(1, 0), line.Lifecycle{Phase: line.PhaseStart})
			}
			sees := &glimpse{FS: mem}
			r, err := journal.OpenReader(sees, dir)
			require.NoError(t, err)
			t.Cleanup(func() { r.Close() })
			requireSameRuns(t, f.Journal, r)
			f.sayAll("user", numbered(1)) // so that the reader opens the file
			sees.opened = func(name string) {
				if name != "user.log" {
					return
				}
				sees.opened = nil
				if !known {
					f.lifecycle(identity(1, 0), line.Lifecycle{Phase: line.PhaseStart})
				}
				f.lifecycle(identity(1, 1), line.Lifecycle{Phase: line.PhaseStart})
				_, err := f.log("user", identity(1, 1), zapcore.InfoLevel, "of the step")
				require.NoError(t, err)
				other := identity(1, 1)
				other.Attempt = 2
				_, err = f.log("user", other, zapcore.WarnLevel, "of the step, too")
				require.NoError(t, err)
			}
			require.Eventually(t, func() bool { return r.Snapshot().AsOf == f.Snapshot().AsOf }, 10*time.Second, time.Millisecond)
			require.Nil(t, sees.opened)
			requireSameRuns(t, f.Journal, r)
		})
	}
}

// A reader that has read a part of a file finds it sealed, and has read a younger
// one meanwhile.
func TestReaderFindsAFileSealed(t *testing.T) {
	t.Parallel()
	mem, sealing := vfs.NewMem(), make(chan struct{})
	f := open(t, vfs.Inject(mem, func(op vfs.Op) error {
		if op.Kind == vfs.OpOpen && strings.HasSuffix(op.Name, ".gz.tmp") {
			<-sealing
		}
		return nil
	}), func(o *journal.Options) { o.Mode, o.Rule.Compression = journal.ModeWrite, rotation.Gzip })
	sees := &glimpse{FS: mem}
	r, err := journal.OpenReader(sees, dir)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	plain := func() bool {
		infos, err := mem.ReadDir(dir)
		require.NoError(t, err)
		return slices.ContainsFunc(infos, func(info fs.FileInfo) bool {
			return strings.HasPrefix(info.Name(), "usage-") && strings.HasSuffix(info.Name(), ".log")
		})
	}
	for i := range 4 {
		f.lifecycle(identity(i, 0), line.Lifecycle{Phase: line.PhaseStart})
		f.lifecycle(identity(0, i+1), line.Lifecycle{Phase: line.PhaseStart})
		requireSameRuns(t, f.Journal, r)
		writeRuns(t, f, 3)
		require.NoError(t, f.Rotate(tables.Usage))
		f.lifecycle(identity(i, 0), line.Lifecycle{Phase: line.PhaseUpdate, Counted: true, Processed: 1000})
		sees.opened = func(name string) {
			if !strings.HasPrefix(name, "usage-") {
				return
			}
			sees.opened = nil
			sealing <- struct{}{}
			require.Eventually(t, func() bool { return !plain() }, 10*time.Second, time.Millisecond)
		}
		requireSameRuns(t, f.Journal, r)
		require.Nil(t, sees.opened)
	}
}

// Of files that are deleted a reader knows what one does that comes afterwards.
func TestReaderForgetsDeletedRuns(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	f := open(t, mem, func(o *journal.Options) {
		o.Mode, o.Rule = journal.ModeWrite, rotation.Rule{MaxBytes: 4000, Compression: rotation.None}
	})
	writeRuns(t, f, 5)
	require.NoError(t, f.Rotate(tables.Usage))
	r, err := journal.OpenReader(mem, dir)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	require.Len(t, r.Snapshot().Runs(), 5)
	infos, err := mem.ReadDir(dir)
	require.NoError(t, err)
	for _, info := range slices.Backward(infos) {
		if !strings.HasPrefix(info.Name(), "usage-") {
			continue
		}
		require.NoError(t, vfs.IgnoreNotExist(mem.Remove(filepath.Join(dir, info.Name())))) // one being made may have its name by now
		later, err := journal.OpenReader(mem, dir)
		require.NoError(t, err)
		requireSameRuns(t, later, r)
		require.NoError(t, later.Close())
	}
	require.Empty(t, r.Snapshot().Runs())
}
