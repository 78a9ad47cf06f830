package journal_test

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// requireRows checks that the records of user are these, in order of seq across
// the segments.
func requireRows(t *testing.T, f *folder, want []string) {
	t.Helper()
	require.Equal(t, want, messages(t, f.Journal, "user"))
	snap := f.Snapshot()
	var last uint64
	for i := range snap.Segments {
		if seg := &snap.Segments[i]; seg.File() == "user" {
			for r := range seg.Len() {
				require.Greater(t, seg.Row(r).Seq, last, "%s", seg.Name())
				last = seg.Row(r).Seq
			}
		}
	}
}

// A file that somebody emptied needs no other name when its next segment begins.
func TestRotateAnEmptiedFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		f := open(t, fsys, system("one"))
		f.sayAll("user", numbered(3))
		require.NoError(t, f.Flush())
		text, err := fsys.OpenFile(dir+"/user.log", os.O_RDWR, 0)
		require.NoError(t, err)
		require.NoError(t, text.Truncate(0))
		require.NoError(t, text.Close())
		done := make(chan error, 1)
		go func() { done <- f.Rotate("user") }()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(time.Minute):
			require.Fail(t, "Rotate does not end")
		}
		f.sayAll("user", []string{"after"})
		requireRows(t, f, []string{"after"})
		require.NoError(t, f.Flush())
		requireRows(t, f, []string{"after"})
		g := open(t, fsys.Kill(), system("one"))
		requireRows(t, g, []string{"after"})
	})
}

// Segments have begun that the text has not, and rotating fails: the records go
// to the file that is there, also to one that somebody has added to.
func TestSegmentsThatCannotBegin(t *testing.T) {
	t.Parallel()
	for _, foreign := range []string{"", "a note by hand\n"} {
		synctest.Test(t, func(t *testing.T) {
			fsys := vfs.NewMem()
			var failing atomic.Bool
			f := open(t, vfs.Inject(fsys, func(op vfs.Op) error {
				if failing.Load() && op.Kind == vfs.OpRenameNew {
					return syscall.EIO
				}
				return nil
			}), system("one"), func(o *journal.Options) { o.Rule.MaxBytes = 1000 })
			var want []string
			say := func(n int) {
				for range n {
					m := fmt.Sprint(len(want), strings.Repeat("x", 150))
					want = append(want, m)
					f.sayAll("user", []string{m})
				}
			}
			say(2)
			require.NoError(t, f.Flush())
			failing.Store(true)
			if foreign != "" {
				overwrite(t, fsys, "user.log", int64(len(contentOf(t, fsys, "user.log"))), foreign)
			}
			say(20)
			requireRows(t, f, want)
			require.NoError(t, f.Flush())
			requireRows(t, f, want)
			say(7)
			failing.Store(false)
			<-time.After(2 * time.Second)
			say(20)
			requireRows(t, f, want)
			require.NoError(t, f.Flush())
			requireRows(t, f, want)
			require.Greater(t, len(userFiles(t, fsys)), 3, "it rotates again")
			g := open(t, fsys.Kill(), system("one"))
			requireRows(t, g, want)
		})
	}
}

// A text that could not be synced is closed by the next write, while records wait
// for it in the ring and for the segments after it.
func TestTextIsClosedBetweenTheBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		var failing, stuck atomic.Bool
		f := open(t, vfs.Inject(fsys, func(op vfs.Op) error {
			switch {
			case failing.Load() && op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, ".log"):
				return vfs.Lost(syscall.EIO)
			case stuck.Load() && op.Kind == vfs.OpWrite && strings.Contains(op.Name, "user.log"):
				return syscall.EIO
			}
			return nil
		}), system("one"), func(o *journal.Options) { o.Rule.MaxBytes = 1000 })
		var want []string
		say := func(n int) {
			for range n {
				m := fmt.Sprint(len(want), strings.Repeat("x", 150))
				want = append(want, m)
				f.sayAll("user", []string{m})
			}
		}
		say(1)
		failing.Store(true)
		require.Error(t, f.Sync(t.Context()))
		failing.Store(false)
		stuck.Store(true)
		say(12) // the text is behind by several segments
		requireRows(t, f, want)
		require.Error(t, f.Flush())
		requireRows(t, f, want)
		stuck.Store(false)
		require.NoError(t, f.Flush())
		requireRows(t, f, want)
		say(5)
		require.NoError(t, f.Flush())
		requireRows(t, f, want)
		g := open(t, fsys.Kill(), system("one"))
		requireRows(t, g, want)
	})
}

