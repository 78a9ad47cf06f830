package vfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// osRoot is a folder opened with os.Root.
type osRoot struct{ root *os.Root }

func (osFS) OpenRoot(name string) (Root, error) {
	r, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return osRoot{r}, nil
}

// Open opens regular files only: a FIFO would block its reader, a link may be
// turned to something else at any time.
func (r osRoot) Open(name string) (File, error) {
	named, err := r.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !named.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f, err := r.root.Open(name)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err == nil && !os.SameFile(named, opened) {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		_ = f.Close() // opened for reading: nothing to lose
		return nil, err
	}
	return osFile{f}, nil
}

func (r osRoot) Lstat(name string) (fs.FileInfo, error) {
	if err := local("lstat", name); err != nil {
		return nil, err
	}
	return r.root.Lstat(name)
}

func (r osRoot) ReadDir() ([]fs.FileInfo, error) {
	return list(func() (*os.File, error) { return r.root.Open(".") })
}

func (r osRoot) Remove(name string) error {
	if err := local("remove", name); err != nil {
		return err
	}
	return r.root.Remove(name)
}

func (r osRoot) Close() error { return r.root.Close() }

// local refuses names that would leave a folder, before anything looks at them.
func local(op, name string) error {
	if !filepath.IsLocal(name) || strings.ContainsRune(name, 0) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return nil
}
