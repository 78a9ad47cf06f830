package journal_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
)

// A disk that is full when the journal is closed leaves the rest in the ring.
func TestCloseOnAFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		f := open(t, fsys, system("one"))
		f.sayAll("user", []string{"first"})
		require.NoError(t, f.Flush())
		fsys.SetSpace(fsys.Used())
		want := []string{"first"}
		for i := range 200 {
			want = append(want, fmt.Sprint(i, strings.Repeat("f", 200)))
		}
		f.sayAll("user", want[1:])
		waiting := f.Stats().Waiting
		err := f.Close()
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorContains(t, err, fmt.Sprintf("%d bytes of records are not in the texts: they stay in %s for the next open",
			waiting, filepath.Join(dir, ".journal", "ring")))
		_, err = f.Journal.File("user")
		require.ErrorIs(t, err, journal.ErrClosed)
		fsys.SetSpace(-1)
		g := open(t, fsys, system("one"))
		require.Equal(t, want, messages(t, g.Journal, "user"))
		require.Positive(t, g.Recovery().Replayed)
	})
}

// What a journal leaves in its ring when it closes is durable, or who closes it is told
// that it is not.
func TestCloseLeavesADurableRing(t *testing.T) {
	t.Parallel()
	for _, readOnly := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			mem := vfs.NewMem()
			var failing atomic.Bool
			f := open(t, vfs.Inject(mem, func(op vfs.Op) error {
				if failing.Load() && (op.Kind == vfs.OpWrite || readOnly && op.Kind == vfs.OpSync) {
					return syscall.EROFS
				}
				return nil
			}), system("one"))
			f.sayAll("user", numbered(3))
			require.NoError(t, f.Sync(t.Context()))
			failing.Store(true)
			f.sayAll("user", numbered(9)[3:])
			err := f.Close()
			require.ErrorIs(t, err, syscall.EROFS)
			require.ErrorContains(t, err, "for the next open")
			if readOnly {
				require.ErrorContains(t, err, "unless power is lost or the file system unmounted before")
				return
			}
			require.NotContains(t, err.Error(), "unless power is lost")
			g := open(t, mem.Crash(nil, vfs.CrashOptions{Unsynced: vfs.SurviveNone}), system("two"))
			require.Equal(t, numbered(9), messages(t, g.Journal, "user"))
		})
	}
}

// Of a disk to which nothing can be synced the host hears once for each log, not with each
// try, and again when that comes back. Close says each error once.
func TestNothingIsSyncedForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var failing atomic.Bool
		f := open(t, vfs.Inject(mem, func(op vfs.Op) error {
			if failing.Load() && op.Kind == vfs.OpSync && filepath.Dir(op.Name) == dir {
				return syscall.EIO
			}
			return nil
		}))
		for n := range 2 {
			failing.Store(true)
			for range 10 {
				f.sayAll("user", []string{"unsure"})
				f.sayAll("application", []string{"unsure"})
				<-time.After(2 * time.Second)
			}
			require.Len(t, f.told("sync logs/user.log: sync"), n+1)
			require.Len(t, f.told("sync logs/application.log: sync"), n+1)
			failing.Store(false)
			<-time.After(10 * time.Minute) // the texts are closed later and later
			f.sayAll("user", []string{"sure"})
			f.sayAll("application", []string{"sure"})
			<-time.After(2 * time.Second)
		}
		failing.Store(true)
		f.sayAll("user", []string{"last"})
		err := f.Close()
		require.ErrorIs(t, err, syscall.EIO)
		said := strings.Split(err.Error(), "\n")
		slices.Sort(said)
		require.Equal(t, slices.Compact(slices.Clone(said)), said)
	})
}

// A disk that does not answer keeps Close for CloseTimeout. What was accepted is
// in the ring; nothing is accepted any more.
func TestCloseOnAStuckDisk(t *testing.T) {
	t.Parallel()
	for _, kind := range []vfs.OpKind{vfs.OpWrite, vfs.OpSync} {
		mem := vfs.NewMem()
		var stuck atomic.Bool
		reached, free := make(chan struct{}, 10), make(chan struct{})
		f := open(t, vfs.Inject(mem, func(op vfs.Op) error {
			if stuck.Load() && op.Kind == kind && strings.HasSuffix(op.Name, "user.log") {
				reached <- struct{}{}
				<-free
			}
			return nil
		}), system("one"), func(o *journal.Options) { o.SyncEvery, o.CloseTimeout = 20*time.Millisecond, 50*time.Millisecond })
		f.sayAll("user", numbered(2))
		file := f.file("user")
		stuck.Store(true)
		f.sayAll("user", numbered(4)[2:])
		<-reached // by a goroutine of the journal
		require.ErrorIs(t, f.Close(), journal.ErrTimeout)
		_, err := file.Append(f.Owner(run), journal.Meta{}, []byte(`"message":"late"}`))
		require.ErrorIs(t, err, journal.ErrClosed)
		g := open(t, mem.Kill(), system("one"))
		require.Equal(t, numbered(4), messages(t, g.Journal, "user"))
		close(free)
		var again *journal.Journal
		require.Eventually(t, func() bool {
			again, err = journal.Open(dir, journal.Options{FS: mem, Boot: "one", RingBytes: 4 << 20})
			return err == nil
		}, 10*time.Second, 10*time.Millisecond, "it closes once the disk answers")
		require.Equal(t, numbered(4), messages(t, again, "user"))
		require.NoError(t, again.Close())
	}
}

