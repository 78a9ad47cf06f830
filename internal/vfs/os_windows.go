package vfs

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// errNotDir is what a file in the place of a folder gives.
const errNotDir = syscall.ENOTDIR

// errDamaged is what a disk gives that cannot read a sector.
const errDamaged = windows.ERROR_CRC

func openNoFollow(name string, flag int, perm os.FileMode) (*os.File, error) {
	if fi, err := os.Lstat(name); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errLink{}}
	}
	return os.OpenFile(name, flag, perm)
}

// syncDir does nothing: NTFS journals the entries of folders by itself.
func syncDir(string) error { return nil }

// lockFile locks a byte far past the end, so that others can still read the
// file, which a mandatory lock over its content would refuse.
func lockFile(f *os.File) error {
	err := control(f, func(fd uintptr) error {
		at := windows.Overlapped{Offset: 0, OffsetHigh: 1 << 30}
		return windows.LockFileEx(windows.Handle(fd),
			windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return err
}

// unlockFile does nothing: a lock goes with its handle, which no other process gets.
func unlockFile(*os.File) error { return nil }

// allocate reserves blocks. The system cuts the file when less than its size is
// asked for, and gives back what lies past the end when the file is closed.
func allocate(f *os.File, size int64, keepSize bool) error {
	fi, err := f.Stat()
	if err != nil || fi.Size() >= size {
		return err
	}
	err = control(f, func(fd uintptr) error {
		return windows.SetFileInformationByHandle(windows.Handle(fd), windows.FileAllocationInfo,
			(*byte)(unsafe.Pointer(&size)), uint32(unsafe.Sizeof(size)))
	})
	if err != nil || keepSize {
		return err
	}
	return f.Truncate(size)
}

// renameNew moves without MOVEFILE_REPLACE_EXISTING.
func renameNew(oldName, newName string) error {
	from, err := windows.UTF16PtrFromString(oldName)
	if err != nil {
		return err
	}
	to, err := windows.UTF16PtrFromString(newName)
	if err != nil {
		return err
	}
	return windows.MoveFileEx(from, to, windows.MOVEFILE_WRITE_THROUGH)
}

func fileSystemKind(name string) string {
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return ""
	}
	var volume, kind [windows.MAX_PATH + 1]uint16
	if windows.GetVolumePathName(path, &volume[0], uint32(len(volume))) != nil ||
		windows.GetVolumeInformation(&volume[0], nil, 0, nil, nil, nil, &kind[0], uint32(len(kind))) != nil {
		return ""
	}
	return strings.ToLower(windows.UTF16ToString(kind[:]))
}

type windowsMapping struct {
	data   []byte
	addr   uintptr
	unmap  sync.Once
	result error
}

func mapFile(f *os.File, size int) (Mapping, error) {
	return mapAs(f, size, windows.PAGE_READWRITE, windows.FILE_MAP_WRITE)
}

func mapFileRead(f *os.File, size int) (Mapping, error) {
	return mapAs(f, size, windows.PAGE_READONLY, windows.FILE_MAP_READ)
}

func mapAs(f *os.File, size int, protect, access uint32) (Mapping, error) {
	var addr uintptr
	err := control(f, func(fd uintptr) error {
		h, err := windows.CreateFileMapping(windows.Handle(fd), nil, protect,
			uint32(uint64(size)>>32), uint32(size), nil)
		if err != nil {
			return err
		}
		addr, err = windows.MapViewOfFile(h, access, 0, 0, uintptr(size))
		return errors.Join(err, windows.CloseHandle(h))
	})
	if err != nil {
		return nil, err
	}
	// The memory is the system's, not the collector's.
	base := *(*unsafe.Pointer)(unsafe.Pointer(&addr))
	return &windowsMapping{data: unsafe.Slice((*byte)(base), size), addr: addr}, nil
}

func (m *windowsMapping) Bytes() []byte { return m.data }

func (m *windowsMapping) Unmap() error {
	m.unmap.Do(func() { m.result = windows.UnmapViewOfFile(m.addr) })
	return m.result
}
