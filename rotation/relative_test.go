package rotation_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/rotation"
)

// A File and a Folder that were opened by a relative name stay where they are when the
// process changes to another folder.
func TestRelativeName(t *testing.T) {
	at, other := t.TempDir(), t.TempDir()
	t.Chdir(at)
	f, err := rotation.Open(filepath.Join("logs", "user.log"), nil)
	require.NoError(t, err)
	folder, err := rotation.OpenFolder("logs")
	require.NoError(t, err)
	defer folder.Close()
	t.Chdir(other)
	write(t, f, "one")
	require.NoError(t, f.Rotate())
	write(t, f, "two")
	require.NoError(t, folder.Follow())
	infos, err := folder.Files()
	require.NoError(t, err)
	require.Len(t, infos, 2)
	require.NoError(t, f.Close())
	made, err := os.ReadDir(other)
	require.NoError(t, err)
	require.Empty(t, made)
}

// So does a File whose folder was named by a link that is turned to another one.
func TestLinkTurned(t *testing.T) {
	at := t.TempDir()
	link := filepath.Join(at, "current")
	turn := func(release string) {
		require.NoError(t, os.MkdirAll(filepath.Join(at, release), 0o700))
		require.NoError(t, os.Symlink(release, link+".new"))
		require.NoError(t, os.Rename(link+".new", link))
	}
	turn("r7")
	f, err := rotation.Open(filepath.Join(link, "logs", "user.log"), nil)
	require.NoError(t, err)
	turn("r8")
	write(t, f, "one")
	require.NoError(t, f.Rotate())
	write(t, f, "two")
	require.NoError(t, f.Close())
	folder, err := rotation.OpenFolder(filepath.Join(at, "r7", "logs"))
	require.NoError(t, err)
	defer folder.Close()
	infos, err := folder.Files()
	require.NoError(t, err)
	require.Len(t, infos, 2)
	made, err := os.ReadDir(filepath.Join(at, "r8"))
	require.NoError(t, err)
	require.Empty(t, made)
}
