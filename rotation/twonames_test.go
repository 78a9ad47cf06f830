package rotation_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/rotation"
)

// Where the system has no rename that replaces nothing, a file gets its final name before
// it loses the active one. A process that is killed in between leaves it with both.
func TestKillBetweenTwoNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "user.log")
	f, err := rotation.Open(path, nil)
	require.NoError(t, err)
	_, err = f.Write([]byte("1\n2\n"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	closed := filepath.Join(dir, "user-2026-11-21T02-03-04.000.log")
	require.NoError(t, os.WriteFile(path+".next", nil, 0o600))
	require.NoError(t, os.Link(path, closed))

	f, err = rotation.Open(path, &rotation.Options{Rule: rotation.Rule{Compression: rotation.None}})
	require.NoError(t, err)
	_, err = f.Write([]byte("3\n"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	for name, want := range map[string]string{closed: "1\n2\n", path: "3\n"} {
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, want, string(got), name)
	}
	require.NoFileExists(t, path+".next")
}
