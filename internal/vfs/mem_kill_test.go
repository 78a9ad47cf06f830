package vfs_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

func TestKillKeepsEverythingWritten(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "/a")
	put(t, f, "written")
	_, err := m.Lock("/lock")
	require.NoError(t, err)
	ring := create(t, m, "/ring")
	require.NoError(t, ring.Allocate(4096, false))
	mapping, err := m.Map(ring, 4096)
	require.NoError(t, err)
	copy(mapping.Bytes(), "mapped")

	k := m.Kill()
	copy(mapping.Bytes(), "LATER!")
	put(t, f, " later")
	got := tree(t, k)
	require.Equal(t, "written", got["/a"])
	require.Equal(t, "mapped", got["/ring"][:6])
	require.Equal(t, "LATER!", tree(t, m)["/ring"][:6])
	require.Equal(t, m.Used(), k.Used())
	_, err = m.Lock("/lock")
	require.ErrorIs(t, err, vfs.ErrLocked)
	l, err := k.Lock("/lock")
	require.NoError(t, err)
	require.NoError(t, l.Close())

	require.Empty(t, tree(t, k.Crash(nil, vfs.CrashOptions{})), "a kill syncs nothing")
	again, err := k.OpenFile("/a", os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	put(t, again, "!")
	require.Equal(t, "written!", tree(t, k)["/a"])
	require.Equal(t, "written later", tree(t, m)["/a"])
}

func TestHaltStopsEverything(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "/a")
	put(t, f, "x")
	require.NoError(t, f.Allocate(4096, false))
	mapping, err := m.Map(f, 4096)
	require.NoError(t, err)
	l, err := m.Lock("/lock")
	require.NoError(t, err)
	r, err := m.OpenRoot("/")
	require.NoError(t, err)
	before := m.Kill()
	m.Halt()
	for _, call := range []func() error{
		func() error { _, err := f.Write([]byte("x")); return err },
		func() error { _, err := f.WriteAt([]byte("x"), 0); return err },
		func() error { _, err := f.Read(make([]byte, 1)); return err },
		func() error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		func() error { _, err := f.Stat(); return err },
		func() error { _, err := f.Seek(0, 0); return err },
		f.Sync,
		func() error { return f.Truncate(0) },
		func() error { return f.Allocate(9000, true) },
		func() error { _, err := m.OpenFile("/a", os.O_RDONLY, 0); return err },
		func() error { _, err := m.OpenFile("/b", os.O_RDWR|os.O_CREATE, 0); return err },
		func() error { return m.MkdirAll("/d", 0o700) },
		func() error { return m.MkdirAll("/", 0o700) },
		func() error { return m.Rename("/a", "/b") },
		func() error { return m.RenameNew("/a", "/b") },
		func() error { return m.Remove("/a") },
		func() error { _, err := m.Lstat("/a"); return err },
		func() error { _, err := m.ReadDir("/"); return err },
		func() error { _, err := m.ReadNames("/"); return err },
		func() error { return m.SyncDir("/") },
		func() error { _, err := m.Lock("/lock2"); return err },
		func() error { _, err := m.OpenRoot("/"); return err },
		func() error { _, err := m.Map(f, 4096); return err },
		func() error { _, err := r.Open("a"); return err },
		func() error { _, err := r.Lstat("a"); return err },
		func() error { _, err := r.ReadDir(); return err },
		func() error { return r.Remove("a") },
	} {
		require.ErrorIs(t, call(), vfs.ErrCrashed)
	}
	copy(mapping.Bytes(), "gone")
	require.NoError(t, mapping.Unmap())
	require.NoError(t, f.Close())
	require.NoError(t, l.Close())
	require.NoError(t, r.Close())
	require.Equal(t, "x", tree(t, before)["/a"][:1])
}

func TestCrashWhileOthersWrite(t *testing.T) {
	m := vfs.NewMem()
	ring := create(t, m, "/ring")
	require.NoError(t, ring.Allocate(8*4096, false))
	require.NoError(t, ring.Sync())
	require.NoError(t, m.SyncDir("/"))
	mapping, err := m.Map(ring, 8*4096)
	require.NoError(t, err)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				mapping.Bytes()[i%(8*4096)]++
			}
		}
	})
	for w := range 3 {
		f := create(t, m, fmt.Sprintf("/%d", w))
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					_, err := f.WriteAt([]byte("line\n"), int64(i%5000*5))
					require.NoError(t, err)
					if i%50 == 0 {
						require.NoError(t, f.Sync())
					}
				}
			}
		})
	}
	for seed := range uint64(20) {
		require.Contains(t, tree(t, m.Crash(newRand(seed), vfs.CrashOptions{})), "/ring")
		require.Contains(t, tree(t, m.Kill()), "/0")
		m.WriteBack(newRand(seed))
	}
	close(stop)
	writers.Wait()
}

func TestMemForgetsWhatNobodySyncs(t *testing.T) {
	m := vfs.NewMem()
	create(t, m, "/first")
	f := create(t, m, "/cuts")
	for i := range 10_000 {
		name := fmt.Sprintf("/%d", i)
		g, err := m.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
		require.NoError(t, err)
		put(t, g, "x")
		require.NoError(t, g.Close())
		require.NoError(t, m.Remove(name))
		put(t, f, "yy")
		require.NoError(t, f.Truncate(int64(i)))
	}
	require.Contains(t, tree(t, m.Crash(nil, vfs.CrashOptions{})), "/first",
		"old operations are written back at some time")
	require.LessOrEqual(t, m.Used(), int64(3*4096))
}
