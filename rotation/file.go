package rotation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steplog/steplog/internal/age"
	"github.com/steplog/steplog/internal/vfs"
)

// Errors of a File.
var (
	// ErrClosed is returned by Write, Rotate and Sync after Close.
	ErrClosed = errors.New("rotation: file is closed")
	// ErrUnfinished is returned by Write for bytes that do not end with a
	// newline. Nothing was written.
	ErrUnfinished = errors.New("rotation: a write must be whole lines")
	// ErrTooLarge is returned by Write for more than 1 GiB at once. Nothing
	// was written.
	ErrTooLarge = errors.New("rotation: a write of more than 1 GiB")
	// ErrFull is returned by Write when the active file has reached 4 GiB
	// because it could not be rotated. Nothing was written.
	ErrFull = errors.New("rotation: the file is full and cannot be rotated")
)

const (
	// watchEvery is how often the active file is looked at for damage: often
	// enough for the 200 ms that are promised, with a margin.
	watchEvery = 100 * time.Millisecond
	// quietLooks is after how many looks without a write a file rests: ten seconds.
	quietLooks = 100
	// restEvery is how often a file that rests is looked at.
	restEvery = 5 * time.Second
	// retainEvery is how often files are deleted by their rule when neither a
	// rotation nor a new rule asks for it.
	retainEvery = time.Minute
	// retryEvery is how long a rotation that failed is not tried again.
	retryEvery = time.Second
	// sickFirst and sickMost bound how long a file stays active of which a sync failed,
	// like one shortly before: a disk that takes no sync would leave one with each.
	sickFirst = time.Second
	sickMost  = 10 * time.Minute
	// maxFileBytes is where writing stops when a file cannot be rotated:
	// offsets in it still fit 32 bits.
	maxFileBytes = 1<<32 - 1
	// maxTorn is the largest unfinished last line that Open cuts off: 16 times
	// what steplog writes as one line. More is not a line that was cut short,
	// and stays.
	maxTorn = 16 << 20
)

// Options are the settings of a File; nil and the zero value are ready to use.
//
// The hooks must not call Write, Rotate, Sync or Close of their File, and
// Close waits for hooks that run. One that panics is a problem, and what called
// it goes on.
type Options struct {
	// Rule says when files are closed and deleted; see [File.SetRule].
	Rule Rule
	// OnClose hears of each file that was closed: it has its final name, and
	// no byte has been written to the next one yet. It is called by the
	// goroutine in Write or Rotate that caused it, and compression begins
	// after it returned.
	OnClose func(Info)
	// OnRemove hears of each closed file that the rule deleted, after that, by
	// the name it had before it was compressed. It is called by a goroutine of
	// the File.
	OnRemove func(name string)
	// OnDamage hears what was done to the active file by somebody else, after
	// that was mended and before the next byte is written. It is called by the
	// goroutine in Write, Rotate or Close that mended it. Who keeps offsets in
	// the file reads it again from DamageError.From on.
	OnDamage func(*DamageError)
	// OnProblem hears of each problem that no caller is told: of the work in
	// the background, of rotations that failed and were put off, once until one
	// succeeds, and of each *DamageError when it is noticed. It may be called from
	// any goroutine, also while Write runs.
	OnProblem func(error)
	// Seal, if set, makes the closed form of a file in place of the File. It is
	// for the other packages of this module; see [Closed].
	Seal func(ctx context.Context, c Closed) error
	// OnSealed hears that what Seal wrote has its final name and is durable. The
	// plain form is removed after it returned. It is called by the goroutine
	// that called Seal.
	OnSealed func(c Closed)
	// Folder, if set, is the one that the file is in, for all Files there: what one of
	// them finds in it need not be listed by the others. It is for the other packages of
	// this module.
	Folder *Folder
	// Clock tells the time for the names of closed files and for their age, and
	// whether Write looks at the file again; nil for time.Now.
	Clock func() time.Time
}

// File is one log: its active file and the closed ones beside it. Create one
// with [Open]. It is safe for concurrent use. There must be only one File for
// a path at a time, in all processes together.
type File struct {
	fs   vfs.FS
	dir  string
	path string // of the active file
	log  string
	open newAppender
	opts Options // its rule is only the first
	// listing is that of the folder.
	listing *listing
	// moves says that an open file can be renamed. Like all above it is
	// immutable after Open.
	moves bool

	rule atomic.Pointer[Rule]
	size atomic.Int64 // of the active file; changed under mu

	// pinned is the final name of a file that is still written.
	pinned atomic.Pointer[string]

	mu        sync.Mutex    // guards what follows, and writing
	text      *text         // active
	torn      int64         // up to so many bytes of a failed write stand behind size
	sick      error         // a sync of the active file failed
	sickUntil time.Time     // it is not closed for that before
	sickPause time.Duration // how long the next one stays that comes soon
	shut      bool          // text is closed, because it could be neither moved nor opened again
	newest    time.Time     // of the closed files' names
	retryAt   time.Time     // a failed rotation is not tried before
	putOff    bool          // the last one failed, which was told
	checked   int64         // this many bytes were seen in the file under path
	damage    *DamageError
	lookedAt  time.Time // when Write last looked
	quiet     int       // looks of watch since the last Write
	retired   []*text   // closed files that are not synced yet
	newNames  bool      // the folder has entries that are not synced yet
	closed    bool
	cutOff    int64 // immutable after Open

	syncMu  sync.Mutex // held while syncing; taken before mu
	lostErr error      // a closed file could not be synced; guarded by syncMu

	tick     *time.Timer // when watch looks
	wake     chan struct{}
	stop     chan struct{}
	done     sync.WaitGroup
	once     sync.Once
	closeErr error
	keep     keeper // of the worker goroutine
	age      age.Clock
	again    sync.Map // names of closed files to seal again
}

