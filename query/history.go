package query

import (
	"context"
	"math"
	"slices"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

// runQuestion is a RunFilter against rows of the table of runs.
type runQuestion struct {
	f        *RunFilter
	from, to int64
	want     *runs.Wanted
	// what rows have for ids and triggers
	root, parent, parentStep, trigger uint32
	triggered                         bool // some run has that trigger's code
	fast                              bool // lists answer it
	exact                             bool // rows answer it
}

func newRunQuestion(snap *journal.Snapshot, f *RunFilter) *runQuestion {
	q := &runQuestion{f: f, want: wantedClasses(f.States, f.Statuses, f.Outcomes), root: snap.Hash(f.RootRun),
		parent: snap.Hash(f.ParentRun), parentStep: snap.Hash(f.ParentStep)}
	from, to := timeRange(f.From, f.To)
	q.from, q.to = line.Nanoseconds(from), line.Nanoseconds(to)
	q.trigger, q.triggered = snap.Trigger(f.TriggeredBy)
	q.exact = f.RootRun == "" && f.ParentRun == "" && f.ParentStep == ""
	q.fast = q.exact && f.ID == 0 && f.Run == "" && !f.Roots && f.TriggeredBy == "" && f.From.IsZero() && f.To.IsZero() &&
		len(f.Projects) == 0 && q.dimensions() <= 1
	return q
}

// dimensions returns how many identifiers that have lists are asked for.
func (q *runQuestion) dimensions() (n int) {
	for _, value := range q.values() {
		if value != "" {
			n++
		}
	}
	return n
}

// values returns what is asked for of each [runs.Dimension].
func (q *runQuestion) values() [4]string {
	return [...]string{runs.ByOperation: q.f.Operation, runs.ByService: q.f.Service, runs.ByServer: q.f.Server, runs.ByProject: q.f.Project}
}

// list returns the shortest list that has every run that is wanted.
func (q *runQuestion) list(snap *journal.Snapshot) runs.List {
	list := snap.AllRuns()
	for by, value := range q.values() {
		if value == "" {
			continue
		}
		if l := snap.List(runs.Dimension(by), value); l.Len() <= list.Len() {
			list = l
		}
	}
	return list
}

// matches decides by a row, and where that is not enough by the run.
func (q *runQuestion) matches(snap *journal.Snapshot, row *runs.Row) bool {
	f, id := q.f, row.Scope
	if f.ID != 0 && f.ID != row.Seq || !q.want[row.Class] || row.Started < q.from || row.Started > q.to ||
		!among(f.Projects, id.Project) || !wanted(f.Project, id.Project) || !wanted(f.Server, id.Server) ||
		!wanted(f.Service, id.Service) || !wanted(f.Operation, id.Operation) || f.Roots && row.Parent != 0 {
		return false
	}
	sure := q.exact
	if f.TriggeredBy != "" {
		switch {
		case row.Trigger == runs.OtherTrigger:
			sure = false
		case row.Trigger == 0:
			if f.TriggeredBy != System {
				return false
			}
		case !q.triggered || row.Trigger != q.trigger:
			return false
		}
	}
	if sure {
		return true
	}
	if q.root != 0 && q.root != row.Root || q.parent != 0 && q.parent != row.Parent ||
		q.parentStep != 0 && q.parentStep != row.ParentStep {
		return false
	}
	r := snap.Of(row.Ref())
	return r != nil && wanted(f.RootRun, r.Identity.Root()) && wanted(f.ParentRun, r.Identity.ParentRun) &&
		wanted(f.ParentStep, r.Identity.ParentStep) && wanted(f.TriggeredBy, triggeredBy(&r.Start))
}

// Runs returns main logs from the table of runs, which needs no index of rows.
func (b *journalBackend) Runs(ctx context.Context, f RunFilter, w Window) (Result[MainLog], error) {
	return tries(ctx, b, leaveRows, func(snap *journal.Snapshot) (Result[MainLog], error) {
		p := newHistoryPage[MainLog](&w, snap.AsOf)
		q := newRunQuestion(snap, &f)
		t := b.teller()
		defer b.giveBack(t)
		take := func(row *runs.Row) bool {
			return p.take(row.Seq, func(m *MainLog) bool { return b.mainLog(m, snap, row.Ref(), t, w.Limit <= keptOfPage) })
		}
		if f.Run != "" {
			if row, ok := snap.Row(f.Run); ok && row.Seq <= p.AsOf && q.matches(snap, &row) {
				take(&row)
			}
			return p.Result, nil
		}
		list := q.list(snap)
		if q.fast {
			p.Total.N = list.Count(q.want, p.AsOf)
			p.counted, p.skip = true, 0
			list.Each(w.Oldest, after(&w, p.AsOf), w.Offset, q.want, func(row *runs.Row) bool {
				p.Stats.Rows++
				return take(row)
			})
			return p.Result, nil
		}
		var err error
		past := uint64(0)
		if !w.Oldest {
			past = beyond(p.AsOf)
		}
		list.Each(w.Oldest, past, 0, q.want, func(row *runs.Row) bool {
			if p.Stats.Rows++; p.Stats.Rows%1024 == 0 {
				if err = ctx.Err(); err != nil {
					return false
				}
			}
			if row.Seq > p.AsOf || !q.matches(snap, row) {
				return true
			}
			return take(row)
		})
		return p.Result, err
	})
}

// mainLog fills in the answer from the run of a row, or from what is kept of it, and
// keeps it if that is wanted; false when the run was removed meanwhile.
func (b *journalBackend) mainLog(m *MainLog, snap *journal.Snapshot, run runs.Ref, t *runs.Teller, keeps bool) bool {
	edition, over := snap.Edition(run)
	if over {
		if kept := b.kept.get(run.Seq, edition); kept != nil {
			kept.fill(m)
			return true
		}
	}
	if !snap.Tell(run, t) {
		return false
	}
	fillMainLog(m, t)
	if over && keeps {
		b.kept.put(keep(m), edition)
	}
	return true
}

// teller returns what tells of runs, to be given back.
func (b *journalBackend) teller() *runs.Teller {
	if t, ok := b.tellers.Get().(*runs.Teller); ok {
		return t
	}
	return new(runs.Teller)
}

func (b *journalBackend) giveBack(t *runs.Teller) {
	t.Forget()
	b.tellers.Put(t)
}

// after returns where the items of a window begin: behind which seq.
func after(w *Window, asOf uint64) uint64 {
	switch {
	case w.Oldest:
		return w.Past
	case w.Past != 0:
		return min(w.Past, beyond(asOf))
	}
	return beyond(asOf)
}

// beyond returns the seq after asOf.
func beyond(asOf uint64) uint64 {
	if asOf == math.MaxUint64 {
		return asOf
	}
	return asOf + 1
}

// atFirst is for how many items there is room at first.
const atFirst = 32

// historyPage collects the items of a window from a list in its order.
type historyPage[T any] struct {
	Result[T]
	w       *Window
	skip    int
	counted bool // the total is known
}

func newHistoryPage[T any](w *Window, newest uint64) *historyPage[T] {
	p := &historyPage[T]{w: w, skip: w.Offset}
	p.AsOf, p.Total.Exact = newest, !w.Uncounted
	if w.AsOf != 0 && w.AsOf < newest {
		p.AsOf = w.AsOf
	}
	return p
}

// take takes one that matches, and reports whether more are of interest. fill makes
// the item; false leaves it out.
func (p *historyPage[T]) take(seq uint64, fill func(*T) bool) bool {
	if !p.counted {
		p.Total.N++
	}
	switch {
	case seq > p.AsOf:
		return !p.w.Oldest
	case !p.w.reaches(seq):
	case p.skip > 0:
		p.skip--
	case len(p.Items) < p.w.Limit:
		if p.Items == nil {
			p.Items = make([]T, 0, min(p.w.Limit, atFirst))
		}
		n := len(p.Items)
		p.Items = slices.Grow(p.Items, 1)[:n+1]
		if !fill(&p.Items[n]) {
			p.Items = p.Items[:n]
		}
	default:
		p.More = true
		return !p.counted && !p.w.Uncounted
	}
	return true
}
