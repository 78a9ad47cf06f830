package httpapi

import (
	"encoding/json"
	"time"

	"github.com/steplog/steplog/query"
)

// Limits of a tree, so that one answer stays one that a page can draw.
const (
	maxTreeRuns  = 1_000
	maxTreeSteps = query.MaxLimit
)

// execution is what a run and a step have in common in a tree.
type execution struct {
	ID         uint64           `json:"id"`
	Project    string           `json:"project"`
	Server     string           `json:"server"`
	Service    string           `json:"service"`
	Started    time.Time        `json:"started"`
	Ended      *time.Time       `json:"ended"`
	DurationNS *int64           `json:"duration_ns"`
	State      int              `json:"state"`
	Status     int              `json:"status"`
	Outcome    string           `json:"outcome"`
	Reason     string           `json:"reason"`
	Processed  int64            `json:"processed"`
	Succeeded  int64            `json:"succeeded"`
	Failed     int64            `json:"failed"`
	Fragments  int64            `json:"fragments"`
	Levels     map[string]int64 `json:"levels"`
	Bytes      int64            `json:"bytes"`
}

// treeRun is a run in a tree, with its steps and what was started outside them.
type treeRun struct {
	execution
	Run           string      `json:"run"`
	ParentRun     *string     `json:"parent_run"`
	ParentStep    *string     `json:"parent_step"`
	Operation     string      `json:"operation"`
	OperationName string      `json:"operation_name"`
	TriggeredBy   string      `json:"triggered_by"`
	Steps         []*treeStep `json:"steps"`
	Runs          []*treeRun  `json:"runs"`
}

// treeStep is a step in a tree, with the runs that it started.
type treeStep struct {
	execution
	Step       string         `json:"step"`
	Action     string         `json:"action"`
	ActionName string         `json:"action_name"`
	Order      int            `json:"order"`
	Attempt    int            `json:"attempt"`
	Iteration  *treeIteration `json:"iteration"`
	Runs       []*treeRun     `json:"runs"`
}

type treeIteration struct {
	Index int             `json:"index"`
	Value json.RawMessage `json:"value"`
}

// runTree serves a run with its steps and everything that was started below it,
// with times, oldest first.
func (q *request) runTree() error {
	if err := q.params().done(); err != nil {
		return err
	}
	id := q.r.PathValue("id")
	page, err := q.view.MainLogs(q.ctx, query.RunFilter{Run: id}, query.Paging{Limit: 1})
	if err != nil {
		return err
	}
	if id == "" || len(page.Items) == 0 {
		return notFound("There is no run with this id.")
	}
	top := page.Items[0]
	root := top.RootRun
	if root == "" {
		root = top.Run
	}
	runs, err := q.view.MainLogs(query.PartOf(q.ctx), query.RunFilter{RootRun: root}, query.Paging{Limit: maxTreeRuns, AsOf: page.AsOf, Oldest: true})
	if err != nil {
		return err
	}
	f := query.StepFilter{RootRun: root}
	if len(runs.Items) <= 1 {
		f = query.StepFilter{Run: top.Run} // one run has a list of its own
	}
	steps, err := q.view.SubLogs(query.PartOf(q.ctx), f, query.Paging{Limit: maxTreeSteps, AsOf: page.AsOf, Oldest: true})
	if err != nil {
		return err
	}
	return q.success(struct {
		Run   *treeRun `json:"run"`
		Whole bool     `json:"whole"` // false when the tree is larger than one answer
	}{grow(top, runs.Items, steps.Items), runs.Next == "" && steps.Next == ""})
}

// grow puts a tree together: runs and steps are oldest first, so that what
// started something stands before it.
func grow(top query.MainLog, runs []query.MainLog, steps []query.SubLog) *treeRun {
	root := newTreeRun(top)
	byRun := map[string]*treeRun{top.Run: root}
	type key struct{ run, step string }
	byStep := map[key]*treeStep{}
	stepsOf := map[string][]query.SubLog{}
	for _, s := range steps {
		stepsOf[s.Run] = append(stepsOf[s.Run], s)
	}
	add := func(to *treeRun) {
		for _, s := range stepsOf[to.Run] {
			step := newTreeStep(s)
			byStep[key{s.Run, s.Step}] = step
			to.Steps = append(to.Steps, step)
		}
	}
	add(root)
	for _, m := range runs {
		parent := byRun[m.ParentRun]
		if parent == nil || byRun[m.Run] != nil {
			continue // above or beside the run that was asked for
		}
		child := newTreeRun(m)
		byRun[m.Run] = child
		add(child)
		if s := byStep[key{m.ParentRun, m.ParentStep}]; s != nil {
			s.Runs = append(s.Runs, child)
		} else {
			parent.Runs = append(parent.Runs, child)
		}
	}
	return root
}

func newTreeRun(m query.MainLog) *treeRun {
	return &treeRun{
		execution: newExecution(m.ID, m.Project, m.Server, m.Service, m.Started, m.Ended, m.Duration, m.State, m.Status, m.Outcome, m.Reason,
			m.Counts, levelCounts(m.Lines), m.Bytes),
		Run: m.Run, ParentRun: orNull(m.ParentRun), ParentStep: orNull(m.ParentStep),
		Operation: m.Operation, OperationName: m.OperationName, TriggeredBy: m.TriggeredBy,
		Steps: []*treeStep{}, Runs: []*treeRun{},
	}
}

func newTreeStep(s query.SubLog) *treeStep {
	t := &treeStep{
		execution: newExecution(s.ID, s.Project, s.Server, s.Service, s.Started, s.Ended, s.Duration, s.State, s.Status, s.Outcome, s.Reason,
			s.Counts, levelCounts(s.Lines), s.Bytes),
		Step: s.Step, Action: s.Action, ActionName: s.ActionName, Order: s.Order, Attempt: s.Attempt, Runs: []*treeRun{},
	}
	if s.Iteration != nil {
		t.Iteration = &treeIteration{Index: s.Iteration.Index, Value: s.Iteration.Value}
	}
	return t
}

func newExecution(id uint64, project, server, service string, started, ended time.Time, duration time.Duration, state, status int,
	outcome query.Outcome, reason string, counts query.Counts, named map[string]int64, bytes int64) execution {
	e := execution{ID: id, Project: project, Server: server, Service: service, Started: started, State: state, Status: status,
		Outcome: outcome.String(), Reason: reason, Processed: counts.Processed, Succeeded: counts.Succeeded, Failed: counts.Failed,
		Fragments: counts.Fragments, Levels: named, Bytes: bytes}
	if !ended.IsZero() {
		ns := int64(duration)
		e.Ended, e.DurationNS = &ended, &ns
	}
	return e
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
