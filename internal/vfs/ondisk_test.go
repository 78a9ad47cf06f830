package vfs_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

// What a failed sync left out is told from what the disk has, also when a later sync
// said that all is there, and after a kill.
func TestOnDisk(t *testing.T) {
	mem := vfs.NewMem()
	failing := vfs.Matching(vfs.Kinds(vfs.OpSync), vfs.NthFails(2, vfs.Lost(syscall.EIO), false))
	onDisk := func(f vfs.File, from, to int64) int64 {
		t.Helper()
		upto, asked := vfs.OnDisk(f, from, to)
		require.True(t, asked)
		return upto
	}
	f, err := vfs.Inject(mem, failing).OpenFile("/a", os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(t, err)
	write := func(n int) {
		t.Helper()
		_, err := f.Write([]byte(strings.Repeat("x", n)))
		require.NoError(t, err)
	}
	write(3 << 20)
	require.Zero(t, onDisk(f, 0, 3<<20))
	require.NoError(t, f.Sync())
	require.EqualValues(t, 3<<20, onDisk(f, 0, 3<<20))
	require.EqualValues(t, 3<<20, onDisk(f, 3<<20-1, 3<<20))
	write(100_000)
	require.ErrorIs(t, f.Sync(), syscall.EIO)
	write(100_000)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	f, err = mem.Kill().OpenFile("/a", os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Sync())
	require.EqualValues(t, 3<<20, onDisk(f, 0, 3<<20+200_000))
	require.EqualValues(t, 3<<20, onDisk(f, 3<<20+50_000, 3<<20+200_000), "with the block that it begins in")
	require.EqualValues(t, 3<<20+200_000, onDisk(f, 3<<20+150_000, 3<<20+200_000))
}

// On the machine's own disk what was synced is there, whatever its length.
func TestOnDiskOfTheSystem(t *testing.T) {
	for _, fsys := range []vfs.FS{vfs.OS(), vfs.Inject(vfs.OS(), nil)} {
		f, err := fsys.OpenFile(filepath.Join(t.TempDir(), "a"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
		require.NoError(t, err)
		size := int64(0)
		for _, n := range []int{0, 1, 4095, 1, 70_000, 2 << 20} {
			_, err := f.Write([]byte(strings.Repeat("x", n)))
			require.NoError(t, err)
			size += int64(n)
			require.NoError(t, f.Sync())
			for _, from := range []int64{0, size / 2, size} {
				upto, _ := vfs.OnDisk(f, from, size)
				require.Equal(t, size, upto)
			}
		}
		require.NoError(t, f.Close())
	}
}
