package vfs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

func TestOSAllocateTakesBlocks(t *testing.T) {
	for _, keepSize := range []bool{false, true} {
		name := filepath.Join(t.TempDir(), "a")
		f, err := vfs.OS().OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		require.NoError(t, err)
		require.NoError(t, f.Allocate(1<<20, keepSize))
		fi, err := f.Stat()
		require.NoError(t, err)
		require.GreaterOrEqual(t, fi.Sys().(*syscall.Stat_t).Blocks*512, int64(1<<20))
		require.Equal(t, !keepSize, fi.Size() == 1<<20)
		require.NoError(t, f.Close())
	}
}

// A process that is being started has every file of ours open until it is another
// program. A lock that was given back in that moment is free all the same.
func TestOSLockIsGivenBackWhileAProcessStarts(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	held, err := vfs.OS().Lock(name)
	require.NoError(t, err)
	inherited := -1
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, e := range entries {
		if path, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && path == name {
			fd, err := strconv.Atoi(e.Name())
			require.NoError(t, err)
			inherited, err = syscall.Dup(fd)
			require.NoError(t, err)
		}
	}
	require.Positive(t, inherited)
	defer syscall.Close(inherited)
	require.True(t, vfs.Locked(vfs.OS(), name))
	_, err = vfs.OS().Lock(name)
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.NoError(t, held.Close())
	require.False(t, vfs.Locked(vfs.OS(), name))
	again, err := vfs.OS().Lock(name)
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

func TestOSKind(t *testing.T) {
	require.Empty(t, vfs.OS().Kind("/proc"), "not a place for logs")
	if fi, err := os.Stat("/dev/shm"); err == nil && fi.IsDir() {
		require.Equal(t, "tmpfs", vfs.OS().Kind("/dev/shm/none"))
	}
}

func TestPopulateChangesNothing(t *testing.T) {
	f, err := vfs.OS().OpenFile(filepath.Join(t.TempDir(), "a"), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Allocate(4*4096, false))
	m, err := vfs.OS().Map(f, 4*4096)
	require.NoError(t, err)
	defer m.Unmap()
	m.Bytes()[4096] = 'x'
	before := bytes.Clone(m.Bytes())
	vfs.Populate(m, 4096, 3*4096)
	require.Equal(t, before, m.Bytes())
}
