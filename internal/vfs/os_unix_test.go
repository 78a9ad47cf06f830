//go:build unix

package vfs_test

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

func TestOSDoesNotFollowLinks(t *testing.T) {
	dir := t.TempDir()
	fsys := vfs.OS()
	target, link, dangling := filepath.Join(dir, "target"), filepath.Join(dir, "link"), filepath.Join(dir, "dangling")
	require.NoError(t, os.WriteFile(target, []byte("content"), 0o600))
	require.NoError(t, os.Symlink(target, link))
	require.NoError(t, os.Symlink(filepath.Join(dir, "none"), dangling))
	for _, name := range []string{link, dangling} {
		for _, flag := range []int{os.O_RDONLY, os.O_RDWR | os.O_CREATE, os.O_RDWR | os.O_CREATE | os.O_EXCL, os.O_WRONLY | os.O_TRUNC} {
			_, err := fsys.OpenFile(name, flag, 0o600)
			require.Error(t, err)
		}
		_, err := fsys.OpenFile(name, os.O_RDWR, 0)
		require.ErrorIs(t, err, syscall.ELOOP)
		require.EqualError(t, err, "open "+name+": a symbolic link, which is not followed")
		_, err = fsys.Lock(name)
		require.Error(t, err)
		fi, err := fsys.Lstat(name)
		require.NoError(t, err)
		require.Equal(t, fs.ModeSymlink, fi.Mode().Type())
	}
	infos, err := fsys.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, infos, 3)
	require.Equal(t, fs.ModeSymlink, infos[0].Mode().Type())
	got, err := os.ReadFile(target)
	require.NoError(t, err)
	require.Equal(t, "content", string(got))
}

func TestOSRootRefusesWhatIsNotAFileOfItsOwn(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "absolute")))
	require.NoError(t, os.Symlink(filepath.Join("..", filepath.Base(outside), "secret"), filepath.Join(dir, "relative")))
	require.NoError(t, os.Symlink("file", filepath.Join(dir, "inside")))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "folder")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	r, err := vfs.OS().OpenRoot(dir)
	require.NoError(t, err)
	for _, name := range []string{"absolute", "relative", "inside", "folder", "folder/secret", "fifo"} {
		_, err := r.Open(name)
		require.Error(t, err, name)
	}
	require.Error(t, r.Remove("folder/secret"))
	require.FileExists(t, filepath.Join(outside, "secret"))
	require.NoError(t, r.Close())
}

func TestOSModesWhateverTheUmask(t *testing.T) {
	for _, mask := range []int{0, 0o077, 0o777} {
		dir := t.TempDir()
		old := syscall.Umask(mask)
		err := vfs.OS().MkdirAll(filepath.Join(dir, "a", "b"), 0o750)
		var f vfs.File
		var ferr error
		if err == nil {
			f, ferr = vfs.OS().OpenFile(filepath.Join(dir, "a", "b", "c"), os.O_RDWR|os.O_CREATE, 0o640)
		}
		syscall.Umask(old)
		require.NoError(t, err)
		require.NoError(t, ferr)
		require.NoError(t, f.Close())
		for name, want := range map[string]fs.FileMode{"a": 0o750, "a/b": 0o750, "a/b/c": 0o640} {
			fi, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Equal(t, want, fi.Mode().Perm(), "%s with umask %o", name, mask)
		}
	}
}

func TestOSLockFileReplaced(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	first, err := vfs.OS().Lock(name)
	require.NoError(t, err)
	require.NoError(t, os.Remove(name))
	second, err := vfs.OS().Lock(name)
	require.NoError(t, err, "the lock is that of the file under the name")
	require.NoError(t, first.Close())
	_, err = vfs.OS().Lock(name)
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.NoError(t, second.Close())
}

// holdEnv names the lock that a child of the test holds until it is killed.
const holdEnv = "VFS_TEST_HOLD"

