package query

import (
	"slices"

	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
)

// merge visits the rows of all views in the order of seq, newest first or
// oldest first, beginning past a seq when that is not 0. visit returns false to
// stop. Of files with a sidecar only rows are visited that match as far as it tells,
// of which only the seq is known, and that only with s.seqs, and those that are never
// reached are not even asked.
// Of others all rows are visited: see [matcher.visited].
//
// pass, if not nil, is asked about a view of which nothing was visited yet and
// whose rows all come before those of the others; when it returns true the view
// is left out.
//
// Rows of different files interleave, but in stretches: the view that is ahead
// is followed until another one is, so that the usual row costs one comparison.
func (s *scan) merge(past uint64, oldest bool, pass func(v *view) bool,
	visit func(v *view, i int, row *tables.Row) (bool, error)) error {
	h := s.begun(past, oldest)
	var row tables.Row // one for all visits: each gets a pointer to it
	for len(h) > 0 {
		top := &h[0]
		next, contested := h.second()
		if !top.planned && pass != nil && (!contested || top.ahead(top.farthest(), next)) && pass(top.v) {
			top.lo = top.hi
		} else if !top.planned {
			// Until here its seq was a bound: now it is that of a row.
			if err := s.prepareFrom(top.v, s.enough(top.v, top.hi, oldest)); err != nil {
				return err
			}
			*top = newHead(top.v, top.lo, top.hi, oldest, top.looked)
			top.skipFrames(s)
		}
		// Whether all of its rows come before those of the others.
		first := !contested || top.ahead(top.farthest(), next)
		for top.lo < top.hi {
			if top.leavesOut(s) {
				if err := s.tick(1); err != nil {
					return err
				}
				top.advance()
				top.skipFrames(s)
				continue
			}
			if !first || s.seqs || top.v.Index() == nil {
				row = top.row()
			}
			// Two have one seq where somebody copied a file, and neither is ahead.
			if !first && !top.ahead(row.Seq, next) && row.Seq != next {
				top.seq = row.Seq
				break
			}
			if err := s.tick(1); err != nil {
				return err
			}
			s.match.in(top.v)
			s.at, s.alone = top, first
			goOn, err := visit(top.v, top.index(), &row)
			if err != nil || !goOn {
				return err
			}
			top.advance()
			top.skipFrames(s)
		}
		if p := top.v.plan; top.lo >= top.hi && p != nil && p.from > 0 {
			if err := s.goBack(top); err != nil {
				return err
			}
		}
		if top.lo >= top.hi {
			h[0] = h[len(h)-1]
			h = h[:len(h)-1]
		}
		h.down(0)
	}
	return nil
}

// begun returns the heads of a merge of which nothing was visited, as a heap.
func (s *scan) begun(past uint64, oldest bool) heads {
	s.heads = slices.Grow(s.heads[:0], len(s.views))
	s.looked = slices.Grow(s.looked[:0], len(s.views))[:len(s.views)]
	h := s.heads
	for n := range s.views {
		v := &s.views[n]
		if v.counted && v.matches == 0 {
			continue
		}
		lo, hi := 0, v.hi
		if past != 0 && oldest {
			lo = v.Search(past)
		} else if past != 0 {
			hi = min(hi, v.Search(past-1))
		}
		if lo < hi {
			h = append(h, head{v: v, lo: lo, hi: hi, oldest: oldest, looked: &s.looked[n]})
		}
	}
	s.heads = h
	for n := range h {
		h[n].seq = h[n].seqAt()
	}
	for n := len(h)/2 - 1; n >= 0; n-- {
		h.down(n)
	}
	return h
}

// goBack has a head, whose view was asked for its last rows only, go on with those
// before them.
func (s *scan) goBack(h *head) error {
	from := h.v.plan.from
	h.v.plan = nil
	if err := s.prepare(h.v); err != nil {
		return err
	}
	*h = newHead(h.v, 0, from, h.oldest, h.looked)
	if h.skipFrames(s); h.lo < h.hi {
		h.seq = h.row().Seq
	}
	return nil
}

// head is where a merge is in one view: at row lo oldest first, at row hi-1
// newest first; with a list, at that place in it.
type head struct {
	v       *view
	list    []uint32
	listed  bool
	planned bool
	owned   bool // all rows have an owner that matches
	lo, hi  int
	seq     uint64 // of the row it is at
	oldest  bool
	*looked // apart from what a heap moves
}

// looked is the frame of a sealed file that was looked at last.
type looked struct {
	frame  segment.Frame
	framed int // its number, and 1
}