// Open opens the log whose active file is path, which must end in NAME.log,
// and makes folder and file where they are absent. A last line without its
// newline, torn when a process was killed, is cut off; [File.Torn] says how
// much that was. Compressions that a crash interrupted are taken up again.
//
// Open returns an error that wraps [ErrName] or [ErrRule] for a name or a rule
// that cannot be.
func Open(path string, o *Options) (*File, error) { return OpenFS(vfs.OS(), path, o) }

// OpenFS is Open on any file system. It is for the other packages of this
// module.
func OpenFS(fsys vfs.FS, path string, o *Options) (*File, error) {
	return openFile(fsys, appenderFor(fsys), path, o)
}

func openFile(fsys vfs.FS, open newAppender, path string, o *Options) (*File, error) {
	if o == nil {
		o = &Options{}
	}
	log, ok := strings.CutSuffix(filepath.Base(path), logExt)
	if !ok || !ValidName(log) {
		return nil, fmt.Errorf("%w: %q", ErrName, filepath.Base(path))
	}
	rule, err := o.Rule.filled()
	if err != nil {
		return nil, err
	}
	path = filepath.Join(vfs.Real(fsys, filepath.Dir(path)), filepath.Base(path))
	f := &File{
		fs: fsys, dir: filepath.Dir(path), path: path, log: log, open: open, opts: o.guarded(), moves: movesOpenFiles,
		wake: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	if f.opts.Clock == nil {
		f.opts.Clock = time.Now
	}
	f.listing = new(listing)
	if f.opts.Folder != nil {
		f.listing = &f.opts.Folder.listing
	}
	f.rule.Store(&rule)
	f.pin("")
	if err := f.load(); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	f.tick = time.NewTimer(watchEvery)
	f.done.Add(2)
	go f.watch()
	go f.work()
	f.awake()
	return f, nil
}

// load brings folder and active file into shape.
func (f *File) load() error {
	if err := makeDir(f.fs, f.dir); err != nil {
		return err
	}
	if err := f.resolve(); err != nil {
		return err
	}
	t, err := openText(f.fs, f.open, f.path, 0)
	if errors.Is(err, fs.ErrNotExist) {
		t, err = openText(f.fs, f.open, f.path, os.O_CREATE|os.O_EXCL)
	}
	if err != nil {
		return err
	}
	f.text = t
	f.newNames = true // whoever made a file that is there may have died before it synced the folder
	if err := f.cutTornLine(); err != nil {
		return errors.Join(err, t.Close())
	}
	f.checked = f.size.Load()
	return nil
}

// makeDir makes a folder and its parents durably.
func makeDir(fsys vfs.FS, dir string) error {
	if _, err := fsys.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(fsys, parent); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	return vfs.SyncParent(fsys, dir)
}

// cutTornLine finds the end of the last whole line and cuts what follows.
func (f *File) cutTornLine() error {
	size, err := f.text.Size()
	if err != nil {
		return err
	}
	end, err := lastLineEnd(f.text.file, size)
	if err != nil {
		return err
	}
	f.size.Store(size)
	if end < 0 {
		return f.finishLine()
	}
	if end < size {
		if err := f.text.Truncate(end); err != nil {
			return fmt.Errorf("cut a torn line: %w", err)
		}
		f.cutOff = size - end
		f.size.Store(end)
	}
	return nil
}

// lastLineEnd returns the offset behind the last newline, 0 when there is none
// at all, and -1 when there is none in the last maxTorn bytes.
func lastLineEnd(r io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		if size-end >= maxTorn {
			return -1, nil
		}
		n := min(end, int64(len(buf)))
		if err := readFull(r, buf[:n], end-n); err != nil {
			return 0, err
		}
		for i := n - 1; i >= 0; i-- {
			if buf[i] == '\n' {
				return end - n + i + 1, nil
			}
		}
		end -= n
	}
	return 0, nil
}

// readFull reads len(p) bytes; that there are fewer is an error.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Torn returns how many bytes of a torn last line Open cut off, 0 for none.
func (f *File) Torn() int64 { return f.cutOff }

