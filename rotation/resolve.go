package rotation

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/vfs"
)

// resolve clears up what a crash left behind and finds the newest name. It is
// part of Open, before anything else looks at the folder.
func (f *File) resolve() error {
	files, temps, err := f.files()
	if err != nil {
		return err
	}
	for _, temp := range temps {
		if err := f.fs.Remove(filepath.Join(f.dir, temp)); err != nil {
			return err
		}
	}
	var newest *stored
	for _, s := range files {
		if s.ext == "" {
			// Both are there: the plain one is the truth, and the other is
			// made again.
			for _, c := range s.compressed {
				if err := f.removeMade(filepath.Join(f.dir, c)); err != nil {
					return err
				}
			}
		}
		if s.at.After(f.newest) {
			f.newest = s.at
			newest = s
		}
	}
	if newest != nil && newest.ext == "" {
		if err := f.finishMove(newest); err != nil {
			return err
		}
		if err := f.cutClosed(newest); err != nil {
			return err
		}
	}
	return f.resumeNext()
}

// removeMade removes a compressed form that a File has made. One that another program makes
// stays: that may be at work, and removes the plain form when it has come to its end,
// whatever became of its own.
func (f *File) removeMade(path string) error {
	file, err := f.fs.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil // nobody can read it: it is replaced when the plain one is compressed
	}
	info, err := file.Stat()
	made := false
	if err == nil {
		b, err := block.Open(file, info.Size())
		made = err == nil && b.Blocks() > 0
	}
	if err := file.Close(); err != nil || !made {
		return err
	}
	return f.fs.Remove(path)
}

// finishMove takes the active name from a file that has its final one too. Some systems
// rename without replacing in two steps, and a crash between them leaves both names.
func (f *File) finishMove(newest *stored) error {
	active, err := f.fs.Lstat(f.path)
	if err == nil && f.fs.SameFile(active, newest.info) {
		return f.fs.Remove(f.path)
	}
	return vfs.IgnoreNotExist(err)
}

// cutClosed cuts a torn line off the newest closed file: it may have been
// written on under its final name when its rotation could be neither finished
// nor undone. One that cannot be read is left as it is, and keeps nobody from the log.
func (f *File) cutClosed(s *stored) error {
	file, err := f.fs.OpenFile(filepath.Join(f.dir, s.base), os.O_RDWR, 0)
	if vfs.IsUnreadable(err) {
		return nil
	}
	if err != nil {
		return err
	}
	end, err := lastLineEnd(file, s.info.Size())
	if vfs.IsUnreadable(err) {
		return file.Close()
	}
	if err == nil && end >= 0 && end < s.info.Size() {
		f.cutOff += s.info.Size() - end
		err = errors.Join(file.Truncate(end), file.Sync())
	}
	return errors.Join(err, file.Close())
}

// resumeNext deals with the file that a rotation had made ahead. It has
// content only when a power cut undid its renaming: it is the active file
// then, or, where the older one came back, put aside, since it holds nothing
// that a Sync had promised.
func (f *File) resumeNext() error {
	next := f.path + nextExt
	info, err := f.fs.Lstat(next)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return f.removeNext()
	}
	err = f.fs.RenameNew(next, f.path)
	for n := 0; errors.Is(err, fs.ErrExist) && n < nameTries; n++ {
		aside := f.path + brokenExt
		if n > 0 {
			aside += strconv.Itoa(n)
		}
		err = f.fs.RenameNew(next, aside)
	}
	return err
}
