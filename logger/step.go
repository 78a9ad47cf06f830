package logger

import (
	"context"
	"fmt"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/query"
)

// Step is one execution of an action in a run: one attempt, in one turn of a
// loop. What it logs goes to user.log, its start and end to usage.log. It is
// safe for concurrent use. A nil Step does nothing.
type Step struct {
	*Logger
	exec execution
	id   string // immutable
}

// StartStep starts a step of the run that ctx belongs to and returns it, with a
// context that has it. Inside another step's context the step belongs to the
// same run. Fields bound to the context's logger are those of the step's too.
//
// Without a run the returned step has a logger that names the action and writes
// where the context's logger does, but there is no record of the step and
// nothing is captured. Without any logger it does nothing. It is never nil.
//
// Starting is idempotent by [ID] within a run: a step that is open is returned
// without a second record. The start is recorded whatever the settings of levels
// are. ctx may be nil.
func StartStep(ctx context.Context, action string, options ...StepOption) (context.Context, *Step) {
	ctx = orBackground(ctx)
	set := stepSettingsOf(options)
	l := loggerOf(ctx)
	if l == nil || l.store == nil {
		return ctx, &Step{Logger: silent, id: set.id}
	}
	s := l.store
	id := *l.owner.Identity()
	id.Action, id.ActionName, id.Attempt = line.CutID(action), line.CutID(set.display), set.attempt
	if l.run == nil {
		outside := *l
		outside.gate, outside.owner = s.gate(&id), s.journal.Owner(id)
		step := &Step{Logger: &outside, id: set.id}
		return withLogger(ctx, step.Logger), step
	}
	set.by = callersOf()
	step := s.startStep(ctx, l, id, &set)
	return withLogger(ctx, step.Logger), step
}

// startStep starts a step, or goes on with one that is known.
func (s *Store) startStep(ctx context.Context, l *Logger, id line.Identity, set *stepSettings) *Step {
	step := &Step{exec: execution{store: s, kind: line.KindStep}}
	var known *runs.Step
	if set.id != "" {
		known = s.journal.Step(set.id)
		if known != nil && known.Identity.Run != id.Run {
			// Under the same id the two would be taken for one.
			s.problem(fmt.Errorf("start step %.80q of run %.80q: %w: %.80q", set.id, id.Run, ErrOtherRun, known.Identity.Run))
			known, set.id = nil, ""
		}
	}
	if set.id == "" {
		set.id = newID()
	}
	step.id, id.Step = set.id, set.id
	if known != nil {
		id.Action, id.ActionName, id.Attempt = known.Identity.Action, known.Identity.ActionName, known.Identity.Attempt
	}
	step.Logger = l.inside(id, l.run, step)
	step.exec.owner = step.Logger.owner
	if trace, span := s.traceIDs(ctx); trace != "" || span != "" {
		step.Logger.trace, step.Logger.span = trace, span
	}
	if known != nil {
		s.continueStep(step, known)
		return step
	}
	step.exec.by = set.by
	step.exec.start = line.Lifecycle{Order: set.order}
	if set.iterated {
		step.exec.start.Iterated, step.exec.start.IterationIndex = true, set.index
		if set.value != nil {
			step.exec.start.IterationValue = s.value("iteration", set.value, maxIteration)
		}
	}
	step.exec.begin(step.Logger)
	if set.hasInput {
		step.Logger.capture(line.PhaseInput, set.input, nil)
	}
	return step
}

// continueStep makes step the handle of a step that is known.
func (s *Store) continueStep(step *Step, known *runs.Step) {
	state := known.State()
	step.exec.adopt(known.Seq, known.Start, known.Started, state)
	switch {
	case step.exec.ended:
		s.problem(fmt.Errorf("start step %.80q: the step has ended: its end stands", step.id))
	case state.Ended:
		_ = step.exec.resume() // a drop, counted and reported
	}
}

// ID returns the step's id, "" for one that is not recorded and was given none.
func (s *Step) ID() string {
	if s == nil {
		return ""
	}
	return s.id
}

// Add adds to the step's counts. The totals are recorded at once. It does
// nothing after the end.
func (s *Step) Add(c query.Counts) {
	if s != nil {
		s.exec.add(c)
	}
}

// End ends the step, with what it made and the error it returned; either may be
// nil. Both are captured if captures are on for the action. How err decides the
// outcome is as in [Run.End], a panic included. Ending twice is fine: the first
// end stands. A step may end after its run; that replaces the end that the
// library gave it.
func (s *Step) End(out any, err error) {
	if s == nil || s.exec.store == nil {
		return
	}
	o := outcomeOf(err)
	if err == nil && s.exec.unwound(callersOf()) {
		o = query.Panicked
	}
	s.end(o, out, err)
}

// EndAs ends the step as End does, with an outcome that the caller knows better.
// Running, or a number that is no outcome, stands for what End would choose.
func (s *Step) EndAs(o query.Outcome, out any, err error) {
	if s == nil || s.exec.store == nil {
		return
	}
	s.end(ended(o, err), out, err)
}

func (s *Step) end(o query.Outcome, out any, err error) {
	err = s.exec.store.encoder.Told(err)
	var output captured
	if out != nil || err != nil {
		output = s.Logger.captured(line.PhaseOutput, out, err)
	}
	s.exec.mu.Lock()
	defer s.exec.mu.Unlock()
	if s.exec.ended {
		return
	}
	s.Logger.keep(output)
	var state runs.State
	if known := s.exec.store.journal.Step(s.id); known != nil {
		state = known.State()
	}
	_ = s.exec.finish(s.Logger, o, err, state)
}