// A run whose end moved to the next segment, because its text was closed, does
// not go with the segment before.
func TestRunMovesWithItsRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		var failing atomic.Bool
		f := open(t, vfs.Inject(fsys, func(op vfs.Op) error {
			if failing.Load() && op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, ".log") {
				return vfs.Lost(syscall.EIO)
			}
			return nil
		}), system("one"))
		f.lifecycle(run, line.Lifecycle{Phase: line.PhaseStart})
		f.lifecycle(step, line.Lifecycle{Phase: line.PhaseStart})
		failing.Store(true)
		require.Error(t, f.Sync(t.Context()))
		failing.Store(false)
		f.lifecycle(step, line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
		f.lifecycle(run, line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
		require.NoError(t, f.Flush())
		infos, err := f.Folder().List()
		require.NoError(t, err)
		for _, info := range infos {
			if info.Log == "usage" && !info.Active {
				require.NoError(t, f.Folder().Delete(t.Context(), info.Name))
			}
		}
		require.NotNil(t, f.Snapshot().Run("r-1"), "its end is in the active file")
		require.NotNil(t, f.Snapshot().Step("s-1"))
	})
}

// Rotate gets done while others log.
func TestRotateWhileOthersLog(t *testing.T) {
	t.Parallel()
	f := open(t, vfs.NewMem(), system("one"), func(o *journal.Options) { o.Rule.Compression = rotation.None })
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			if _, err := f.log("email", service, zapcore.InfoLevel, "m"); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := range 30 {
		f.sayAll("user", []string{fmt.Sprint(i)})
		require.NoError(t, f.Rotate("user"))
	}
	stop.Store(true)
	<-done
	require.Len(t, messages(t, f.Journal, "user"), 30)
}

// Two logs are rotated while what a ring held that faulted is written to their texts.
func TestRotateWhileTheRingIsSaved(t *testing.T) {
	t.Parallel()
	writing, moving := make(chan struct{}), make(chan struct{})
	answers, moved := make(chan error), make(chan struct{})
	var writes, moves atomic.Int64
	f := open(t, vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		switch {
		case op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, "first.log") && writes.Add(1) < 3:
			writing <- struct{}{}
			return <-answers
		case op.Kind == vfs.OpRenameNew && strings.HasSuffix(op.Name, "user.log") && moves.Add(1) == 1:
			moving <- struct{}{}
			<-moved
		}
		return nil
	}), func(o *journal.Options) { o.SyncEvery = time.Hour })
	f.file("first")
	f.sayAll("user", []string{"user 1"})
	require.NoError(t, f.Flush())
	f.sayAll("first", []string{"first 1"})
	<-writing
	f.Fault()
	answers <- syscall.EIO // so that something is left to be saved
	<-writing
	done := make(chan error, 2)
	rotate := func(name string) { done <- f.Rotate(name) }
	go rotate("user")
	<-time.After(10 * time.Millisecond) // it has begun, or waits; both will do
	answers <- nil
	<-moving
	go rotate("first")
	<-time.After(10 * time.Millisecond)
	close(moved)
	for range 2 {
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(10 * time.Second):
			require.Fail(t, "Rotate does not end")
		}
	}
	f.sayAll("user", []string{"user 2"})
	f.sayAll("first", []string{"first 2"})
	require.Equal(t, journal.ModeWrite, f.Stats().Mode)
	require.Equal(t, []string{"user 1", "user 2"}, messages(t, f.Journal, "user"))
	require.Equal(t, []string{"first 1", "first 2"}, messages(t, f.Journal, "first"))
}

// A file that cannot be rotated grows on, and the host hears of that once until it could
// be rotated, though it is tried again every second.
func TestRotationThatFailsIsToldOnce(t *testing.T) {
	t.Parallel()
	for _, ring := range []journal.Mode{journal.ModeJournal, journal.ModeWrite} {
		synctest.Test(t, func(t *testing.T) {
			var failing atomic.Bool
			f := open(t, vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
				if failing.Load() && op.Kind == vfs.OpRenameNew {
					return syscall.EACCES
				}
				return nil
			}), system("one"), func(o *journal.Options) { o.Mode, o.Rule.MaxBytes = ring, 300 })
			said := 0
			for i := range 90 {
				failing.Store(i/30 != 1)
				m := fmt.Sprint("message ", i)
				f.sayAll("user", []string{m, m, m})
				time.Sleep(500 * time.Millisecond)
				said++
			}
			require.Len(t, messages(t, f.Journal, "user"), 3*said)
			failing.Store(false)
			require.NoError(t, f.Close())
			require.Len(t, f.problems, 2)
			for _, err := range f.problems {
				require.ErrorIs(t, err, syscall.EACCES)
			}
		})
	}
}
