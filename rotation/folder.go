package rotation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/vfs"
)

// Errors of a Folder.
var (
	// ErrNotFound is returned for a file that is not in the folder's list. It
	// wraps fs.ErrNotExist.
	ErrNotFound = fmt.Errorf("rotation: no such log file: %w", fs.ErrNotExist)
	// ErrActive is returned by Delete for a file that may be being written.
	ErrActive = errors.New("rotation: the active file cannot be deleted")
	// ErrKept is returned by Delete for the files of a log that only its own
	// retention may delete.
	ErrKept = errors.New("rotation: only its own retention deletes a file of this log")
)

// Act is what somebody did with a file of a [Folder].
type Act uint8

// The acts.
const (
	Downloaded Act = iota + 1 // by Download or DownloadStored
	Deleted                   // by Delete
	Viewed                    // as Viewed says
)

// Folder is the files of all logs in one folder, to read and to delete. Create
// one with [OpenFolder]. It follows no links and opens nothing but regular
// files with the names of log files, so names may come from anywhere. It is
// safe for concurrent use, also beside the Files that write there.
type Folder struct {
	fs       vfs.FS
	dir      string
	root     atomic.Pointer[opened]
	onDelete atomic.Pointer[func(name string)]
	onAct    atomic.Pointer[func(ctx context.Context, act Act, name string)]
	kept     string // the log whose files Delete refuses; immutable once shared
	listing  listing

	mu    sync.Mutex
	known map[string]seen // times of files, by name; guarded by mu
}

// seen holds what a file's first and last lines said, for as long as it looks
// the same.
type seen struct {
	bytes       int64
	changed     time.Time
	first, last time.Time
}

// OpenFolder opens the folder of log files dir, which must be there.
func OpenFolder(dir string) (*Folder, error) { return OpenFolderFS(vfs.OS(), dir) }

// OpenFolderFS is OpenFolder on any file system. It is for the other packages
// of this module.
func OpenFolderFS(fsys vfs.FS, dir string) (*Folder, error) {
	if dir == "" { // a setting that was forgotten: the system would say that nothing is not there
		return nil, fmt.Errorf("open folder: its name is empty: %w", fs.ErrNotExist)
	}
	f := &Folder{fs: fsys, dir: vfs.Abs(fsys, dir), known: map[string]seen{}}
	if err := f.Follow(); err != nil {
		return nil, fmt.Errorf("open folder %s: %w", dir, err)
	}
	return f, nil
}

// OnDelete sets a function that hears of each file that Delete deleted, after
// that, by the name it had before it was compressed. It is for the other
// packages of this module.
func (f *Folder) OnDelete(hook func(name string)) { f.onDelete.Store(&hook) }

// OnAct sets a function that hears of each file that Download or DownloadStored
// opened, Delete deleted or Viewed names, after that, with the caller's context. It
// is for the other packages of this module.
func (f *Folder) OnAct(hook func(ctx context.Context, act Act, name string)) { f.onAct.Store(&hook) }

// Keep has Delete refuse the files of a log. It is for the other packages of
// this module, and for one log, before the Folder is shared.
func (f *Folder) Keep(log string) { f.kept = log }

// acted tells the hook.
func (f *Folder) acted(ctx context.Context, act Act, name string) {
	if hook := f.onAct.Load(); hook != nil && *hook != nil {
		(*hook)(ctx, act, name)
	}
}

// Viewed says that the actor of the context was shown lines of a file: Head, Tail
// and Lines do not know for whom they read. Where the folder has an audit trail
// that records queries, it has a record of it.
func (f *Folder) Viewed(ctx context.Context, name string) { f.acted(ctx, Viewed, name) }

// Download is [Folder.Open] for whoever takes the file away: where the folder
// has an audit trail, it has a record of it, with the actor of the context.
func (f *Folder) Download(ctx context.Context, name string) (io.ReadSeekCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("download %q: %w", name, err)
	}
	r, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	f.acted(ctx, Downloaded, name)
	return r, nil
}

// DownloadStored is [Folder.OpenStored] for whoever takes the file away, recorded
// as [Folder.Download] is.
func (f *Folder) DownloadStored(ctx context.Context, name string) (io.ReadSeekCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("download %q: %w", name, err)
	}
	r, err := f.OpenStored(name)
	if err != nil {
		return nil, err
	}
	f.acted(ctx, Downloaded, name)
	return r, nil
}

// Close lets go of the folder. What Open returned stays usable.
func (f *Folder) Close() error { return f.at().Close() }

// List returns the files of all logs, ordered by log and then as they were
// written: the active one is the last of its log. A file that is there plain
// and compressed, while its compression ends, is listed once.
func (f *Folder) List() ([]Info, error) {
	list, err := f.list(f.times)
	if err == nil {
		f.forget(list)
	}
	return list, err
}

// Files is List without the times, for which it would read the start and the end of
// each file.
func (f *Folder) Files() ([]Info, error) {
	return f.list(func(*stored) (first, last time.Time) { return first, last })
}

