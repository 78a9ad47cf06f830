package vfs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

// Real follows the links on the way to what is there, and leaves alone what is not, what
// cannot be told and what is of another file system.
func TestReal(t *testing.T) {
	at, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	t.Chdir(at)
	require.NoError(t, os.MkdirAll(filepath.Join("r7", "data"), 0o700))
	require.NoError(t, os.Symlink("r7", "current"))
	require.NoError(t, os.Symlink("current", "again"))
	require.NoError(t, os.Symlink("none", "nowhere"))
	require.NoError(t, os.Symlink("loop", "loop"))
	f := func(name, want string) {
		t.Helper()
		require.Equal(t, want, vfs.Real(vfs.OS(), name))
	}
	f(".", at)
	f("r7", filepath.Join(at, "r7"))
	f("current", filepath.Join(at, "r7"))
	f(filepath.Join(at, "again", "data"), filepath.Join(at, "r7", "data"))
	f(filepath.Join("again", "logs", "a"), filepath.Join(at, "r7", "logs", "a"))
	f(filepath.Join("nowhere", "logs"), filepath.Join(at, "nowhere", "logs"))
	f("loop", filepath.Join(at, "loop"))
	f("", "")
	require.Equal(t, "current", vfs.Real(vfs.NewMem(), "current"))
}
