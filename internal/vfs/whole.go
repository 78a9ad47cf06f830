package vfs

import (
	"errors"
	"os"
	"path/filepath"
)

// tempExt is what the name of a file has behind it while it is being made.
const tempExt = ".tmp"

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
