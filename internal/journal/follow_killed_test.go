package journal_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
)

// holder stops a write to a file until it is let go.
type holder struct {
	next  atomic.Pointer[held]
	letGo func()
}

type held struct {
	file          string
	reached, free chan struct{}
}

func newHolder(t *testing.T) *holder {
	h := &holder{letGo: func() {}}
	t.Cleanup(func() { h.letGo() })
	return h
}

// hold stops the next write to a file.
func (h *holder) hold(file string) (reached <-chan struct{}) {
	next := &held{file, make(chan struct{}), make(chan struct{})}
	h.letGo = sync.OnceFunc(func() { close(next.free) })
	h.next.Store(next)
	return next.reached
}

func (h *holder) over(fsys vfs.FS) vfs.FS {
	return vfs.Inject(fsys, func(op vfs.Op) error {
		at := h.next.Load()
		if at != nil && op.Kind == vfs.OpWrite && filepath.Base(op.Name) == at.file && h.next.CompareAndSwap(at, nil) {
			close(at.reached)
			<-at.free
		}
		return nil
	})
}

// sayUntilHeld logs to two files until email.log has what is newer than what user.log is
// just being given. What is logged while a write is held is written in one round.
func (h *holder) sayUntilHeld(f *folder) {
	reached := h.hold("email.log")
	f.sayAll("email", numbered(1))
	<-reached
	f.sayAll("user", numbered(1))
	f.sayAll("email", numbered(1))
	email := h.letGo
	reached = h.hold("user.log")
	email()
	<-reached
}

// killedBetweenFiles returns what a process leaves that was killed when one file of two
// had its block.
func killedBetweenFiles(t *testing.T) *vfs.Mem {
	t.Helper()
	mem, h := vfs.NewMem(), newHolder(t)
	f := open(t, h.over(mem))
	f.sayAll("email", numbered(2))
	f.sayAll("user", numbered(2))
	require.NoError(t, f.Flush())
	h.sayUntilHeld(f)
	killed := mem.Kill()
	h.letGo()
	require.NoError(t, f.Close())
	return killed
}

// lastSeen says in the ring that the writer was last seen so long ago.
func lastSeen(t *testing.T, fsys vfs.FS, ago time.Duration) {
	t.Helper()
	ring, err := fsys.OpenFile(filepath.Join(dir, ".journal", "ring"), os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = ring.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(time.Now().Add(-ago).UnixNano())), 208)
	require.NoError(t, err)
	require.NoError(t, ring.Close())
}

// wasSeen reads in the ring how long ago that was.
func wasSeen(t *testing.T, fsys vfs.FS) time.Duration {
	t.Helper()
	ring, err := fsys.OpenFile(filepath.Join(dir, ".journal", "ring"), os.O_RDONLY, 0)
	require.NoError(t, err)
	defer ring.Close()
	var at [8]byte
	_, err = ring.ReadAt(at[:], 208)
	require.NoError(t, err)
	return time.Since(time.Unix(0, int64(binary.LittleEndian.Uint64(at[:]))))
}

// openSlowly opens the folder, and has the reader look while the ring is being emptied.
func openSlowly(t *testing.T, killed vfs.FS, look func()) *folder {
	h := newHolder(t)
	reached := h.hold("user.log")
	done := make(chan *folder)
	go func() { done <- open(t, h.over(killed)) }()
	<-reached
	for wasSeen(t, killed) > time.Second {
		runtime.Gosched()
	}
	look()
	h.letGo()
	f := <-done
	look()
	return f
}

// Who looks after a kill, or while a writer is stopped, and while the next process opens
// the folder, sees no file of two without the other, and nothing go away again.
func TestReaderAcrossAKill(t *testing.T) {
	t.Parallel()
	killed := killedBetweenFiles(t)
	r, err := journal.OpenReader(killed, dir)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	asOf := uint64(0)
	look := func() {
		snap := r.Snapshot()
		requireComplete(t, snap)
		require.GreaterOrEqual(t, snap.AsOf, asOf)
		asOf = snap.AsOf
	}
	look()
	lastSeen(t, killed, 30*time.Second)
	look()
	f := openSlowly(t, killed, look)
	require.Equal(t, f.Snapshot().AsOf, asOf)
}

// A process that nobody starts again has its texts shown as they are, and they stay shown
// when it is started after all.
func TestReaderOfAFolderLeftAlone(t *testing.T) {
	t.Parallel()
	killed := killedBetweenFiles(t)
	r, err := journal.OpenReader(killed, dir)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	require.Equal(t, uint64(5), r.Snapshot().AsOf) // the record that was written alone
	lastSeen(t, killed, time.Hour)
	asOf := r.Snapshot().AsOf
	require.Greater(t, asOf, uint64(5))
	f := openSlowly(t, killed, func() {
		snap := r.Snapshot()
		require.GreaterOrEqual(t, snap.AsOf, asOf)
		asOf = snap.AsOf
	})
	require.Equal(t, f.Snapshot().AsOf, asOf)
	requireComplete(t, r.Snapshot())
}

// A writer begins while somebody reads a folder that nobody wrote.
func TestWriterBeginsWhileAReaderLooks(t *testing.T) {
	t.Parallel()
	mem, h := vfs.NewMem(), newHolder(t)
	f := open(t, mem)
	f.sayAll("email", numbered(2))
	f.sayAll("user", numbered(2))
	require.NoError(t, f.Close())
	var begin atomic.Bool
	r, err := journal.OpenReader(vfs.Inject(mem, func(op vfs.Op) error {
		if op.Kind == vfs.OpReadDir && op.Name == dir && begin.CompareAndSwap(true, false) {
			h.sayUntilHeld(open(t, h.over(mem)))
		}
		return nil
	}), dir)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	begin.Store(true)
	snap := r.Snapshot()
	h.letGo()
	requireComplete(t, snap)
}
