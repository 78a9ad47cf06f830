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
)

// ErrLocked is returned by [FS.Lock] while another process, or another part of
// this one, holds the lock.
var ErrLocked = errors.New("vfs: locked by another process")

// ErrNotSupported is returned by [File.Allocate] and [FS.Map] where the system
// or the file system cannot do what is asked.
var ErrNotSupported = errors.New("vfs: not supported here")

// FS is a file system.
type FS interface {
	// OpenFile opens name like os.OpenFile. A last element that is a symbolic
	// link is not followed. perm is what the file gets whatever the umask.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// MkdirAll makes name and its parents; perm holds whatever the umask for
	// folders that the call made.
	MkdirAll(name string, perm fs.FileMode) error
	// Rename moves oldName over newName, replacing what is there.
	Rename(oldName, newName string) error
	// RenameNew moves oldName to newName and fails with fs.ErrExist when
	// something is there already.
	RenameNew(oldName, newName string) error
	// Remove deletes a file or an empty folder.
	Remove(name string) error
	// Lstat describes name without following a link.
	Lstat(name string) (fs.FileInfo, error)
	// ReadDir lists a folder sorted by name, links not followed.
	ReadDir(name string) ([]fs.FileInfo, error)
	// SyncDir makes the entries of a folder durable.
	SyncDir(name string) error
	// SameFile reports whether two descriptions from this FS are of one file.
	SameFile(a, b fs.FileInfo) bool
	// Lock takes the exclusive lock that name stands for, making the file when
	// it is absent, and holds it until Close or the end of the process. It
	// returns ErrLocked at once when it is taken.
	Lock(name string) (io.Closer, error)
	// OpenRoot opens a folder for readers that must not leave it.
	OpenRoot(name string) (Root, error)
	// Map maps the first size bytes of f, which must be allocated, shared and
	// writable. The mapping outlives f.
	Map(f File, size int) (Mapping, error)
	// Kind names the file system that holds name: "ext4", "xfs", "tmpfs",
	// "memory", or another name, or "" when it cannot be told.
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
	// Allocate reserves disk blocks for the first size bytes. With keepSize the
	// size that readers see does not change.
	Allocate(size int64, keepSize bool) error
}

// Root is a folder whose files are opened without leaving it: no "..", no
// absolute names, no links that point outside.
type Root interface {
	// Open opens a file for reading.
	Open(name string) (File, error)
	Lstat(name string) (fs.FileInfo, error)
	ReadDir() ([]fs.FileInfo, error)
	Remove(name string) error
	Close() error
}

// Mapping is mapped memory.
type Mapping interface {
	// Bytes is the memory; it must not be touched after Unmap.
	Bytes() []byte
	Unmap() error
}
