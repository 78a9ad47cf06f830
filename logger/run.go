package logger

import (
	"context"
	"fmt"
	"sync"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap/zapcore"
)

// Run is one execution of an operation. What it logs goes to user.log, its
// start and end to usage.log. It is safe for concurrent use. A nil Run does
// nothing.
type Run struct {
	*Logger
	exec execution
	id   string // immutable

	stepsMu sync.Mutex       // guards steps
	steps   map[string]*Step // with ids of the host's, open in this process
}

// Start starts a run and returns it, with a context that has it: what is logged
// through the context belongs to the run, steps started with it are the run's,
// and a run started with it, or with a step's, is its child.
//
// Starting is idempotent by [ID]. A run with that id that is open is returned
// without a second record. One that the library ended because its process had
// died goes on, as with [Operation.Resume]. One that the host ended is not
// touched: lines logged to the returned run are kept, its End changes nothing,
// and Options.OnProblem hears of [ErrRunEnded]. One of another operation stays
// what it is, and OnProblem hears of [ErrOtherRun].
//
// The start is recorded whatever the settings of levels are. ctx may be nil.
func (o *Operation) Start(ctx context.Context, options ...RunOption) (context.Context, *Run) {
	ctx = orBackground(ctx)
	set := runSettingsOf(options)
	s := o.logger().home()
	if s == nil {
		return withLogger(ctx, silent), &Run{Logger: silent, id: set.id}
	}
	set.by = callersOf()
	r, err := s.startRun(ctx, &o.id, &set)
	if err != nil {
		s.problem(fmt.Errorf("start run %.80q: %w", r.id, err))
	}
	return withLogger(ctx, r.Logger), r
}

// Resume returns a run that was started before, by this process or another, so
// that it goes on here. A run that the library ended because its process had
// died is open again, and its start is not recorded a second time. The folder
// must have been opened with Options.OpenRun, or the run shows as failed until it
// is resumed. So it is with its steps: [StartStep] with the [ID] of one that had
// not ended goes on with it, and the others end as failed with the run.
//
// It returns [ErrRunEnded] when the host ended the run, and [ErrRunUnknown] when
// nothing is known of it; the returned run can be used even so: its lines are
// kept, and its End changes nothing. With [ErrOtherRun], for one of another
// operation, it is that run. After [Store.Close] it returns [ErrClosed], and the
// run's lines are dropped. ctx may be nil.
func (o *Operation) Resume(ctx context.Context, id string) (context.Context, *Run, error) {
	ctx = orBackground(ctx)
	id = line.CutID(id)
	s := o.logger().home()
	if s == nil {
		return withLogger(ctx, silent), &Run{Logger: silent, id: id}, ErrRunUnknown
	}
	r, err := s.resumeRun(ctx, &o.id, id)
	if s.closed.Load() {
		err = ErrClosed // nothing of what goes on would be recorded
	}
	if err != nil {
		err = fmt.Errorf("resume run %.80q: %w", id, err)
	}
	return withLogger(ctx, r.Logger), r, err
}

// startRun returns the open run with the id in set, or a new one. The error is
// for the host to hear; the run is usable.
func (s *Store) startRun(ctx context.Context, op *line.Identity, set *runSettings) (*Run, error) {
	if set.id == "" {
		set.id = newID()
	}
	for {
		r, mine := s.claim(set.id)
		if mine {
			begun, err := s.fillIn(ctx, r, op, set)
			if begun && set.hasInput {
				r.Logger.capture(line.PhaseInput, set.input, nil)
			}
			return r, err
		}
		if joined, err := r.join(op); joined {
			return r, err
		}
	}
}

// fillIn makes r, which was claimed, the run that is known by its id, or begins
// it.
func (s *Store) fillIn(ctx context.Context, r *Run, op *line.Identity, set *runSettings) (begun bool, err error) {
	defer r.exec.mu.Unlock()
	if known := s.journal.Run(set.id); known != nil {
		return false, s.continueRun(ctx, r, op, known)
	}
	s.beginRun(ctx, r, op, set)
	return true, nil
}

// resumeRun returns the run with an id if there is one.
func (s *Store) resumeRun(ctx context.Context, op *line.Identity, id string) (*Run, error) {
	for {
		r, mine := s.claim(id)
		if mine {
			defer r.exec.mu.Unlock()
			if known := s.journal.Run(id); known != nil {
				return r, s.continueRun(ctx, r, op, known)
			}
			// Its lines are kept under the id that the host believes in.
			identity := *op
			identity.Run = id
			s.detach(r, identity)
			return r, ErrRunUnknown
		}
		if joined, err := r.join(op); joined {
			return r, err
		}
	}
}

