package query

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"
)

// MaxSubLogs is how many sub logs [MainLog.SubLogs] holds at most.
const MaxSubLogs = 1000

// System is what [MainLog.TriggeredBy] says of a run that nobody triggered: it
// started by itself.
const System = "System"

// Counts says what a run or step did with the items it worked on.
type Counts struct {
	// Processed is how many items were worked on, Succeeded and Failed how they
	// came out, Fragments in how many parts they came. The host counts; nothing
	// is derived.
	Processed, Succeeded, Failed, Fragments int64
}

// MainLog is one run of an operation. Counts and states are those of the moment
// of the query.
type MainLog struct {
	// ID is the seq of the run's start record.
	ID uint64

	Project                  string
	Operation, OperationName string // the flow
	Server, Service          string
	Run                      string // the execution's id
	RootRun                  string // the run at the top, "" for a run that nothing started
	ParentRun, ParentStep    string // what started it
	ParentOperation          string // the flow's parent flow

	// Started is when it started and Ended when it ended, the zero time while
	// it runs. Duration is 0 while it runs; where the process died it reaches to the
	// last record, while Ended is when the library found that out.
	Started, Ended time.Time
	Duration       time.Duration
	// State is [StateStarted], [StateInProgress] or [StateFinished]; Status is
	// [StatusInProgress], [StatusSuccess], [StatusFailed] or [StatusEmpty].
	State, Status int
	// Outcome says more precisely how it ended, Reason why.
	Outcome Outcome
	Reason  string
	// Counts are the totals so far; Counted is whether the host gave any.
	Counts  Counts
	Counted bool
	// TriggeredBy is who started it, without blanks around, [System] when
	// nobody did. Schedule is the schedule that did, "" for none.
	TriggeredBy, Schedule string
	// Inbound is whether it was started from outside.
	Inbound bool
	// Archived is whether its data was also stored elsewhere.
	Archived bool
	// Order is 1 for a run.
	Order int
	// Lines counts line logs per level, levels without any left out; Bytes is
	// the length of its lines and captures.
	Lines map[zapcore.Level]int64
	Bytes int64
	// Steps is how many steps it started, SubLogs the first [MaxSubLogs] of
	// them in the order in which they started; never nil.
	Steps   int
	SubLogs []SubLog
}

// Triggered reports whether somebody started the run by hand.
func (m MainLog) Triggered() bool { return m.TriggeredBy != System }

// SubLog is one step: one attempt, in one iteration, of one action in a run. It
// repeats what its run says of its trigger.
type SubLog struct {
	// ID is the seq of the step's start record.
	ID uint64

	Project                  string
	Operation, OperationName string // the flow
	Server, Service          string
	Run, RootRun             string
	ParentRun, ParentStep    string // what started the run
	ParentOperation          string
	Step                     string // the step's id
	Action, ActionName       string
	// Attempt counts from 1.
	Attempt int
	// Iteration is nil outside loops. RowNum is its index + 1, and 1 outside
	// loops.
	Iteration *Iteration
	RowNum    int

	// The following are as in [MainLog].

	Started, Ended        time.Time
	Duration              time.Duration
	State, Status         int
	Outcome               Outcome
	Reason                string
	Counts                Counts
	Counted               bool
	TriggeredBy, Schedule string
	Inbound, Archived     bool
	// Order is the host's number of the step in its flow, by default its place
	// among the started steps + 1, so that the first has 2.
	Order int
	Lines map[zapcore.Level]int64
	Bytes int64
}

// Triggered reports whether somebody started the step's run by hand.
func (s SubLog) Triggered() bool { return s.TriggeredBy != System }

// Iteration says which turn of a loop a step is.
type Iteration struct {
	// Index counts from 0.
	Index int
	// Value is what the loop is at, as JSON; nil when the host gave none.
	Value json.RawMessage
}

// RunFilter chooses runs. Its conditions are combined with and; a field left at
// its zero value is no condition.
type RunFilter struct {
	// ID is [MainLog.ID].
	ID uint64

	// Projects are the projects wanted, as in [Filter]; combined with Project.
	Projects []string

	Project   string
	Server    string
	Service   string
	Operation string
	Run       string
	// RootRun selects a run and all that were started below it.
	RootRun string
	// ParentRun and ParentStep select the runs started directly by one.
	ParentRun, ParentStep string
	// Roots selects the runs that no other run started. It cannot be used with
	// ParentRun or ParentStep.
	Roots bool

	// From and To are when it started, both inclusive.
	From, To time.Time
	// States and Statuses are numbers as in [MainLog], Outcomes the finer form.
	States, Statuses []int
	Outcomes         []Outcome
	// TriggeredBy is who started it, [System] for nobody.
	TriggeredBy string
}

// complete checks f and makes its lists its own.
func (f RunFilter) complete() (RunFilter, error) {
	f.States, f.Statuses, f.Outcomes = slices.Clone(f.States), slices.Clone(f.Statuses), slices.Clone(f.Outcomes)
	f.Projects = slices.Clone(f.Projects)
	f.TriggeredBy = strings.TrimSpace(f.TriggeredBy)
	if f.Roots && (f.ParentRun != "" || f.ParentStep != "") {
		return f, invalid("Roots", "excludes ParentRun and ParentStep")
	}
	return f, checkRunConditions(f.From, f.To, f.Projects, f.States, f.Statuses, f.Outcomes)
}

// StepFilter chooses steps. Its conditions are combined with and; a field left
// at its zero value is no condition.
type StepFilter struct {
	// ID is [SubLog.ID].
	ID uint64

	// Projects are the projects wanted, as in [Filter]; combined with Project.
	Projects []string

	Project   string
	Server    string
	Service   string
	Operation string
	Run       string
	// RootRun selects the steps of a run and of all that were started below it.
	RootRun string
	Step    string
	Action  string

	// From and To are when it started, both inclusive.
	From, To time.Time
	// States and Statuses are numbers as in [SubLog], Outcomes the finer form.
	States, Statuses []int
	Outcomes         []Outcome
	// TriggeredBy is who started its run, [System] for nobody.
	TriggeredBy string
}

// complete checks f and makes its lists its own.
func (f StepFilter) complete() (StepFilter, error) {
	f.States, f.Statuses, f.Outcomes = slices.Clone(f.States), slices.Clone(f.Statuses), slices.Clone(f.Outcomes)
	f.Projects = slices.Clone(f.Projects)
	f.TriggeredBy = strings.TrimSpace(f.TriggeredBy)
	return f, checkRunConditions(f.From, f.To, f.Projects, f.States, f.Statuses, f.Outcomes)
}

func checkRunConditions(from, to time.Time, projects []string, states, statuses []int, outcomes []Outcome) error {
	if err := checkTimes(from, to); err != nil {
		return err
	}
	if len(projects) > MaxFilterValues {
		return invalid("Projects", "has more than %d values", MaxFilterValues)
	}
	if len(states) > MaxFilterValues || len(statuses) > MaxFilterValues || len(outcomes) > MaxFilterValues {
		return invalid("States, Statuses or Outcomes", "has more than %d values", MaxFilterValues)
	}
	for _, s := range states {
		if s < StateStarted || s > StateFinished {
			return invalid("States", "has the unknown state %d", s)
		}
	}
	for _, s := range statuses {
		if s < StatusInProgress || s > StatusEmpty {
			return invalid("Statuses", "has the unknown status %d", s)
		}
	}
	for _, o := range outcomes {
		if int(o) >= len(outcomeTexts) {
			return invalid("Outcomes", "has the unknown outcome %d", uint8(o))
		}
	}
	return nil
}
