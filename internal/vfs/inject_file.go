package vfs

import (
	"io/fs"
	"path/filepath"
)

// hookedFile is a File with hooks around its operations.
type hookedFile struct {
	h *hookedFS
	File
}

func (f *hookedFile) Read(p []byte) (n int, err error) {
	err = f.h.transfer(Op{Kind: OpRead, Name: f.Name(), Size: int64(len(p))}, func(size int64) (err error) {
		n, err = f.File.Read(p[:size])
		return err
	}, nil)
	return n, err
}

func (f *hookedFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.h.transfer(Op{Kind: OpReadAt, Name: f.Name(), Offset: off, Size: int64(len(p))}, func(size int64) (err error) {
		n, err = f.File.ReadAt(p[:size], off)
		return err
	}, nil)
	return n, err
}

func (f *hookedFile) Write(p []byte) (n int, err error) {
	err = f.h.transfer(Op{Kind: OpWrite, Name: f.Name(), Size: int64(len(p))}, func(size int64) (err error) {
		n, err = f.File.Write(p[:size])
		return err
	}, nil)
	return n, err
}

func (f *hookedFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.h.transfer(Op{Kind: OpWriteAt, Name: f.Name(), Offset: off, Size: int64(len(p))}, func(size int64) (err error) {
		n, err = f.File.WriteAt(p[:size], off)
		return err
	}, nil)
	return n, err
}

func (f *hookedFile) Seek(offset int64, whence int) (n int64, err error) {
	err = f.h.do(Op{Kind: OpSeek, Name: f.Name(), Offset: offset}, func() (err error) {
		n, err = f.File.Seek(offset, whence)
		return err
	})
	return n, err
}

func (f *hookedFile) Close() error {
	return f.h.always(Op{Kind: OpClose, Name: f.Name()}, f.File.Close)
}

func (f *hookedFile) Stat() (fi fs.FileInfo, err error) {
	err = f.h.do(Op{Kind: OpStat, Name: f.Name()}, func() (err error) {
		fi, err = f.File.Stat()
		return err
	})
	if err != nil {
		return nil, err
	}
	return fi, nil
}

func (f *hookedFile) Sync() error {
	return f.h.transfer(Op{Kind: OpSync, Name: f.Name()}, func(int64) error { return f.File.Sync() }, f.loseSync)
}

// loseSync reaches the file of a Mem through further hooks.
func (f *hookedFile) loseSync() {
	if l, ok := f.File.(interface{ loseSync() }); ok {
		l.loseSync()
	}
}

// openDisk reaches the file through hooks: to look asks nothing of it that may fail.
func (f *hookedFile) openDisk() (disk, error) {
	if o, ok := f.File.(interface{ openDisk() (disk, error) }); ok {
		return o.openDisk()
	}
	return nil, ErrNotSupported
}

func (f *hookedFile) Truncate(size int64) error {
	return f.h.do(Op{Kind: OpTruncate, Name: f.Name(), Size: size}, func() error { return f.File.Truncate(size) })
}

func (f *hookedFile) Allocate(size int64, keepSize bool) error {
	return f.h.do(Op{Kind: OpAllocate, Name: f.Name(), Size: size},
		func() error { return f.File.Allocate(size, keepSize) })
}

// hookedRoot is a Root with hooks around its operations.
type hookedRoot struct {
	h    *hookedFS
	root Root
	name string
}

// op names a file by its whole name, as the operations of the FS do.
func (r *hookedRoot) op(kind OpKind, name string) Op {
	return Op{Kind: kind, Name: filepath.Join(r.name, name)}
}

func (r *hookedRoot) Open(name string) (File, error) {
	f, err := opened(r.h, r.op(OpRootOpen, name), func() (File, error) { return r.root.Open(name) })
	if err != nil {
		return nil, err
	}
	return &hookedFile{h: r.h, File: f}, nil
}

func (r *hookedRoot) Lstat(name string) (fi fs.FileInfo, err error) {
	err = r.h.do(r.op(OpRootLstat, name), func() (err error) {
		fi, err = r.root.Lstat(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return fi, nil
}

func (r *hookedRoot) ReadDir() (infos []fs.FileInfo, err error) {
	err = r.h.do(Op{Kind: OpRootReadDir, Name: r.name}, func() (err error) {
		infos, err = r.root.ReadDir()
		return err
	})
	if err != nil {
		return nil, err
	}
	return infos, nil
}

func (r *hookedRoot) Remove(name string) error {
	return r.h.do(r.op(OpRootRemove, name), func() error { return r.root.Remove(name) })
}

func (r *hookedRoot) Close() error {
	return r.h.always(Op{Kind: OpRootClose, Name: r.name}, r.root.Close)
}
