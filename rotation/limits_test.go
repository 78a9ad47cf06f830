package rotation_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// A write that no file may hold is refused, and those after it are not.
func TestWriteTooLarge(t *testing.T) {
	f, err := rotation.OpenFS(vfs.NewMem(), "user.log", nil)
	require.NoError(t, err)
	huge := make([]byte, 1<<30+1) // memory that is only touched at its end
	huge[len(huge)-1] = '\n'
	n, err := f.Write(huge)
	require.ErrorIs(t, err, rotation.ErrTooLarge)
	require.Zero(t, n)
	require.Zero(t, f.Size())
	write(t, f, "line")
	require.NoError(t, f.Close())
}

// TestFileThatCannotRotate: a file grows over its size while it cannot be rotated, up to
// where its rows end, and no further; it rotates when it can.
func TestFileThatCannotRotate(t *testing.T) {
	const limit = int64(1<<32 - 1)
	dir := t.TempDir()
	path := filepath.Join(dir, "user.log")
	file, err := os.Create(path)
	require.NoError(t, err)
	_, err = file.WriteString("first\n")
	require.NoError(t, err)
	_, err = file.WriteAt([]byte("\n"), limit-8) // a hole of 4 GiB
	require.NoError(t, err)
	require.NoError(t, file.Close())

	var failing atomic.Bool
	failing.Store(true)
	fsys := vfs.Inject(vfs.OS(), func(op vfs.Op) error {
		if failing.Load() && op.NewName != "" {
			return errDisk
		}
		return nil
	})
	var h heard
	f, err := rotation.OpenFS(fsys, path, h.options(rotation.Rule{Compression: rotation.None}))
	require.NoError(t, err)
	write(t, f, "123456") // the last byte there is room for
	require.EqualValues(t, limit, f.Size())
	require.Len(t, h.Problems(), 1)
	require.ErrorIs(t, h.Problems()[0], errDisk)
	n, err := f.Write([]byte("\n"))
	require.ErrorIs(t, err, rotation.ErrFull)
	require.Zero(t, n)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, limit, info.Size(), "nothing of it is in the file")

	failing.Store(false)
	require.Eventually(t, func() bool {
		_, err := f.Write([]byte("again\n"))
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.Len(t, h.Closed(), 1)
	require.EqualValues(t, limit, h.Closed()[0].Bytes)
	require.NoError(t, f.Close())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "again\n", string(text))
	require.True(t, strings.HasPrefix(h.Closed()[0].Name, "user-"))
}
