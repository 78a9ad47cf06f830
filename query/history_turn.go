package query

import (
	"context"
	"reflect"
	"slices"
	"sync"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/runs"
)

// maxStopped is how many pages can be gone on from.
const maxStopped = 8

// stoppedSteps are the pages of steps of one run, oldest first, that were given out last:
// the next one goes on where its page before stopped, so that who reads a run page by page
// reads each step once. The zero value is ready.
type stoppedSteps struct {
	mu   sync.Mutex
	list []*stoppedStep // oldest first
}

// stoppedStep is where a page stopped.
type stoppedStep struct {
	f          StepFilter
	past, asOf uint64
	total      int64
	reader     *runs.StepReader
}

// take returns where the page before a window stopped, nil when that is not known.
func (s *stoppedSteps) take(f *StepFilter, past, asOf uint64) *stoppedStep {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.list, func(at *stoppedStep) bool {
		return at.past == past && at.asOf == asOf && reflect.DeepEqual(&at.f, f)
	})
	if i < 0 {
		return nil
	}
	at := s.list[i]
	s.list = slices.Delete(s.list, i, i+1)
	return at
}

func (s *stoppedSteps) put(at *stoppedStep) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) == maxStopped {
		s.list = slices.Delete(s.list, 0, 1)
	}
	s.list = append(s.list, at)
}

// stepsInTurn fills a page with the steps of one run; false where the question is another
// one, or they have to be counted one by one, newest first or not in the order of their seq.
func (b *journalBackend) stepsInTurn(ctx context.Context, snap *journal.Snapshot, q *stepQuestion, p *historyPage[SubLog]) (bool, error) {
	f, w := q.f, p.w
	if f.Run == "" || f.ID != 0 || !q.exact || w.Uncounted {
		return false, nil
	}
	row, ok := snap.Row(f.Run)
	if !ok {
		return false, nil
	}
	if done, err := stepsCounted(ctx, snap, &row, q, p); done || err != nil || !w.Oldest {
		return done, err
	}
	at := b.stopped.take(f, w.Past, p.AsOf)
	if at != nil && snap.Same(at.reader) {
		p.counted, p.Total.N = true, at.total
	} else if at = (&stoppedStep{f: *f, asOf: p.AsOf, reader: snap.ReadSteps(&row)}); at.reader == nil {
		return false, nil
	}
	filled, err := readSteps(ctx, at, q, p)
	if !filled || err != nil {
		*p = *newHistoryPage[SubLog](w, snap.AsOf)
		return false, err
	}
	// How many steps of a run that goes on have a state is another number soon.
	if p.More && len(p.Items) > 0 && (at.reader.Over() || len(f.States)+len(f.Statuses)+len(f.Outcomes) == 0) {
		at.past, at.total = p.Items[len(p.Items)-1].ID, p.Total.N
		b.stopped.put(at)
	}
	return true, nil
}

// readSteps fills a page from where at stands, and leaves at behind its last step; false
// when the steps turn out not to stand in the order of their seq.
func readSteps(ctx context.Context, at *stoppedStep, q *stepQuestion, p *historyPage[SubLog]) (bool, error) {
	r := *at.reader
	by := newTrigger(&r.Run().Start)
	fill := func(sub *SubLog) bool {
		told := r.Told()
		fillSubLog(sub, told, &by, r.Place())
		return true
	}
	last, full := uint64(0), false
	for s := r.Next(); s != nil; s = r.Next() {
		if p.Stats.Rows++; p.Stats.Rows%1024 == 0 && ctx.Err() != nil {
			return false, ctx.Err()
		}
		if s.Seq <= last {
			return false, nil
		}
		if last = s.Seq; s.Seq > p.AsOf || !q.step(s) {
			continue
		}
		if !p.take(s.Seq, fill) {
			break
		}
		if len(p.Items) == p.w.Limit && !full {
			full, *at.reader = true, r
		}
	}
	return true, nil
}
