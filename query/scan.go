package query

import (
	"context"
	"math"
	"slices"
	"sync/atomic"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
)

// checkEvery is how many rows are looked at between two looks at the context:
// well under a millisecond.
const checkEvery = 1 << 14

// scan is one query over one snapshot. It is used by one goroutine.
//
// What does not match is left out as early as something tells, in this order:
//
//   - a file: [matcher.never]; the rest of it has a [plan] where there is a sidecar
//   - rows with a sidecar: those that the plan does not list, frames by [head.skipFrames],
//     and the row by [head.leavesOut]
//   - rows without: those that lie together by [gist.may], then by what is remembered of
//     their lines ([scan.recall]) or by their text as a whole ([scan.sift]), which
//     give each its [chance], or by [matcher.row] alone
//   - a line: [sieve.drops], before it is parsed, and [textMatcher.match], after
//
// A row that is left matches surely, and its line is not asked, if neither words nor
// fields are asked for or the plan is exact ([scan.decided]), if its chance says so, or,
// for who only counts, if [sieve.takes] does.
type scan struct {
	ctx   context.Context // of the call that the scan lives in
	views []view
	match matcher
	asOf  uint64
	stats Stats

	j     *journal.Journal
	where *conditions // what a sealed file is asked
	// unplanned has every row looked at.
	unplanned bool
	// limit is how many bytes of lines are read to count, 0 for maxChecked;
	// checked is how many were, in all forks together.
	limit   int64
	checked *atomic.Int64
	capped  bool

	seqs bool // a merge tells the seq of each row

	heads  heads // room for those of a merge
	looked []looked
	// where a merge is, and whether all rows of the view there come before those of others
	at    *head
	alone bool

	sinceCheck int
	lines      bool   // every line is wanted
	sieve      *sieve // nil where no line can be left out unparsed
	expected   int    // how many lines may be given out, about
	needed     int    // matches for the page and what it passes over; 0 where all may be
	room
}

// room is what a scan uses again from one line to the next: a fork has its own.
type room struct {
	reader    journal.LineReader
	chances   []chance // on rows without an index
	hit, said []bool   // for looking into a gist
	numbers   []uint32 // of rows of a frame
	raw       []byte   // the line looked at, not to be changed
	kept      []byte   // of lines that are given out
	rec       line.Record
	out       line.Outline
	parser    line.Parser
}

// chance is what is known of a row while its line is not parsed.
type chance uint8

const (
	surelyNot chance = iota // it does not match
	maybe                   // its line decides
	surely                  // it matches
)

// view is the part of one segment that a query looks at: its first hi rows.
type view struct {
	*journal.Segment
	hi     int
	plan   *plan        // nil until it is made, and mostly for rows without an index
	made   plan         // what it points to
	filter *ownerFilter // nil until it is made

	// times is what the range of times that is asked for is among the times that a
	// sidecar tells; see findTimes.
	times edges

	terms   []segment.Ref // rows that match, and no others do; nil where terms do not tell
	matches int64         // how many rows match, if counted
	counted bool
}

func newScan(ctx context.Context, j *journal.Journal, snap *journal.Snapshot, f Filter, asOf uint64) *scan {
	s := new(scan)
	s.begin(ctx, j, snap, f, asOf)
	return s
}

// begin makes s, which is new or ended, a query over a snapshot.
func (s *scan) begin(ctx context.Context, j *journal.Journal, snap *journal.Snapshot, f Filter, asOf uint64) {
	s.ctx, s.j, s.asOf, s.checked = ctx, j, snap.AsOf, new(atomic.Int64)
	tests := splitWhere(&f)
	s.match = newMatcher(&f)
	s.match.take(tests)
	s.where = newConditions(&f, &s.match, tests)
	s.match.where = s.where
	if t := s.match.text; t != nil && t.where != nil {
		t.patterns = t.where.within(ctx)
	}
	s.sieve = newSieve(s.match.text)
	if asOf != 0 && asOf < s.asOf {
		s.asOf = asOf
	}
	s.views = slices.Grow(s.views, len(snap.Segments))
	for i := range snap.Segments {
		seg := &snap.Segments[i]
		if len(f.Files) > 0 && !slices.Contains(f.Files, seg.File()) || leavesOut(tests, seg.File()) {
			continue
		}
		v := view{Segment: seg, hi: seg.Len()}
		if seg.Last() > s.asOf {
			v.hi = seg.Search(s.asOf)
		}
		if v.hi > 0 {
			s.views = append(s.views, v)
		}
		if seg.Damaged() {
			s.stats.Damaged++
		}
	}
	s.stats.Segments = len(s.views)
}

// end gives up all of a query but memory that the next one uses.
func (s *scan) end() {
	clear(s.views)
	clear(s.heads)
	clear(s.looked)
	s.reader.End()
	*s = scan{views: s.views[:0], heads: s.heads[:0], looked: s.looked[:0],
		room: room{reader: s.reader, chances: s.chances[:0], hit: s.hit[:0], said: s.said[:0], numbers: s.numbers[:0]}}
}

// tick counts n rows and looks at the context now and then.
func (s *scan) tick(n int) error {
	s.stats.Rows += int64(n)
	if s.sinceCheck += n; s.sinceCheck < checkEvery {
		return nil
	}
	s.sinceCheck = 0
	return s.ctx.Err()
}

