package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// errDamaged is what a file system gives that finds its own structures damaged.
const errDamaged = unix.EUCLEAN

// Sync is fdatasync, which writes the data, pages changed through a mapping
// included, and the size, but not the times.
func (f osFile) Sync() error {
	err := control(f.File, func(fd uintptr) error {
		return again(func() error { return unix.Fdatasync(int(fd)) })
	})
	if err != nil {
		return &fs.PathError{Op: "sync", Path: f.Name(), Err: err}
	}
	return nil
}

// openDisk opens the file once more, to be read past the page cache.
func (f osFile) openDisk() (disk, error) {
	direct, err := openNoFollow(f.Name(), os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	buf, err := unix.Mmap(-1, 0, diskChunk, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, errors.Join(err, direct.Close())
	}
	return directFile{direct, buf}, nil
}

// directFile is read into memory that begins with a page, as devices want it.
type directFile struct {
	file *os.File
	buf  []byte
}

// ReadAt takes what one call gives: it is all there is up to the end of the file.
func (d directFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = control(d.file, func(fd uintptr) error {
		return again(func() (err error) { n, err = unix.Pread(int(fd), d.buf, off); return err })
	})
	n = copy(p, d.buf[:max(n, 0)])
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (d directFile) Close() error { return errors.Join(unix.Munmap(d.buf), d.file.Close()) }

// showLock has others see that a lock is held, or not any more: flock(2) has no way to
// ask, fcntl(2) has for its own locks on open files. The lock is flock's, with or
// without this.
func showLock(f *os.File, held bool) {
	of := unix.Flock_t{Type: unix.F_UNLCK}
	if held {
		of.Type = unix.F_WRLCK
	}
	_ = control(f, func(fd uintptr) error { return unix.FcntlFlock(fd, unix.F_OFD_SETLK, &of) })
}

// locked asks for what showLock shows.
func (osFS) locked(name string) bool {
	f, err := openFile(name, os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	of := unix.Flock_t{Type: unix.F_RDLCK}
	err = control(f, func(fd uintptr) error { return unix.FcntlFlock(fd, unix.F_OFD_GETLK, &of) })
	return err == nil && of.Type != unix.F_UNLCK
}

func allocate(f *os.File, size int64, keepSize bool) error {
	var mode uint32
	if keepSize {
		mode = unix.FALLOC_FL_KEEP_SIZE
	}
	err := control(f, func(fd uintptr) error {
		return again(func() error { return unix.Fallocate(int(fd), mode, 0, size) })
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("%w: %w", ErrNotSupported, err)
	}
	return err
}

func renameNew(oldName, newName string) error {
	err := unix.Renameat2(unix.AT_FDCWD, oldName, unix.AT_FDCWD, newName, unix.RENAME_NOREPLACE)
	switch err {
	case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP:
		return linkNew(oldName, newName)
	case unix.EPERM:
		// So says a filter of system calls that does not list this one, and a folder that
		// only grows, which would take a second name and never give it back.
		return lookNew(oldName, newName)
	}
	return err
}

func fileSystemKind(name string) string {
	var st unix.Statfs_t
	if again(func() error { return unix.Statfs(name, &st) }) != nil {
		return ""
	}
	// statfs(2) gives signed numbers of differing width by platform.
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4" // ext2 and ext3 carry the same number
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.RAMFS_MAGIC:
		return "ramfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.BCACHEFS_SUPER_MAGIC:
		return "bcachefs"
	case unix.F2FS_SUPER_MAGIC:
		return "f2fs"
	case 0x2fc12fc1: // not in the kernel's list: the module lives outside
		return "zfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.SMB_SUPER_MAGIC:
		return "cifs"
	case unix.CEPH_SUPER_MAGIC:
		return "ceph"
	case unix.FUSE_SUPER_MAGIC:
		return "fuse"
	case unix.V9FS_MAGIC:
		return "9p"
	case unix.ECRYPTFS_SUPER_MAGIC:
		return "ecryptfs"
	case unix.MSDOS_SUPER_MAGIC:
		return "vfat"
	case unix.EXFAT_SUPER_MAGIC:
		return "exfat"
	}
	return ""
}

// populate needs Linux 5.14; before, the pages are mapped when they are written
// to. b begins where a page does.
func (m *unixMapping) populate(b []byte) {
	_ = unix.Madvise(b, unix.MADV_POPULATE_WRITE) // a hint
}
