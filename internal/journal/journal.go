// Package journal keeps one folder of log files: it gives every record its
// number, writes its line, and tells internal/tables of it, which knows the rows, the
// runs and the steps. The text is the truth: everything that is held in memory is
// rebuilt from it when the folder is opened.
//
// One process writes a folder ([Open]); any number read it ([OpenReader]).
// Appending takes one lock for the order of all files. Queries take a [Snapshot]:
// where the process writes, it costs a few instructions for each file and never waits
// for the disk; where it only reads, what is new in the folder is taken in first.
package journal

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
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
	// ErrVersion is returned by Open when a file under .journal was written by a
	// newer version of this package. Nothing was changed.
	ErrVersion = errors.New("journal: the folder was written by a newer version")
	// ErrTimeout is returned by Close when the disk did not answer in time.
	ErrTimeout = errors.New("journal: the disk did not answer in time")
)

const (
	privateDir = ".journal"
	// formatVersion is that of the JSON files under .journal.
	formatVersion = 1
	lockName      = "lock"
	defaultSync   = time.Second
	// tickEvery is how often drops that ended are written down, other processes told
	// that somebody writes, and the files under .journal looked at.
	tickEvery = 200 * time.Millisecond
)

// Journal is an open folder. It is safe for concurrent use.
//
// Each lock stands before what it guards. They are taken in this order, and any may be
// left out:
//
//	opening                       while a log is opened
//	indexing, saving.mu, syncing  while rows are indexed, tables saved, texts synced
//	drainMu                       while records move from the ring to the texts
//	tailMu                        shared while the ring is read, alone while its tail moves
//	mu                            while a record is appended, and for what all do together
//
// Those of readers, numbers and tables come after all of these. A text file, which has a
// lock too and calls back with it, is written under drainMu and before mu where there is
// a ring, under mu where there is none.
type Journal struct {
	// immutable once Open is done
	dir     string
	opts    Options
	fs      vfs.FS
	folder  *rotation.Folder
	lock    interface{ Close() error } // nil for a reader
	encoder *line.Encoder
	tables  *tables.Tables
	cache   *sidecar.Cache // of what is decoded of sealed files
	ready   chan struct{}  // closed when Open is done

	// while Open runs
	saved    *tables.Saved          // what was saved of this folder, nil for nothing
	indexes  map[string]openedIndex // the sidecars
	left     *leftover              // what the disk had no room for, nil for nothing
	rebooted bool                   // what the last process wrote may be lost in part
	aside    map[string]int64       // text put aside, by log
	doubts   map[string]doubt       // texts that were closed because the disk does not have them, by log

	readers  readers
	saving   saving
	damaged  sync.Map      // base names of files whose sidecar went bad: those are checked in full
	holes    holes         // files whose data went bad
	sealing  chan struct{} // holds an element while a file is sealed: one at a time
	indexing chan struct{} // holds an element while rows are indexed

	_ cpu.CacheLinePad // callers write with each record what follows: see File

	mu      sync.Mutex // orders appends
	numbers *numbers
	closed  bool
	buf     []byte   // mode write
	head    uint64   // of the ring
	urgeAt  uint64   // the writer is woken at once when head gets here
	marks   []mark   // where some records stand
	idle    bool     // the writer waits for a record
	waiting int      // callers that wait for room, or were given it and did not take it yet
	given   uint64   // room in the ring that is theirs
	queues  []*queue // of those that wait, by limit, the largest first

	_ cpu.CacheLinePad

	// guarded by mu too, once live, and seldom changed
	live      bool            // Open is done
	dropped   *dropped        // nil where it cannot be kept
	unsaid    map[string]Lost // what an earlier process dropped, by log, until that is open
	recovery  Recovery
	fileTable atomic.Pointer[map[string]*File] // by name; replaced under mu
	byCode    atomic.Pointer[[]*File]          // by code in the ring; replaced under mu

	ring      *ring         // nil in mode write; immutable once live, but for its memory, which is replaced under drainMu, tailMu and mu
	ringState atomic.Int32  // a ringState; changed under mu
	tail      atomic.Uint64 // of the ring: below it all is in the text; changed under tailMu
	opened    uint64        // head of the ring when it was opened; immutable once live
	failing   atomic.Bool   // the last round did not reach the text
	burst     atomic.Int64  // when the writer last found much in the ring, Unix nanoseconds

	tailMu   sync.RWMutex
	unmapped bool // changed under drainMu too

	drainMu sync.Mutex
	mapping vfs.Mapping // of ring; changed under tailMu and mu too
	warmed  uint64      // position up to which its pages are mapped
	salvage *salvage    // nil until it faulted

	syncing sync.Mutex
	untold  error // what a sync failed with that nobody was told of

	opening  sync.Mutex
	registry *registry

	// touched by Open, by work and by Close, one after the other
	private privateFiles

	taken atomic.Bool // another process writes the folder

	// the writer
	wake     chan struct{} // there is a record
	urge     chan struct{} // do not wait for more
	finish   chan struct{} // closed: write what is left, and end
	pumpDone chan struct{}

	follow follower // readers only

	foreign      atomic.Int64
	problemCount atomic.Int64
	problems     chan error
	syncNow      chan struct{}
	indexAsked   chan struct{}
	indexBehind  chan struct{}
	stop         chan struct{}
	done         sync.WaitGroup
	closeOnce    sync.Once
	closeErr     error
}

