package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// OS returns the file system of the machine.
//
// Modes hold where the file system keeps modes; where it does not (vfat, many
// network shares) files have what the mount gives them. [File.Sync] is
// fdatasync on Linux, F_FULLFSYNC on darwin, FlushFileBuffers on Windows, where
// it does not reach pages changed through a [Mapping]. A file that is open
// cannot be renamed or removed on Windows: the caller tries again later.
func OS() FS { return osFS{} }

// Abs returns a name that goes on to mean the same file when the process changes to
// another folder, which is a matter of the machine's file system only. It is name itself
// where the current folder cannot be told, or not be reached from the root.
func Abs(fsys FS, name string) string {
	if fsys != OS() || name == "" {
		return name
	}
	here, err := os.Getwd()
	if err == nil {
		_, err = os.Stat(here)
	}
	if err != nil {
		return name
	}
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

// Real is [Abs] for who writes: a link on the way that is turned to another folder later,
// as the one to the current release of a program is, does not lead there who has begun
// here. What is not there yet of a name is taken as it is.
func Real(fsys FS, name string) string {
	name = Abs(fsys, name)
	if fsys != OS() || !filepath.IsAbs(name) {
		return name
	}
	there, rest := name, ""
	named, err := os.Stat(there)
	for err != nil && filepath.Dir(there) != there {
		there, rest = filepath.Dir(there), filepath.Join(filepath.Base(there), rest)
		named, err = os.Stat(there)
	}
	real, err := filepath.EvalSymlinks(there)
	if err != nil {
		return name
	}
	// The text of a link below /proc is not always where it leads.
	if found, err := os.Stat(real); err != nil || !os.SameFile(named, found) {
		return name
	}
	return filepath.Join(real, rest)
}

type osFS struct{}

// osFile is a file of the machine; it adds Sync and Allocate per platform.
type osFile struct{ *os.File }

// errLink is what a link in the place of a file gives: ELOOP, whose own text would have
// somebody look for many.
type errLink struct{}

func (errLink) Error() string { return "a symbolic link, which is not followed" }

func (errLink) Unwrap() error { return syscall.ELOOP }

// errNowhere is what a link to nothing in the place of a folder gives: EEXIST, whose own
// text would have somebody look at what is there.
type errNowhere struct{}

func (errNowhere) Error() string {
	return "a symbolic link to what is not there; is the disk mounted?"
}

func (errNowhere) Unwrap() error { return syscall.EEXIST }

// createTries bounds the loop between "not there" and "there already" when
// somebody else makes and removes the same name all the time.
const createTries = 16

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := openFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// openFile opens or creates. Whether this call made the file decides if its
// mode is set, so creating is always exclusive.
func openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if flag&os.O_CREATE == 0 {
		return openNoFollow(name, flag, 0)
	}
	var err error
	for range createTries {
		var f *os.File
		if flag&os.O_EXCL == 0 {
			f, err = openNoFollow(name, flag&^os.O_CREATE, 0)
			if err == nil || !errors.Is(err, fs.ErrNotExist) {
				return f, err
			}
		}
		f, err = openNoFollow(name, flag|os.O_EXCL, perm)
		if err != nil {
			if flag&os.O_EXCL == 0 && errors.Is(err, fs.ErrExist) {
				continue
			}
			return nil, err
		}
		if err = tolerateNoModes(f.Chmod(perm)); err != nil {
			return nil, errors.Join(err, f.Close(), os.Remove(name))
		}
		return f, nil
	}
	return nil, err
}

// tolerateNoModes drops the error of a file system that has no modes to set:
// what a umask leaves is never more than what was asked for.
func tolerateNoModes(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

func (o osFS) MkdirAll(name string, perm fs.FileMode) error {
	if fi, err := os.Stat(name); err == nil {
		if fi.IsDir() {
			return nil
		}
		return &fs.PathError{Op: "mkdir", Path: name, Err: errNotDir}
	}
	if parent := filepath.Dir(name); parent != name {
		if err := o.MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	err := os.Mkdir(name, perm)
	if err == nil {
		return tolerateNoModes(os.Chmod(name, perm))
	}
	fi, serr := os.Stat(name)
	if serr == nil && fi.IsDir() {
		return nil // another process was faster
	}
	if !errors.Is(err, fs.ErrExist) || serr == nil {
		return err
	}
	if !errors.Is(serr, fs.ErrNotExist) {
		return serr // as that of a mount whose server is gone
	}
	if fi, lerr := os.Lstat(name); lerr == nil && fi.Mode()&fs.ModeSymlink != 0 {
		return &fs.PathError{Op: "mkdir", Path: name, Err: errNowhere{}}
	}
	return err
}

func (osFS) Rename(oldName, newName string) error { return os.Rename(oldName, newName) }

func (osFS) RenameNew(oldName, newName string) error {
	if err := renameNew(oldName, newName); err != nil {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err}
	}
	return nil
}

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) Lstat(name string) (fs.FileInfo, error) { return os.Lstat(name) }

