package archive

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/steplog/steplog/internal/vfs"
)

// Folder is a [Bucket] whose objects are files. Create one with [OpenFolder]; it
// is safe for concurrent use, also by several processes.
type Folder struct{ root *os.Root }

// temporary is what the name of a file ends in until it is whole. Objects of
// such names are neither stored nor listed.
const temporary = ".archive-tmp"

// OpenFolder opens a folder, making it when it is absent, with access for the
// owner only. Names cannot leave it, not by links either.
func OpenFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if err := vfs.SyncParent(vfs.OS(), dir); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return &Folder{root}, nil
}

// Close gives the folder free.
func (f *Folder) Close() error { return f.root.Close() }

// check refuses names that this bucket cannot have.
func (f *Folder) check(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if strings.HasSuffix(name, temporary) {
		return fmt.Errorf("%w: %.80q", ErrName, name)
	}
	return CheckName(name)
}

// Put stores an object. It is durable when Put returns nil.
func (f *Folder) Put(ctx context.Context, name string, r io.Reader) (err error) {
	if err := f.check(ctx, name); err != nil {
		return err
	}
	dir := path.Dir(name)
	if err := f.root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	part := path.Join(dir, rand.Text()+temporary)
	file, err := f.root.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, during(ctx, r))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = f.root.Rename(part, name)
	}
	if err != nil {
		return errors.Join(err, f.root.Remove(part))
	}
	return f.sync(dir)
}

// sync makes the entries of a folder durable, and its own in those above it, which Put
// may have made.
func (f *Folder) sync(dir string) error {
	for ; ; dir = path.Dir(dir) {
		d, err := f.root.Open(dir)
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		if err != nil && !unsyncable(err) {
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

// unsyncable reports whether an error says that a folder cannot be synced at all: not
// every system can, nor for a folder that may be written but not read.
func unsyncable(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, fs.ErrPermission)
}

// during is r until ctx ends.
func during(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readerFunc func([]byte) (int, error)

// Read calls the function.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Get opens an object.
func (f *Folder) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := f.check(ctx, name); err != nil {
		return nil, err
	}
	if info, err := f.root.Lstat(name); err != nil || !info.Mode().IsRegular() {
		if err == nil || absent(err) {
			return nil, fmt.Errorf("%w: %s", ErrNotFound, name)
		}
		return nil, err
	}
	file, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return file, err
}

// List yields the objects whose names begin with prefix.
func (f *Folder) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		err := fs.WalkDir(byObject{f.root.FS()}, ".", func(name string, d fs.DirEntry, err error) error {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if !d.Type().IsRegular() || !strings.HasPrefix(name, prefix) || strings.HasSuffix(name, temporary) {
				return nil
			}
			info, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil // deleted since
			}
			if err != nil {
				return err
			}
			if !yield(Object{Name: name, Bytes: info.Size(), Changed: info.ModTime()}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(Object{}, err)
		}
	}
}

// byObject reads folders in the order of the objects' names: what is in "a" comes
// behind "a-b", because "/" does.
type byObject struct{ fs.FS }

// ReadDir reads a folder.
func (b byObject) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(b.FS, name)
	key := func(d fs.DirEntry) string {
		if d.IsDir() {
			return d.Name() + "/"
		}
		return d.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(key(a), key(b)) })
	return entries, err
}

// Delete deletes an object.
func (f *Folder) Delete(ctx context.Context, name string) error {
	if err := f.check(ctx, name); err != nil {
		return err
	}
	info, err := f.root.Lstat(name)
	if err == nil && info.IsDir() {
		return nil // no object, and others may be in it
	}
	if err == nil {
		err = f.root.Remove(name)
	}
	if absent(err) {
		return nil
	}
	return err
}

// absent reports whether an error says that nothing is there, also because what would
// be the folder is a file.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }
