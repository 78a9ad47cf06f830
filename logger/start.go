package logger

import (
	"strings"

	"github.com/google/uuid"
	"github.com/steplog/steplog/internal/line"
)

// RunOption is an option of [Operation.Start].
type RunOption interface{ applyRun(*runSettings) }

// StepOption is an option of [StartStep].
type StepOption interface{ applyStep(*stepSettings) }

// StartOption is an option of [Operation.Start] and of [StartStep].
type StartOption interface {
	RunOption
	StepOption
}

// startSettings is what can be said of a run and of a step.
type startSettings struct {
	id       string
	input    any
	hasInput bool
	by       callers
}

type runSettings struct {
	startSettings
	project, triggeredBy, schedule string
	inbound                        bool
}

type stepSettings struct {
	startSettings
	names
	order, attempt int
	iterated       bool
	index          int
	value          any
	encoded        []byte // the value, once it was asked
}

type (
	runOption   func(*runSettings)
	stepOption  func(*stepSettings)
	startOption func(*startSettings)
)

func (f runOption) applyRun(r *runSettings)     { f(r) }
func (f stepOption) applyStep(s *stepSettings)  { f(s) }
func (f startOption) applyRun(r *runSettings)   { f(&r.startSettings) }
func (f startOption) applyStep(s *stepSettings) { f(&s.startSettings) }

// ID gives a run or step the host's own id. It must be unique among all runs,
// or all steps, in the folder: each attempt and each turn of a loop is a step of
// its own, so the name of a node is not enough. Starting is idempotent by it: a
// run or step that is open is returned as it is. Without it the id is a new
// UUIDv7. One over 1 KiB is shortened as [Store.Server] says; [Run.ID] and
// [Step.ID] return what it became.
func ID(id string) StartOption {
	return startOption(func(s *startSettings) { s.id = id })
}

// Input has the input of a run or step captured when it starts, if captures are
// on for it. The value is encoded before the call returns: masked, and cut at
// Options.CaptureBytes.
func Input(in any) StartOption {
	return startOption(func(s *startSettings) { s.input, s.hasInput = in, true })
}

// Project says to which project or tenant a run and all that it logs belong. A
// run that was started inside another has the other's project by default.
func Project(id string) RunOption {
	return runOption(func(r *runSettings) { r.project = id })
}

// TriggeredBy says who started a run, such as an e-mail address. Blanks around
// it are removed. Without it, or with "System", the run started by itself.
func TriggeredBy(who string) RunOption {
	return runOption(func(r *runSettings) { r.triggeredBy = strings.TrimSpace(who) })
}

// Schedule says which schedule started a run.
func Schedule(schedule string) RunOption {
	return runOption(func(r *runSettings) { r.schedule = schedule })
}

// Inbound says that a run was started from outside, by a request or a message.
func Inbound() RunOption {
	return runOption(func(r *runSettings) { r.inbound = true })
}

// Order is the place of a step in its flow; gaps are fine. By default it is the
// step's place among those that were started plus one. Numbers under 1 are as
// if not given.
func Order(n int) StepOption {
	return stepOption(func(s *stepSettings) { s.order = max(n, 0) })
}

// Attempt counts the attempts at one action, from 1. The default is 1, and
// smaller numbers count as 1.
func Attempt(n int) StepOption {
	return stepOption(func(s *stepSettings) { s.attempt = max(n, 1) })
}

// Iteration says that a step is one turn of a loop: its index, from 0, and what
// the loop is at, nil for nothing. The value is masked, and cut at 4 KiB.
func Iteration(index int, value any) StepOption {
	return stepOption(func(s *stepSettings) { s.iterated, s.index, s.value = true, max(index, 0), value })
}

// maxIteration is how long an iteration's value may be as JSON. It stands in
// the step's start and in its end.
const maxIteration = 4 << 10

func runSettingsOf(options []RunOption) runSettings {
	var set runSettings
	for _, o := range options {
		if o != nil {
			o.applyRun(&set)
		}
	}
	set.id = line.CutID(set.id)
	return set
}

func stepSettingsOf(options []StepOption) stepSettings {
	set := stepSettings{attempt: 1}
	for _, o := range options {
		if o != nil {
			o.applyStep(&set)
		}
	}
	set.id = line.CutID(set.id)
	return set
}

// newID returns an id for a run or step. Reading random numbers cannot fail
// (crypto/rand ends the process rather than return an error), so neither can
// this.
func newID() string {
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New()
	}
	return id.String()
}
