package line

import (
	"time"

	"go.uber.org/zap/zapcore"
)

// Kind says what a record is.
type Kind uint8

// The kinds, in the order of their numbers. The text has the names; the
// numbers stand in derived files.
const (
	KindNone    Kind = iota
	KindLine         // one log statement inside a run or step, or to user.log
	KindCapture      // captured input or output of a step
	KindRun          // start, update or end of a run
	KindStep         // start, update or end of a step
	KindEvent        // what servers and services log outside a run
	KindAccess       // one request
	KindAudit        // an audit record
)

// Identity is the set of identifiers that loggers bind: who logged. It is
// comparable, and two records with the same identity share one encoded form.
// Empty strings and zero numbers are absent in the text.
type Identity struct {
	Server, ServerName   string
	Service, ServiceName string
	Project              string
	Operation            string
	OperationName        string
	ParentOperation      string
	Run, RootRun         string
	ParentRun            string
	ParentStep           string
	Step                 string
	Action, ActionName   string
	Attempt              int
}

// Phases of run, step and capture records.
const (
	PhaseStart  = "start"
	PhaseUpdate = "update" // counts so far, or archived
	PhaseResume = "resume" // a run that was ended for its dead process goes on
	PhaseEnd    = "end"
	PhaseInput  = "input"
	PhaseOutput = "output"
)

// Levels counts records per level: trace, debug, info, warn, error, fatal, in
// this order.
type Levels [6]int64

// Lifecycle holds the keys that only run and step records have. The end record
// repeats what the start said, so it answers alone.
type Lifecycle struct {
	Phase    string
	ID       uint64    // end, update, resume: seq of the start record
	Started  time.Time // end: when it started
	Outcome  string    // end: succeeded, failed, cancelled, timed_out, terminated, continued, skipped, panicked
	Reason   string
	Implied  bool // end: written by the library because the run ended or the process died; a later end of the host's replaces it
	Duration time.Duration

	Processed, Succeeded, Failed, Fragments int64
	Counted                                 bool   // the host added counts at least once; only then are the four written
	Levels                                  Levels // end: lines per level
	Bytes                                   int64  // end: bytes of lines and captures logged

	TriggeredBy, Schedule string
	Inbound               bool
	Order                 int
	IterationIndex        int    // from 0
	IterationValue        []byte // JSON, nil when none was given
	Iterated              bool   // an iteration was given
	Archived              bool
}

// Record is a line taken apart. Strings and slices that Parse fills are copies
// or parts of the line as its comment says.
type Record struct {
	Seq   uint64
	Time  time.Time // UTC
	Level zapcore.Level
	Kind  Kind
	Identity
	Topic                   string
	Trace, Span             string
	Logger, Caller, Stack   string
	Label, Message          string
	Phase                   string    // captures; for run and step records as Lifecycle.Phase
	Lifecycle               Lifecycle // run and step records only
	ErrorMessage, ErrorCode string
	Truncated               bool
	Error                   []byte // the error object's JSON, nil when absent
	Details                 []byte // the details object's JSON, nil when absent
}
