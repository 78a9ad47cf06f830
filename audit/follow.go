package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Follower reads the records of a trail as they are committed. It is for the
// other packages of this module, and for one goroutine at a time. It holds no
// file open after Release, and checks nothing: that is what [Verify] is for.
type Follower struct {
	fs     vfs.FS
	dir    string
	folder *rotation.Folder // nil after Release
	active vfs.File         // nil after Release, and when there is none
	files  []*followed      // oldest first; the active one last
	nextID int
	buf    []byte
}

// followed is one file of the trail.
type followed struct {
	id   int
	name string // "" for the active one
	read int64  // up to where its text was read: the end of a commit
	head []byte // what it begins with, once some of it was read
	done bool   // it is sealed, and all of it was read
}

// headBytes is how much of a file is kept to know it again: it begins with a checkpoint,
// which no other file does.
const headBytes = 256

// in reports whether a text is that of the file, as far as it was read.
func (file *followed) in(t io.ReaderAt, size int64) (bool, error) {
	if file.read == 0 || size < file.read {
		return file.read == 0, nil
	}
	head := make([]byte, len(file.head))
	if n, err := t.ReadAt(head, 0); n < len(head) {
		return false, fmt.Errorf("audit: read: %w", noEOF(err))
	}
	return bytes.Equal(head, file.head), nil
}

// Place is where a record's line lies.
type Place struct {
	File        int
	Offset, Len int64
}

// Sink takes what a [Follower] finds.
type Sink interface {
	// Add takes a record; line is valid during the call.
	Add(at Place, line []byte) error
	// Drop forgets the records of a file.
	Drop(file int)
}

// ErrGone is returned for a record whose file was deleted meanwhile.
var ErrGone = errors.New("audit: the record's file was deleted")

// NewFollower returns a Follower of the trail in a folder, which need not be
// there yet.
func NewFollower(fsys vfs.FS, dir string) *Follower { return &Follower{fs: fsys, dir: dir} }

// Release closes what Refresh opened. Read needs another Refresh then.
func (f *Follower) Release() error {
	var err error
	if f.active != nil {
		err = f.active.Close()
		f.active = nil
	}
	if f.folder != nil {
		err = errors.Join(err, f.folder.Close())
		f.folder = nil
	}
	return err
}

// Refresh gives what was committed since the last call to a sink, and has it
// forget what was deleted. A folder without a trail has nothing.
func (f *Follower) Refresh(to Sink) error {
	if err := f.Release(); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	sealed, active, err := f.openActive()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if f.folder, err = rotation.OpenFolderFS(f.fs, f.dir); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if err := f.sealed(sealed, to); err != nil {
		return err
	}
	if !active {
		return nil
	}
	return f.plain(to)
}

// openActive lists the sealed files and opens the active one that follows them:
// when a rotation came in between, it looks again.
func (f *Follower) openActive() (sealed []string, active bool, err error) {
	if sealed, _, err = trailFiles(f.fs, f.dir); err != nil {
		return nil, false, err
	}
	for {
		f.active, err = f.fs.OpenFile(filepath.Join(f.dir, activeName), os.O_RDONLY, 0)
		if err != nil {
			if f.active = nil; !errors.Is(err, fs.ErrNotExist) {
				return nil, false, err
			}
		}
		again, _, err := trailFiles(f.fs, f.dir)
		if err != nil {
			return nil, false, err
		}
		if slices.Equal(sealed, again) {
			return sealed, f.active != nil, nil
		}
		sealed = again
		if f.active != nil {
			if err := f.active.Close(); err != nil {
				return nil, false, err
			}
		}
	}
}

// add begins a file.
func (f *Follower) add(name string) *followed {
	file := &followed{id: f.nextID, name: name}
	f.nextID++
	f.files = append(f.files, file)
	return file
}

// sealed brings the sealed files up to date.
func (f *Follower) sealed(names []string, to Sink) error {
	there := map[string]bool{}
	for _, name := range names {
		there[name] = true
	}
	known := map[string]*followed{}
	kept := f.files[:0]
	for _, file := range f.files {
		if file.name != "" && !there[file.name] {
			to.Drop(file.id)
			continue
		}
		known[file.name] = file
		kept = append(kept, file)
	}
	f.files = kept
	for _, name := range names {
		file := known[name]
		if file != nil && file.done {
			continue
		}
		text, err := f.folder.ReaderAt(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted at this moment
		}
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		if file == nil {
			file, err = f.begun(name, text, to)
		}
		if err == nil {
			err = f.take(file, text, text.Size(), to)
		}
		if err = errors.Join(err, text.Close()); err != nil {
			return err
		}
		file.done = true
	}
	return nil
}

