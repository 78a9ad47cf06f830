package query

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
)

// Runs returns main logs from the table of runs.
func (b *journalBackend) Runs(ctx context.Context, f RunFilter, w Window) (Result[MainLog], error) {
	return again(ctx, b, func(snap *journal.Snapshot) (Result[MainLog], error) {
		runs := snap.Runs()
		if f.Run != "" {
			runs = runs[:0:0]
			if r := snap.Run(f.Run); r != nil {
				runs = append(runs, r)
			}
		}
		from, to := timeRange(f.From, f.To)
		return pageOfHistory(ctx, runs, w, snap.AsOf, func(r *journal.Run) uint64 { return r.Seq },
			func(r *journal.Run) bool {
				id := r.Identity
				if f.ID != 0 && f.ID != r.Seq || !wanted(f.Run, id.Run) ||
					!among(f.Projects, id.Project) || !wanted(f.Project, id.Project) || !wanted(f.Server, id.Server) ||
					!wanted(f.Service, id.Service) || !wanted(f.Operation, id.Operation) ||
					!wanted(f.RootRun, rootOf(id)) || !wanted(f.ParentRun, id.ParentRun) ||
					!wanted(f.ParentStep, id.ParentStep) || f.Roots && id.ParentRun != "" ||
					!wanted(f.TriggeredBy, triggeredBy(&r.Start)) ||
					r.Started.Before(from) || r.Started.After(to) {
					return false
				}
				if len(f.States)+len(f.Statuses)+len(f.Outcomes) == 0 {
					return true
				}
				s := r.State()
				return matchState(&s, s.Steps > 0, f.States, f.Statuses, f.Outcomes)
			}, makeMainLog)
	})
}

// Steps returns sub logs from the table of runs.
func (b *journalBackend) Steps(ctx context.Context, f StepFilter, w Window) (Result[SubLog], error) {
	return again(ctx, b, func(snap *journal.Snapshot) (Result[SubLog], error) {
		steps := stepsOf(snap, f.Run)
		from, to := timeRange(f.From, f.To)
		return pageOfHistory(ctx, steps, w, snap.AsOf, func(s *journal.Step) uint64 { return s.Seq },
			func(s *journal.Step) bool {
				id := s.Identity
				if f.ID != 0 && f.ID != s.Seq || !wanted(f.Step, id.Step) || !wanted(f.Run, id.Run) ||
					!among(f.Projects, id.Project) || !wanted(f.Project, id.Project) || !wanted(f.Server, id.Server) ||
					!wanted(f.Service, id.Service) || !wanted(f.Operation, id.Operation) ||
					!wanted(f.RootRun, rootOf(id)) || !wanted(f.Action, id.Action) ||
					!wanted(f.TriggeredBy, triggeredBy(triggerOf(s))) ||
					s.Started.Before(from) || s.Started.After(to) {
					return false
				}
				if len(f.States)+len(f.Statuses)+len(f.Outcomes) == 0 {
					return true
				}
				state := s.State()
				return matchState(&state, false, f.States, f.Statuses, f.Outcomes)
			}, func(s *journal.Step) SubLog { return makeSubLog(s, placeOf(s)) })
	})
}

// stepsOf returns the steps in the order in which they started: those of one
// run, or all.
func stepsOf(snap *journal.Snapshot, run string) []*journal.Step {
	var steps []*journal.Step
	if run == "" {
		for _, r := range snap.Runs() {
			steps = append(steps, r.Steps()...)
		}
	} else if r := snap.Run(run); r != nil {
		steps = r.Steps()
	}
	bySeq := func(a, b *journal.Step) int { return cmp.Compare(a.Seq, b.Seq) }
	if !slices.IsSortedFunc(steps, bySeq) {
		steps = slices.SortedFunc(slices.Values(steps), bySeq)
	}
	return steps
}

