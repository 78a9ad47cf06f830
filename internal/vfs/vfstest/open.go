package vfstest

import (
	"io/fs"
	"os"
	"runtime"

	"github.com/stretchr/testify/require"
)

func openTests() []test {
	return []test{
		{"open a missing file", func(e *env) {
			_, err := e.OpenFile(e.path("none"), os.O_RDWR, 0)
			require.ErrorIs(e, err, fs.ErrNotExist)
			var pe *fs.PathError
			require.ErrorAs(e, err, &pe)
			require.Equal(e, e.path("none"), pe.Path)
		}},
		{"create in a missing folder", func(e *env) {
			_, err := e.OpenFile(e.path("none", "a"), os.O_RDWR|os.O_CREATE, 0o600)
			require.ErrorIs(e, err, fs.ErrNotExist)
		}},
		{"create below a file", func(e *env) {
			e.write("a", "x")
			_, err := e.OpenFile(e.path("a", "b"), os.O_RDWR|os.O_CREATE, 0o600)
			require.Error(e, err)
		}},
		{"create keeps what is there", func(e *env) {
			e.write("a", "old")
			f := e.open("a", os.O_RDWR|os.O_CREATE)
			e.print(f, "n")
			require.Equal(e, "nld", e.read("a"))
		}},
		{"create exclusively", func(e *env) {
			f, err := e.OpenFile(e.path("a"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
			require.NoError(e, err)
			require.NoError(e, f.Close())
			_, err = e.OpenFile(e.path("a"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
			require.ErrorIs(e, err, fs.ErrExist)
		}},
		{"open with truncate", func(e *env) {
			e.write("a", "old")
			e.open("a", os.O_WRONLY|os.O_TRUNC)
			require.Equal(e, "", e.read("a"))
		}},
		{"open a folder for writing", func(e *env) {
			e.mkdir("d")
			_, err := e.OpenFile(e.path("d"), os.O_RDWR, 0)
			require.Error(e, err)
		}},
		{"the mode is what was asked for", func(e *env) {
			for _, perm := range []fs.FileMode{0o600, 0o640, 0o666} {
				name := perm.String()
				f, err := e.OpenFile(e.path(name), os.O_RDWR|os.O_CREATE, perm)
				require.NoError(e, err)
				require.NoError(e, f.Close())
				e.requireMode(perm, name)
			}
			f, err := e.OpenFile(e.path(fs.FileMode(0o640).String()), os.O_RDWR|os.O_CREATE, 0o600)
			require.NoError(e, err)
			require.NoError(e, f.Close())
			e.requireMode(0o640, fs.FileMode(0o640).String())
		}},
		{"the mode of folders is what was asked for", func(e *env) {
			require.NoError(e, e.MkdirAll(e.path("a"), 0o700))
			require.NoError(e, e.MkdirAll(e.path("a", "b", "c"), 0o777))
			e.requireMode(0o700, "a")
			e.requireMode(0o777, "a", "b")
			e.requireMode(0o777, "a", "b", "c")
			require.NoError(e, e.MkdirAll(e.path("a", "b"), 0o700))
			e.requireMode(0o777, "a", "b")
		}},
		{"a file for reading cannot be written", func(e *env) {
			e.write("a", "old")
			f := e.open("a", os.O_RDONLY)
			_, err := f.Write([]byte("x"))
			require.Error(e, err)
			_, err = f.WriteAt([]byte("x"), 0)
			require.Error(e, err)
			require.Error(e, f.Truncate(0))
			require.Equal(e, "old", e.read("a"))
		}},
		{"a file for writing cannot be read", func(e *env) {
			e.write("a", "old")
			f := e.open("a", os.O_WRONLY)
			_, err := f.Read(make([]byte, 1))
			require.Error(e, err)
			_, err = f.ReadAt(make([]byte, 1), 0)
			require.Error(e, err)
		}},
		{"a closed file says so", func(e *env) {
			f := e.open("a", os.O_RDWR|os.O_CREATE)
			require.NoError(e, f.Close())
			_, err := f.Write([]byte("x"))
			require.ErrorIs(e, err, fs.ErrClosed)
			_, err = f.WriteAt([]byte("x"), 0)
			require.ErrorIs(e, err, fs.ErrClosed)
			_, err = f.Read(make([]byte, 1))
			require.ErrorIs(e, err, fs.ErrClosed)
			_, err = f.ReadAt(make([]byte, 1), 0)
			require.ErrorIs(e, err, fs.ErrClosed)
			_, err = f.Seek(0, 0)
			require.ErrorIs(e, err, fs.ErrClosed)
			_, err = f.Stat()
			require.ErrorIs(e, err, fs.ErrClosed)
			require.ErrorIs(e, f.Sync(), fs.ErrClosed)
			require.ErrorIs(e, f.Truncate(0), fs.ErrClosed)
			require.ErrorIs(e, f.Allocate(1, false), fs.ErrClosed)
			require.ErrorIs(e, f.Close(), fs.ErrClosed)
		}},
	}
}

// requireMode looks at a mode where there are modes.
func (e *env) requireMode(want fs.FileMode, elem ...string) {
	e.Helper()
	fi, err := e.Lstat(e.path(elem...))
	require.NoError(e, err)
	if runtime.GOOS != "windows" {
		require.Equal(e, want, fi.Mode().Perm())
	}
}
