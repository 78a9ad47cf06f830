package runs

import (
	"time"

	"github.com/steplog/steplog/internal/line"
)

// Reasons that the library gives when it ends a run or step itself.
const (
	ReasonProcessDied = "the process died before the run ended"
	ReasonRunEnded    = "the run ended first"
)

// OutcomeFailed is the outcome of a run or step that the library ended.
const OutcomeFailed = "failed"

// Run is a run as its records tell it. It is safe for concurrent use. Of one that is over
// two answers may be two of them.
type Run struct {
	Seq      uint64         // of the start record: the main log's id
	Identity *line.Identity // immutable
	Start    line.Lifecycle // what the start record said, immutable
	Started  time.Time      // immutable
	t        *Table

	// guarded by Table.mu
	state     State
	steps     []*Step  // append-only, see ordered
	jumbled   bool     // steps are not in the order in which they started
	last      uint32   // the file with its last record
	slot      uint32   // in the history
	owners    []*Owner // that have it
	packed    bool     // it is not live any more: bytes tell of it
	idle      bool     // in history.idle
	idleSince uint32   // history.ticks when it got there
	touched   uint32   // counts who may have changed it or its steps, but owners that have it
}

// Step is a step as its records tell it. It is safe for concurrent use.
type Step struct {
	Seq      uint64         // of the start record: the sub log's id
	Identity *line.Identity // immutable
	Start    line.Lifecycle // what the start record said, immutable
	Started  time.Time      // immutable
	t        *Table

	// guarded by Table.mu
	run   *Run
	state State
	last  uint32
}

// State is what changes in a run or step while it goes on.
type State struct {
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

	Seen int64 // time of the newest record but ends of the library's, Unix nanoseconds

	logged      line.Levels // lines that were seen; Lines is made from it when it is asked for
	loggedBytes int64
	Archived    bool
}

// State returns the state as it is now.
func (r *Run) State() State {
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	return r.state.whole()
}

// Steps returns the steps in the order in which they started. The slice must
// not be changed.
func (r *Run) Steps() []*Step {
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	return r.ordered()
}

// Run returns the run, nil when its own records are not known.
func (s *Step) Run() *Run {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.run
}

// State returns the state as it is now. Steps is always 0.
func (s *Step) State() State {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.state.whole()
}

// whole is reconcile for a copy.
func (s State) whole() State {
	s.reconcile()
	return s
}

// reconcile finds out how much was logged. Lines may have expired since an end record
// counted them, and lines may have come after it: the larger count is the better one.
func (s *State) reconcile() {
	for i, n := range s.logged {
		s.Lines[i] = max(s.Lines[i], n)
	}
	s.Bytes = max(s.Bytes, s.loggedBytes)
}