// claim returns the run with an id that is open in this process, or a new one
// that is the caller's to fill in: its mu is held.
func (s *Store) claim(id string) (r *Run, mine bool) {
	s.runsMu.Lock()
	defer s.runsMu.Unlock()
	if r := s.runs[id]; r != nil {
		return r, false
	}
	r = &Run{id: id, exec: execution{store: s, kind: line.KindRun}}
	r.exec.mu.Lock()
	s.runs[id] = r
	return r, true
}

// release takes a run that is not open any more out of the open ones. The
// caller holds r.exec.mu.
func (s *Store) release(r *Run) {
	s.runsMu.Lock()
	defer s.runsMu.Unlock()
	if s.runs[r.id] == r {
		delete(s.runs, r.id)
	}
}

// join waits until whoever claimed the run has filled it in, and reports false
// when it has ended since.
func (r *Run) join(op *line.Identity) (bool, error) {
	r.exec.mu.Lock()
	defer r.exec.mu.Unlock()
	if r.exec.ended {
		return false, nil
	}
	return true, r.check(op)
}

// check reports when the run is another operation's than the caller's.
func (r *Run) check(op *line.Identity) error {
	if has := r.exec.owner.Identity().Operation; has != op.Operation {
		return fmt.Errorf("%w: it is one of operation %.80q", ErrOtherRun, has)
	}
	return nil
}

// place gives a run its identity and the logger that goes with it.
func (s *Store) place(r *Run, id line.Identity) {
	l := &Logger{store: s}
	r.Logger = l.inside(id, r)
	r.exec.owner = r.Logger.owner
}

// detach makes r a run that is written to but has no records of its own.
func (s *Store) detach(r *Run, id line.Identity) {
	s.place(r, id)
	r.exec.ended = true
	s.release(r)
}

// beginRun starts a run that is not known yet. The caller holds r.exec.mu.
func (s *Store) beginRun(ctx context.Context, r *Run, op *line.Identity, set *runSettings) {
	id := *op
	id.Run, id.Project = r.id, line.CutID(set.project)
	if parent := loggerOf(ctx); parent != nil && parent.store == s && parent.run != nil {
		up := parent.owner.Identity()
		id.ParentRun, id.ParentStep, id.RootRun = up.Run, up.Step, up.Root()
		if id.ParentOperation == "" {
			id.ParentOperation = up.Operation
		}
		if id.Project == "" {
			id.Project = up.Project
		}
	}
	s.place(r, id)
	r.Logger.trace, r.Logger.span = s.traceIDs(ctx)
	r.exec.by = set.by
	r.exec.start = line.Lifecycle{TriggeredBy: set.triggeredBy, Schedule: set.schedule, Inbound: set.inbound}
	r.exec.begin(r.Logger)
}

// continueRun makes r the handle of a run that the journal knows. The caller
// holds r.exec.mu.
func (s *Store) continueRun(ctx context.Context, r *Run, op *line.Identity, known *runs.Run) error {
	// Who goes on is the caller; what goes on is what was started.
	id := *known.Identity
	id.Server, id.ServerName = op.Server, op.ServerName
	id.Service, id.ServiceName = op.Service, op.ServiceName
	state := known.State()
	if state.Ended && !state.Implied {
		s.detach(r, id)
		return ErrRunEnded
	}
	s.place(r, id)
	r.Logger.trace, r.Logger.span = s.traceIDs(ctx)
	r.exec.adopt(known.Seq, known.Start, known.Started, state)
	if state.Ended {
		if err := r.exec.resume(); err != nil {
			return err
		}
	}
	return r.check(op)
}

// ID returns the run's id.
func (r *Run) ID() string {
	if r == nil {
		return ""
	}
	return r.id
}

// Add adds to the run's counts. The totals are recorded at once, so that they
// show while the run goes on and are right after a crash. It does nothing after
// the end. Counts of steps are not added to those of their run.
func (r *Run) Add(c query.Counts) {
	if r != nil {
		r.exec.add(c)
	}
}

// Output captures what the flow returned, if captures are on for its operation,
// as the end of a step does for an action's result. Call it before the end; a
// flow that returns nothing leaves it out.
func (r *Run) Output(out any) {
	if r != nil && r.exec.store != nil {
		r.Logger.capture(line.PhaseOutput, out, nil)
	}
}

// End ends the run: as succeeded when err is nil, as cancelled or timed out when
// it is context.Canceled or context.DeadlineExceeded or wraps one of them, else
// as failed. Steps that are open end as failed; one that ends later on its own
// replaces that. Ending twice is fine: the first end stands.
//
// In a deferred function that runs because of a panic, or of runtime.Goexit, with a
// nil err, the run ends as panicked, so that
//
//	defer func() { run.End(err) }()
//
// is right whatever happens. The panic goes on. Use EndAs to give it a reason. What
// such a function starts itself, to clean up, ends as its own err says.
func (r *Run) End(err error) {
	if r == nil || r.exec.store == nil {
		return
	}
	o := outcomeOf(err)
	if err == nil && r.exec.unwound(callersOf()) {
		o = query.Panicked
	}
	_ = r.end(o, err)
}