// newHead goes over the rows from lo to hi-1 of a view that is prepared.
func newHead(v *view, lo, hi int, oldest bool, at *looked) head {
	h := head{v: v, lo: lo, hi: hi, oldest: oldest, planned: true, owned: v.plan != nil && v.plan.owned, looked: at}
	if v.plan != nil && v.plan.listed {
		h.list, h.listed = v.plan.rows, true
		h.lo, _ = slices.BinarySearch(h.list, uint32(lo))
		h.hi, _ = slices.BinarySearch(h.list, uint32(hi))
	}
	return h
}

func (h *head) index() int {
	i := h.lo
	if !h.oldest {
		i = h.hi - 1
	}
	if h.listed {
		return int(h.list[i])
	}
	return i
}

// look makes the frame that a row lies in the one looked at, and returns the
// row's number in it.
func (h *head) look(x *segment.Index, row int) int {
	if n := row / segment.FrameRows; h.framed != n+1 {
		h.frame, h.framed = x.Frame(n), n+1
	}
	return row % segment.FrameRows
}

// leavesOutNone reports whether all rows of a file with a sidecar match by their level, kind,
// owner and time, where they are listed, as far as a plan lists any. What is wanted of
// the file was looked at.
func (h *head) leavesOutNone(m *matcher) bool {
	return m.everyClass && !m.timed && (m.identity == nil || h.owned)
}

// leavesOut reports whether the row it is at, of a file with a sidecar, does not match by
// its level, kind, owner or time.
func (h *head) leavesOut(s *scan) bool {
	x := h.v.Index()
	if x == nil {
		return false
	}
	if s.match.wanted(x); h.leavesOutNone(&s.match) {
		return false
	}
	i := h.look(x, h.index())
	if s.match.wantedMap>>h.frame.ClassOf(i)&1 == 0 {
		return true
	}
	if s.match.timed && !h.v.times.hold(h.frame.Time(i), h.index()) {
		return true
	}
	if s.match.identity == nil || h.owned {
		return false
	}
	s.match.in(h.v)
	return !s.match.owner(h.frame.Owner(i))
}

// row returns the row it is at; of one in a sidecar only the seq, for what else it
// tells was looked at.
func (h *head) row() tables.Row {
	i := h.index()
	if x := h.v.Index(); x != nil {
		i = h.look(x, i)
		return tables.Row{Seq: h.frame.Seq(i)}
	}
	return h.v.Row(i)
}

// whole returns all of the row it is at.
func (h *head) whole() tables.Row {
	i := h.index()
	x := h.v.Index()
	if x == nil {
		return h.v.Row(i)
	}
	i = h.look(x, i)
	level, kind := h.frame.Class(i)
	return tables.Row{Seq: h.frame.Seq(i), Time: h.frame.Time(i), Owner: h.frame.Owner(i), Level: levelOf(level), Kind: kind}
}

// seqAt returns the seq of the row it is at, of a view that is not prepared.
func (h *head) seqAt() uint64 {
	x := h.v.Index()
	switch {
	case x == nil:
		return h.v.Row(h.index()).Seq
	case h.oldest && h.lo == 0:
		return x.First()
	case !h.oldest && h.hi == x.Len():
		return x.Last()
	default:
		return x.Seq(h.index())
	}
}

// farthest returns the seq of the row that it comes to last.
func (h *head) farthest() uint64 {
	if h.oldest {
		return h.v.Last()
	}
	return h.v.First()
}

func (h *head) advance() {
	if h.oldest {
		h.lo++
	} else {
		h.hi--
	}
}

// skipFrames passes over frames of a sealed file in which nothing can match.
func (h *head) skipFrames(s *scan) {
	x := h.v.Index()
	if x == nil || h.listed {
		return
	}
	for h.lo < h.hi {
		i := h.index()
		if edge := i % segment.FrameRows; h.oldest && edge != 0 || !h.oldest && edge != segment.FrameRows-1 && i != h.v.hi-1 {
			return
		}
		n := i / segment.FrameRows
		f := x.FrameHead(n)
		if s.match.frame(&f) != nothing {
			return
		}
		if h.oldest {
			h.lo = (n + 1) * segment.FrameRows
		} else {
			h.hi = n * segment.FrameRows
		}
	}
}

// ahead reports whether seq comes before other in the merge's order.
func (h *head) ahead(seq, other uint64) bool { return (seq < other) == h.oldest }

// heads is a binary heap; its first element is the one that is ahead.
type heads []head

// second returns the seq of the view that is ahead of all but the first.
func (h heads) second() (uint64, bool) {
	switch len(h) {
	case 0, 1:
		return 0, false
	case 2:
		return h[1].seq, true
	}
	if h[1].ahead(h[1].seq, h[2].seq) {
		return h[1].seq, true
	}
	return h[2].seq, true
}

// down moves element i to its place below.
func (h heads) down(i int) {
	for {
		first := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(h) && h[child].ahead(h[child].seq, h[first].seq) {
				first = child
			}
		}
		if first == i {
			return
		}
		h[i], h[first] = h[first], h[i]
		i = first
	}
}
