package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrCrashed is returned by every operation on a [Mem] after [Mem.Halt], and on
// its files, roots and locks.
var ErrCrashed = errors.New("vfs: the memory system was halted")

// Mem is a file system in memory that keeps apart what was written and what was
// synced, so that [Mem.Crash] can show what a power cut may leave and
// [Mem.Kill] what the end of a process leaves.
//
// Names are taken as absolute; "/" exists. There are no links and no access
// rights, only modes that are kept and shown. It is safe for concurrent use.
type Mem struct {
	mu     sync.RWMutex // guards everything below, and every node
	root   *node
	ops    []entryOp // folder operations not yet durable, oldest first
	space  int64     // in pages; negative: no limit
	used   int64     // pages that files hold
	halted bool
}

// NewMem returns an empty memory file system without a limit on its space.
func NewMem() *Mem {
	return &Mem{root: newFolder(0o777), space: -1}
}

// SetSpace limits the blocks of all files together to that many bytes, rounded
// down to pages of 4096; negative means no limit. Writes that need more end
// with [syscall.ENOSPC] after what still fit, as on a real disk; what files hold
// already stays, and bytes in blocks that exist can be written again.
func (m *Mem) SetSpace(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if bytes < 0 {
		m.space = -1
		return
	}
	m.space = bytes / pageSize
}

// Used returns the bytes of the blocks that files hold, allocated ones and those
// of removed files that are still open or mapped included.
func (m *Mem) Used() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.used * pageSize
}

// Halt switches the machine off: from now on every operation fails with
// [ErrCrashed], so that goroutines of the old world stop. Mapped memory stays
// readable and writable and changes nothing any more. Crash and Kill still work.
func (m *Mem) Halt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.halted = true
}

// lookup is the node of a name, nil if there is none; the caller holds mu.
// A file where a folder should be is an error.
func (m *Mem) lookup(name string) (*node, error) {
	if m.halted {
		return nil, ErrCrashed
	}
	n := m.root
	for part := range parts(name) {
		if !n.folder {
			return nil, errNotDir
		}
		if n = n.entries[part]; n == nil {
			return nil, nil
		}
	}
	return n, nil
}

// find is lookup where absence is an error too.
func (m *Mem) find(name string) (*node, error) {
	n, err := m.lookup(name)
	if err == nil && n == nil {
		err = syscall.ENOENT
	}
	return n, err
}

// findParent is the folder that holds, or would hold, name.
func (m *Mem) findParent(name string) (dir *node, base string, err error) {
	clean := cleanName(name)
	if clean == "/" {
		return nil, "", fs.ErrInvalid
	}
	dir, err = folderOf(m.find(path.Dir(clean)))
	return dir, path.Base(clean), err
}

// folderOf is what was found, if it is a folder.
func folderOf(n *node, err error) (*node, error) {
	if err == nil && !n.folder {
		err = errNotDir
	}
	return n, err
}

// cleanName makes any name an absolute one with slashes.
func cleanName(name string) string {
	name = name[len(filepath.VolumeName(name)):]
	return path.Clean("/" + filepath.ToSlash(name))
}

// parts are the elements of a name from the root down.
func parts(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		rest := cleanName(name)[1:]
		for rest != "" {
			part := rest
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				part, rest = rest[:i], rest[i+1:]
			} else {
				rest = ""
			}
			if !yield(part) {
				return
			}
		}
	}
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// OpenFile opens name; see [FS].
func (m *Mem) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.open(name, flag, perm)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return f, nil
}

func (m *Mem) open(name string, flag int, perm fs.FileMode) (*memFile, error) {
	n, err := m.lookup(name)
	if err != nil {
		return nil, err
	}
	writes := flag&(os.O_WRONLY|os.O_RDWR) != 0
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, syscall.ENOENT
	case n == nil:
		dir, base, err := m.findParent(name)
		if err != nil {
			return nil, err
		}
		n = newFile(perm)
		m.change(entryChange{dir, base, n})
	case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, syscall.EEXIST
	case n.folder && writes:
		return nil, syscall.EISDIR
	}
	if flag&os.O_TRUNC != 0 && writes {
		m.resize(n, 0)
	}
	n.refs++
	return &memFile{fs: m, node: n, name: name, flag: flag}, nil
}

// MkdirAll makes folders; see [FS].
func (m *Mem) MkdirAll(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.halted {
		return pathError("mkdir", name, ErrCrashed)
	}
	n := m.root
	for part := range parts(name) {
		child := n.entries[part]
		if child == nil {
			child = newFolder(perm)
			m.change(entryChange{n, part, child})
		}
		if !child.folder {
			return pathError("mkdir", name, errNotDir)
		}
		n = child
	}
	return nil
}

// Rename moves a file or folder; see [FS].
func (m *Mem) Rename(oldName, newName string) error { return m.rename(oldName, newName, true) }

// RenameNew moves a file or folder to a free name; see [FS].
func (m *Mem) RenameNew(oldName, newName string) error { return m.rename(oldName, newName, false) }

func (m *Mem) rename(oldName, newName string, replace bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.move(oldName, newName, replace); err != nil {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err}
	}
	return nil
}

func (m *Mem) move(oldName, newName string, replace bool) error {
	oldDir, oldBase, err := m.findParent(oldName)
	if err != nil {
		return err
	}
	n := oldDir.entries[oldBase]
	if n == nil {
		return syscall.ENOENT
	}
	newDir, newBase, err := m.findParent(newName)
	if err != nil {
		return err
	}
	old := newDir.entries[newBase]
	switch {
	case old != nil && !replace:
		return syscall.EEXIST
	case old == n:
		return nil
	case n.folder && n.holds(newDir):
		return syscall.EINVAL
	case old != nil && old.folder && !n.folder:
		return syscall.EEXIST // what package os says in place of EISDIR
	case old != nil && !old.folder && n.folder:
		return errNotDir
	case old != nil && len(old.entries) > 0:
		return syscall.ENOTEMPTY
	}
	m.change(entryChange{oldDir, oldBase, nil}, entryChange{newDir, newBase, n})
	return nil
}

