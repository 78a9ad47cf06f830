package oracle

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Execution is a run or a step, as its records tell it.
type Execution struct {
	ID      uint64
	Start   *Record // its first record
	Started time.Time
	Run     string
	Step    string // "" for a run

	Ended     time.Time
	Duration  time.Duration // 0 until the end
	Outcome   string        // "running" until the end
	Reason    string
	Processed int64
	Succeeded int64
	Failed    int64
	Fragments int64
	Counted   bool
	Archived  bool
	State     int
	Status    int
	Order     int
	RowNum    int

	// TriggeredBy is that of the run, "System" for nobody.
	TriggeredBy string
	// Lines counts its line logs by level, Bytes their length and that of its
	// captures.
	Lines map[string]int64
	Bytes int64
	// Steps are those of a run, in the order of start; Parent is a step's run.
	Steps  []*Execution
	Parent *Execution

	implied bool
	end     *Record // that stands
}

// HistoryFilter is a condition on runs or steps. Empty fields are no
// conditions.
type HistoryFilter struct {
	ID       uint64
	Projects []string

	Project, Server, Service, Operation, Run, RootRun, ParentRun, ParentStep, Step, Action, TriggeredBy string

	Roots            bool
	From, To         time.Time
	States, Statuses []int
	Outcomes         []string
}

// History returns all runs and all steps, in the order of start. Of one whose start was
// deleted the end says the same, and the end counts lines that were deleted. A step
// whose run has no record left is left out.
func (t *Text) History() (runs, steps []*Execution) {
	byID := map[[2]string]*Execution{}
	for i := range t.Records {
		r := &t.Records[i]
		if r.Kind != "run" && r.Kind != "step" {
			continue
		}
		id := [2]string{r.String("run"), ""}
		if r.Kind == "step" {
			id[1] = r.String("step")
		}
		e := byID[id]
		if e == nil {
			e = &Execution{ID: r.Seq, Run: id[0], Step: id[1], Outcome: "running", Lines: map[string]int64{}}
			if r.Has("id") && r.String("phase") != "start" {
				e.ID = uint64(r.Int("id"))
			}
			byID[id] = e
			if r.Kind == "run" {
				runs = append(runs, e)
			} else {
				steps = append(steps, e)
			}
		}
		e.apply(r)
	}
	for i := range t.Records {
		r := &t.Records[i]
		if r.Kind != "line" && r.Kind != "capture" {
			continue
		}
		ids := [][2]string{{r.String("run"), ""}}
		if r.String("step") != "" {
			ids = append(ids, [2]string{r.String("run"), r.String("step")})
		}
		for _, id := range ids {
			if e := byID[id]; e != nil {
				if r.Kind == "line" {
					e.Lines[r.Level]++
				}
				e.Bytes += int64(len(r.Text)) + 1
			}
		}
	}
	inOrder := func(a, b *Execution) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(runs, inOrder)
	slices.SortFunc(steps, inOrder)
	for _, e := range slices.Concat(runs, steps) {
		e.ended()
	}
	for _, s := range steps {
		run := byID[[2]string{s.Run, ""}]
		if run == nil {
			continue
		}
		run.Steps, s.Parent = append(run.Steps, s), run
		s.TriggeredBy = run.trigger()
		if s.Order = int(s.Start.Int("order")); s.Order == 0 {
			s.Order = len(run.Steps) + 1
		}
		s.finish(s.Counted)
	}
	steps = slices.DeleteFunc(steps, func(s *Execution) bool { return s.Parent == nil })
	for _, r := range runs {
		r.TriggeredBy, r.Order = r.trigger(), 1
		r.finish(r.Counted || len(r.Steps) > 0)
	}
	return runs, steps
}

func (e *Execution) trigger() string {
	return cmp.Or(strings.TrimSpace(e.Start.String("triggered_by")), "System")
}

func (e *Execution) apply(r *Record) {
	if e.Start == nil || e.Started != r.began() && r.String("phase") == "end" && uint64(r.Int("id")) == e.ID && r.Has("started") {
		e.Start, e.Started = r, r.began()
	}
	if r.Has("processed") {
		e.Counted = true
		e.Processed, e.Succeeded, e.Failed, e.Fragments = r.Int("processed"), r.Int("succeeded"), r.Int("failed"), r.Int("fragments")
	}
	e.Archived = e.Archived || r.Bool("archived")
	switch r.String("phase") {
	case "resume":
		if e.implied {
			e.Outcome, e.Reason, e.Ended, e.Duration, e.implied = "running", "", time.Time{}, 0, false
		}
	case "end":
		if e.Outcome == "running" || e.implied && !r.Bool("implied") {
			e.Outcome, e.Reason, e.Ended, e.implied = r.String("outcome"), r.String("reason"), r.Time, r.Bool("implied")
			e.Duration = time.Duration(r.Int("duration_ns"))
			e.end = r
		}
	}
}

// began is when what r tells of began, as far as it says.
func (r *Record) began() time.Time {
	if began, err := time.Parse(time.RFC3339Nano, r.String("started")); err == nil {
		return began
	}
	return r.Time
}

// ended takes the counts that the end has of lines, where they are the larger ones.
func (e *Execution) ended() {
	if e.end == nil {
		return
	}
	counted, _ := e.end.keys["levels"].(map[string]any)
	for level, n := range counted {
		if n, ok := n.(json.Number); ok {
			lines, _ := n.Int64()
			e.Lines[level] = max(e.Lines[level], lines)
		}
	}
	e.Bytes = max(e.Bytes, e.end.Int("bytes"))
}

// finish derives what depends on the rest; begun is whether anything happened.
func (e *Execution) finish(begun bool) {
	e.RowNum = 1
	if index, _, ok := e.Start.Iteration(); ok && e.Step != "" {
		e.RowNum = index + 1
	}
	switch e.Outcome {
	case "running":
		e.State, e.Status = 1, 1
		if begun {
			e.State = 2
		}
	case "succeeded", "continued", "skipped":
		e.State, e.Status = 3, 2
		if e.Counted && e.Processed == 0 && e.Failed == 0 {
			e.Status = 4
		}
	default:
		e.State, e.Status = 3, 3
	}
}

// Choose returns the executions that f selects with an ID of at most asOf, 0
// for all, in the order of start.
func Choose(all []*Execution, f HistoryFilter, asOf uint64) []*Execution {
	var found []*Execution
	for _, e := range all {
		r := e.Start
		same := true
		for _, c := range [...]struct{ want, got string }{
			{f.Project, r.String("project")}, {f.Server, r.String("server")}, {f.Service, r.String("service")},
			{f.Operation, r.String("operation")}, {f.Run, r.String("run")}, {f.RootRun, r.root()},
			{f.ParentRun, r.String("parent_run")}, {f.ParentStep, r.String("parent_step")},
			{f.Step, r.String("step")}, {f.Action, r.String("action")}, {f.TriggeredBy, e.TriggeredBy},
		} {
			same = same && (c.want == "" || c.want == c.got)
		}
		if same && (asOf == 0 || e.ID <= asOf) && (f.ID == 0 || f.ID == e.ID) &&
			!(f.Roots && r.String("parent_run") != "") && inRange(e.Started, f.From, f.To) &&
			(len(f.Projects) == 0 || slices.Contains(f.Projects, r.String("project"))) &&
			(len(f.States) == 0 || slices.Contains(f.States, e.State)) &&
			(len(f.Statuses) == 0 || slices.Contains(f.Statuses, e.Status)) &&
			(len(f.Outcomes) == 0 || slices.Contains(f.Outcomes, e.Outcome)) {
			found = append(found, e)
		}
	}
	return found
}
