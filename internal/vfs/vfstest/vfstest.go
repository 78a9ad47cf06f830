// Package vfstest is the suite that every vfs.FS passes.
package vfstest

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

// Run tests the file system that open returns, together with an empty folder in
// it. It is called once for every test.
func Run(t *testing.T, open func(t *testing.T) (fsys vfs.FS, dir string)) {
	for _, test := range slices.Concat(openTests(), fileTests(), folderTests(), rootTests(), lockTests(), mapTests()) {
		t.Run(test.name, func(t *testing.T) {
			fsys, dir := open(t)
			test.run(&env{T: t, FS: fsys, dir: dir})
		})
	}
}

type test struct {
	name string
	run  func(*env)
}

// env is one test on one file system.
type env struct {
	*testing.T
	vfs.FS
	dir string
}

// path is a name in the folder of the test.
func (e *env) path(elem ...string) string {
	return filepath.Join(append([]string{e.dir}, elem...)...)
}

// open opens a file that is closed at the latest when the test ends.
func (e *env) open(name string, flag int) vfs.File {
	e.Helper()
	f, err := e.OpenFile(e.path(name), flag, 0o600)
	require.NoError(e, err)
	e.Cleanup(func() { _ = f.Close() })
	return f
}

// write makes a file with that content, whatever it had.
func (e *env) write(name, content string) {
	e.Helper()
	f := e.open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	e.print(f, content)
	require.NoError(e, f.Close())
}

// print writes all of content.
func (e *env) print(f vfs.File, content string) {
	e.Helper()
	n, err := io.WriteString(f, content)
	require.NoError(e, err)
	require.Equal(e, len(content), n)
}

// read is the content of a file.
func (e *env) read(name string) string {
	e.Helper()
	f := e.open(name, os.O_RDONLY)
	b, err := io.ReadAll(f)
	require.NoError(e, err)
	require.NoError(e, f.Close())
	return string(b)
}

// size is the size of a file.
func (e *env) size(name string) int64 {
	e.Helper()
	fi, err := e.Lstat(e.path(name))
	require.NoError(e, err)
	return fi.Size()
}

// names are the entries of a folder.
func (e *env) names(elem ...string) []string {
	e.Helper()
	infos, err := e.ReadDir(e.path(elem...))
	require.NoError(e, err)
	return infoNames(infos)
}

func infoNames(infos []fs.FileInfo) []string {
	names := []string{}
	for _, fi := range infos {
		names = append(names, fi.Name())
	}
	return names
}

// mkdir makes a folder.
func (e *env) mkdir(elem ...string) {
	e.Helper()
	require.NoError(e, e.MkdirAll(e.path(elem...), 0o700))
}
