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
	// ready is closed when the step is filled in. It is nil in a step without an id
	// of the host's, which nobody else can ask for; immutable.
	ready chan struct{}
}

// StartStep starts a step of the run that ctx belongs to and returns it, with a
// context that has it. Inside another step's context the step belongs to the
// same run. Fields bound to the context's logger are those of the step's too.
//
// Without a run the returned step has a logger that names the action and writes
// where the context's logger does, but there is no record of the step and
// nothing is captured. Without any logger it does nothing. It is never nil.
//
// Starting is idempotent by [ID] within a run: a step that is open, or that the
// library ended, goes on without a second record. One that the host ended is not
// touched, as with [Operation.Start], and OnProblem hears of it. Where a step of
// another run has the id, OnProblem hears of [ErrOtherRun], and the new step gets
// an id of its own. The start is recorded whatever the settings of levels are.
// ctx may be nil.
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
	if set.iterated && set.value != nil {
		set.encoded = s.value("iteration", set.value, maxIteration)
	}
	step, own := s.startStep(ctx, l, id, &set)
	return withLogger(ctx, own), step
}

// startStep starts a step, or goes on with one that is known, and returns it with
// the logger for its context.
func (s *Store) startStep(ctx context.Context, l *Logger, id line.Identity, set *stepSettings) (*Step, *Logger) {
	if set.id != "" {
		if other, is := s.reserveStep(set.id, id.Run); is {
			// Under the same id the two would be taken for one.
			s.problem(fmt.Errorf("start step %.80q of run %.80q: %w: %.80q", set.id, id.Run, ErrOtherRun, other))
			set.id = ""
		} else {
			defer s.unreserveStep(set.id, id.Run)
		}
	}
	if set.id == "" {
		step := &Step{id: newID(), exec: execution{store: s, kind: line.KindStep}}
		s.beginStep(ctx, l, step, id, set)
		return step, step.Logger
	}
	for {
		step, mine := l.run.claimStep(s, set.id)
		if mine {
			if known := s.journal.Step(set.id); known != nil {
				s.continueStep(ctx, l, step, id, known)
			} else {
				s.beginStep(ctx, l, step, id, set)
			}
			return step, step.Logger
		}
		if step.join() {
			own := l.inside(*step.exec.owner.Identity(), l.run)
			s.trace(ctx, own)
			return step, own
		}
	}
}

// reserveStep keeps other runs from starting a step with an id until that of this run is
// known by it, or tells whose the id is.
func (s *Store) reserveStep(id, run string) (other string, is bool) {
	s.startingMu.Lock()
	other, is = s.starting[id]
	if is = is && other != run; !is {
		s.starting[id] = run
	}
	s.startingMu.Unlock()
	if is {
		return other, true
	}
	if known := s.journal.Step(id); known != nil && known.Identity.Run != run {
		s.unreserveStep(id, run)
		return known.Identity.Run, true
	}
	return "", false
}

func (s *Store) unreserveStep(id, run string) {
	s.startingMu.Lock()
	defer s.startingMu.Unlock()
	if s.starting[id] == run {
		delete(s.starting, id)
	}
}

// claimStep returns the step with an id that is open here, or a new one that is
// the caller's to fill in: nobody gets it before ready is closed.
func (r *Run) claimStep(s *Store, id string) (step *Step, mine bool) {
	r.stepsMu.Lock()
	defer r.stepsMu.Unlock()
	if step := r.steps[id]; step != nil {
		return step, false
	}
	step = &Step{id: id, ready: make(chan struct{}), exec: execution{store: s, kind: line.KindStep}}
	if r.steps == nil {
		r.steps = map[string]*Step{}
	}
	r.steps[id] = step
	return step, true
}

// release takes a step that is not open any more out of the open ones.
func (s *Step) release() {
	if s.ready == nil {
		return
	}
	r := s.Logger.run
	r.stepsMu.Lock()
	defer r.stepsMu.Unlock()
	if r.steps[s.id] == s {
		delete(r.steps, s.id)
	}
}

// join waits until whoever claimed the step has filled it in, and reports false
// when it has ended since.
func (s *Step) join() bool {
	<-s.ready
	s.exec.mu.Lock()
	defer s.exec.mu.Unlock()
	if s.exec.ended {
		return false
	}
	if known := s.exec.store.journal.Step(s.id); known != nil && known.State().Ended {
		_ = s.exec.resume() // the library had ended it; a drop is counted and reported
	}
	return true
}

// placeStep gives a step its identity and the logger that goes with it.
func (s *Store) placeStep(ctx context.Context, l *Logger, step *Step, id line.Identity) {
	id.Step = step.id
	step.Logger = l.inside(id, l.run)
	step.exec.owner = step.Logger.owner
	s.trace(ctx, step.Logger)
}

// trace has l log the trace and span of a context, if it has any.
func (s *Store) trace(ctx context.Context, l *Logger) {
	if trace, span := s.traceIDs(ctx); trace != "" || span != "" {
		l.trace, l.span = trace, span
	}
}

// beginStep starts a step that is not known yet.
func (s *Store) beginStep(ctx context.Context, l *Logger, step *Step, id line.Identity, set *stepSettings) {
	s.placeStep(ctx, l, step, id)
	step.exec.by = set.by
	step.exec.start = line.Lifecycle{Order: set.order}
	if set.iterated {
		step.exec.start.Iterated, step.exec.start.IterationIndex = true, set.index
		step.exec.start.IterationValue = set.encoded
	}
	step.exec.begin(step.Logger)
	step.filledIn()
	if set.hasInput {
		step.Logger.capture(line.PhaseInput, set.input, nil)
	}
}

// filledIn gives a step that was claimed to whoever waits for it.
func (s *Step) filledIn() {
	if s.ready != nil {
		close(s.ready)
	}
}

// continueStep makes step, which was claimed, the handle of one that is known.
func (s *Store) continueStep(ctx context.Context, l *Logger, step *Step, id line.Identity, known *runs.Step) {
	defer step.filledIn()
	id.Action, id.ActionName, id.Attempt = known.Identity.Action, known.Identity.ActionName, known.Identity.Attempt
	s.placeStep(ctx, l, step, id)
	state := known.State()
	step.exec.adopt(known.Seq, known.Start, known.Started, state)
	switch {
	case step.exec.ended:
		step.release()
		s.problem(fmt.Errorf("start step %.80q of run %.80q: it has ended, and its end stands: a further attempt or turn needs an id of its own", step.id, id.Run))
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
	defer s.release()
	s.Logger.keep(output)
	var state runs.State
	if known := s.exec.store.journal.Step(s.id); known != nil {
		state = known.State()
	}
	_ = s.exec.finish(s.Logger, o, err, state)
}
