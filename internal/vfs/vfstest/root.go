package vfstest

import (
	"io"
	"io/fs"

	"github.com/stretchr/testify/require"
)

func rootTests() []test {
	return []test{
		{"a root reads", func(e *env) {
			e.mkdir("d", "sub")
			e.write("d/b", "bee")
			e.write("d/a", "x")
			e.write("d/sub/c", "sea")
			r, err := e.OpenRoot(e.path("d"))
			require.NoError(e, err)
			infos, err := r.ReadDir()
			require.NoError(e, err)
			require.Equal(e, []string{"a", "b", "sub"}, infoNames(infos))
			infos, err = r.ReadDir()
			require.NoError(e, err)
			require.Len(e, infos, 3)
			fi, err := r.Lstat("b")
			require.NoError(e, err)
			require.Equal(e, "b", fi.Name())
			require.Equal(e, int64(3), fi.Size())
			for name, want := range map[string]string{"b": "bee", "sub/c": "sea"} {
				f, err := r.Open(name)
				require.NoError(e, err)
				got, err := io.ReadAll(f)
				require.NoError(e, err)
				require.Equal(e, want, string(got))
				_, err = f.Write([]byte("x"))
				require.Error(e, err)
				opened, err := f.Stat()
				require.NoError(e, err)
				named, err := r.Lstat(name)
				require.NoError(e, err)
				require.True(e, e.SameFile(opened, named))
				require.NoError(e, f.Close())
			}
			require.NoError(e, r.Close())
			_, err = r.Open("b")
			require.ErrorIs(e, err, fs.ErrClosed)
			_, err = r.Lstat("b")
			require.ErrorIs(e, err, fs.ErrClosed)
			_, err = r.ReadDir()
			require.ErrorIs(e, err, fs.ErrClosed)
			require.ErrorIs(e, r.Remove("b"), fs.ErrClosed)
			require.NoError(e, r.Close())
		}},
		{"a root is not left", func(e *env) {
			e.mkdir("d")
			e.write("secret", "x")
			e.write("d/a", "x")
			r, err := e.OpenRoot(e.path("d"))
			require.NoError(e, err)
			for _, name := range []string{"../secret", "..", "", "/", e.path("secret"), "a/../../secret",
				"./../secret", "a\x00", "../d/a"} {
				_, err := r.Open(name)
				require.Error(e, err, name)
				_, err = r.Lstat(name)
				require.Error(e, err, name)
				require.Error(e, r.Remove(name), name)
			}
			require.Equal(e, "x", e.read("secret"))
			require.NoError(e, r.Close())
		}},
		{"a root opens files only", func(e *env) {
			e.mkdir("d", "sub")
			e.write("f", "x")
			r, err := e.OpenRoot(e.path("d"))
			require.NoError(e, err)
			_, err = r.Open("sub")
			require.Error(e, err)
			_, err = r.Open(".")
			require.Error(e, err)
			_, err = r.Open("none")
			require.ErrorIs(e, err, fs.ErrNotExist)
			require.NoError(e, r.Close())
			_, err = e.OpenRoot(e.path("none"))
			require.ErrorIs(e, err, fs.ErrNotExist)
			_, err = e.OpenRoot(e.path("f"))
			require.Error(e, err)
		}},
		{"a root removes", func(e *env) {
			e.mkdir("d", "sub")
			e.write("d/a", "x")
			e.write("d/sub/b", "x")
			r, err := e.OpenRoot(e.path("d"))
			require.NoError(e, err)
			require.NoError(e, r.Remove("a"))
			require.ErrorIs(e, r.Remove("a"), fs.ErrNotExist)
			require.Error(e, r.Remove("sub"))
			require.NoError(e, r.Remove("sub/b"))
			require.NoError(e, r.Remove("sub"))
			require.Empty(e, e.names("d"))
			require.NoError(e, r.Close())
		}},
	}
}