func (osFS) ReadDir(name string) ([]fs.FileInfo, error) {
	return list(func() (*os.File, error) { return os.Open(name) })
}

func (osFS) ReadNames(name string) ([]string, error) {
	d, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	return names, errors.Join(err, d.Close())
}

// listTries bounds how often a folder is listed whose files are renamed all the time.
const listTries = 10

// list describes what is in a folder, sorted by name. The system lists it in parts, and
// says afterwards what each entry is: a file that is renamed meanwhile may be missed under
// both names. So it is listed until there is nothing that has not been described.
func list(open func() (*os.File, error)) ([]fs.FileInfo, error) {
	found := map[string]bool{}
	var infos []fs.FileInfo
	for range listTries {
		d, err := open()
		if err != nil {
			return nil, err
		}
		entries, err := d.ReadDir(-1)
		if err = errors.Join(err, d.Close()); err != nil {
			return nil, err
		}
		more := false
		for _, e := range entries {
			if found[e.Name()] {
				continue
			}
			more = true
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			found[info.Name()] = true
			infos = append(infos, info)
		}
		if !more {
			break
		}
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	return infos, nil
}

func (osFS) SyncDir(name string) error { return syncDir(name) }

func (osFS) SameFile(a, b fs.FileInfo) bool { return os.SameFile(a, b) }

// Lock holds a lock on an open file. A lock is worth something only while its
// file is the one that stands under the name, so that is looked at after it was
// taken.
func (osFS) Lock(name string) (io.Closer, error) {
	for range createTries {
		f, err := openFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := lockFile(f); err != nil {
			_ = f.Close() // nothing was written through it
			return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
		}
		held, herr := f.Stat()
		named, nerr := os.Lstat(name)
		if herr == nil && nerr == nil && os.SameFile(held, named) {
			return heldLock{f}, nil
		}
		_ = f.Close() // as above
		if herr != nil {
			return nil, herr
		}
		if nerr != nil && !errors.Is(nerr, fs.ErrNotExist) {
			return nil, nerr
		}
	}
	return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrLocked}
}

// heldLock is a lock that is held on an open file.
type heldLock struct{ file *os.File }

// Close gives the lock back before it closes the file: a process that this one is about
// to start has the file open as well, until it is another program, and the lock with it.
func (l heldLock) Close() error { return errors.Join(unlockFile(l.file), l.file.Close()) }

func (osFS) Map(f File, size int) (Mapping, error) { return mapChecked(f, size, mapFile) }

func (osFS) mapRead(f File, size int) (Mapping, error) { return mapChecked(f, size, mapFileRead) }

func mapChecked(f File, size int, mapFile func(*os.File, int) (Mapping, error)) (Mapping, error) {
	of, ok := f.(osFile)
	if !ok {
		return nil, &fs.PathError{Op: "map", Path: f.Name(), Err: ErrNotSupported}
	}
	fi, err := of.Stat()
	if err != nil {
		return nil, err
	}
	// A page past the end is a signal, not an error.
	if size <= 0 || fi.Size() < int64(size) {
		return nil, &fs.PathError{Op: "map", Path: f.Name(),
			Err: fmt.Errorf("%d bytes of a file of %d: %w", size, fi.Size(), fs.ErrInvalid)}
	}
	m, err := mapFile(of.File, size)
	if err != nil {
		return nil, &fs.PathError{Op: "map", Path: f.Name(), Err: err}
	}
	return m, nil
}

func (osFS) Kind(name string) string {
	name, err := filepath.Abs(name)
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Stat(name); err == nil {
			return fileSystemKind(name)
		}
		parent := filepath.Dir(name)
		if parent == name {
			return ""
		}
		name = parent
	}
}

// Allocate reserves blocks; see [File].
func (f osFile) Allocate(size int64, keepSize bool) error {
	if size <= 0 {
		return nil
	}
	if err := allocate(f.File, size, keepSize); err != nil {
		return &fs.PathError{Op: "allocate", Path: f.Name(), Err: err}
	}
	return nil
}

// control runs fn on the descriptor of f, which stays open meanwhile.
func control(f *os.File, fn func(fd uintptr) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if c.Control(func(fd uintptr) { ferr = fn(fd) }) != nil {
		return fs.ErrClosed // nothing else refuses a descriptor
	}
	return ferr
}
