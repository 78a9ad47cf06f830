// Package journal keeps one folder of log files: it gives every record its
// number, writes its line, knows its row, and derives the tables of runs and
// steps. The text is the truth: everything the package holds in memory is
// rebuilt from it when the folder is opened.
//
// One process writes a folder ([Open]); any number read it ([OpenReader]).
// Appending takes one lock for the order of all files. Readers take a
// [Snapshot], which costs a few instructions for each file and never waits for
// the disk.
package journal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Errors that opening and appending return.
var (
	// ErrLocked is returned by Open while another process, or another Journal
	// of this one, writes the folder.
	ErrLocked = errors.New("journal: the folder is written by another process")
	// ErrClosed is returned after Close, and for a Journal that only reads.
	ErrClosed = errors.New("journal: closed")
	// ErrTimeout is returned by Close when the disk did not answer in time.
	ErrTimeout = errors.New("journal: the disk did not answer in time")
)

// FileUsage is the log of run and step records.
const FileUsage = "usage"

// FileApplication is the log of the library's own events.
const FileApplication = "application"

const (
	privateDir  = ".journal"
	lockName    = "lock"
	defaultSync = time.Second
	// tickEvery is how often removed files are looked for and drops that
	// ended are written down.
	tickEvery = 200 * time.Millisecond
)

// Options are the settings of a Journal; the zero value is ready.
type Options struct {
	// FS is where the folder lies, nil for the real file system.
	FS vfs.FS
	// Rule is how files rotate that have no rule of their own in Rules.
	Rule rotation.Rule
	// Rules are by log name.
	Rules map[string]rotation.Rule
	// SyncEvery is how often written lines are made durable, 0 for 1 s. Levels
	// from error up ask for a sync at once.
	SyncEvery time.Duration
	// CloseTimeout is how long Close waits for the disk, 0 for 5 s.
	CloseTimeout time.Duration
	// Clock tells the time of the records that the journal writes itself and
	// of rotated files' names, nil for time.Now.
	Clock func() time.Time
	// OnProblem hears of every problem in the background, from a goroutine of
	// the journal's, one call at a time.
	OnProblem func(error)
	// KeepOpen decides on open about each run without an end: true keeps it
	// open because it goes on elsewhere. nil ends them all as failed.
	KeepOpen func(*Run) bool
}

// Meta is what the journal must know of a record besides its line.
type Meta struct {
	Time      time.Time
	Level     zapcore.Level
	Kind      line.Kind
	Lifecycle *line.Lifecycle // run and step records: what the line says
}

// Journal is an open folder. It is safe for concurrent use.
type Journal struct {
	dir     string
	opts    Options
	fs      vfs.FS
	folder  *rotation.Folder
	lock    interface{ Close() error } // nil for a reader
	encoder *line.Encoder
	tables  *tables
	readers readers

	mu      sync.Mutex // orders appends; guards numbers, files, closed, buf
	numbers *numbers
	files   map[string]*File
	closed  bool
	buf     []byte

	follow follower // readers only

	recovery     Recovery // guarded by mu
	foreign      atomic.Int64
	fileTable    atomic.Pointer[map[string]*File] // files, for those who must not wait for mu
	problemCount atomic.Int64
	problems     chan error
	syncNow      chan struct{}
	stop         chan struct{}
	done         sync.WaitGroup
	closeOnce    sync.Once
	closeErr     error
}

// Recovery says what Open found and mended.
type Recovery struct {
	// TornBytes is the length of unfinished last lines that were cut.
	TornBytes int64
	// Foreign is how many lines were not records of this folder.
	Foreign int64
	// RunsClosed and StepsClosed count runs and steps of a dead process that
	// were ended as failed.
	RunsClosed, StepsClosed int
}

// Open opens the folder for writing, making it when it is absent. It cuts torn
// lines, rebuilds rows and tables from the text and ends the runs of a process
// that died. It returns ErrLocked when another process has it open.
func Open(dir string, o Options) (*Journal, error) {
	j := newJournal(dir, o)
	private := filepath.Join(dir, privateDir)
	for _, d := range []string{dir, private} {
		if err := j.fs.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open journal: %w", err)
		}
	}
	lock, err := j.fs.Lock(filepath.Join(private, lockName))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("open %s: %w", dir, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	j.lock = lock
	if err := j.load(private); err != nil {
		j.abandon()
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	j.done.Add(2)
	go j.work()
	go j.reportProblems()
	j.endDeadRuns()
	return j, nil
}

func newJournal(dir string, o Options) *Journal {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.SyncEvery <= 0 {
		o.SyncEvery = defaultSync
	}
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = 5 * time.Second
	}
	j := &Journal{
		dir: dir, opts: o, fs: o.FS,
		encoder:  line.NewEncoder(line.Options{}),
		tables:   newTables(),
		files:    map[string]*File{},
		problems: make(chan error, 64),
		syncNow:  make(chan struct{}, 1),
		stop:     make(chan struct{}),
	}
	j.fileTable.Store(&map[string]*File{})
	return j
}

