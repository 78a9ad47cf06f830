package query

import (
	"context"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/runs"
)

// stepsCounted fills a page with the steps of one run by a look at few more than the page
// has; false where it is not known beforehand how many match.
func stepsCounted(ctx context.Context, snap *journal.Snapshot, row *runs.Row, q *stepQuestion, p *historyPage[SubLog]) (bool, error) {
	if !row.Mixed && !q.run(row) {
		p.counted = true
		return true, nil
	}
	all := q.all(row)
	var sum runs.StepSum
	if !all {
		if !snap.StepSum(row, &sum) || sum.Newest > p.AsOf {
			return false, nil
		}
		n, told := q.sum(&sum)
		if !told {
			return false, nil
		}
		p.Total.N = n
	}
	p.counted = true
	r := snap.ReadSteps(row)
	if r == nil {
		p.Total.N = 0 // removed meanwhile
		return true, nil
	}
	if all {
		p.Total.N = int64(r.After(p.AsOf))
	}
	switch {
	case p.Total.N == 0:
		return true, nil
	case p.w.Oldest:
		return true, stepsUp(ctx, r, all, q, p)
	}
	return true, stepsDown(ctx, r, all, q, p)
}

// all reports whether each step of a run matches, where row matches or may.
func (q *stepQuestion) all(row *runs.Row) bool {
	f := q.f
	ofFlow := len(f.Projects) > 0 || f.Project != "" || f.Server != "" || f.Service != "" || f.Operation != ""
	return !(ofFlow && row.Mixed) && f.Action == "" && f.From.IsZero() && f.To.IsZero() && *q.want == *runs.AnyClass()
}

// passes passes over as many of the steps that a page is to skip as there are, each of
// which matches.
func (p *historyPage[T]) passes(steps int) int {
	n := min(p.skip, steps)
	p.skip -= n
	return n
}

// stepsUp fills a page with steps, oldest first.
func stepsUp(ctx context.Context, r *runs.StepReader, all bool, q *stepQuestion, p *historyPage[SubLog]) error {
	place := 0
	if p.w.Past != 0 {
		place = r.After(p.w.Past)
	}
	if all {
		place += p.passes(r.Steps() - place)
	}
	by := newTrigger(&r.Run().Start)
	fill := func(sub *SubLog) bool {
		fillSubLog(sub, r.Told(), &by, r.Place())
		return true
	}
	r.Seek(place)
	for s := r.Next(); s != nil && s.Seq <= p.AsOf; s = r.Next() {
		if p.Stats.Rows++; p.Stats.Rows%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if q.step(s) && !p.take(s.Seq, fill) {
			break
		}
	}
	return nil
}

// stepsDown fills a page with steps, newest first: they are read as many at a time as can
// be found at once.
func stepsDown(ctx context.Context, r *runs.StepReader, all bool, q *stepQuestion, p *historyPage[SubLog]) error {
	end := p.AsOf
	if p.w.Past != 0 {
		end = min(end, p.w.Past-1)
	}
	to := r.After(end)
	if all {
		to -= p.passes(to)
	}
	by := newTrigger(&r.Run().Start)
	found := make([]SubLog, 0, runs.StepsAtMark)
	for more := true; more && to > 0; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		from := (to - 1) / runs.StepsAtMark * runs.StepsAtMark
		r.Seek(from)
		found = found[:0]
		for range to - from {
			s := r.Next()
			if p.Stats.Rows++; !q.step(s) {
				continue
			}
			found = append(found, SubLog{ID: s.Seq})
			if p.skip < runs.StepsAtMark {
				fillSubLog(&found[len(found)-1], r.Told(), &by, r.Place())
			}
		}
		for i := len(found) - 1; i >= 0 && more; i-- {
			more = p.take(found[i].ID, func(sub *SubLog) bool {
				*sub = found[i]
				return true
			})
		}
		to = from
	}
	return nil
}
