package vfs

import (
	"io/fs"
	"os"
	"path"
)

// memRoot is a folder of a Mem for readers. It stays the folder that was opened
// when that gets another name. The Mem's mu guards closed.
type memRoot struct {
	fs     *Mem
	dir    *node
	name   string
	closed bool
}

// OpenRoot opens a folder for readers; see [FS].
func (m *Mem) OpenRoot(name string) (Root, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := folderOf(m.find(name))
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &memRoot{fs: m, dir: n, name: name}, nil
}

// find is the node of a local name.
func (r *memRoot) find(name string) (*node, error) {
	if r.fs.halted {
		return nil, ErrCrashed
	}
	if r.closed {
		return nil, fs.ErrClosed
	}
	n := r.dir
	for part := range parts(name) {
		if !n.folder {
			return nil, errNotDir
		}
		if n = n.entries[part]; n == nil {
			return nil, fs.ErrNotExist
		}
	}
	return n, nil
}

func (r *memRoot) Open(name string) (File, error) {
	if err := local("open", name); err != nil {
		return nil, err
	}
	r.fs.mu.Lock()
	defer r.fs.mu.Unlock()
	n, err := r.find(name)
	if err == nil && n.folder {
		err = fs.ErrInvalid
	}
	if err != nil {
		return nil, pathError("open", name, err)
	}
	n.refs++
	return &memFile{fs: r.fs, node: n, name: path.Join(r.name, name), flag: os.O_RDONLY}, nil
}

func (r *memRoot) Lstat(name string) (fs.FileInfo, error) {
	if err := local("lstat", name); err != nil {
		return nil, err
	}
	r.fs.mu.RLock()
	defer r.fs.mu.RUnlock()
	n, err := r.find(name)
	if err != nil {
		return nil, pathError("lstat", name, err)
	}
	return n.info(path.Base(cleanName(name))), nil
}

func (r *memRoot) ReadDir() ([]fs.FileInfo, error) {
	r.fs.mu.RLock()
	defer r.fs.mu.RUnlock()
	n, err := r.find(".")
	if err != nil {
		return nil, pathError("readdir", r.name, err)
	}
	return n.list(), nil
}

func (r *memRoot) Remove(name string) error {
	if err := local("remove", name); err != nil {
		return err
	}
	r.fs.mu.Lock()
	defer r.fs.mu.Unlock()
	dir, err := folderOf(r.find(path.Dir(cleanName(name))))
	if err == nil {
		err = r.fs.removeEntry(dir, path.Base(cleanName(name)))
	}
	return pathError("remove", name, err)
}

func (r *memRoot) Close() error {
	r.fs.mu.Lock()
	defer r.fs.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	return nil
}
