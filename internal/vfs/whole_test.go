package vfs_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

// A file is replaced, with each operation failing in turn and with a power cut
// afterwards: it is the old one or the new one, and the new one when nothing failed.
func TestWriteWhole(t *testing.T) {
	t.Parallel()
	read := func(fsys vfs.FS) string {
		f, err := fsys.OpenFile("d/file", os.O_RDONLY, 0)
		require.NoError(t, err)
		defer f.Close()
		text, err := io.ReadAll(f)
		require.NoError(t, err)
		return string(text)
	}
	for n := int64(1); ; n++ {
		mem := vfs.NewMem()
		require.NoError(t, mem.MkdirAll("d", 0o700))
		require.NoError(t, mem.SyncDir("/"))
		require.NoError(t, vfs.WriteWhole(mem, "d/file", []byte("old")))
		err := vfs.WriteWhole(vfs.Inject(mem, vfs.NthFails(n, syscall.ENOSPC, false)), "d/file", []byte("new"))
		cut := read(mem.Crash(nil, vfs.CrashOptions{}))
		if err == nil {
			require.Equal(t, "new", cut)
			require.Greater(t, n, int64(5))
			return
		}
		require.True(t, vfs.IsFull(err))
		require.Contains(t, []string{"old", "new"}, read(mem), fmt.Sprint(n))
		require.Equal(t, "old", cut, fmt.Sprint(n))
		_, err = mem.Lstat("d/file.tmp")
		require.ErrorIs(t, err, fs.ErrNotExist, fmt.Sprint(n))
	}
}

func TestReadWhole(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	require.NoError(t, mem.MkdirAll("d", 0o700))
	_, err := vfs.ReadWhole(mem, "d/file", 3)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, vfs.WriteWhole(mem, "d/file", []byte("abc")))
	content, err := vfs.ReadWhole(mem, "d/file", 3)
	require.NoError(t, err)
	require.Equal(t, "abc", string(content))
	content, err = vfs.ReadWhole(mem, "d/file", 2)
	require.ErrorIs(t, err, vfs.ErrLong)
	require.Empty(t, content)
	broken := vfs.Inject(mem, func(op vfs.Op) error {
		if op.Kind == vfs.OpRead {
			return syscall.EIO
		}
		return nil
	})
	_, err = vfs.ReadWhole(broken, "d/file", 3)
	require.ErrorIs(t, err, syscall.EIO)
}

// The folder above may be one that is not ours to read: that it cannot be synced is no
// failure, another one is.
func TestSyncParent(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]error{nil: nil, syscall.EACCES: nil, syscall.EPERM: nil, syscall.EIO: syscall.EIO} {
		fsys := vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
			if op.Kind == vfs.OpSyncDir && op.Name == "a" {
				return err
			}
			return nil
		})
		require.NoError(t, fsys.MkdirAll("a/b", 0o700))
		require.ErrorIs(t, vfs.SyncParent(fsys, "a/b"), want)
	}
}