// begun is the file that has a name since it was sealed: what was the active one, or a
// new one. What was the active one is gone when retention has deleted it meanwhile.
func (f *Follower) begun(name string, t text, to Sink) (*followed, error) {
	if _, err := f.same(t, t.Size(), to); err != nil {
		return nil, err
	}
	if n := len(f.files); n > 0 && f.files[n-1].name == "" {
		f.files[n-1].name = name
		return f.files[n-1], nil
	}
	return f.add(name), nil
}

// same reports whether a text is that of what was the active file, and forgets that when
// it is not.
func (f *Follower) same(t io.ReaderAt, size int64, to Sink) (bool, error) {
	n := len(f.files) - 1
	if n < 0 || f.files[n].name != "" {
		return false, nil
	}
	same, err := f.files[n].in(t, size)
	if err == nil && !same {
		to.Drop(f.files[n].id)
		f.files = f.files[:n]
	}
	return same, err
}

// plain brings the active file up to date.
func (f *Follower) plain(to Sink) error {
	info, err := f.active.Stat()
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	// Another one stands there when the one before was sealed and deleted since, and a
	// shorter one when a commit that had failed was taken back.
	same, err := f.same(f.active, info.Size(), to)
	if err != nil {
		return err
	}
	if !same {
		f.add("")
	}
	file := f.files[len(f.files)-1]
	return f.take(file, plainText{f.active, info.Size()}, info.Size(), to)
}

// take reads a file from where it was left, up to the last whole commit.
func (f *Follower) take(file *followed, t text, size int64, to Sink) error {
	for file.read < size {
		n := int(min(size-file.read, 2*maxCommit))
		if cap(f.buf) < n {
			f.buf = make([]byte, n)
		}
		b := f.buf[:n]
		if m, err := t.ReadAt(b, file.read); m < n {
			return fmt.Errorf("audit: read: %w", noEOF(err))
		}
		end := lastCommit(b)
		if end == 0 {
			return nil
		}
		if file.read == 0 {
			file.head = bytes.Clone(b[:min(end, headBytes)])
		}
		at := file.read
		for line := range bytes.Lines(b[:end]) {
			if bytes.HasPrefix(line, []byte(recordOpen)) {
				place := Place{File: file.id, Offset: at, Len: int64(len(line) - 1)}
				if err := to.Add(place, line[:len(line)-1]); err != nil {
					return err
				}
			}
			at += int64(len(line))
		}
		file.read = at
	}
	return nil
}

// lastCommit returns where the last checkpoint's line in b ends, 0 when there is
// none.
func lastCommit(b []byte) int {
	for end := bytes.LastIndexByte(b, '\n') + 1; end > 0; {
		start := bytes.LastIndexByte(b[:end-1], '\n') + 1
		if bytes.HasPrefix(b[start:end], []byte(pointOpen)) {
			return end
		}
		end = start
	}
	return 0
}

// Read appends the line at a place to buf. It returns [ErrGone] when its file
// was deleted.
func (f *Follower) Read(at Place, buf []byte) ([]byte, error) {
	start := len(buf)
	for _, file := range f.files {
		if file.id != at.File {
			continue
		}
		buf = append(buf, make([]byte, at.Len)...)
		if file.name == "" && f.active != nil {
			if n, err := f.active.ReadAt(buf[start:], at.Offset); int64(n) < at.Len {
				return nil, fmt.Errorf("audit: read: %w", noEOF(err))
			}
			return buf, nil
		}
		t, err := f.folder.ReaderAt(file.name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, ErrGone
		}
		if err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
		defer t.Close() // only read
		if n, err := t.ReadAt(buf[start:], at.Offset); int64(n) < at.Len {
			return nil, fmt.Errorf("audit: read %s: %w", file.name, noEOF(err))
		}
		return buf, nil
	}
	return nil, ErrGone
}
