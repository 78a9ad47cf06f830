package journal

import (
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/tables"
)

// endDeadRuns ends, as failed, every run that has no end and that the host does
// not claim, and the steps that are open in it. What cannot be written stays
// open and is ended at the next open.
func (j *Journal) endDeadRuns() {
	for _, r := range j.tables.Runs.Going() {
		state := r.State()
		if state.Ended || j.keepOpen(r) {
			continue
		}
		for _, s := range r.Steps() {
			if s.State().Ended {
				continue
			}
			if j.endImplied(line.KindStep, s.Identity, s.Seq, &s.Start, s.State()) == nil {
				j.recovery.StepsClosed++
			}
		}
		if j.endImplied(line.KindRun, r.Identity, r.Seq, &r.Start, state) == nil {
			j.recovery.RunsClosed++
		}
	}
}

func (j *Journal) keepOpen(r *runs.Run) (keep bool) {
	if j.opts.KeepOpen == nil {
		return false
	}
	defer func() { _ = recover() }() // the hook is the host's
	return j.opts.KeepOpen(r)
}

// EndLifecycle returns what an end record says that repeats a start and adds
// the state; Outcome, Reason, Duration and Implied are the caller's.
func EndLifecycle(id uint64, start *line.Lifecycle, state runs.State) line.Lifecycle {
	lc := *start
	lc.Phase, lc.ID = line.PhaseEnd, id
	lc.Processed, lc.Succeeded, lc.Failed, lc.Fragments, lc.Counted =
		state.Processed, state.Succeeded, state.Failed, state.Fragments, state.Counted
	lc.Levels, lc.Bytes, lc.Archived = state.Lines, state.Bytes, state.Archived
	return lc
}

func (j *Journal) endImplied(kind line.Kind, id *line.Identity, seq uint64, start *line.Lifecycle, state runs.State) error {
	f, err := j.File(tables.Usage)
	if err != nil {
		return err
	}
	now := j.opts.Clock().UTC()
	lc := EndLifecycle(seq, start, state)
	lc.Outcome, lc.Reason, lc.Implied = runs.OutcomeFailed, runs.ReasonProcessDied, true
	if kind == line.KindRun {
		lc.Started = j.Run(id.Run).Started
	} else {
		lc.Started = j.Step(id.Step).Started
	}
	// How long the process lived is known only as far as it logged.
	lc.Duration = max(time.Duration(state.Seen-lc.Started.UnixNano()), 0)
	owner := j.Owner(*id)
	message := "run ended"
	if kind == line.KindStep {
		message = "step ended"
	}
	body := j.encoder.Append(nil, &line.Entry{
		Time: now, Level: zapcore.ErrorLevel, Kind: kind, Identity: owner.Encoded(), Message: message, Lifecycle: &lc,
	}, nil)
	_, err = f.Append(owner, Meta{Time: now, Level: zapcore.ErrorLevel, Kind: kind, Lifecycle: &lc}, body)
	return err
}
