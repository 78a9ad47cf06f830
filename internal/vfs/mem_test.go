package vfs_test

import (
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

func TestMemKeepsWhatWasWritten(t *testing.T) {
	m := vfs.NewMem()
	require.NoError(t, m.MkdirAll("a/b", 0o700))
	f, err := m.OpenFile("a/b/c", os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(t, err)
	for range 3000 {
		_, err = f.Write([]byte("line\n"))
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	f, err = m.OpenFile("/a/b/c", os.O_RDONLY, 0)
	require.NoError(t, err)
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Len(t, b, 15000)
	require.NoError(t, m.Rename("a/b/c", "a/d"))
	_, err = m.Lstat("a/b/c")
	require.ErrorIs(t, err, os.ErrNotExist)
	fi, err := m.Lstat("a/d")
	require.NoError(t, err)
	require.Equal(t, int64(15000), fi.Size())
}
