package rotation

import (
	"io/fs"

	"github.com/steplog/steplog/internal/vfs"
)

// opened is a folder that was opened, and what it was then, to know it again.
type opened struct {
	vfs.Root
	id fs.FileInfo
}

// at returns the folder whose files are read.
func (f *Folder) at() vfs.Root { return f.root.Load().Root }

// Follow goes on in the folder that stands under the path now, if that is another one:
// whoever writes makes it anew when somebody has moved it away. It is for the other
// packages of this module.
func (f *Folder) Follow() error {
	now, err := f.fs.Lstat(f.dir + "/.") // behind a link, too
	if err != nil {
		return err
	}
	before := f.root.Load()
	if before != nil && f.fs.SameFile(before.id, now) {
		return nil
	}
	root, err := f.fs.OpenRoot(f.dir)
	if err != nil {
		return err
	}
	// The one before may be in use. The collector closes it.
	f.root.CompareAndSwap(before, &opened{root, now})
	return nil
}
