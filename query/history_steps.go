package query

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

// stepQuestion is a StepFilter against what the tables tell of steps.
type stepQuestion struct {
	f         *StepFilter
	from, to  int64
	want      *runs.Wanted
	root      uint32
	trigger   uint32
	triggered bool
	exact     bool // rows answer it
}

func newStepQuestion(snap *journal.Snapshot, f *StepFilter) *stepQuestion {
	q := &stepQuestion{f: f, want: wantedClasses(f.States, f.Statuses, f.Outcomes), root: snap.Hash(f.RootRun),
		exact: f.RootRun == "" && f.Step == "" && f.TriggeredBy == ""}
	from, to := timeRange(f.From, f.To)
	q.from, q.to = line.Nanoseconds(from), line.Nanoseconds(to)
	q.trigger, q.triggered = snap.Trigger(f.TriggeredBy)
	return q
}

// run reports whether steps of a run may match.
func (q *stepQuestion) run(row *runs.Row) bool {
	f, id := q.f, row.Scope
	if f.TriggeredBy != "" && row.Trigger != runs.OtherTrigger {
		if row.Trigger == 0 && f.TriggeredBy != System || row.Trigger != 0 && (!q.triggered || row.Trigger != q.trigger) {
			return false
		}
	}
	return row.Mixed || among(f.Projects, id.Project) && wanted(f.Project, id.Project) && wanted(f.Server, id.Server) &&
		wanted(f.Service, id.Service) && wanted(f.Operation, id.Operation) && (q.root == 0 || q.root == row.Root)
}

// step decides by what rows tell; false only where it cannot match.
func (q *stepQuestion) step(s *runs.StepRow) bool {
	f, id := q.f, s.Scope
	return (f.ID == 0 || f.ID == s.Seq) && q.want[s.Class] && s.Started >= q.from && s.Started <= q.to &&
		among(f.Projects, id.Project) && wanted(f.Project, id.Project) && wanted(f.Server, id.Server) &&
		wanted(f.Service, id.Service) && wanted(f.Operation, id.Operation) && wanted(f.Action, s.Action) &&
		(q.root == 0 || q.root == s.Root)
}

// rest decides what rows do not tell.
func (q *stepQuestion) rest(s *runs.Step) bool {
	return wanted(q.f.Step, s.Identity.Step) && wanted(q.f.RootRun, s.Identity.Root()) &&
		wanted(q.f.TriggeredBy, triggeredBy(triggerOf(s)))
}

// sum returns how many steps of a run match by what they have together, where row matches;
// false where they must be looked at one by one.
func (q *stepQuestion) sum(sum *runs.StepSum) (n int64, told bool) {
	for i := range sum.Counts {
		if s := &sum.Counts[i]; q.want[s.Class] && wanted(q.f.Action, s.Action) {
			n += s.N
		}
	}
	switch {
	case n == 0 || sum.Last < q.from || sum.First > q.to:
		return 0, true
	case sum.First < q.from || sum.Last > q.to:
		return 0, false
	}
	return n, true
}

// foundStep is a step that matches.
type foundStep struct {
	seq   uint64
	run   runs.Ref
	place uint32
}

// Steps returns sub logs from the table of runs, which needs no index of rows.
func (b *journalBackend) Steps(ctx context.Context, f StepFilter, w Window) (Result[SubLog], error) {
	return tries(ctx, b, leaveRows, func(snap *journal.Snapshot) (Result[SubLog], error) {
		p := newHistoryPage[SubLog](&w, snap.AsOf)
		q := newStepQuestion(snap, &f)
		if done, err := b.stepsInTurn(ctx, snap, q, p); done || err != nil {
			return p.Result, err
		}
		c := stepCollector{snap: snap, q: q, w: &w, asOf: p.AsOf}
		if err := c.collect(ctx); err != nil {
			return p.Result, err
		}
		p.counted, p.Total.N, p.Stats.Rows = true, c.total, c.looked
		for _, s := range c.sorted() {
			if !p.take(s.seq, func(sub *SubLog) bool { return c.fill(sub, &s) }) {
				break
			}
		}
		return p.Result, nil
	})
}

// stepsAhead is how many more steps than a page may need are kept before they are sorted.
const stepsAhead = 64

// stepCollector finds the steps that match: how many, and those that a window may
// need.
type stepCollector struct {
	snap   *journal.Snapshot
	q      *stepQuestion
	w      *Window
	asOf   uint64
	total  int64
	looked int64
	found  []foundStep
	bar    uint64 // seq of the last one that a window may need, 0 while that is not known
	rows   []runs.StepRow
	sum    runs.StepSum

	reading runs.Reading
	told    runs.Told
	last    *runs.Run            // of which run read last
	runs    map[uint64]*runs.Run // those of the page, by seq, without last
}

