//go:build unix

package rotation

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

// namelessEnv names the folder for a child process that has no descriptor left.
const namelessEnv = "ROTATION_TEST_NAMELESS"

// Where open files have no names of their own, a file that lumberjack has no descriptor for
// stays where it is.
func TestNoDescriptorForAPath(t *testing.T) {
	if dir := os.Getenv(namelessEnv); dir != "" {
		openWithout(t, dir)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoDescriptorForAPath$")
	cmd.Env = append(os.Environ(), namelessEnv+"="+t.TempDir())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func openWithout(t *testing.T, dir string) {
	path := filepath.Join(dir, "user.log")
	require.NoError(t, os.WriteFile(path, []byte("line\n"), fileMode))
	file, err := vfs.OS().OpenFile(path, os.O_RDWR|os.O_APPEND, fileMode)
	require.NoError(t, err)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	few := limit
	few.Cur = 0
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few))
	_, err = newLumberjackAppender(struct{ vfs.File }{file}, path)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	require.ErrorIs(t, err, syscall.EMFILE)
	require.EqualError(t, err, "open "+path+" for appending: too many open files")
	there, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, there, 1)
	require.Equal(t, "user.log", there[0].Name())
	a, err := newLumberjackAppender(struct{ vfs.File }{file}, path)
	require.NoError(t, err)
	require.NoError(t, a.Close())
}
