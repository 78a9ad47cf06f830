package rotation_test

import (
	"bytes"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
	"github.com/stretchr/testify/require"
)

// Blocks are reserved ahead of what is written, in proportion, and given back
// when a file is closed.
func TestReserve(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f, err := rotation.OpenFS(fsys, "logs/user.log", &rotation.Options{Rule: rotation.Rule{Compression: rotation.None}})
	require.NoError(t, err)
	defer f.Close()
	line := append(bytes.Repeat([]byte("x"), 9_999), '\n')
	write := func(n int) {
		for range n {
			_, err := f.Write(line)
			require.NoError(t, err)
		}
	}
	const page = 4096
	write(5)
	require.LessOrEqual(t, fsys.Used(), f.Size()+page, "a small file has no more than it needs")
	write(95)
	require.Greater(t, fsys.Used(), f.Size()+f.Size()/5)
	info, err := fsys.Lstat(filepath.Join("logs", "user.log"))
	require.NoError(t, err)
	require.Equal(t, f.Size(), info.Size(), "readers see what was written")

	closed := f.Size()
	require.NoError(t, f.Rotate())
	require.NoError(t, f.Sync())
	require.LessOrEqual(t, fsys.Used(), closed+page)
	write(100)
	require.NoError(t, f.Close())
	require.LessOrEqual(t, fsys.Used(), 2*(closed+page))

	// Where there is no room to reserve, writing goes on until there is none.
	f, err = rotation.OpenFS(fsys, "logs/user.log", nil)
	require.NoError(t, err)
	defer f.Close()
	fsys.SetSpace(fsys.Used() + 10*10_000)
	accepted := int64(0)
	for {
		if _, err = f.Write(line); err != nil {
			break
		}
		accepted++
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.GreaterOrEqual(t, accepted, int64(10))
	require.Equal(t, closed+accepted*10_000, f.Size())
}
