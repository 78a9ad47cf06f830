package query

import (
	"context"
	"iter"
	"slices"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/tables"
)

// tailBatch is how many records a tail fetches before it looks again at how far
// it is behind.
const tailBatch = 256

// Tail follows what arrives.
func (b *journalBackend) Tail(ctx context.Context, f Filter, o TailOptions) iter.Seq2[Tailed, error] {
	start := b.j.Snapshot().AsOf
	return func(yield func(Tailed, error) bool) {
		t := follower{ctx: ctx, b: b, filter: f, maxLag: o.MaxLag, last: start}
		if o.After > 0 {
			t.last = o.After
		}
		err := t.backlog(o.Backlog, start, yield)
		for err == nil && !t.stopped {
			err = t.step(yield)
		}
		if !t.stopped && ctx.Err() == nil {
			yield(Tailed{}, closedError(err))
		}
	}
}

// follower is one use of a tail.
type follower struct {
	ctx     context.Context // of the call that the follower lives in
	b       *journalBackend
	filter  Filter
	maxLag  int
	last    uint64 // everything up to this seq was looked at
	missed  int64  // to be said with the next record
	stopped bool   // by whoever uses the sequence

	// waiting is how many records between last and counted match by their rows.
	waiting int
	counted uint64
}

// backlog gives the newest n records up to a seq.
func (t *follower) backlog(n int, asOf uint64, yield func(Tailed, error) bool) error {
	if n == 0 || asOf == 0 {
		return nil
	}
	r, err := t.b.Find(t.ctx, t.filter, Window{Limit: n, AsOf: asOf, Uncounted: true})
	if err != nil {
		return err
	}
	for _, record := range slices.Backward(r.Items) {
		if t.stopped = !yield(Tailed{Record: record}, nil); t.stopped {
			return nil
		}
	}
	return nil
}

// step waits for something newer than last and gives a batch of it.
func (t *follower) step(yield func(Tailed, error) bool) error {
	if err := t.b.j.Wait(t.ctx, t.last); err != nil {
		return err
	}
	batch, err := t.fetch()
	if err != nil {
		return err
	}
	for _, record := range batch {
		missed := t.missed
		t.missed = 0
		if t.stopped = !yield(Tailed{Record: record, Missed: missed}, nil); t.stopped {
			return nil
		}
	}
	return nil
}

// fetchRows is how many rows one fetch looks at: not many milliseconds' worth,
// so that tails take turns.
const fetchRows = 1 << 16

// fetch reads up to a batch of records after last, passing over what is more
// than maxLag behind, and moves last to where it looked. Few tails do so at a
// time: many that catch up at once would keep everybody else from the
// processors, the one who moves what is logged to the text among them.
func (t *follower) fetch() (batch []Record, err error) {
	select {
	case t.b.fetching <- struct{}{}:
		defer func() { <-t.b.fetching }()
	case <-t.ctx.Done():
		return nil, t.ctx.Err()
	}
	before, end := *t, t.last
	batch, err = tries(t.ctx, t.b, leaveRows, func(snap *journal.Snapshot) (batch []Record, err error) {
		t.missed, t.waiting, t.counted = before.missed, before.waiting, before.counted
		s := newScan(t.ctx, t.b.j, snap, t.filter, 0)
		s.unplanned = true // what is passed over is counted without its line
		s.seqs = true
		skip, err := t.behind(s)
		if err != nil {
			return nil, err
		}
		end = max(s.asOf, t.last)
		size, rows := 0, 0
		err = s.merge(t.last, true, nil, func(v *view, i int, row *tables.Row) (bool, error) {
			if rows++; rows > fetchRows {
				end = row.Seq - 1
				return false, nil
			}
			if !s.match.visited(v, row) {
				return true, nil
			}
			t.waiting--
			if skip > 0 {
				skip--
				t.missed++
				return true, nil
			}
			if err := s.read(v, i); err != nil {
				return false, err
			}
			rows += 100 // a line costs about as much as that
			if s.match.text != nil {
				if found, err := s.found(v); err != nil || !found {
					return err == nil, err
				}
			}
			batch = append(batch, Record{})
			s.record(v, &batch[len(batch)-1])
			if size += len(s.raw); len(batch) == tailBatch || size >= readBytes {
				end = row.Seq
				return false, nil
			}
			return true, nil
		})
		return batch, err
	})
	if err == nil {
		t.last = end
	}
	return batch, err
}

// behind returns how many of the waiting records are too many. It counts each
// once, and none while there are too few of any kind.
func (t *follower) behind(s *scan) (int, error) {
	most := 0
	for n := range s.views {
		v := &s.views[n]
		most += v.hi - min(v.hi, v.Search(t.last))
	}
	if most <= t.maxLag {
		t.waiting, t.counted = 0, 0
		return 0, nil
	}
	if t.counted <= t.last {
		t.waiting, t.counted = 0, t.last
	}
	err := s.merge(t.counted, true, nil, func(v *view, _ int, row *tables.Row) (bool, error) {
		if s.match.visited(v, row) {
			t.waiting++
		}
		return true, nil
	})
	t.counted = max(t.counted, s.asOf)
	return max(0, t.waiting-t.maxLag), err
}
