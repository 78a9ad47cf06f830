package query

import (
	"math"
	"slices"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
)

// edges are the ends of a range of times among the times that a sidecar tells, which
// may be rounded: what lies in the range is told to lie from one time to another, but
// for some rows.
type edges struct {
	known    bool
	from, to int64
	outside  []uint32 // rows told to lie in the range that lie outside, ascending
}

// hold reports whether a row whose time is told lies in the range.
func (e *edges) hold(at int64, row int) bool {
	if at < e.from || at > e.to {
		return false
	}
	if len(e.outside) == 0 {
		return true
	}
	_, outside := slices.BinarySearch(e.outside, uint32(row))
	return !outside
}

// timeRows returns the rows in the range: from one up to another. ok is false where
// those are not all in a row.
func (v *view) timeRows(x *segment.Index) (from, to int, ok bool) {
	if len(v.times.outside) > 0 {
		return 0, 0, false
	}
	from, to, ok = x.TimeRows(v.times.from, v.times.to)
	return from, max(from, to), ok
}

// findTimes finds out what the range is in a view: where an end of it is no multiple of
// [segment.TimeStep], lines are read of the rows told to lie in the same step, of which
// there is seldom one.
func (s *scan) findTimes(v *view, x *segment.Index) error {
	e := &v.times
	if e.known {
		return nil
	}
	*e = edges{known: true, from: math.MinInt64, to: math.MaxInt64}
	first, last := x.Times()
	if from := s.match.from; from > last {
		e.from = from
	} else if from > first {
		before, behind, err := s.part(v, x, from)
		if err != nil {
			return err
		}
		e.from, e.outside = segment.RoundTime(from), before
		if len(behind) == 0 && e.from < from {
			e.from, e.outside = e.from+segment.TimeStep, nil
		}
	}
	if to := s.match.to; to < first {
		e.to = to
	} else if to < last {
		before, behind, err := s.part(v, x, to+1)
		if err != nil {
			return err
		}
		e.to = segment.RoundTime(to+1) - 1
		if len(before) > 0 {
			e.to += segment.TimeStep
			e.outside = append(e.outside, behind...)
		}
	}
	slices.Sort(e.outside)
	e.outside = slices.Compact(e.outside)
	return nil
}

// part returns the rows that are told to lie in the same step as a time, which is no
// multiple of one: those before it, and all others.
func (s *scan) part(v *view, x *segment.Index, at int64) (before, behind []uint32, err error) {
	if segment.RoundTime(at) == at {
		return nil, nil, nil
	}
	for _, row := range x.AppendNear(nil, at) {
		t, err := s.timeOf(v, x, int(row))
		if err != nil {
			return nil, nil, err
		}
		if t < at {
			before = append(before, row)
		} else {
			behind = append(behind, row)
		}
	}
	return before, behind, nil
}

// timeOf returns the time of a row of a file with a sidecar, from its line where the
// sidecar rounds it.
func (s *scan) timeOf(v *view, x *segment.Index, row int) (int64, error) {
	if f := x.Frame(row / segment.FrameRows); f.Exact() {
		return f.Time(row % segment.FrameRows), nil
	}
	if err := s.outline(v, row); err != nil {
		return 0, err
	}
	s.sinceCheck += 10
	if err := s.tick(0); err != nil {
		return 0, err
	}
	return line.Nanoseconds(s.out.Time), nil
}

// timeIn returns a time in the bucket of a histogram that a row lies in. told is its
// time as the row tells it.
func (s *scan) timeIn(h *histogram, v *view, row int, told int64) (int64, error) {
	x := v.Index()
	if x == nil || told > math.MaxInt64-segment.TimeStep || h.same(told, told+segment.TimeStep-1) {
		return told, nil
	}
	return s.timeOf(v, x, row)
}
