package query

import (
	"context"
	"time"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/tables"
)

// Capped is OverJournal with another limit of what is read to count.
func Capped(j *journal.Journal, limit int64) Backend {
	b := overJournal(j, false)
	b.checkLimit = limit
	return b
}

// BackendOf returns what an Engine asks.
func BackendOf(e *Engine) Backend { return e.backend }

// Dropped says of a line whether a query leaves it out before it is parsed, and
// whether its text matches.
func Dropped(f Filter, raw []byte) (dropped, taken, matches bool, err error) {
	if f, err = f.complete(); err != nil {
		return false, false, false, err
	}
	var rec line.Record
	if err := line.Parse(raw, &rec); err != nil {
		return false, false, false, err
	}
	t := newTextMatcher(&f)
	if t == nil {
		return false, false, true, nil
	}
	matches = t.match(&rec, "user")
	s := newSieve(t)
	if s == nil {
		return false, false, matches, nil
	}
	dropped = s.drops(raw)
	return dropped, s.takes(), matches, nil
}

// Sifted returns which of some lines a filter has looked at, of those that lie one behind
// the other, and which it would look at one by one; nil if it looks at all.
func Sifted(f Filter, lines [][]byte) (sifted, sieved []bool, err error) {
	if f, err = f.complete(); err != nil {
		return nil, nil, err
	}
	s := newSieve(newTextMatcher(&f))
	if s == nil {
		return nil, nil, nil
	}
	const offset = 1000
	var text []byte
	var rows []tables.Row
	for _, l := range lines {
		rows = append(rows, tables.Row{Offset: uint32(offset + len(text)), Len: uint32(len(l))})
		text = append(append(text, l...), '\n')
		sieved = append(sieved, !s.drops(l))
	}
	return s.many.sift(s.clauses, text, offset, rows), sieved, nil
}

// Recalled returns which of some lines a filter has looked at, or takes for matches, by
// what is remembered of them.
func Recalled(f Filter, lines [][]byte) (can, sure []bool, err error) {
	if f, err = f.complete(); err != nil {
		return nil, nil, err
	}
	s := scan{match: newMatcher(&f), sieve: newSieve(newTextMatcher(&f))}
	if s.sieve == nil {
		return nil, nil, nil
	}
	g := gist{asked: gistAsked}
	g.begin(0)
	rows := make([]tables.Row, len(lines))
	for i, l := range lines {
		s.tell(&g, l)
		rows[i].Kind = line.KindLine
	}
	can, sure = make([]bool, len(lines)), make([]bool, len(lines))
	chances, _ := s.recall(nil, &g, 0, 0, rows)
	for i, v := range chances { // none where no line can match
		can[i], sure[i] = v != surelyNot, v == surely
	}
	return can, sure, nil
}

// FindIn answers from a snapshot, which may be an old one.
func FindIn(ctx context.Context, j *journal.Journal, snap *journal.Snapshot, f Filter, w Window) (Result[Record], error) {
	f, err := f.complete()
	if err != nil {
		return Result[Record]{}, err
	}
	return newScan(ctx, j, snap, f, 0).page(w)
}

// FacetsIn counts values in a snapshot, and says what it looked at.
func FacetsIn(ctx context.Context, j *journal.Journal, snap *journal.Snapshot, f Filter, field string) ([]FacetValue, Stats, error) {
	f, err := f.complete()
	if err != nil {
		return nil, Stats{}, err
	}
	s, c := newScan(ctx, j, snap, f, 0), facetCounter{counts: map[string]int64{}}
	err = s.facets(field, &c)
	return c.top(DefaultLimit), s.stats, err
}

// HistogramIn counts over time in a snapshot, and says what it looked at.
func HistogramIn(ctx context.Context, j *journal.Journal, snap *journal.Snapshot, f Filter, width time.Duration) ([]Bucket, Stats, error) {
	f, err := f.complete()
	if err != nil {
		return nil, Stats{}, err
	}
	s, h := newScan(ctx, j, snap, f, 0), newHistogram(&f, width)
	if err := s.histogram(h); err != nil {
		return nil, Stats{}, err
	}
	buckets, err := h.buckets()
	return buckets, s.stats, err
}

// DecidedIn finds records in a snapshot, and says of how many identifiers in sidecars it
// was decided whether they match.
func DecidedIn(ctx context.Context, j *journal.Journal, snap *journal.Snapshot, f Filter, w Window) (r Result[Record], decided int, err error) {
	if f, err = f.complete(); err != nil {
		return r, 0, err
	}
	s := newScan(ctx, j, snap, f, 0)
	r, err = s.page(w)
	for i := range s.views {
		if o := s.views[i].filter; o != nil {
			for n := range o.left {
				decided += len(o.left[n].known)
			}
		}
	}
	return r, decided, err
}
