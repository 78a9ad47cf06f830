package query

import (
	"bytes"
	"strings"
	"time"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

// timeRange gives a range without an end one that lies beyond every time.
func timeRange(from, to time.Time) (time.Time, time.Time) {
	if to.IsZero() {
		to = time.Unix(1<<55, 0)
	}
	return from, to
}

// wantedClasses returns the classes with a state, status and outcome that are
// wanted.
func wantedClasses(states, statuses []int, outcomes []Outcome) *runs.Wanted {
	if len(states)+len(statuses)+len(outcomes) == 0 {
		return runs.AnyClass()
	}
	return runs.Classes(func(c runs.Class) bool {
		o := outcomeOfClass(c)
		counts := Counts{Processed: 1}
		if c.Empty() {
			counts.Processed = 0
		}
		return among(states, stateOf(o, c.Begun())) && among(statuses, statusOf(o, counts, c.Empty())) && among(outcomes, o)
	})
}

// outcomeOfClass is outcomeOf for a class.
func outcomeOfClass(c runs.Class) Outcome {
	if !c.Ended() {
		return Running
	}
	if o, ok := ParseOutcome(c.Outcome()); ok && o != Running {
		return o
	}
	return Failed
}

// outcomeOf returns the outcome; one that a newer version wrote is a failure,
// so that nobody takes it for a success.
func outcomeOf(s *runs.State) Outcome {
	if !s.Ended {
		return Running
	}
	if o, ok := ParseOutcome(s.Outcome); ok && o != Running {
		return o
	}
	return Failed
}

func countsOf(s *runs.State) Counts {
	return Counts{Processed: s.Processed, Succeeded: s.Succeeded, Failed: s.Failed, Fragments: s.Fragments}
}

func triggeredBy(start *line.Lifecycle) string {
	if by := strings.TrimSpace(start.TriggeredBy); by != "" {
		return by
	}
	return System
}

// triggerOf returns what tells how a step's run was triggered: the run's start,
// or the step's own where the run's records have expired.
func triggerOf(s *runs.Step) *line.Lifecycle {
	if r := s.Run(); r != nil {
		return &r.Start
	}
	return &s.Start
}

// fillMainLog makes the answer from a run, in place: it is large.
func fillMainLog(m *MainLog, r *runs.Run) {
	id, s := r.Identity, r.State()
	o := outcomeOf(&s)
	*m = MainLog{
		ID: r.Seq, Project: id.Project, Operation: id.Operation, OperationName: id.OperationName,
		Server: id.Server, Service: id.Service, Run: id.Run, RootRun: id.RootRun, ParentRun: id.ParentRun,
		ParentStep: id.ParentStep, ParentOperation: id.ParentOperation,
		Started: r.Started, Ended: s.End, Duration: s.Duration,
		State: stateOf(o, s.Counted || s.Steps > 0), Status: statusOf(o, countsOf(&s), s.Counted),
		Outcome: o, Reason: s.Reason, Counts: countsOf(&s), Counted: s.Counted,
		TriggeredBy: triggeredBy(&r.Start), Schedule: r.Start.Schedule, Inbound: r.Start.Inbound,
		Archived: s.Archived, Order: 1, Lines: levelCounts(&s.Lines), Bytes: s.Bytes, Steps: s.Steps,
	}
	steps := r.Steps()
	m.SubLogs = make([]SubLog, min(len(steps), MaxSubLogs))
	for place := range m.SubLogs {
		fillSubLog(&m.SubLogs[place], steps[place], &r.Start, place)
	}
}

// fillSubLog makes the answer from a step, in place; trigger is what tells how its
// run was started, and place is that among the steps of its run.
func fillSubLog(sub *SubLog, step *runs.Step, trigger *line.Lifecycle, place int) {
	id, s := step.Identity, step.State()
	o := outcomeOf(&s)
	sub.ID, sub.Project, sub.Operation, sub.OperationName = step.Seq, id.Project, id.Operation, id.OperationName
	sub.Server, sub.Service, sub.Run, sub.RootRun = id.Server, id.Service, id.Run, id.RootRun
	sub.ParentRun, sub.ParentStep, sub.ParentOperation = id.ParentRun, id.ParentStep, id.ParentOperation
	sub.Step, sub.Action, sub.ActionName, sub.Attempt, sub.RowNum = id.Step, id.Action, id.ActionName, max(id.Attempt, 1), 1
	sub.Started, sub.Ended, sub.Duration = step.Started, s.End, s.Duration
	sub.Counts, sub.Counted = countsOf(&s), s.Counted
	sub.State, sub.Status = stateOf(o, s.Counted), statusOf(o, sub.Counts, s.Counted)
	sub.Outcome, sub.Reason, sub.Archived = o, s.Reason, s.Archived
	sub.TriggeredBy, sub.Schedule, sub.Inbound = triggeredBy(trigger), trigger.Schedule, trigger.Inbound
	sub.Order, sub.Lines, sub.Bytes = step.Start.Order, levelCounts(&s.Lines), s.Bytes
	if step.Start.Iterated {
		sub.Iteration = &Iteration{Index: step.Start.IterationIndex, Value: bytes.Clone(step.Start.IterationValue)}
		sub.RowNum = step.Start.IterationIndex + 1
	}
	if sub.Order == 0 {
		sub.Order = place + 2
	}
}