// Size returns the size of the active file in bytes. It does not wait.
func (f *File) Size() int64 { return f.size.Load() }

// Rule returns the rule in force, with defaults filled in. It does not wait.
func (f *File) Rule() Rule { return *f.rule.Load() }

// SetRule changes the rule. The size holds from the next Write on, and files
// that are too many, too old or too large by now are deleted at once, by a
// goroutine of the File. It returns an error that wraps [ErrRule], and changes
// nothing, when the rule cannot be. It does not wait.
func (f *File) SetRule(r Rule) error {
	r, err := r.filled()
	if err != nil {
		return err
	}
	f.rule.Store(&r)
	f.poke()
	return nil
}

// Write appends p, which must be whole lines, to the active file and rotates
// before it where p would make the file too large. It returns when p is handed
// to the operating system; [File.Sync] makes it durable.
//
// After an error nothing of p is in the file, and the next Write may succeed.
// Write does not keep p.
func (f *File) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if p[len(p)-1] != '\n' {
		return 0, ErrUnfinished
	}
	if len(p) > maxMaxBytes {
		return 0, ErrTooLarge
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, ErrClosed
	}
	if err := f.ready(); err != nil {
		return 0, fmt.Errorf("write %s: %w", f.path, err)
	}
	if err := f.makeRoom(int64(len(p))); err != nil {
		return 0, fmt.Errorf("write %s: %w", f.path, err)
	}
	f.text.reserve(f.size.Load(), int64(len(p)))
	n, err := f.text.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		f.torn = int64(len(p))
		// What cannot be cut now is cut before the next write.
		return 0, fmt.Errorf("write %s: %w", f.path, errors.Join(err, f.cutFailed()))
	}
	f.size.Add(int64(n))
	return n, nil
}

// makeRoom rotates when n more bytes do not fit the active file. Where that
// fails the file grows on. The caller holds mu.
func (f *File) makeRoom(n int64) error {
	size := f.size.Load()
	sick := f.sick != nil && !time.Now().Before(f.sickUntil)
	if !sick && size+n <= f.rule.Load().MaxBytes || size == 0 {
		return nil
	}
	var err error
	if now := time.Now(); !now.Before(f.retryAt) {
		if err = f.rotate(); err != nil {
			f.retryAt = now.Add(retryEvery)
			if !f.putOff { // once, not on each try
				f.problem(err)
			}
			f.putOff = true
		}
	}
	if f.size.Load()+n > maxFileBytes {
		return errors.Join(ErrFull, err)
	}
	return nil
}

// cutFailed removes what a failed write left behind size. The caller holds mu.
func (f *File) cutFailed() error {
	actual, err := f.text.Size()
	if err != nil {
		return err
	}
	size := f.size.Load()
	if actual > size+f.torn {
		// Somebody else's bytes are among them, and theirs stay.
		f.damage = f.inspect()
	} else if actual > size {
		if err := f.text.Truncate(size); err != nil {
			return fmt.Errorf("cut a failed write: %w", err)
		}
	}
	f.torn = 0
	return nil
}

// finishLine ends a last line that has no newline, so that the next one does
// not become part of it. The caller holds mu, or is Open.
func (f *File) finishLine() error {
	size := f.size.Load()
	if size == 0 {
		return nil
	}
	var last [1]byte
	if err := readFull(f.text.file, last[:], size-1); err != nil || last[0] == '\n' {
		return err
	}
	if _, err := f.text.Write([]byte{'\n'}); err != nil {
		return err
	}
	f.size.Add(1)
	return nil
}

// Rotate closes the active file, gives it its name and starts a new one. An
// empty file is left as it is. After an error the active file is the same as
// before and can be written.
func (f *File) Rotate() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	if err := f.ready(); err != nil {
		return fmt.Errorf("rotate %s: %w", f.path, err)
	}
	if f.size.Load() == 0 {
		return nil
	}
	err := f.rotate()
	f.putOff = err != nil
	return err
}

// Close syncs what was written, stops the goroutines of the File and waits for
// them. Closing twice is fine and returns the first error. What Close leaves
// undone, such as a compression under way, the next Open takes up.
func (f *File) Close() error {
	f.once.Do(func() {
		close(f.stop)
		f.done.Wait()
		f.syncMu.Lock()
		defer f.syncMu.Unlock()
		f.mu.Lock()
		err := f.mend()
		f.closed = true
		f.mu.Unlock()
		f.closeErr = errors.Join(err, f.text.release(), f.sync(), f.text.Close())
	})
	return f.closeErr
}

// problem reports what no caller is told.
func (f *File) problem(err error) {
	if f.opts.OnProblem != nil {
		f.opts.OnProblem(err)
	}
}

// poke asks the worker goroutine to look at the folder as it is by now.
func (f *File) poke() {
	f.listing.outdate()
	f.awake()
}

// awake asks the worker goroutine to look at the folder.
func (f *File) awake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}
