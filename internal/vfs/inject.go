package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

// OpKind is what an operation does.
type OpKind uint8

// The operations that [Inject] shows, in the order of their interfaces: those of
// an FS, of a File, of a Root, of a lock and of a Mapping. SameFile, Kind, Name
// and Bytes ask nothing of a disk and are not shown.
const (
	OpOpen OpKind = iota + 1
	OpMkdirAll
	OpRename
	OpRenameNew
	OpRemove
	OpLstat
	OpReadDir
	OpReadNames
	OpSyncDir
	OpLock
	OpOpenRoot
	OpMap
	OpRead
	OpReadAt
	OpWrite
	OpWriteAt
	OpSeek
	OpClose
	OpStat
	OpSync
	OpTruncate
	OpAllocate
	OpRootOpen
	OpRootLstat
	OpRootReadDir
	OpRootRemove
	OpRootClose
	OpUnlock
	OpUnmap
)

// String is the name of the operation, "open" for OpOpen.
func (k OpKind) String() string {
	names := [...]string{OpOpen: "open", OpMkdirAll: "mkdirall", OpRename: "rename", OpRenameNew: "renamenew",
		OpRemove: "remove", OpLstat: "lstat", OpReadDir: "readdir", OpReadNames: "readnames", OpSyncDir: "syncdir", OpLock: "lock",
		OpOpenRoot: "openroot", OpMap: "map", OpRead: "read", OpReadAt: "readat", OpWrite: "write",
		OpWriteAt: "writeat", OpSeek: "seek", OpClose: "close", OpStat: "stat", OpSync: "sync",
		OpTruncate: "truncate", OpAllocate: "allocate", OpRootOpen: "root.open", OpRootLstat: "root.lstat",
		OpRootReadDir: "root.readdir", OpRootRemove: "root.remove", OpRootClose: "root.close",
		OpUnlock: "unlock", OpUnmap: "unmap"}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	return fmt.Sprintf("op(%d)", uint8(k))
}

// Writes reports whether the operation changes what is on the disk or makes it
// durable. Opening counts only with a flag that creates or truncates; see
// [Op.Writes].
func (k OpKind) Writes() bool {
	switch k {
	case OpMkdirAll, OpRename, OpRenameNew, OpRemove, OpSyncDir, OpLock, OpWrite, OpWriteAt,
		OpSync, OpTruncate, OpAllocate, OpRootRemove:
		return true
	}
	return false
}

// Op is one operation, as a hook sees it.
type Op struct {
	Kind OpKind
	// N counts the operations of one [Inject] or [Wrap], from 1.
	N int64
	// Name is the name given to the FS, that of a Root joined with the one given
	// to it, or File.Name.
	Name string
	// NewName is the second name of a rename.
	NewName string
	// Flag is that of an open.
	Flag int
	// Offset is where ReadAt and WriteAt begin.
	Offset int64
	// Size is the length of a read or a write, and the size for Truncate,
	// Allocate and Map.
	Size int64
}

// Writes reports whether the operation changes what is on the disk or makes it
// durable.
func (o Op) Writes() bool {
	return o.Kind.Writes() || o.Kind == OpOpen && o.Flag&(os.O_CREATE|os.O_TRUNC) != 0
}

// String is the operation with its names, for messages of tests.
func (o Op) String() string {
	s := fmt.Sprintf("%d: %v %s", o.N, o.Kind, o.Name)
	if o.NewName != "" {
		s += " -> " + o.NewName
	}
	return s
}

// Hooks are called around every operation, by the goroutine that asked for it.
// Either may be nil. They may use the file system below the wrapped one, and
// take it through a crash.
type Hooks struct {
	// Before decides what becomes of the operation: nil lets it through, an
	// error is returned in its place, wrapped in [fs.PathError] (for renames in
	// [os.LinkError]) as a real one is. [Short], [After] and [Lost] make errors
	// that ask for more.
	Before func(Op) error
	// After is told what the caller will get.
	After func(Op, error)
}

// Inject returns fsys with faults: hook is the Before of [Hooks]. Whatever is
// opened through it is hooked too. Closing a file or a root, unlocking and
// unmapping always happen, error or not, as on a real system.
func Inject(fsys FS, hook func(Op) error) FS { return Wrap(fsys, Hooks{Before: hook}) }

// Wrap returns fsys with hooks around every operation.
func Wrap(fsys FS, h Hooks) FS { return &hookedFS{inner: fsys, hooks: h} }

// NthFails returns a hook that fails the n-th call with err, and with forever
// all later ones too; n counts from 1. Below 1 nothing fails.
func NthFails(n int64, err error, forever bool) func(Op) error {
	var calls atomic.Int64
	return func(Op) error {
		c := calls.Add(1)
		if n > 0 && (c == n || forever && c > n) {
			return err
		}
		return nil
	}
}

// Matching returns a hook that passes the operations that match to hook, and
// lets the others through. Before NthFails it counts only those.
func Matching(match func(Op) bool, hook func(Op) error) func(Op) error {
	return func(op Op) error {
		if match(op) {
			return hook(op)
		}
		return nil
	}
}

// Kinds returns a match for [Matching]: operations of one of these kinds.
func Kinds(kinds ...OpKind) func(Op) bool {
	return func(op Op) bool { return slices.Contains(kinds, op.Kind) }
}

// fault, made from an error that is not nil, asks for more than an error.
type fault struct {
	err   error
	short int64 // bytes done before the error, for reads and writes
	after bool  // the operation is done, and the error returned all the same
	lost  bool  // the sync is not done, and a later one believes that it was
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// Short returns an error for a hook that lets the first n bytes of a read or a
// write happen and then fails it with err. Other operations fail with err.
func Short(n int64, err error) error { return &fault{err: err, short: max(n, 0)} }

// After returns an error for a hook that lets the operation happen and then
// returns err all the same, as a rename over a network may whose answer was
// lost.
func After(err error) error { return &fault{err: err, after: true} }

// Lost returns an error for a hook that fails a Sync with err as Linux does:
// the pages that could not be written count as clean afterwards, so that the
// next Sync succeeds without having written them. A page that was never on the
// disk does not get there any more, whatever is written to it and synced: ext4
// leaves its extent marked as unwritten, and after the next mount it reads as NUL
// bytes. That needs a file of a [Mem]; others fail with err and nothing more, as
// do other operations.
func Lost(err error) error { return &fault{err: err, lost: true} }

// Recorder keeps the operations that were asked for. Its zero value is ready;
// it is safe for concurrent use.
type Recorder struct {
	mu  sync.Mutex
	ops []Op
}

// Hook records an operation and lets it through: use it as the Before of
// [Hooks], or call it in one.
func (r *Recorder) Hook(op Op) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, op)
	return nil
}

// Ops returns a copy of what was recorded.
func (r *Recorder) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ops)
}

// Count returns how many recorded operations match; a nil match means all.
func (r *Recorder) Count(match func(Op) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, op := range r.ops {
		if match == nil || match(op) {
			n++
		}
	}
	return n
}

// wrapFault gives an injected error the form of a real one.
func wrapFault(op Op, err error) error {
	var f *fault
	if errors.As(err, &f) {
		err = f.err
	}
	if op.NewName != "" {
		return &os.LinkError{Op: op.Kind.String(), Old: op.Name, New: op.NewName, Err: err}
	}
	return &fs.PathError{Op: op.Kind.String(), Path: op.Name, Err: err}
}
