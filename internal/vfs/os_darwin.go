package vfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const errDamaged = unix.EIO

func showLock(*os.File, bool) {}

// allocate asks for the blocks past those the file has. os.File.Sync is
// F_FULLFSYNC already, so that there is no Sync here.
func allocate(f *os.File, size int64, keepSize bool) error {
	var st unix.Stat_t
	err := control(f, func(fd uintptr) error {
		if err := unix.Fstat(int(fd), &st); err != nil {
			return err
		}
		missing := size - st.Blocks*512
		if missing <= 0 {
			return nil
		}
		store := unix.Fstore_t{Flags: unix.F_ALLOCATEALL, Posmode: unix.F_PEOFPOSMODE, Length: missing}
		return again(func() error { return unix.FcntlFstore(fd, unix.F_PREALLOCATE, &store) })
	})
	if errors.Is(err, unix.ENOTSUP) {
		return fmt.Errorf("%w: %w", ErrNotSupported, err)
	}
	if err != nil || keepSize || st.Size >= size {
		return err
	}
	return f.Truncate(size)
}

func renameNew(oldName, newName string) error {
	err := unix.RenamexNp(oldName, newName, unix.RENAME_EXCL)
	if err == unix.EINVAL || err == unix.ENOTSUP {
		return linkNew(oldName, newName)
	}
	return err
}

func fileSystemKind(name string) string {
	var st unix.Statfs_t
	if again(func() error { return unix.Statfs(name, &st) }) != nil {
		return ""
	}
	return unix.ByteSliceToString(st.Fstypename[:])
}