// Snapshot returns what is published now. For a reader it first takes in what
// the writer added to the text; what goes wrong there is reported and leaves
// the older state.
func (j *Journal) Snapshot() *Snapshot {
	if j.lock == nil {
		return j.follow.snapshot(j)
	}
	j.mend()
	return j.snapshot(tables.Everything)
}

// Run returns the run with this id, nil when it is not known.
func (j *Journal) Run(id string) *runs.Run { return j.tables.Runs.Run(line.CutID(id)) }

// Step returns the step with this id, nil when it is not known.
func (j *Journal) Step(id string) *runs.Step { return j.tables.Runs.Step(line.CutID(id)) }

// Folder returns the folder of text files. It stays open until Close.
func (j *Journal) Folder() *rotation.Folder { return j.folder }

// Recovery says what Open found and mended.
type Recovery struct {
	// TornBytes is the length of unfinished last lines that were cut.
	TornBytes int64
	// Replayed is how many records were in the ring and not in the text.
	Replayed int64
	// LostBytes is how much of the ring could not be read, and PutAside how much
	// text was moved to NAME.log.broken: after a power loss, and where somebody had
	// added younger records to a text.
	LostBytes, PutAside int64
	// Foreign is how many lines were not records of this folder.
	Foreign int64
	// RunsClosed and StepsClosed count runs and steps of a dead process that
	// were ended as failed.
	RunsClosed, StepsClosed int
}

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
	if j.lock == nil {
		return j.follow.wait(ctx, j, after)
	}
	for {
		changed := j.tables.Changed(after)
		if changed == nil {
			return nil
		}
		select {
		case <-changed:
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
	for j.ringState.Load() == ringFaulted {
		// While a ring is saved that faulted no segment begins: nobody would begin its text.
		j.mu.Unlock()
		if err := j.drain(); err != nil {
			return err
		}
		j.mu.Lock()
	}
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	if !j.ringed() {
		defer j.mu.Unlock()
		return f.text.Rotate()
	}
	begun := f.begun
	if f.size > 0 {
		f.beginSegment()
		begun++
	}
	j.mu.Unlock()
	for {
		if err := j.drain(); err != nil {
			return err
		}
		j.mu.Lock()
		done := f.begunInText >= begun
		j.mu.Unlock()
		if done {
			j.drainMu.Lock()
			defer j.drainMu.Unlock()
			return f.rotateErr
		}
	}
}

// SetRule changes how a log rotates, at once.
func (j *Journal) SetRule(name string, rule rotation.Rule) error {
	f, err := j.File(name)
	if err != nil {
		return err
	}
	if err := f.text.SetRule(rule); err != nil {
		return err
	}
	f.maxBytes.Store(f.text.Rule().MaxBytes)
	return nil
}

func (j *Journal) ruleOf(name string) rotation.Rule {
	if rule, ok := j.opts.Rules[name]; ok {
		return rule
	}
	return j.opts.Rule
}
