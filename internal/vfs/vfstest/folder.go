package vfstest

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func folderTests() []test {
	return []test{
		{"make folders", func(e *env) {
			e.mkdir("a", "b", "c")
			e.mkdir("a", "b", "c")
			fi, err := e.Lstat(e.path("a", "b"))
			require.NoError(e, err)
			require.True(e, fi.IsDir())
			e.write("f", "x")
			require.Error(e, e.MkdirAll(e.path("f"), 0o700))
			require.Error(e, e.MkdirAll(e.path("f", "g"), 0o700))
		}},
		{"list a folder", func(e *env) {
			require.Empty(e, e.names())
			for _, name := range []string{"b", "a-1", "c", "a"} {
				e.write(name, name)
			}
			e.mkdir("aa")
			require.Equal(e, []string{"a", "a-1", "aa", "b", "c"}, e.names())
			infos, err := e.ReadDir(e.path())
			require.NoError(e, err)
			require.Equal(e, int64(3), infos[1].Size())
			require.True(e, infos[2].IsDir())
			_, err = e.ReadDir(e.path("none"))
			require.ErrorIs(e, err, fs.ErrNotExist)
			_, err = e.ReadDir(e.path("a"))
			require.Error(e, err)
		}},
		{"what gets another name is listed under one", func(e *env) {
			const others = 300 // more than a system lists at once
			for i := range others {
				e.write(fmt.Sprint("other-", i), "")
			}
			e.write("plain", "")
			e.write("other", "")
			root, err := e.OpenRoot(e.path())
			require.NoError(e, err)
			e.Cleanup(func() { require.NoError(e, root.Close()) })
			rename := make(chan struct{})
			var wg sync.WaitGroup
			defer wg.Wait()
			defer close(rename)
			wg.Go(func() { // as a file is compressed: it is there under one name at every moment
				from, to := "plain", "packed"
				for range rename {
					assert.NoError(e, e.Rename(e.path("other"), e.path(to)))
					assert.NoError(e, e.Rename(e.path(from), e.path("other")))
					from, to = to, from
				}
			})
			for range 200 {
				for _, list := range []func() ([]fs.FileInfo, error){func() ([]fs.FileInfo, error) { return e.ReadDir(e.path()) }, root.ReadDir} {
					rename <- struct{}{}
					infos, err := list()
					require.NoError(e, err)
					names := infoNames(infos)
					require.True(e, slices.Contains(names, "plain") || slices.Contains(names, "packed"))
					require.True(e, slices.IsSorted(names))
				}
			}
		}},
		{"list the names in a folder", func(e *env) {
			names, err := e.ReadNames(e.path())
			require.NoError(e, err)
			require.Empty(e, names)
			e.write("b", "b")
			e.write("a", "a")
			e.mkdir("aa")
			names, err = e.ReadNames(e.path())
			require.NoError(e, err)
			require.ElementsMatch(e, []string{"a", "aa", "b"}, names)
			_, err = e.ReadNames(e.path("none"))
			require.ErrorIs(e, err, fs.ErrNotExist)
			_, err = e.ReadNames(e.path("a"))
			require.Error(e, err)
		}},
		{"describe", func(e *env) {
			_, err := e.Lstat(e.path("none"))
			require.ErrorIs(e, err, fs.ErrNotExist)
			e.write("a", "four")
			fi, err := e.Lstat(e.path("a"))
			require.NoError(e, err)
			require.Equal(e, "a", fi.Name())
			require.Equal(e, int64(4), fi.Size())
			require.True(e, fi.Mode().IsRegular())
		}},
		{"rename replaces", func(e *env) {
			e.write("a", "new")
			e.write("b", "old")
			require.NoError(e, e.Rename(e.path("a"), e.path("b")))
			require.Equal(e, []string{"b"}, e.names())
			require.Equal(e, "new", e.read("b"))
			require.NoError(e, e.Rename(e.path("b"), e.path("b")))
			require.Equal(e, "new", e.read("b"))
		}},
		{"rename between folders", func(e *env) {
			e.mkdir("d", "e")
			e.write("a", "x")
			require.NoError(e, e.Rename(e.path("a"), e.path("d", "b")))
			require.Equal(e, []string{"d"}, e.names())
			require.Equal(e, []string{"b", "e"}, e.names("d"))
			require.NoError(e, e.Rename(e.path("d"), e.path("f")))
			require.Equal(e, []string{"b", "e"}, e.names("f"))
			require.Error(e, e.Rename(e.path("f"), e.path("f", "e", "g")))
		}},
		{"rename what cannot be", func(e *env) {
			e.write("a", "x")
			e.mkdir("d")
			err := e.Rename(e.path("none"), e.path("b"))
			require.ErrorIs(e, err, fs.ErrNotExist)
			var le *os.LinkError
			require.ErrorAs(e, err, &le)
			require.Error(e, e.Rename(e.path("a"), e.path("none", "b")))
			require.Error(e, e.Rename(e.path("a"), e.path("d")))
			require.Error(e, e.Rename(e.path("d"), e.path("a")))
			require.Equal(e, []string{"a", "d"}, e.names())
		}},
		{"rename to a new name", func(e *env) {
			e.write("a", "1")
			e.write("b", "2")
			err := e.RenameNew(e.path("a"), e.path("b"))
			require.ErrorIs(e, err, fs.ErrExist)
			var le *os.LinkError
			require.ErrorAs(e, err, &le)
			require.Equal(e, "1", e.read("a"))
			require.Equal(e, "2", e.read("b"))
			require.NoError(e, e.RenameNew(e.path("a"), e.path("c")))
			require.Equal(e, []string{"b", "c"}, e.names())
			require.Equal(e, "1", e.read("c"))
			require.ErrorIs(e, e.RenameNew(e.path("none"), e.path("d")), fs.ErrNotExist)
		}},
		{"remove", func(e *env) {
			e.write("a", "x")
			e.mkdir("d", "e")
			require.NoError(e, e.Remove(e.path("a")))
			err := e.Remove(e.path("a"))
			require.ErrorIs(e, err, fs.ErrNotExist)
			var pe *fs.PathError
			require.ErrorAs(e, err, &pe)
			require.Error(e, e.Remove(e.path("d")))
			require.NoError(e, e.Remove(e.path("d", "e")))
			require.NoError(e, e.Remove(e.path("d")))
			require.Empty(e, e.names())
		}},
		{"an open file outlives its name", func(e *env) {
			if runtime.GOOS == "windows" {
				return // there it cannot lose its name
			}
			f := e.open("a", os.O_RDWR|os.O_CREATE)
			e.print(f, "1")
			require.NoError(e, e.Rename(e.path("a"), e.path("b")))
			e.print(f, "2")
			require.Equal(e, "12", e.read("b"))
			require.NoError(e, e.Remove(e.path("b")))
			e.print(f, "3")
			_, err := f.Seek(0, io.SeekStart)
			require.NoError(e, err)
			all, err := io.ReadAll(f)
			require.NoError(e, err)
			require.Equal(e, "123", string(all))
			require.Empty(e, e.names())
		}},
		{"same file", func(e *env) {
			f := e.open("a", os.O_RDWR|os.O_CREATE)
			opened, err := f.Stat()
			require.NoError(e, err)
			require.NoError(e, f.Close())
			named, err := e.Lstat(e.path("a"))
			require.NoError(e, err)
			require.True(e, e.SameFile(opened, named))
			require.NoError(e, e.Rename(e.path("a"), e.path("b")))
			moved, err := e.Lstat(e.path("b"))
			require.NoError(e, err)
			require.True(e, e.SameFile(opened, moved))
			e.write("a", "x")
			other, err := e.Lstat(e.path("a"))
			require.NoError(e, err)
			require.False(e, e.SameFile(opened, other))
		}},
		{"sync a folder", func(e *env) {
			for i := range 3 {
				e.write(fmt.Sprint(i), "x")
				require.NoError(e, e.SyncDir(e.path()))
			}
			if runtime.GOOS != "windows" {
				require.ErrorIs(e, e.SyncDir(e.path("none")), fs.ErrNotExist)
			}
		}},
		{"the kind does not depend on the name being there", func(e *env) {
			require.Equal(e, e.Kind(e.path()), e.Kind(e.path("none", "at", "all")))
		}},
	}
}