func (f *Folder) list(times func(s *stored) (first, last time.Time)) ([]Info, error) {
	infos, err := f.at().ReadDir()
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", f.dir, err)
	}
	files, _ := scan(infos)
	list := make([]Info, 0, len(files))
	for _, s := range files {
		info := Info{Name: s.file(), Log: s.log, Bytes: s.info.Size(), Active: s.active(), Compressed: s.ext != ""}
		info.First, info.Last = times(s)
		list = append(list, info)
	}
	return list, nil
}

// times returns the times of a file's first and last line; a file that cannot
// be read now has none.
func (f *Folder) times(s *stored) (first, last time.Time) {
	key := seen{bytes: s.info.Size(), changed: s.info.ModTime()}
	f.mu.Lock()
	k := f.known[s.file()]
	f.mu.Unlock()
	if k.bytes == key.bytes && k.changed.Equal(key.changed) {
		return k.first, k.last
	}
	t, err := f.open(s.name)
	if err != nil {
		return first, last
	}
	defer t.Close() // only read
	size := t.Size()
	if s.active() {
		if size, err = lastLineEnd(t, size); err != nil || size < 0 {
			return first, last
		}
	}
	if key.first, key.last, err = recordTimes(t, size); err != nil {
		return key.first, key.last
	}
	f.mu.Lock()
	f.known[s.file()] = key
	f.mu.Unlock()
	return key.first, key.last
}

// forget drops what is known of files that are gone.
func (f *Folder) forget(list []Info) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.known) <= len(list) {
		return
	}
	there := make(map[string]bool, len(list))
	for _, info := range list {
		there[info.Name] = true
	}
	for name := range f.known {
		if !there[name] {
			delete(f.known, name)
		}
	}
}

// Open opens a file of the list for reading. Compressed files are read as the
// text they hold, in the order in which its lines arrived: one that has them in
// another order, as those that a logger.Store compresses have, is put together
// in memory for that, and stays there while it is read. Of an active file it gives
// the whole lines that are there now. The name may also be the one that the file
// had before it was compressed meanwhile. The reader is for one goroutine at a time.
//
// Open returns an error that wraps [ErrNotFound] for any other name.
func (f *Folder) Open(name string) (io.ReadSeekCloser, error) {
	t, size, err := f.openLines(name)
	if err != nil {
		return nil, err
	}
	return struct {
		*io.SectionReader
		io.Closer
	}{io.NewSectionReader(t, 0, size), t}, nil
}