// A folder that could not be synced when it was closed is not taken for a clean
// one after a power cut.
func TestCloseThatCannotSync(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, vfs.Inject(fsys, func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, "user.log") {
			return vfs.Lost(syscall.EIO)
		}
		return nil
	}), system("one"))
	f.sayAll("user", numbered(3))
	require.ErrorIs(t, f.Close(), syscall.EIO)
	size := len(contentOf(t, fsys, "user.log"))
	overwrite(t, fsys, "user.log", int64(size/2), strings.Repeat("\x00", 10))
	g := open(t, fsys, system("two"))
	require.Positive(t, g.Recovery().PutAside)
	require.Zero(t, g.Recovery().Foreign)
}

// After Close nothing touches the ring, which is not mapped any more.
func TestAfterClose(t *testing.T) {
	t.Parallel()
	j, err := journal.Open(t.TempDir(), journal.Options{})
	require.NoError(t, err)
	file, err := j.File("user")
	require.NoError(t, err)
	_, err = file.Append(j.Owner(run), journal.Meta{}, []byte(`"message":"m"}`))
	require.NoError(t, err)
	snap := j.Snapshot()
	require.NoError(t, j.Close())
	require.Error(t, j.Sync(t.Context()))
	require.NoError(t, j.Flush())
	require.ErrorIs(t, j.Rotate("user"), journal.ErrClosed)
	_, err = file.Append(j.Owner(run), journal.Meta{}, []byte(`"message":"m"}`))
	require.ErrorIs(t, err, journal.ErrClosed)
	_, err = snap.Segments[0].Read(0, nil)
	require.Error(t, err)
	j.Stats()
	require.NoError(t, j.Close())
}

// A sync that another one has under way is not done.
func TestSyncsDoNotOverlap(t *testing.T) {
	t.Parallel()
	var slow atomic.Bool
	reached, free := make(chan struct{}), make(chan struct{})
	f := open(t, vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, "user.log") && slow.CompareAndSwap(true, false) {
			close(reached)
			<-free
			return vfs.Lost(syscall.EIO)
		}
		return nil
	}), system("one"))
	f.sayAll("user", numbered(3))
	slow.Store(true)
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- f.Sync(context.Background()) }()
	<-reached
	go func() { second <- f.Sync(context.Background()) }()
	select {
	case err := <-second:
		require.Fail(t, "nothing is durable yet", "%v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(free)
	require.ErrorIs(t, <-first, syscall.EIO)
	require.ErrorIs(t, <-second, syscall.EIO)
}

// A sync in the background that fails is told of by the next one, and by a record
// that says what is in doubt.
func TestFailedSyncIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		fsys := vfs.NewMem()
		f := open(t, vfs.Inject(fsys, func(op vfs.Op) error {
			if op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, "user.log") && failing.CompareAndSwap(true, false) {
				return vfs.Lost(syscall.EIO)
			}
			return nil
		}), system("one"), func(o *journal.Options) { o.SyncEvery = time.Second })
		f.sayAll("user", numbered(2))
		require.NoError(t, f.Sync(t.Context()))
		f.sayAll("user", numbered(5)[2:])
		failing.Store(true)
		<-time.After(1500 * time.Millisecond)
		require.False(t, failing.Load())
		_, err := f.log("user", run, zapcore.InfoLevel, "message 5")
		require.NoError(t, err)
		require.ErrorIs(t, f.Sync(t.Context()), syscall.EIO, "of the sync that the journal made")
		require.NoError(t, f.Sync(t.Context()))
		list := messages(t, f.Journal, "user")
		require.Equal(t, append(numbered(6), "a sync failed: records may be lost with the power"), list)
		text := contentOf(t, fsys, "user.log")
		require.Contains(t, text, `"details":{"after":2,"upto":5}`)
	})
}
