package journal

import (
	"bytes"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steplog/steplog/internal/line"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// tables holds what is derived from the text and kept in memory: the rows of
// every segment, the identities, the runs and their steps.
//
// mu guards everything but what a field says otherwise; it is held for a few
// instructions at a time, never over disk work.
type tables struct {
	mu       sync.Mutex
	asOf     uint64
	segments []*segment // ordered by file, then by age; replaced, never changed in place
	owners   ownerTable
	history  *history
	unlinked map[string]*unlinked // by run id: what was seen before the run
	stray    map[string]*tally    // by step id: what was seen before the step, after its run
	begun    uint64               // segments so far
	chunks   chunkStock
	serial   uint32 // of the segment that was added last
	serials  map[uint32]*segment
	reserved map[string]uint32 // serials of files, by name, while a folder is opened
	late     []*segment        // removed while a folder is opened; their runs expire afterwards
	lost     bool              // files went away that lines were counted of, while a folder is opened
	settled  uint64            // up to this seq the tables know of all records, while a folder is opened
	grown    int64             // bytes of text that was taken in
	wake     chan struct{}     // closed at the next publication when somebody waits
}

// unlinked holds the owners and steps of a run whose own records are not known:
// they expired, or stand in a file that is read later.
type unlinked struct {
	owners []*Owner
	steps  []*Step
	sealed map[string]*tally // by step, "" for none: rows that stand in sealed files
}

func (u *unlinked) empty() bool { return len(u.owners) == 0 && len(u.steps) == 0 && len(u.sealed) == 0 }

// allInText says of a segment that nothing of it is in the ring.
const allInText = math.MaxUint64

// segment is one file of lines.
type segment struct {
	file string // the log's name, immutable
	t    *tables

	// inText is the newest seq of the segment whose line is in the text:
	// younger ones are in the ring. allInText when there is no ring.
	inText atomic.Uint64

	unindexable atomic.Bool // the rows are not what their text says

	serial  uint32 // tells segments apart, above 0, immutable
	number  uint64 // in the order in which segments were begun, immutable
	begunAt uint64 // position in the ring of its first record, if turn began it; guarded by Journal.mu

	// guarded by tables.mu
	name    string // base name: user.log while active, user-<time>.log after
	rows    rows
	index   *sidecar.Index // of a sealed file, whose rows are empty
	parts   []rowsIndex    // of a file that is not sealed, in order; replaced, never changed in place
	parsed  int64          // bytes of text that the rows stand for
	removed bool
}

// id returns the segment's serial, 0 for none.
func (s *segment) id() uint32 {
	if s == nil {
		return 0
	}
	return s.serial
}

func (s *segment) baseName() string {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.name
}

// Owner is an identity that was given a number. Loggers keep the pointer.
type Owner struct {
	identity line.Identity // immutable
	encoded  atomic.Pointer[[]byte]

	// guarded by tables.mu
	code     uint32 // in the rows
	released bool   // the code is not its own any more: see tables.current
	run      *Run
	step     *Step
	place    int         // in run.owners
	lines    line.Levels // before run was linked
	bytes    int64
}

// Identity returns the identifiers; they must not be changed.
func (o *Owner) Identity() *line.Identity { return &o.identity }

// Encoded returns the identity as it stands in a line, see
// [line.AppendIdentity]. It must not be changed.
func (o *Owner) Encoded() []byte {
	if b := o.encoded.Load(); b != nil {
		return *b
	}
	var buf [512]byte
	b := bytes.Clone(line.AppendIdentity(buf[:0], &o.identity, nil))
	o.encoded.Store(&b)
	return b
}

// Run is a run as its records tell it. One that is over may be made for who asks:
// two answers about the same run are two of them then.
type Run struct {
	Seq      uint64         // of the start record: the main log's id
	Identity *line.Identity // immutable
	Start    line.Lifecycle // what the start record said, immutable
	Started  time.Time      // immutable
	t        *tables

	// guarded by tables.mu
	state  RunState
	steps  []*Step // append-only, in start order
	last   *segment
	slot   uint32   // in the history
	owners []*Owner // that have it
	idle   bool     // in history.idle
	since  uint32   // history.turn when it got there
}

// Step is a step as its records tell it.
type Step struct {
	Seq      uint64
	Identity *line.Identity
	Start    line.Lifecycle
	Started  time.Time
	t        *tables

	// guarded by tables.mu
	run   *Run
	state RunState
	last  *segment
}

// RunState is what changes in a run or step while it goes on.
type RunState struct {
	Ended    bool
	Implied  bool // ended by the library, not by the host
	End      time.Time
	Duration time.Duration
	Outcome  string
	Reason   string

	Processed, Succeeded, Failed, Fragments int64
	Counted                                 bool

	Lines line.Levels // records of kind line
	Bytes int64       // of lines and captures
	Steps int         // runs only: steps started

	logged      line.Levels // lines that were seen; Lines is made from it when it is asked for
	loggedBytes int64
	seen        int64 // time of the newest record but ends of the library's, Unix nanoseconds
	Archived    bool
}

// State returns the state as it is now.
func (r *Run) State() RunState {
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	return r.state.whole()
}

// Steps returns the steps in the order in which they started. The slice must
// not be changed.
func (r *Run) Steps() []*Step {
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	return r.steps[:len(r.steps):len(r.steps)]
}

// Run returns the run, nil when its own records are not known.
func (s *Step) Run() *Run {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.run
}

// State returns the state as it is now. Steps is always 0.
func (s *Step) State() RunState {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.state.whole()
}

// whole settles how much was logged. Lines may have expired since an end
// record counted them, and lines may have come after it: the larger count is
// the better one.
func (s RunState) whole() RunState {
	for i, n := range s.logged {
		s.Lines[i] = max(s.Lines[i], n)
	}
	s.Bytes = max(s.Bytes, s.loggedBytes)
	return s
}