func (c *stepCollector) collect(ctx context.Context) error {
	if id := c.runID(); id != "" {
		if row, ok := c.snap.Row(id); ok {
			c.take(&row)
		}
		return nil
	}
	if c.q.f.Run != "" || c.q.f.Step != "" {
		return nil
	}
	var err error
	c.snap.AllRuns().Each(c.w.Oldest, 0, 0, runs.AnyClass(), func(row *runs.Row) bool {
		if c.q.run(row) {
			c.take(row)
		}
		err = ctx.Err()
		return err == nil
	})
	return err
}

// runID returns the run whose steps are asked for, "" for none or all.
func (c *stepCollector) runID() string {
	f := c.q.f
	if f.Step == "" {
		return f.Run
	}
	s := c.snap.Step(f.Step)
	if s == nil || s.Run() == nil || !wanted(f.Run, s.Run().Identity.Run) {
		return ""
	}
	c.last = s.Run()
	return c.last.Identity.Run
}

// take takes the steps of a run that match.
func (c *stepCollector) take(row *runs.Row) {
	if c.q.exact && c.q.f.ID == 0 && c.snap.StepSum(row, &c.sum) && c.counted(row) {
		return
	}
	c.rows = c.snap.AppendSteps(c.rows[:0], row)
	c.looked += int64(len(c.rows))
	var run *runs.Run
	for i := range c.rows {
		s := &c.rows[i]
		if s.Seq > c.asOf || !c.q.step(s) {
			continue
		}
		if !c.q.exact {
			if run == nil {
				if run = c.run(row.Ref()); run == nil {
					return
				}
			}
			if step := stepAt(run, s.Seq, s.Place); step == nil || !c.q.rest(step) {
				continue
			}
		}
		c.total++
		if c.w.reaches(s.Seq) && !c.full(s.Seq) {
			c.found = append(c.found, foundStep{s.Seq, row.Ref(), uint32(s.Place)})
		}
	}
	if need := min(c.w.Offset, math.MaxInt/4) + c.w.Limit + 1; len(c.found) > 2*need+stepsAhead {
		c.found = c.sorted()[:need]
		c.bar = c.found[need-1].seq
	}
}

// counted counts the steps of a run that match by their sum; false when they must be
// looked at one by one, because some of them may be of the window, or not match.
func (c *stepCollector) counted(row *runs.Row) bool {
	sum := &c.sum
	c.looked += int64(len(sum.Counts))
	if sum.Newest > c.asOf {
		return false
	}
	nearest := sum.Newest // in the order of the window
	if c.w.Oldest {
		nearest = row.Seq
	}
	n, told := c.q.sum(sum)
	if !told || n > 0 && c.mayReach(row) && !c.full(nearest) {
		return false
	}
	c.total += n
	return true
}

// mayReach reports whether a step of a run may be of the window, or lie behind it.
func (c *stepCollector) mayReach(row *runs.Row) bool {
	return c.w.Past == 0 || c.w.Oldest && c.sum.Newest > c.w.Past || !c.w.Oldest && row.Seq < c.w.Past
}

// run returns a run that a row told of, nil when it was removed meanwhile. It holds
// until the next call.
func (c *stepCollector) run(ref runs.Ref) *runs.Run {
	if c.last == nil || c.last.Seq != ref.Seq {
		c.last = c.snap.Read(ref, &c.reading)
	}
	return c.last
}

// full reports whether enough was found before this seq in the order of the window.
func (c *stepCollector) full(seq uint64) bool {
	return c.bar != 0 && (seq > c.bar) == c.w.Oldest
}

// sorted returns what was found in the order of the window.
func (c *stepCollector) sorted() []foundStep {
	slices.SortFunc(c.found, func(a, b foundStep) int {
		if c.w.Oldest {
			return cmp.Compare(a.seq, b.seq)
		}
		return cmp.Compare(b.seq, a.seq)
	})
	return c.found
}

// stepAt returns a step of a run.
func stepAt(r *runs.Run, seq uint64, place int) *runs.Step {
	steps := r.Steps()
	if place < len(steps) && steps[place].Seq == seq {
		return steps[place]
	}
	if i := slices.IndexFunc(steps, func(s *runs.Step) bool { return s.Seq == seq }); i >= 0 {
		return steps[i]
	}
	return nil
}

// fill makes the answer from a step that was found, false when it is gone.
func (c *stepCollector) fill(sub *SubLog, s *foundStep) bool {
	r := c.runs[s.run.Seq]
	if c.last != nil && c.last.Seq == s.run.Seq {
		r = c.last
	} else if r == nil {
		if r = c.snap.Of(s.run); r == nil {
			return false
		}
		if c.runs == nil {
			c.runs = map[uint64]*runs.Run{}
		}
		c.runs[s.run.Seq] = r
	}
	step := stepAt(r, s.seq, int(s.place))
	if step == nil {
		return false
	}
	by := newTrigger(triggerOf(step))
	step.Tell(&c.told)
	fillSubLog(sub, &c.told, &by, int(s.place))
	return true
}