func TestMain(m *testing.M) {
	if name := os.Getenv(holdEnv); name != "" {
		l, err := vfs.OS().Lock(name)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is done with it
		runtime.KeepAlive(l)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestOSLockEndsWithItsProcess(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), holdEnv+"="+name)
	child.Stderr = os.Stderr
	_, err := child.StdinPipe() // open until the child is gone
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	said, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "held\n", said)
	_, err = vfs.OS().Lock(name)
	require.ErrorIs(t, err, vfs.ErrLocked)

	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	require.Eventually(t, func() bool {
		l, err := vfs.OS().Lock(name)
		return err == nil && l.Close() == nil
	}, 10*time.Second, time.Millisecond)
}

func TestRenameByLinkReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	require.NoError(t, os.WriteFile(a, []byte("1"), 0o600))
	require.NoError(t, os.WriteFile(b, []byte("2"), 0o600))
	require.ErrorIs(t, vfs.LinkNew(a, b), fs.ErrExist)
	require.NoError(t, os.Remove(b))
	require.NoError(t, vfs.LinkNew(a, b))
	require.NoFileExists(t, a)
	got, err := os.ReadFile(b)
	require.NoError(t, err)
	require.Equal(t, "1", string(got))
}

// A link in the place of a folder may lead to a disk that is not mounted.
func TestOSMkdirAllOfALinkToNothing(t *testing.T) {
	dir := t.TempDir()
	there, link := filepath.Join(dir, "there"), filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(there, link))
	for _, name := range []string{link, filepath.Join(link, "logs")} {
		err := vfs.OS().MkdirAll(name, 0o700)
		require.ErrorIs(t, err, fs.ErrExist)
		require.EqualError(t, err, "mkdir "+link+": a symbolic link to what is not there; is the disk mounted?")
	}
	require.NoError(t, os.Mkdir(there, 0o700))
	require.NoError(t, vfs.OS().MkdirAll(filepath.Join(link, "logs"), 0o700))
	require.DirExists(t, filepath.Join(there, "logs"))
}

// What is there and cannot be looked at, as a mount whose server is gone, is called what it
// is, and not that something is there.
func TestOSMkdirAllOfWhatCannotBeLookedAt(t *testing.T) {
	loop := filepath.Join(t.TempDir(), "loop")
	require.NoError(t, os.Symlink(loop, loop))
	for _, name := range []string{loop, filepath.Join(loop, "log")} {
		err := vfs.OS().MkdirAll(name, 0o700)
		require.ErrorIs(t, err, syscall.ELOOP)
		require.NotErrorIs(t, err, fs.ErrExist)
		require.ErrorContains(t, err, loop+": ")
	}
}

// Where a file cannot have two names it is renamed all the same, and replaces nothing. No
// file system at hand has no links at all, but none lets a folder have two names.
func TestOSRenameWithoutLinks(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	require.NoError(t, os.Mkdir(a, 0o700))
	require.NoError(t, os.Mkdir(b, 0o700))
	require.ErrorIs(t, vfs.LinkNew(a, b), fs.ErrExist)
	require.DirExists(t, a)
	require.NoError(t, os.Remove(b))
	require.NoError(t, vfs.LinkNew(a, b))
	require.NoDirExists(t, a)
	require.DirExists(t, b)
	require.ErrorIs(t, vfs.LinkNew(a, b), fs.ErrNotExist)
	require.ErrorIs(t, vfs.LinkNew(b, filepath.Join(dir, "none", "b")), fs.ErrNotExist)
}

// Nobody waits for the other end of a pipe that somebody made in the place of a file.
func TestOSPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, flag := range []int{os.O_RDONLY, os.O_WRONLY, os.O_WRONLY | os.O_CREATE | os.O_TRUNC} {
		_, err := vfs.OS().OpenFile(pipe, flag, 0o600)
		require.Error(t, err)
	}
	_, err := vfs.OS().OpenFile(pipe, os.O_RDONLY, 0)
	require.EqualError(t, err, "open "+pipe+": not a regular file")
}
