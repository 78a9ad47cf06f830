package rotation

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

// TestAppenders is the one suite that every way of writing passes: what holds
// on the memory system, where power cuts and faults are tested, holds for what
// ships.
func TestAppenders(t *testing.T) {
	tests := []struct {
		name string
		fs   func(t *testing.T) (vfs.FS, string)
		open newAppender
	}{
		{"lumberjack on the real system", realFolder, newLumberjackAppender},
		{"plain on the real system", realFolder, newPlainAppender},
		{"plain in memory", memoryFolder, newPlainAppender},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys, dir := tt.fs(t)
			path := filepath.Join(dir, "user.log")
			made, err := openText(fsys, tt.open, path, os.O_CREATE|os.O_EXCL)
			require.NoError(t, err)
			a := &counted{text: made}

			a.write(t, "one\n")
			a.write(t, "two\n")
			a.holds(t, fsys, path, "one\ntwo\n")
			require.NoError(t, a.Sync())

			require.NoError(t, a.Truncate(4), "cut, and go on at the new end")
			a.write(t, "three\n")
			a.holds(t, fsys, path, "one\nthree\n")

			other, err := fsys.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			require.NoError(t, other.Truncate(0), "cut by somebody else")
			a.write(t, "four\n")
			a.holds(t, fsys, path, "four\n")
			_, err = other.WriteAt([]byte("theirs\n"), 5)
			require.NoError(t, err)
			a.write(t, "five\n")
			a.holds(t, fsys, path, "four\ntheirs\nfive\n")
			require.NoError(t, other.Close())

			require.NoError(t, fsys.RenameNew(path, path+".moved"), "moved while open")
			a.write(t, "six\n")
			a.holds(t, fsys, path+".moved", "four\ntheirs\nfive\nsix\n")
			_, err = fsys.Lstat(path)
			require.ErrorIs(t, err, os.ErrNotExist, "nothing is made anew under the old name")

			require.NoError(t, a.Close())
			_, err = a.Write([]byte("late\n"))
			require.ErrorIs(t, err, os.ErrClosed)
			require.Error(t, a.Sync())
			_, err = fsys.Lstat(path)
			require.ErrorIs(t, err, os.ErrNotExist)

			again, err := openText(fsys, tt.open, path+".moved", 0)
			require.NoError(t, err)
			b := &counted{text: again}
			b.write(t, "seven\n")
			b.holds(t, fsys, path+".moved", "four\ntheirs\nfive\nsix\nseven\n")
			require.NoError(t, b.Close())
		})
	}
}

func realFolder(t *testing.T) (vfs.FS, string) { return vfs.OS(), t.TempDir() }

func memoryFolder(t *testing.T) (vfs.FS, string) {
	fsys := vfs.NewMem()
	require.NoError(t, fsys.MkdirAll("logs", 0o700))
	return fsys, "logs"
}

type counted struct{ *text }

func (c *counted) write(t *testing.T, s string) {
	t.Helper()
	n, err := c.Write([]byte(s))
	require.NoError(t, err)
	require.Equal(t, len(s), n)
}

func (c *counted) holds(t *testing.T, fsys vfs.FS, path, want string) {
	t.Helper()
	size, err := c.Size()
	require.NoError(t, err)
	require.EqualValues(t, len(want), size)
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	require.NoError(t, err)
	got := make([]byte, len(want))
	require.NoError(t, readFull(f, got, 0))
	require.Equal(t, want, string(got))
	require.NoError(t, f.Close())
}

// syncs counts the syncs that reach a file.
type syncs struct {
	vfs.File
	n atomic.Int64
}

func (s *syncs) Sync() error { s.n.Add(1); return s.File.Sync() }

func TestSyncReachesTheFile(t *testing.T) {
	for _, tt := range []struct {
		name string
		open newAppender
	}{{"lumberjack", newLumberjackAppender}, {"plain", newPlainAppender}} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "user.log")
			file, err := vfs.OS().OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, fileMode)
			require.NoError(t, err)
			s := &syncs{File: file}
			a, err := tt.open(s, path)
			require.NoError(t, err)
			_, err = a.Write([]byte("line\n"))
			require.NoError(t, err)
			require.NoError(t, a.Sync())
			require.EqualValues(t, 1, s.n.Load())
			require.NoError(t, a.Close())
		})
	}
}

// TestLumberjackOpensOurFile: where open files have no names of their own,
// lumberjack opens a path, and what it opened is checked.
func TestLumberjackOpensOurFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "user.log")
	file, err := vfs.OS().OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, fileMode)
	require.NoError(t, err)
	defer file.Close()
	nameless := struct{ vfs.File }{file} // without the method that tells the descriptor
	require.NoError(t, os.WriteFile(path+".other", []byte("theirs\n"), 0o600))
	require.NoError(t, os.Rename(path+".other", path))
	_, err = newLumberjackAppender(nameless, path)
	require.ErrorIs(t, err, errNotOurs)
	require.NoError(t, os.Remove(path))
	_, err = newLumberjackAppender(nameless, path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	there, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, there)
}

func TestFilesChoosesTheAppender(t *testing.T) {
	tests := []struct {
		name string
		fs   vfs.FS
		want appender
	}{
		{"real", vfs.OS(), &lumberjackAppender{}},
		{"memory", vfs.NewMem(), plainAppender{}},
		{"with faults", vfs.Inject(vfs.OS(), func(vfs.Op) error { return nil }), plainAppender{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := OpenFS(tt.fs, filepath.Join(t.TempDir(), "logs", "user.log"), nil)
			require.NoError(t, err)
			require.IsType(t, tt.want, f.text.appender)
			require.NoError(t, f.Close())
		})
	}
}
