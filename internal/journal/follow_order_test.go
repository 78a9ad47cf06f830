package journal_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// requireComplete checks that a snapshot has every record up to AsOf: numbers of
// a folder that lost nothing have no gaps.
func requireComplete(t *testing.T, snap *journal.Snapshot) {
	t.Helper()
	seen := map[uint64]bool{}
	for i := range snap.Segments {
		for r := range snap.Segments[i].Len() {
			seen[snap.Segments[i].Row(r).Seq] = true
		}
	}
	require.Len(t, seen, int(snap.AsOf))
	for seq := range snap.AsOf {
		require.True(t, seen[seq+1], "%d of %d", seq+1, snap.AsOf)
	}
}

// The writer has written one file and not yet the next: a reader shows what is
// complete, and waits for the rest.
func TestReaderSeesNoGaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var slow atomic.Bool
		reached, free := make(chan struct{}), make(chan struct{})
		f := open(t, vfs.Inject(mem, func(op vfs.Op) error {
			if op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, "user.log") && slow.CompareAndSwap(true, false) {
				close(reached)
				<-free
			}
			return nil
		}))
		f.sayAll("email", numbered(2))
		f.sayAll("user", numbered(2))
		require.NoError(t, f.Flush())
		r, err := journal.OpenReader(mem, dir)
		require.NoError(t, err)
		t.Cleanup(func() { r.Close() })
		require.Equal(t, uint64(4), r.Snapshot().AsOf)
		slow.Store(true)
		for range 10 { // before the writer wakes, which is 10 ms of the test's clock later
			f.sayAll("email", numbered(1))
			f.sayAll("user", numbered(1))
		}
		<-reached // email is in the text, user is not, or the reverse
		requireComplete(t, r.Snapshot())
		require.Equal(t, uint64(4), r.Snapshot().AsOf)
		short, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, r.Wait(short, 4), context.DeadlineExceeded)
		close(free)
		require.NoError(t, r.Wait(t.Context(), 23))
		requireComplete(t, r.Snapshot())
		require.Equal(t, uint64(24), r.Snapshot().AsOf)
	})
}

// A disk that takes one file of two and then hangs makes no writer that is gone: readers
// show what is complete until it answers. The same holds of a process that was stopped.
// In real time: who waits for a mutex stops a test's clock.
func TestReaderBesideAStuckDisk(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	var stuck atomic.Bool
	reached, free := make(chan struct{}), make(chan struct{})
	f := open(t, vfs.Inject(mem, func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && filepath.Base(op.Name) == "user.log" && stuck.CompareAndSwap(true, false) {
			close(reached)
			<-free
		}
		return nil
	}), func(o *journal.Options) { o.SyncEvery = 10 * time.Millisecond })
	answer := sync.OnceFunc(func() { close(free) })
	t.Cleanup(answer)
	f.sayAll("email", numbered(2))
	f.sayAll("user", numbered(2))
	require.NoError(t, f.Flush())
	r, err := journal.OpenReader(mem, dir)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	stuck.Store(true)
	for {
		f.sayAll("user", numbered(1))
		f.sayAll("email", numbered(1))
		select {
		case <-reached:
		default:
			continue
		}
		break
	}
	newest := f.Snapshot().AsOf
	long, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	require.ErrorIs(t, r.Wait(long, newest-1), context.DeadlineExceeded)
	requireComplete(t, r.Snapshot())
	f.SeenLast()
	requireComplete(t, r.Snapshot())
	answer()
	require.NoError(t, r.Wait(t.Context(), newest-1))
	requireComplete(t, r.Snapshot())
}

// A reader beside a writer of many files that rotate: each snapshot is complete.
func TestReaderOfManyFiles(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	f := open(t, mem, func(o *journal.Options) { o.Rule = rotation.Rule{MaxBytes: 5000, Compression: rotation.None} })
	r, err := journal.OpenReader(mem, dir)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 3000 {
			if _, err := f.log([]string{"user", "email", "database"}[i%3], service, zapcore.InfoLevel, fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		}
	}()
	snapshots := 0
	for asOf := uint64(0); asOf < 3000; snapshots++ {
		snap := r.Snapshot()
		requireComplete(t, snap)
		require.GreaterOrEqual(t, snap.AsOf, asOf)
		asOf = snap.AsOf
	}
	<-done
	t.Logf("%d snapshots", snapshots)
}

// Of a writer that died a reader shows all that is in the text.
func TestReaderAfterTheWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		f := open(t, mem)
		f.sayAll("user", numbered(3))
		require.NoError(t, f.Flush())
		f.sayAll("user", []string{"in the ring"})
		for _, end := range []string{"killed", "closed"} {
			left := mem.Kill()
			if end == "closed" {
				require.NoError(t, f.Close())
				left = mem
			} else {
				<-time.After(3 * time.Second)
			}
			r, err := journal.OpenReader(left, dir)
			require.NoError(t, err)
			if end == "killed" {
				require.Equal(t, numbered(3), messages(t, r, "user"))
				g := open(t, left)
				require.Equal(t, append(numbered(3), "in the ring"), messages(t, r, "user"))
				require.NoError(t, g.Close())
			}
			require.Equal(t, append(numbered(3), "in the ring"), messages(t, r, "user"))
			require.NoError(t, r.Close())
		}
	})
}