// pageOfHistory answers from a list in the order of seq.
func pageOfHistory[S, T any](ctx context.Context, list []S, w Window, newest uint64, seq func(S) uint64,
	match func(S) bool, item func(S) T) (Result[T], error) {
	result := Result[T]{AsOf: newest, Total: Total{Exact: !w.Uncounted}}
	if w.AsOf != 0 && w.AsOf < newest {
		result.AsOf = w.AsOf
	}
	skip := w.Offset
	for n := range list {
		if n%1024 == 0 && ctx.Err() != nil {
			return result, ctx.Err()
		}
		at := n
		if !w.Oldest {
			at = len(list) - 1 - n
		}
		s := list[at]
		if seq(s) > result.AsOf || !match(s) {
			continue
		}
		result.Total.N++
		switch {
		case !w.reaches(seq(s)):
		case skip > 0:
			skip--
		case len(result.Items) < w.Limit:
			result.Items = append(result.Items, item(s))
		default:
			result.More = true
			if w.Uncounted {
				return result, nil
			}
		}
	}
	result.Stats.Rows = int64(len(list))
	return result, nil
}

// timeRange gives a range without an end one that lies beyond every time.
func timeRange(from, to time.Time) (time.Time, time.Time) {
	if to.IsZero() {
		to = time.Unix(1<<55, 0)
	}
	return from, to
}

func matchState(s *journal.RunState, begun bool, states, statuses []int, outcomes []Outcome) bool {
	o := outcomeOf(s)
	return (len(states) == 0 || slices.Contains(states, stateOf(o, begun || s.Counted))) &&
		(len(statuses) == 0 || slices.Contains(statuses, statusOf(o, countsOf(s), s.Counted))) &&
		(len(outcomes) == 0 || slices.Contains(outcomes, o))
}

// outcomeOf returns the outcome; one that a newer version wrote is a failure,
// so that nobody takes it for a success.
func outcomeOf(s *journal.RunState) Outcome {
	if !s.Ended {
		return Running
	}
	if o, ok := ParseOutcome(s.Outcome); ok && o != Running {
		return o
	}
	return Failed
}

func countsOf(s *journal.RunState) Counts {
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
func triggerOf(s *journal.Step) *line.Lifecycle {
	if r := s.Run(); r != nil {
		return &r.Start
	}
	return &s.Start
}

// placeOf returns a step's place among the steps of its run, from 0.
func placeOf(s *journal.Step) int {
	if r := s.Run(); r != nil {
		return max(0, slices.Index(r.Steps(), s))
	}
	return 0
}

func makeMainLog(r *journal.Run) MainLog {
	id, s := r.Identity, r.State()
	o := outcomeOf(&s)
	m := MainLog{
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
	m.SubLogs = make([]SubLog, 0, min(len(steps), MaxSubLogs))
	for place, step := range steps[:min(len(steps), MaxSubLogs)] {
		m.SubLogs = append(m.SubLogs, makeSubLog(step, place))
	}
	return m
}

// makeSubLog makes the answer from a step; place is among those of its run.
func makeSubLog(step *journal.Step, place int) SubLog {
	id, s := step.Identity, step.State()
	o, trigger := outcomeOf(&s), triggerOf(step)
	sub := SubLog{
		ID: step.Seq, Project: id.Project, Operation: id.Operation, OperationName: id.OperationName,
		Server: id.Server, Service: id.Service, Run: id.Run, RootRun: id.RootRun, ParentRun: id.ParentRun,
		ParentStep: id.ParentStep, ParentOperation: id.ParentOperation,
		Step: id.Step, Action: id.Action, ActionName: id.ActionName, Attempt: max(id.Attempt, 1), RowNum: 1,
		Started: step.Started, Ended: s.End, Duration: s.Duration,
		State: stateOf(o, s.Counted), Status: statusOf(o, countsOf(&s), s.Counted),
		Outcome: o, Reason: s.Reason, Counts: countsOf(&s), Counted: s.Counted,
		TriggeredBy: triggeredBy(trigger), Schedule: trigger.Schedule, Inbound: trigger.Inbound,
		Archived: s.Archived, Order: step.Start.Order, Lines: levelCounts(&s.Lines), Bytes: s.Bytes,
	}
	if step.Start.Iterated {
		sub.Iteration = &Iteration{Index: step.Start.IterationIndex, Value: bytes.Clone(step.Start.IterationValue)}
		sub.RowNum = step.Start.IterationIndex + 1
	}
	if sub.Order == 0 {
		sub.Order = place + 2
	}
	return sub
}