// OpenStored opens a file of the list as it is stored: compressed files are not
// decompressed, and name must say so with its ending. Of an active file it gives
// the whole lines that are there now. The reader is for one goroutine at a time.
//
// It returns an error that wraps [ErrNotFound] for any other name, the one that
// a file had before it was compressed among them.
func (f *Folder) OpenStored(name string) (io.ReadSeekCloser, error) {
	n, ok := parseName(name)
	if !ok {
		return nil, fmt.Errorf("open %q: %w", name, ErrNotFound)
	}
	file, err := f.at().Open(n.base + n.ext)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, fmt.Errorf("open %q: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", name, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotFound
	}
	size := int64(0)
	if err == nil {
		size = info.Size()
		if n.active() {
			if size, err = lastLineEnd(file, size); size < 0 {
				size = info.Size()
			}
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %q: %w", name, err), file.Close())
	}
	return struct {
		*io.SectionReader
		io.Closer
	}{io.NewSectionReader(file, 0, size), file}, nil
}

// openLines opens a file and tells where its last whole line ends.
func (f *Folder) openLines(file string) (*Text, int64, error) {
	t, err := f.ReaderAt(file)
	if err != nil {
		return nil, 0, err
	}
	if t.Compressed() {
		if err := t.arrive(); err != nil {
			return nil, 0, errors.Join(fmt.Errorf("open %s: %w", file, err), t.Close())
		}
	}
	size := t.Size()
	if t.active {
		if size, err = lastLineEnd(t, size); size < 0 {
			size = t.Size()
		}
		if err != nil {
			return nil, 0, errors.Join(fmt.Errorf("open %s: %w", file, err), t.Close())
		}
	}
	return t, size, nil
}

// Text is the text of one file, for reading at any place.
type Text struct {
	io.ReaderAt
	file   vfs.File
	active bool
	found  int64 // size when it was opened
	stored int64 // that of the file itself
}

// Size returns the size of the text in bytes when it was opened. An active
// file may have grown since, and can be read there.
func (t *Text) Size() int64 { return t.found }

// Compressed reports whether the text is decompressed while it is read.
func (t *Text) Compressed() bool { _, plain := t.ReaderAt.(vfs.File); return !plain }

// Close lets go of the file.
func (t *Text) Close() error { return t.file.Close() }

// ReaderAt opens a file of the list for reading at any place; see
// [Folder.Open] for names and errors. It is safe for concurrent use, and of a
// compressed file it decodes only the blocks that are asked for.
func (f *Folder) ReaderAt(file string) (*Text, error) {
	n, ok := parseName(file)
	if !ok {
		return nil, fmt.Errorf("open %q: %w", file, ErrNotFound)
	}
	t, err := f.open(n)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) { // or a link, a folder
		return nil, fmt.Errorf("open %q: %w", file, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", file, err)
	}
	return t, nil
}

// open opens the form of a file that counts. The plain one may have been replaced
// while the others were tried, so it is tried again.
func (f *Folder) open(n name) (*Text, error) {
	exts := []string{"", gzipExt, zstdExt, ""}
	if n.active() {
		exts = exts[:1]
	} else if f.copied(n) {
		exts = exts[1:]
	}
	for _, ext := range exts {
		file, err := f.at().Open(n.base + ext)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		t, err := newText(file, n, ext)
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		return t, nil
	}
	return nil, fs.ErrNotExist
}

// copied reports whether the plain form of a closed file does not count.
func (f *Folder) copied(n name) bool {
	plain, err := f.at().Lstat(n.base)
	if err != nil {
		return false
	}
	for _, ext := range []string{gzipExt, zstdExt} {
		if compressed, err := f.at().Lstat(n.base + ext); err == nil && !Counts(plain, compressed) {
			return true
		}
	}
	return false
}

// ReaderOf is ReaderAt for exactly one form of a file: it is for the other
// packages of this module, which know where in that form a line lies.
func (f *Folder) ReaderOf(file string) (*Text, error) {
	n, ok := parseName(file)
	if !ok {
		return nil, fmt.Errorf("open %q: %w", file, ErrNotFound)
	}
	opened, err := f.at().Open(file)
	if err == nil {
		var t *Text
		if t, err = newText(opened, n, n.ext); err == nil {
			return t, nil
		}
		err = errors.Join(err, opened.Close())
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %q: %w", file, ErrNotFound)
	}
	return nil, fmt.Errorf("open %q: %w", file, err)
}

// Rest is ReaderAt for a compressed file that ReaderAt cannot open because it lost
// its end, or is damaged between its blocks: of the text before. It is for the other
// packages of this module.
func (f *Folder) Rest(file string) (*Text, error) {
	n, ok := parseName(file)
	if !ok || n.active() {
		return nil, fmt.Errorf("open %q: %w", file, ErrNotFound)
	}
	for _, ext := range []string{gzipExt, zstdExt} {
		opened, err := f.at().Open(n.base + ext)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open %q: %w", file, err)
		}
		info, err := opened.Stat()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open %q: %w", file, err), opened.Close())
		}
		r, err := block.OpenDamaged(opened, info.Size())
		if r == nil {
			return nil, errors.Join(fmt.Errorf("open %q: %w", file, err), opened.Close())
		}
		return &Text{ReaderAt: r, file: opened, found: r.Size(), stored: info.Size()}, nil
	}
	return nil, fmt.Errorf("open %q: %w", file, ErrNotFound)
}

// Blocks returns the reader of a compressed file, nil of a plain one.
func (t *Text) Blocks() *block.Reader {
	r, _ := t.ReaderAt.(*block.Reader)
	return r
}

// Stored returns the size of the file as it was when it was opened, in bytes.
func (t *Text) Stored() int64 { return t.stored }

func newText(file vfs.File, n name, ext string) (*Text, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	if ext == "" {
		return &Text{ReaderAt: file, file: file, active: n.active(), found: info.Size(), stored: info.Size()}, nil
	}
	r, err := block.Open(file, info.Size())
	if err != nil {
		return nil, err
	}
	return &Text{ReaderAt: r, file: file, found: r.Size(), stored: info.Size()}, nil
}

// Delete deletes a closed file of the list, in all its forms, durably. It returns
// an error that wraps [ErrActive] for an active file, whether or not somebody
// writes it now, [ErrKept] for one that only its own retention may delete, and
// [ErrNotFound] for a name that is not in the list.
func (f *Folder) Delete(ctx context.Context, file string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %q: %w", file, err)
	}
	n, ok := parseName(file)
	if !ok {
		return fmt.Errorf("delete %q: %w", file, ErrNotFound)
	}
	if n.log == f.kept {
		return fmt.Errorf("delete %q: %w", file, ErrKept)
	}
	found := false
	for _, ext := range []string{"", gzipExt, zstdExt} {
		info, err := f.at().Lstat(n.base + ext)
		if err == nil && info.Mode().IsRegular() {
			found = true
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete %q: %w", file, err)
		}
	}
	switch {
	case !found:
		return fmt.Errorf("delete %q: %w", file, ErrNotFound)
	case n.active():
		return fmt.Errorf("delete %q: %w", file, ErrActive)
	}
	if err := removeForms(f.at().Remove, n.base); err != nil {
		return fmt.Errorf("delete %q: %w", file, err)
	}
	if hook := f.onDelete.Load(); hook != nil && *hook != nil {
		(*hook)(n.base)
	}
	f.acted(ctx, Deleted, file)
	if err := f.fs.SyncDir(filepath.Clean(f.dir)); err != nil {
		return fmt.Errorf("delete %q: %w", file, err)
	}
	return nil
}
