package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// tempExt is what the name of a file has behind it while it is being made.
const tempExt = ".tmp"

// ErrLong says that a file is longer than any that was written.
var ErrLong = errors.New("too long")

// SyncParent makes the entry of a folder in the one above it durable. One that may be
// entered, or written, but not read cannot be synced: what is in it is left to the system.
func SyncParent(fsys FS, dir string) error {
	if err := fsys.SyncDir(filepath.Dir(dir)); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// ReadWhole reads a small file. The error wraps [ErrLong] when it has more than limit bytes,
// and fs.ErrNotExist when there is none.
func ReadWhole(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrLong, name, limit)
	}
	return content, nil
}

// WriteWhole replaces a small file so that it appears whole or not at all, and durably:
// temporary, sync, rename, sync of the folder. It has access for the owner only. After an
// error the file is what it was, or, when it was the folder that could not be synced, the
// new one, which a power cut may take back.
func WriteWhole(fsys FS, name string, content []byte) error {
	temporary := name + tempExt
	err := WriteNew(fsys, temporary, content)
	if err == nil {
		err = fsys.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, IgnoreNotExist(fsys.Remove(temporary)))
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// WriteNew writes and syncs a small file, in the place of one that is there. It has access
// for the owner only. Its name is durable after SyncDir of the folder; after an error any
// part of it may be there.
func WriteNew(fsys FS, name string, content []byte) error {
	f, err := fsys.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
