// Package vfs holds the few file operations that steplog uses, so that the
// same code runs on the real system ([OS]), on a memory system that can crash
// ([NewMem]) and on either with faults injected ([Inject]).
//
// Names are what package os takes: slash or platform separated paths. Every FS
// and every File is safe for concurrent use to the extent that *os.File is.
package vfs

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// ErrLocked is returned by [FS.Lock], as the cause of an [fs.PathError], while
// another process, or another part of this one, holds the lock. Nothing has
// changed then, and the caller may try again.
var ErrLocked = errors.New("vfs: locked by another process")

// ErrNotSupported is returned by [File.Allocate] and [FS.Map], as the cause of
// an [fs.PathError], where the system or the file system cannot do what is
// asked. It will not be able to later either.
var ErrNotSupported = errors.New("vfs: not supported here")

// IgnoreNotExist returns nil for an error that says that something is not there,
// as removing it may, and any other error as it is.
func IgnoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// IsFull reports whether an error says that there is no space left, or none that
// this user or this file may have.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// IsUnreadable reports whether an error says that what is on a disk cannot be read, or may
// not be: what is there is lost to this process, as far as it can tell.
func IsUnreadable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EIO) || errors.Is(err, errDamaged)
}

// FS is a file system. Errors are those of package os: [fs.PathError], for
// renames [os.LinkError], with causes that errors.Is finds ([fs.ErrNotExist],
// [fs.ErrExist], [fs.ErrClosed], syscall.ENOSPC).
type FS interface {
	// OpenFile opens name like os.OpenFile. It fails if the last element is a
	// symbolic link. perm is what a file that it makes gets whatever the umask.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// MkdirAll makes name and its parents; perm holds whatever the umask for
	// folders that the call made.
	MkdirAll(name string, perm fs.FileMode) error
	// Rename moves oldName over newName, replacing what is there. Whoever looks
	// finds the old or the new file under newName; after a power cut too, if
	// the new one was synced before. It is durable after SyncDir of both
	// folders.
	Rename(oldName, newName string) error
	// RenameNew moves oldName to newName and fails with fs.ErrExist when
	// something is there already. Where the system has no call for that, a
	// crash in between may leave the file under both names; where there are no
	// links either, a file that another process puts there at that moment is
	// replaced.
	RenameNew(oldName, newName string) error
	// Remove deletes a file or an empty folder.
	Remove(name string) error
	// Lstat describes name without following a link.
	Lstat(name string) (fs.FileInfo, error)
	// ReadDir lists a folder sorted by name, links not followed. A file that is renamed
	// meanwhile is listed under one of its names, or both.
	ReadDir(name string) ([]fs.FileInfo, error)
	// ReadNames lists the names in a folder, in no order. It asks nothing about the files,
	// which is most of what ReadDir does.
	ReadNames(name string) ([]string, error)
	// SyncDir makes the entries of a folder durable; File.Sync does not. On
	// Windows it does nothing.
	SyncDir(name string) error
	// SameFile reports whether two descriptions from this FS are of one file.
	SameFile(a, b fs.FileInfo) bool
	// Lock takes the exclusive lock that name stands for, making the file when
	// it is absent, and holds it until Close or the end of the process; the
	// closer must be kept, or the collector closes it. It returns ErrLocked at
	// once when it is taken. The content of the file is left alone, and nobody
	// should remove it.
	Lock(name string) (io.Closer, error)
	// OpenRoot opens a folder for readers that must not leave it.
	OpenRoot(name string) (Root, error)
	// Map maps the first size bytes of f, shared and writable, so that they are
	// those of the file at once, and durable after its Sync. f must be open for
	// reading and writing, at least as large, and have its blocks allocated: on
	// a full disk a hole ends in a signal. The file must not be cut while it is
	// mapped. The mapping outlives f.
	Map(f File, size int) (Mapping, error)
	// Kind names the file system that holds name: "ext4", "xfs", "tmpfs",
	// "memory", or another name, or "" when it cannot be told. If name is not
	// there, its parent is asked.
	Kind(name string) string
}

// File is an open file.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Seeker
	io.Closer
	Name() string
	Stat() (fs.FileInfo, error)
	// Sync makes the data and the size durable (fdatasync where there is one).
	Sync() error
	Truncate(size int64) error
	// Allocate reserves disk blocks for the first size bytes, so that writing
	// them cannot run out of space. With keepSize the size that readers see
	// does not change, otherwise it grows to size. It never shrinks; Truncate
	// frees what was reserved past its size.
	Allocate(size int64, keepSize bool) error
}

// Root is a folder whose files are opened without leaving it: no "..", no
// absolute names, no links that point outside.
type Root interface {
	// Open opens a regular file for reading; of anything else it says
	// fs.ErrInvalid.
	Open(name string) (File, error)
	Lstat(name string) (fs.FileInfo, error)
	ReadDir() ([]fs.FileInfo, error)
	Remove(name string) error
	Close() error
}

// Mapping is mapped memory.
type Mapping interface {
	// Bytes is the memory; it must not be touched after Unmap. Touching it may
	// raise a fault when the disk fails: see debug.SetPanicOnFault.
	Bytes() []byte
	// Unmap gives the memory back; what was written stays in the file. A second
	// call does nothing.
	Unmap() error
}

// Populate has the system map the pages of a part of m now, so that writing to
// them later does not wait for each. It is a hint: nothing happens where there is
// no such call.
func Populate(m Mapping, from, to int) {
	if p, ok := m.(interface{ populate(b []byte) }); ok {
		p.populate(m.Bytes()[from:to])
	}
}

// Locked reports whether somebody holds the lock that name stands for, as [FS.Lock] made
// it, without taking it or making its file. It is false on a file system that cannot
// tell; all but Linux and [NewMem] cannot, nor does [Inject].
func Locked(fsys FS, name string) bool {
	l, ok := fsys.(interface{ locked(name string) bool })
	return ok && l.locked(name)
}

// MapRead maps the first size bytes of f, for reading only:
// writing to them ends the process. f must be open for reading and at least as
// large, and must not be cut while it is mapped. The mapping outlives f. It
// returns [ErrNotSupported], as the cause of an [fs.PathError], on a file system
// without such a call, [NewMem] and [Inject] among them: the caller reads the
// file instead.
func MapRead(fsys FS, f File, size int) (Mapping, error) {
	if m, ok := fsys.(interface {
		mapRead(f File, size int) (Mapping, error)
	}); ok {
		return m.mapRead(f, size)
	}
	return nil, &fs.PathError{Op: "map", Path: f.Name(), Err: ErrNotSupported}
}
