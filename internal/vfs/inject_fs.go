package vfs

import (
	"errors"
	"io"
	"io/fs"
	"sync/atomic"
)

// hookedFS is an FS with hooks around its operations.
type hookedFS struct {
	inner FS
	hooks Hooks
	n     atomic.Int64
}

// do runs an operation between its hooks.
func (h *hookedFS) do(op Op, run func() error) error {
	return h.transfer(op, func(int64) error { return run() }, nil)
}

// always is do for what lets go of something, and happens whatever the hook
// says.
func (h *hookedFS) always(op Op, run func() error) error {
	done := false
	once := func() error {
		if done {
			return nil
		}
		done = true
		return run()
	}
	err := h.do(op, once)
	if rerr := once(); err == nil {
		err = rerr
	}
	return err
}

// transfer is do for reads, writes and syncs: run is told how many bytes to
// move, and lose is what a lost sync does.
func (h *hookedFS) transfer(op Op, run func(size int64) error, lose func()) error {
	op.N = h.n.Add(1)
	var injected error
	if h.hooks.Before != nil {
		injected = h.hooks.Before(op)
	}
	err := injected
	if injected == nil {
		err = run(op.Size)
	} else {
		err = wrapFault(op, injected)
		var f *fault
		if errors.As(injected, &f) {
			switch {
			case f.after:
				if rerr := run(op.Size); rerr != nil {
					err = rerr
				}
			case f.lost && lose != nil:
				lose()
			case f.short > 0 && lose == nil && isTransfer(op.Kind):
				if rerr := run(min(f.short, op.Size)); rerr != nil {
					err = rerr
				}
			}
		}
	}
	if h.hooks.After != nil {
		h.hooks.After(op, err)
	}
	return err
}

func isTransfer(k OpKind) bool {
	return k == OpRead || k == OpReadAt || k == OpWrite || k == OpWriteAt
}

// opened runs an operation that returns something that must be closed, which a
// failure told after the fact would otherwise leave behind.
func opened[T io.Closer](h *hookedFS, op Op, open func() (T, error)) (T, error) {
	var zero, got T
	made := false
	err := h.do(op, func() (err error) {
		got, err = open()
		made = err == nil
		return err
	})
	if err != nil {
		if made {
			err = errors.Join(err, got.Close())
		}
		return zero, err
	}
	return got, nil
}

func (h *hookedFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := opened(h, Op{Kind: OpOpen, Name: name, Flag: flag},
		func() (File, error) { return h.inner.OpenFile(name, flag, perm) })
	if err != nil {
		return nil, err
	}
	return &hookedFile{h: h, File: f}, nil
}

func (h *hookedFS) MkdirAll(name string, perm fs.FileMode) error {
	return h.do(Op{Kind: OpMkdirAll, Name: name}, func() error { return h.inner.MkdirAll(name, perm) })
}

func (h *hookedFS) Rename(oldName, newName string) error {
	return h.do(Op{Kind: OpRename, Name: oldName, NewName: newName},
		func() error { return h.inner.Rename(oldName, newName) })
}

func (h *hookedFS) RenameNew(oldName, newName string) error {
	return h.do(Op{Kind: OpRenameNew, Name: oldName, NewName: newName},
		func() error { return h.inner.RenameNew(oldName, newName) })
}

func (h *hookedFS) Remove(name string) error {
	return h.do(Op{Kind: OpRemove, Name: name}, func() error { return h.inner.Remove(name) })
}

func (h *hookedFS) Lstat(name string) (fi fs.FileInfo, err error) {
	err = h.do(Op{Kind: OpLstat, Name: name}, func() (err error) {
		fi, err = h.inner.Lstat(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return fi, nil
}

func (h *hookedFS) ReadDir(name string) (infos []fs.FileInfo, err error) {
	err = h.do(Op{Kind: OpReadDir, Name: name}, func() (err error) {
		infos, err = h.inner.ReadDir(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return infos, nil
}

func (h *hookedFS) ReadNames(name string) (names []string, err error) {
	err = h.do(Op{Kind: OpReadNames, Name: name}, func() (err error) {
		names, err = h.inner.ReadNames(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

func (h *hookedFS) SyncDir(name string) error {
	return h.do(Op{Kind: OpSyncDir, Name: name}, func() error { return h.inner.SyncDir(name) })
}

func (h *hookedFS) SameFile(a, b fs.FileInfo) bool { return h.inner.SameFile(a, b) }

func (h *hookedFS) Kind(name string) string { return h.inner.Kind(name) }

func (h *hookedFS) Lock(name string) (io.Closer, error) {
	l, err := opened(h, Op{Kind: OpLock, Name: name},
		func() (io.Closer, error) { return h.inner.Lock(name) })
	if err != nil {
		return nil, err
	}
	return &hookedLock{h, l, name}, nil
}

func (h *hookedFS) OpenRoot(name string) (Root, error) {
	r, err := opened(h, Op{Kind: OpOpenRoot, Name: name},
		func() (Root, error) { return h.inner.OpenRoot(name) })
	if err != nil {
		return nil, err
	}
	return &hookedRoot{h, r, name}, nil
}

func (h *hookedFS) Map(f File, size int) (Mapping, error) {
	inner := f
	if hf, ok := f.(*hookedFile); ok && hf.h == h {
		inner = hf.File
	}
	var m Mapping
	err := h.do(Op{Kind: OpMap, Name: f.Name(), Size: int64(size)}, func() (err error) {
		m, err = h.inner.Map(inner, size)
		return err
	})
	if err != nil {
		if m != nil {
			err = errors.Join(err, m.Unmap())
		}
		return nil, err
	}
	return &hookedMapping{h, m, f.Name()}, nil
}

type hookedLock struct {
	h    *hookedFS
	lock io.Closer
	name string
}

func (l *hookedLock) Close() error {
	return l.h.always(Op{Kind: OpUnlock, Name: l.name}, l.lock.Close)
}

type hookedMapping struct {
	h *hookedFS
	Mapping
	name string
}

func (m *hookedMapping) Unmap() error {
	return m.h.always(Op{Kind: OpUnmap, Name: m.name}, m.Mapping.Unmap)
}
