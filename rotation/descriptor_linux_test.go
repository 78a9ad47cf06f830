package rotation_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/rotation"
)

// fewEnv names the folder for a child process that has no descriptor left for lumberjack.
const fewEnv = "ROTATION_TEST_FEW_DESCRIPTORS"

// Who has no descriptor left hears so, and not of names that lumberjack made up; writing
// goes on meanwhile, and rotating when there are descriptors again.
func TestNoDescriptorLeft(t *testing.T) {
	if dir := os.Getenv(fewEnv); dir != "" {
		rotateWithout(t, dir)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoDescriptorLeft$")
	cmd.Env = append(os.Environ(), fewEnv+"="+t.TempDir())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func rotateWithout(t *testing.T, dir string) {
	f, err := rotation.Open(filepath.Join(dir, "user.log"), &rotation.Options{Rule: rotation.Rule{Compression: rotation.None}})
	require.NoError(t, err)
	_, err = f.Write([]byte("one\n"))
	require.NoError(t, err)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	limit.Cur = min(limit.Cur, 64)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	var held []*os.File
	for {
		null, err := os.Open(os.DevNull)
		if err != nil {
			require.ErrorIs(t, err, syscall.EMFILE)
			break
		}
		held = append(held, null)
	}
	require.NoError(t, held[0].Close()) // for the next file, and none for lumberjack
	err = f.Rotate()
	require.ErrorIs(t, err, syscall.EMFILE)
	require.NotContains(t, err.Error(), "/proc/")
	_, err = f.Write([]byte("two\n"))
	require.NoError(t, err)
	for _, null := range held[1:] {
		require.NoError(t, null.Close())
	}
	require.NoError(t, f.Rotate())
	require.NoError(t, f.Close())
}