// EndAs ends the run as End does, with an outcome that the caller knows better.
// Running, or a number that is no outcome, stands for what End would choose.
func (r *Run) EndAs(o query.Outcome, err error) {
	if r == nil || r.exec.store == nil {
		return
	}
	_ = r.end(ended(o, err), err)
}

// end ends the run and its open steps. It returns ErrRunEnded when an end
// stands already.
func (r *Run) end(o query.Outcome, err error) error {
	err = r.exec.store.encoder.Told(err)
	r.exec.mu.Lock()
	defer r.exec.mu.Unlock()
	if r.exec.ended {
		return ErrRunEnded
	}
	var state runs.State
	if known := r.exec.store.journal.Run(r.id); known != nil {
		for _, step := range known.Steps() {
			r.exec.store.endStep(step)
		}
		state = known.State()
	}
	defer r.exec.store.release(r)
	return r.exec.finish(r.Logger, o, err, state)
}

// endStep ends a step whose run ends before it.
func (s *Store) endStep(step *runs.Step) {
	state := step.State()
	if state.Ended {
		return
	}
	now := s.now()
	lc := journal.EndLifecycle(step.Seq, &step.Start, state)
	lc.Started, lc.Duration = step.Started, max(now.Sub(step.Started), 0)
	lc.Outcome, lc.Reason, lc.Implied = query.Failed.String(), runs.ReasonRunEnded, true
	e := line.Entry{Time: now, Level: levels.Error, Kind: line.KindStep, Message: "step failed", Lifecycle: &lc}
	_, _ = s.append(s.file(FileUsage), s.journal.Owner(*step.Identity), &e, nil)
}

// EndRun ends a run by its id, wherever it was started: for a host that learns
// from elsewhere that it is over. The outcome is as in [Run.EndAs]. It returns
// [ErrRunUnknown] when there is no such run, [ErrRunEnded] when the host ended it
// before, which then stands, and [ErrDropped] when the end could not be recorded.
func (s *Store) EndRun(ctx context.Context, id string, o query.Outcome, err error) error {
	if s.none() || s.closed.Load() {
		return ErrClosed
	}
	if err := orBackground(ctx).Err(); err != nil {
		return err
	}
	id = line.CutID(id)
	if err := s.endRun(id, ended(o, err), err); err != nil {
		return fmt.Errorf("end run %.80q: %w", id, err)
	}
	return nil
}

func (s *Store) endRun(id string, o query.Outcome, reason error) error {
	r, mine := s.claim(id)
	if mine {
		err := s.adoptRun(r)
		r.exec.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return r.end(o, reason)
}

// adoptRun makes r the handle of a run as its records have it. The caller holds
// r.exec.mu.
func (s *Store) adoptRun(r *Run) error {
	known := s.journal.Run(r.id)
	if known == nil {
		r.exec.ended = true
		s.release(r)
		return ErrRunUnknown
	}
	state := known.State()
	if state.Ended && !state.Implied {
		s.detach(r, *known.Identity)
		return ErrRunEnded
	}
	s.place(r, *known.Identity)
	r.exec.adopt(known.Seq, known.Start, known.Started, state)
	return nil
}

// mainLog is what [Options.OpenRun] is told about a run.
func mainLog(r *runs.Run) query.MainLog {
	id, state := r.Identity, r.State()
	m := query.MainLog{
		ID: r.Seq, Project: id.Project, Operation: id.Operation, OperationName: id.OperationName,
		Server: id.Server, Service: id.Service, Run: id.Run, RootRun: id.RootRun,
		ParentRun: id.ParentRun, ParentStep: id.ParentStep, ParentOperation: id.ParentOperation,
		Started: r.Started, State: query.StateStarted, Status: query.StatusInProgress, Order: 1,
		Counts:  query.Counts{Processed: state.Processed, Succeeded: state.Succeeded, Failed: state.Failed, Fragments: state.Fragments},
		Counted: state.Counted, TriggeredBy: r.Start.TriggeredBy, Schedule: r.Start.Schedule, Inbound: r.Start.Inbound,
		Archived: state.Archived, Lines: map[zapcore.Level]int64{}, Bytes: state.Bytes, Steps: state.Steps, SubLogs: []query.SubLog{},
	}
	if m.TriggeredBy == "" {
		m.TriggeredBy = query.System
	}
	if state.Steps > 0 || state.Counted {
		m.State = query.StateInProgress
	}
	for i, l := range sixLevels {
		if state.Lines[i] != 0 {
			m.Lines[l] = state.Lines[i]
		}
	}
	return m
}