// decided reports whether the rows of a view that were not left out surely match: neither
// words nor fields are asked for, or its sidecar tells all that lines would.
func (s *scan) decided(v *view) bool {
	return s.match.text == nil || v.plan != nil && v.plan.exact
}

// page answers a query for records: the items in their order, as far as they are
// wanted, and the total for itself.
func (s *scan) page(w Window) (Result[Record], error) {
	result := Result[Record]{AsOf: s.asOf}
	if !w.Uncounted {
		var err error
		if result.Total, err = s.total(); err != nil {
			return result, err
		}
	}
	p := newPicker(w)
	if result.Total.Exact {
		s.expected = int(min(int64(w.Limit), max(result.Total.N-int64(w.Offset), 0)))
		p.items = make([]Record, 0, s.expected)
		s.needed = w.Limit + min(w.Offset, math.MaxInt32)
	}
	if result.Total.Exact && int64(w.Offset) >= result.Total.N {
		result.Stats = s.stats
		return result, nil // nothing lies so far behind
	}
	// Files that lie before the page as a whole are passed over by their counts.
	pass := func(v *view) bool {
		if w.Past != 0 || !v.counted || int64(p.skip) < v.matches {
			return false
		}
		p.skip -= int(v.matches)
		return true
	}
	err := s.merge(w.Past, w.Oldest, pass, func(v *view, i int, row *tables.Row) (bool, error) {
		if !s.match.visited(v, row) {
			return true, nil
		}
		read := false
		if !s.decided(v) {
			found, err := s.matches(v, i)
			if read = true; err != nil || !found {
				return err == nil, err
			}
		}
		if !p.take() {
			return !p.more, nil
		}
		if read {
			s.record(v, p.next())
		} else {
			s.ahead(v, i, p.limit-len(p.items))
			if err := s.outline(v, i); err != nil {
				return false, err
			}
			s.outlined(v, p.next())
		}
		p.added()
		if p.full && w.Past == 0 && result.Total.Exact {
			// The total tells whether there are more: no need to look for one.
			p.more = int64(w.Offset+len(p.items)) < result.Total.N
			return false, nil
		}
		return true, nil
	})
	result.Items, result.More, result.Stats = p.items, p.more, s.stats
	return result, err
}

// each calls do for every match, file by file. rec is nil when the rows decide
// alone; it is valid during the call.
func (s *scan) each(do func(v *view, row *tables.Row, rec *line.Record) error) error {
	for n := range s.views {
		v := &s.views[n]
		err := s.eachOf(v, func(_ int, row *tables.Row, rec *line.Record) error { return do(v, row, rec) })
		if err != nil {
			return err
		}
	}
	return nil
}

// eachOf is each for one file, of which i is the number of the row.
func (s *scan) eachOf(v *view, do func(i int, row *tables.Row, rec *line.Record) error) error {
	return s.eachRow(v, func(i int, row *tables.Row, sure bool) error {
		if sure && !s.lines {
			return do(i, row, nil)
		}
		if sure {
			if err := s.read(v, i); err != nil {
				return err
			}
		} else if found, err := s.matches(v, i); err != nil || !found {
			return err
		}
		return do(i, row, &s.rec)
	})
}

// eachRow calls do for every row of a file that could match, and says whether it surely
// does.
func (s *scan) eachRow(v *view, do func(i int, row *tables.Row, sure bool) error) error {
	if err := s.prepare(v); err != nil {
		return err
	}
	s.match.in(v)
	if v.Index() == nil && v.plan == nil {
		return s.eachUnindexed(v, do)
	}
	var row tables.Row // one for all calls: each gets a pointer to it
	sure := s.decided(v)
	h := newHead(v, 0, v.hi, true, new(looked))
	for h.skipFrames(s); h.lo < h.hi; h.skipFrames(s) {
		if err := s.tick(1); err != nil {
			return err
		}
		if !h.leavesOut(s) {
			if row = h.whole(); s.match.visited(v, &row) {
				if err := do(h.index(), &row, sure); err != nil {
					return err
				}
			}
		}
		h.advance()
	}
	return nil
}

// eachUnindexed is eachRow where there is no index.
func (s *scan) eachUnindexed(v *view, do func(i int, row *tables.Row, sure bool) error) error {
	decided := s.decided(v)
	for i := 0; i < v.hi; {
		if err := s.tick(0); err != nil {
			return err
		}
		rows := v.Rows(i)
		rows = rows[:min(len(rows), v.hi-i)]
		g, at := tables.Beside[gist](&v.View, i)
		if g != nil && !g.may(v, &s.match, at, rows) {
			i += len(rows)
			continue
		}
		var chances []chance
		looked := len(rows)
		if g != nil && s.sieve != nil && s.sieve.gist {
			var none bool
			if chances, none = s.recall(v, g, i, at, rows); none {
				i += len(rows)
				continue
			}
		}
		if chances == nil {
			chances, looked = s.sift(v, i, rows)
		}
		s.stats.Rows += int64(looked)
		s.sinceCheck += looked
		for n := range rows[:looked] {
			if chances != nil && chances[n] == surelyNot || chances == nil && !s.match.row(&rows[n]) {
				continue
			}
			if err := do(i+n, &rows[n], decided || chances != nil && chances[n] == surely); err != nil {
				return err
			}
		}
		i += looked
	}
	return nil
}