// load opens the files that are there and rebuilds what is derived from them.
func (j *Journal) load(private string) error {
	folder, err := rotation.OpenFolderFS(j.fs, j.dir)
	if err != nil {
		return err
	}
	j.folder = folder
	infos, err := folder.List()
	if err != nil {
		return err
	}
	// Usage first: lines then find the runs they belong to.
	slices.SortStableFunc(infos, func(a, b rotation.Info) int { return usageFirst(a.Log) - usageFirst(b.Log) })
	for _, info := range infos {
		if info.Active {
			if _, err := j.open(info.Log); err != nil {
				return err
			}
			continue
		}
		seg := j.tables.newSegment(info.Log, baseName(info.Name))
		if err := j.parse(seg); err != nil {
			return err
		}
	}
	numbers, err := openNumbers(j.fs, private, j.tables.newest())
	if err != nil {
		return err
	}
	j.numbers = numbers
	folder.OnDelete(j.fileDeleted)
	return nil
}

func usageFirst(log string) int {
	if log == FileUsage {
		return 0
	}
	return 1
}

// abandon gives up an Open that went wrong.
func (j *Journal) abandon() {
	for _, f := range j.files {
		f.text.Close()
	}
	j.readers.closeAll()
	if j.folder != nil {
		j.folder.Close()
	}
	j.lock.Close()
}

// Owner returns the owner of an identity: the same one for the same identity.
// Identifiers over [line.MaxID] are shortened as they are in the text.
func (j *Journal) Owner(id line.Identity) *Owner {
	for _, s := range []*string{&id.Server, &id.ServerName, &id.Service, &id.ServiceName, &id.Project,
		&id.Operation, &id.OperationName, &id.ParentOperation, &id.Run, &id.RootRun, &id.ParentRun, &id.ParentStep,
		&id.Step, &id.Action, &id.ActionName} {
		*s = line.CutID(*s)
	}
	return j.tables.ownerOf(&id)
}

// Snapshot returns what is published now. For a reader it first takes in what
// the writer added to the text; what goes wrong there is reported and leaves
// the older state.
func (j *Journal) Snapshot() *Snapshot {
	if j.lock == nil {
		return j.follow.snapshot(j)
	}
	j.mend()
	return j.tables.snapshot(j, 0)
}

// Run returns the run with this id, nil when it is not known.
func (j *Journal) Run(id string) *Run { return j.tables.run(line.CutID(id)) }

// Step returns the step with this id, nil when it is not known.
func (j *Journal) Step(id string) *Step { return j.tables.step(line.CutID(id)) }

// Folder returns the folder of text files. It stays open until Close.
func (j *Journal) Folder() *rotation.Folder { return j.folder }

// Recovery says what Open found and mended.
func (j *Journal) Recovery() Recovery {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.recovery
	r.Foreign = j.foreign.Load()
	return r
}

// Wait returns when a record with a seq above after is visible, when ctx ends,
// or with ErrClosed when the journal is closed.
func (j *Journal) Wait(ctx context.Context, after uint64) error {
	for {
		var poll <-chan time.Time
		if j.lock == nil {
			if j.follow.snapshot(j).AsOf > after {
				return nil
			}
			timer := time.NewTimer(followEvery)
			defer timer.Stop()
			poll = timer.C
		}
		changed := j.tables.changed(after)
		if changed == nil {
			return nil
		}
		select {
		case <-changed:
		case <-poll:
		case <-j.stop:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Rotate closes the active file of a log and starts a new one. An empty file
// is left as it is.
func (j *Journal) Rotate(name string) error {
	f, err := j.File(name)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	return f.text.Rotate()
}

// SetRule changes how a log rotates, at once.
func (j *Journal) SetRule(name string, rule rotation.Rule) error {
	f, err := j.File(name)
	if err != nil {
		return err
	}
	return f.text.SetRule(rule)
}

// Rule returns how a log rotates.
func (j *Journal) Rule(name string) rotation.Rule {
	j.mu.Lock()
	defer j.mu.Unlock()
	if f := j.files[name]; f != nil {
		return f.text.Rule()
	}
	return j.ruleOf(name)
}

func (j *Journal) ruleOf(name string) rotation.Rule {
	if rule, ok := j.opts.Rules[name]; ok {
		return rule
	}
	return j.opts.Rule
}