// Remove deletes a file or an empty folder; see [FS].
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pathError("remove", name, m.remove(name))
}

func (m *Mem) remove(name string) error {
	dir, base, err := m.findParent(name)
	if err != nil {
		return err
	}
	return m.removeEntry(dir, base)
}

func (m *Mem) removeEntry(dir *node, base string) error {
	n := dir.entries[base]
	if n == nil {
		return syscall.ENOENT
	}
	if len(n.entries) > 0 {
		return syscall.ENOTEMPTY
	}
	m.change(entryChange{dir, base, nil})
	return nil
}

// Lstat describes a file or folder; see [FS].
func (m *Mem) Lstat(name string) (fs.FileInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.find(name)
	if err != nil {
		return nil, pathError("lstat", name, err)
	}
	return n.info(path.Base(cleanName(name))), nil
}

// ReadDir lists a folder; see [FS].
func (m *Mem) ReadDir(name string) ([]fs.FileInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := folderOf(m.find(name))
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	return n.list(), nil
}

// ReadNames lists the names in a folder; see [FS].
func (m *Mem) ReadNames(name string) ([]string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := folderOf(m.find(name))
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	return slices.Sorted(maps.Keys(n.entries)), nil
}

// SyncDir makes the entries of a folder durable; see [FS]. Of the entries of
// other folders only those follow that a rename ties to it.
func (m *Mem) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := folderOf(m.find(name))
	if err != nil {
		return pathError("sync", name, err)
	}
	m.commitFolder(n)
	return nil
}

// SameFile reports whether two descriptions are of one file; see [FS]. A file
// and its copy in the system that Crash or Kill returned are two.
func (m *Mem) SameFile(a, b fs.FileInfo) bool {
	x, ok := a.(*memInfo)
	y, ok2 := b.(*memInfo)
	return ok && ok2 && x.node == y.node
}

// Kind is "memory".
func (m *Mem) Kind(string) string { return "memory" }

// Lock takes the lock that stands on a file; see [FS].
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.open(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil && f.node.locked {
		m.release(f.node)
		err = ErrLocked
	}
	if err != nil {
		return nil, pathError("lock", name, err)
	}
	f.node.locked = true
	f.lock = true
	return f, nil
}

// locked reports whether the lock that stands on a file is held.
func (m *Mem) locked(name string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.lookup(name)
	return err == nil && n != nil && n.locked
}

// Map gives the memory that is the file's content; see [FS]. All mappings of a
// file share it; while one exists, none larger than the first can be made.
func (m *Mem) Map(f File, size int) (Mapping, error) {
	mf, ok := f.(*memFile)
	if !ok || mf.fs != m {
		return nil, pathError("map", f.Name(), ErrNotSupported)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := mf.usable(); err != nil {
		return nil, pathError("map", mf.name, err)
	}
	if mf.flag&os.O_RDWR == 0 {
		return nil, pathError("map", mf.name, syscall.EACCES)
	}
	n := mf.node
	if size <= 0 || n.size < int64(size) {
		return nil, pathError("map", mf.name,
			fmt.Errorf("%d bytes of a file of %d: %w", size, n.size, fs.ErrInvalid))
	}
	if err := m.reserve(n, int64(size)); err != nil {
		return nil, pathError("map", mf.name, err)
	}
	if !n.mapRegion(size) {
		return nil, pathError("map", mf.name, ErrNotSupported)
	}
	n.refs++
	n.maps++
	return &memMapping{fs: m, node: n, data: n.region[:size:size]}, nil
}

// release lets go of one use of a node.
func (m *Mem) release(n *node) {
	n.refs--
	m.reclaim(n)
}

// reclaim frees the blocks of a file that no name and nobody holds any more.
func (m *Mem) reclaim(n *node) {
	if n.refs == 0 && n.links == 0 && !n.folder {
		m.used -= n.blocks
		n.blocks = 0
	}
}

type memMapping struct {
	fs   *Mem
	node *node
	data []byte
	once sync.Once
}

func (p *memMapping) Bytes() []byte { return p.data }

func (p *memMapping) Unmap() error {
	p.once.Do(func() {
		p.fs.mu.Lock()
		defer p.fs.mu.Unlock()
		p.node.maps--
		p.fs.release(p.node)
	})
	return nil
}

// memInfo describes a node as it was.
type memInfo struct {
	node *node
	name string
	size int64
	mode fs.FileMode
	time time.Time
}

func (i *memInfo) Name() string       { return i.name }
func (i *memInfo) Size() int64        { return i.size }
func (i *memInfo) Mode() fs.FileMode  { return i.mode }
func (i *memInfo) ModTime() time.Time { return i.time }
func (i *memInfo) IsDir() bool        { return i.mode.IsDir() }
func (i *memInfo) Sys() any           { return nil }

// list describes the entries of a folder in order.
func (n *node) list() []fs.FileInfo {
	infos := make([]fs.FileInfo, 0, len(n.entries))
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		infos = append(infos, n.entries[name].info(name))
	}
	return infos
}

func (n *node) info(name string) *memInfo {
	mode := n.perm
	if n.folder {
		mode |= fs.ModeDir
	}
	return &memInfo{n, name, n.size, mode, n.modTime}
}
