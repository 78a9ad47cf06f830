package vfs

import (
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// memFile is an open file of a Mem; also a held lock. The Mem's mu guards pos
// and closed.
type memFile struct {
	fs     *Mem
	node   *node
	name   string
	flag   int
	pos    int64
	lock   bool
	closed bool
}

func (f *memFile) Name() string { return f.name }

// usable says why nothing can be done with f.
func (f *memFile) usable() error {
	if f.fs.halted {
		return ErrCrashed
	}
	if f.closed {
		return fs.ErrClosed
	}
	return nil
}

func (f *memFile) readable() error {
	if err := f.usable(); err != nil {
		return err
	}
	if f.flag&os.O_WRONLY != 0 {
		return syscall.EBADF
	}
	if f.node.folder {
		return syscall.EISDIR
	}
	return nil
}

func (f *memFile) writable() error {
	if err := f.usable(); err != nil {
		return err
	}
	if f.flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return syscall.EBADF
	}
	return nil
}

func (f *memFile) Read(p []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.readable(); err != nil {
		return 0, pathError("read", f.name, err)
	}
	if len(p) == 0 {
		return 0, nil
	}
	n := f.node.readAt(p, f.pos)
	if n == 0 {
		return 0, io.EOF
	}
	f.pos += int64(n)
	return n, nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.RLock()
	defer f.fs.mu.RUnlock()
	err := f.readable()
	if err == nil && off < 0 {
		err = fs.ErrInvalid
	}
	if err != nil {
		return 0, pathError("read", f.name, err)
	}
	n := f.node.readAt(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.writable(); err != nil {
		return 0, pathError("write", f.name, err)
	}
	if f.flag&os.O_APPEND != 0 {
		f.pos = f.node.size
	}
	n, err := f.fs.writeAt(f.node, p, f.pos)
	f.pos += int64(n)
	return n, pathError("write", f.name, err)
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.writable()
	if err == nil && (off < 0 || f.flag&os.O_APPEND != 0) {
		err = fs.ErrInvalid // as package os refuses it
	}
	if err != nil {
		return 0, pathError("write", f.name, err)
	}
	n, err := f.fs.writeAt(f.node, p, off)
	return n, pathError("write", f.name, err)
}

func (f *memFile) Seek(offset int64, whence int) (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(); err != nil {
		return 0, pathError("seek", f.name, err)
	}
	switch whence {
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		offset += f.node.size
	case io.SeekStart:
	default:
		offset = -1
	}
	if offset < 0 {
		return 0, pathError("seek", f.name, fs.ErrInvalid)
	}
	f.pos = offset
	return offset, nil
}

func (f *memFile) Stat() (fs.FileInfo, error) {
	f.fs.mu.RLock()
	defer f.fs.mu.RUnlock()
	if err := f.usable(); err != nil {
		return nil, pathError("stat", f.name, err)
	}
	return f.node.info(path.Base(cleanName(f.name))), nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(); err != nil {
		return pathError("sync", f.name, err)
	}
	if f.node.folder {
		f.fs.commitFolder(f.node)
	} else {
		f.node.sync()
	}
	return nil
}

// openDisk is for [OnDisk].
func (f *memFile) openDisk() (disk, error) { return memDisk{f}, nil }

// memDisk reads what is durable of a file.
type memDisk struct{ f *memFile }

func (d memDisk) ReadAt(p []byte, off int64) (int, error) {
	d.f.fs.mu.RLock()
	defer d.f.fs.mu.RUnlock()
	n := d.f.node.readDurable(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (memDisk) Close() error { return nil }

// loseSync is what [Lost] asks for.
func (f *memFile) loseSync() {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.node.syncLost()
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.writable()
	if err == nil && size < 0 {
		err = fs.ErrInvalid
	}
	if err == nil {
		f.fs.resize(f.node, size)
	}
	return pathError("truncate", f.name, err)
}

func (f *memFile) Allocate(size int64, keepSize bool) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.writable()
	if err == nil && size > 0 {
		err = f.fs.reserve(f.node, size)
		if err == nil && !keepSize {
			f.node.grow(size)
		}
	}
	return pathError("allocate", f.name, err)
}

// Close works on a halted system too: there is nothing that it could lose.
func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return pathError("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	if f.lock {
		f.node.locked = false
	}
	f.fs.release(f.node)
	return nil
}
