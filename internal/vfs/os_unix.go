//go:build unix

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// errNotDir is what a file in the place of a folder gives.
const errNotDir = unix.ENOTDIR

// errNotRegular is what a pipe or a device in the place of a file gives.
var errNotRegular = errors.New("not a regular file")

// openNoFollow follows no link, and waits for nobody: to open a pipe for reading or
// writing alone takes until somebody opens its other end.
func openNoFollow(name string, flag int, perm os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK, perm)
	if err != nil {
		if fi, lerr := os.Lstat(name); lerr == nil && fi.Mode()&fs.ModeSymlink != 0 && errors.Is(err, unix.ELOOP) {
			return nil, &fs.PathError{Op: "open", Path: name, Err: errLink{}}
		}
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && flag&os.O_RDWR == 0 && fi.Mode()&(fs.ModeNamedPipe|fs.ModeDevice) != 0 {
		err = &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	if err != nil {
		_ = f.Close() // nothing was written through it
		return nil, err
	}
	return f, nil
}

// syncDir takes "cannot be synced" for done: file systems that say so for
// folders have nothing to write.
func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

func lockFile(f *os.File) error {
	err := control(f, func(fd uintptr) error {
		return again(func() error { return unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) })
	})
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	if err == nil {
		showLock(f, true)
	}
	return err
}

func unlockFile(f *os.File) error {
	showLock(f, false)
	return control(f, func(fd uintptr) error {
		return again(func() error { return unix.Flock(int(fd), unix.LOCK_UN) })
	})
}

// linkNew is a rename that replaces nothing, in two steps: a crash between them
// leaves the file under both names.
func linkNew(oldName, newName string) error {
	err := unix.Link(oldName, newName)
	if err == unix.EPERM || errors.Is(err, errors.ErrUnsupported) {
		return lookNew(oldName, newName)
	}
	if err != nil {
		return err
	}
	return unix.Unlink(oldName)
}

// lookNew is linkNew where a file cannot have two names, as on vfat and many shares: what
// somebody else puts there between the look and the rename is replaced.
func lookNew(oldName, newName string) error {
	var there unix.Stat_t
	err := again(func() error { return unix.Lstat(newName, &there) })
	if err == nil {
		return unix.EEXIST
	}
	if err != unix.ENOENT {
		return err
	}
	return again(func() error { return unix.Rename(oldName, newName) })
}

// again repeats a call that a signal interrupted.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

type unixMapping struct {
	data   []byte
	unmap  sync.Once
	result error
}

func mapFile(f *os.File, size int) (Mapping, error) {
	return mapAs(f, size, unix.PROT_READ|unix.PROT_WRITE)
}

func mapFileRead(f *os.File, size int) (Mapping, error) { return mapAs(f, size, unix.PROT_READ) }

func mapAs(f *os.File, size, prot int) (Mapping, error) {
	var data []byte
	err := control(f, func(fd uintptr) (err error) {
		data, err = unix.Mmap(int(fd), 0, size, prot, unix.MAP_SHARED)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &unixMapping{data: data}, nil
}

func (m *unixMapping) Bytes() []byte { return m.data }

func (m *unixMapping) Unmap() error {
	m.unmap.Do(func() { m.result = unix.Munmap(m.data) })
	return m.result
}
