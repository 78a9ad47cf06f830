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

// trigger says how a run was started.
type trigger struct {
	by, schedule string
	inbound      bool
}

func newTrigger(start *line.Lifecycle) trigger {
	return trigger{triggeredBy(start), start.Schedule, start.Inbound}
}

// triggerOf returns what tells how a step's run was triggered: the run's start,
// or the step's own where the run's records have expired.
func triggerOf(s *runs.Step) *line.Lifecycle {
	if r := s.Run(); r != nil {
		return &r.Start
	}
	return &s.Start
}

// fillMainLog makes the answer from a run, in place: it is large. m is empty.
func fillMainLog(m *MainLog, run *runs.Teller) {
	t := run.Run(MaxSubLogs)
	id, s := t.Scope, &t.State
	o, by := outcomeOf(s), newTrigger(&t.Start)
	m.ID, m.Project, m.Operation, m.OperationName = t.Seq, id.Project, id.Operation, id.OperationName
	m.Server, m.Service, m.Run, m.RootRun = id.Server, id.Service, t.Run, t.RootRun
	m.ParentRun, m.ParentStep, m.ParentOperation = t.ParentRun, t.ParentStep, id.ParentOperation
	m.Started, m.Ended, m.Duration = t.Started, s.End, s.Duration
	m.Counts, m.Counted = countsOf(s), s.Counted
	m.State, m.Status = stateOf(o, s.Counted || s.Steps > 0), statusOf(o, m.Counts, s.Counted)
	m.Outcome, m.Reason, m.Archived = o, s.Reason, s.Archived
	m.TriggeredBy, m.Schedule, m.Inbound = by.by, by.schedule, by.inbound
	m.Order, m.Lines, m.Bytes, m.Steps = 1, levelCounts(&s.Lines), s.Bytes, s.Steps
	m.SubLogs = make([]SubLog, run.Steps())
	for place := range m.SubLogs {
		fillSubLog(&m.SubLogs[place], run.Step(), &by, place)
	}
}

// fillSubLog makes the answer from a step, in place; by tells how its run was started,
// and place is that among the steps of its run. sub is empty.
func fillSubLog(sub *SubLog, t *runs.Told, by *trigger, place int) {
	id, s := t.Scope, &t.State
	o := outcomeOf(s)
	sub.ID, sub.Project, sub.Operation, sub.OperationName = t.Seq, id.Project, id.Operation, id.OperationName
	sub.Server, sub.Service, sub.Run, sub.RootRun = id.Server, id.Service, t.Run, t.RootRun
	sub.ParentRun, sub.ParentStep, sub.ParentOperation = t.ParentRun, t.ParentStep, id.ParentOperation
	sub.Step, sub.Action, sub.ActionName, sub.Attempt, sub.RowNum = t.Step, t.Action, t.ActionName, max(t.Attempt, 1), 1
	sub.Started, sub.Ended, sub.Duration = t.Started, s.End, s.Duration
	sub.Counts, sub.Counted = countsOf(s), s.Counted
	sub.State, sub.Status = stateOf(o, s.Counted), statusOf(o, sub.Counts, s.Counted)
	sub.Outcome, sub.Reason, sub.Archived = o, s.Reason, s.Archived
	sub.TriggeredBy, sub.Schedule, sub.Inbound = by.by, by.schedule, by.inbound
	sub.Order, sub.Lines, sub.Bytes = t.Start.Order, levelCounts(&s.Lines), s.Bytes
	if t.Start.Iterated {
		sub.Iteration = &Iteration{Index: t.Start.IterationIndex, Value: bytes.Clone(t.Start.IterationValue)}
		sub.RowNum = t.Start.IterationIndex + 1
	}
	if sub.Order == 0 {
		sub.Order = place + 2
	}
}
