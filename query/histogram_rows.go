package query

import (
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
)

// histogram counts by time.
func (s *scan) histogram(h *histogram) error {
	for n := range s.views {
		if err := s.histogramOf(h, &s.views[n]); err != nil {
			return err
		}
	}
	return nil
}

func (s *scan) histogramOf(h *histogram, v *view) error {
	x := v.Index()
	if x != nil {
		if s.match.never(x) {
			return nil
		}
		if err := s.findTimes(v, x); err != nil {
			return err
		}
		if s.match.rowsAlone() {
			return s.histogramFrames(h, v, x)
		}
		if s.scopesTell(v, x) {
			if done, err := s.histogramScopes(h, v, x); done || err != nil {
				return err
			}
		}
	}
	if err := s.prepare(v); err != nil {
		return err
	}
	if x == nil || !s.decided(v) {
		return s.eachOf(v, func(i int, row *tables.Row, _ *line.Record) error {
			at, err := s.timeIn(h, v, i, row.Time)
			if err != nil {
				return err
			}
			return h.add(at, zapcore.Level(row.Level))
		})
	}
	return s.eachMatch(v, x, s.adding(h, v))
}

// adding returns what adds rows of a frame.
func (s *scan) adding(h *histogram, v *view) func(f *segment.Frame, rows []uint32) error {
	return func(f *segment.Frame, rows []uint32) error {
		if first, last := f.Times(); h.same(first, last) {
			at, err := h.bucket(first)
			if err != nil {
				return err
			}
			for _, k := range rows {
				level, _ := f.Class(int(k))
				at[level]++
			}
			return nil
		}
		for _, k := range rows {
			at, err := s.timeIn(h, v, f.First()+int(k), f.Time(int(k)))
			if err != nil {
				return err
			}
			level, _ := f.Class(int(k))
			if err := h.add(at, allLevels[level]); err != nil {
				return err
			}
		}
		return nil
	}
}

// histogramScopes counts where [scan.scopesTell]: scopes that lie in one bucket by their
// counters, and the rows of all others together, in their order. done is false where the
// rows of the levels that are asked for are far fewer than those.
func (s *scan) histogramScopes(h *histogram, v *view, x *segment.Index) (done bool, err error) {
	var together, apart []int
	most := s.rowsOfLevels(x)
	n := 0
	o := v.owners(s.where)
	for scope := range o.each {
		switch first, last := x.ScopeTimes(scope); {
		case last < s.match.from || first > s.match.to:
		case first >= s.match.from && last <= s.match.to && h.same(first, last):
			together = append(together, scope)
		default:
			apart = append(apart, scope)
			if n += x.ScopeLen(scope); n/8 > most {
				return false, nil
			}
		}
		if err := s.tick(1); err != nil {
			return false, err
		}
	}
	lines, others, _ := s.match.wants(x)
	for _, scope := range together {
		if !o.holds(scope) {
			continue
		}
		first, _ := x.ScopeTimes(scope)
		if err := s.addScope(h, x, scope, first, lines, others); err != nil {
			return false, err
		}
	}
	from, to, inRow := v.timeRows(x)
	if !inRow {
		from, to = 0, x.Len()
	}
	var rows []uint32
	for _, scope := range apart {
		if !o.holds(scope) {
			continue
		}
		rows = x.AppendScopeRows(rows, scope, from, to)
	}
	return true, s.eachMatchOf(v, x, sortedFrom(rows, len(apart), from, to), true, s.adding(h, v))
}

// rowsOfLevels returns how many rows have a level that is asked for, whatever else they
// are; all where each level is.
func (s *scan) rowsOfLevels(x *segment.Index) int {
	if s.where.levels == nil {
		return x.Len()
	}
	n, counts := 0, x.Counts()
	for _, l := range s.where.levels {
		for _, k := range counts[l] {
			n += int(k)
		}
	}
	return n
}

// addScope adds a scope whose times match and lie in the bucket of one.
func (s *scan) addScope(h *histogram, x *segment.Index, scope int, ns int64, lines, others bool) error {
	var counts line.Levels
	some := false
	for l := range counts {
		counts[l] = s.countLevel(x, scope, l, lines, others)
		some = some || counts[l] > 0
	}
	if !some {
		return nil
	}
	at, err := h.bucket(ns)
	if err != nil {
		return err
	}
	for l, n := range counts {
		at[l] += n
	}
	return nil
}

// histogramFrames counts where [matcher.rowsAlone]: frames that lie in one bucket by their
// headers.
func (s *scan) histogramFrames(h *histogram, v *view, x *segment.Index) error {
	for i := 0; i*segment.FrameRows < v.hi; i++ {
		head := x.FrameHead(i)
		c := s.match.frame(&head)
		if c == nothing {
			continue
		}
		first, last := head.Times()
		end := min(head.Len(), v.hi-i*segment.FrameRows)
		if c == whole && end == head.Len() && h.same(first, last) {
			at, err := h.bucket(first)
			if err != nil {
				return err
			}
			for _, class := range s.match.wanted(x) {
				at[class.level] += int64(head.CountClass(class.class))
			}
			continue
		}
		f := x.Frame(i)
		if from, to, ok := v.within(&f, end); ok {
			if err := s.histogramSplit(h, v, &f, i*segment.FrameRows, from, to); err != nil {
				return err
			}
		} else {
			for k := range end {
				row := i*segment.FrameRows + k
				if !s.match.inFrame(v, &f, row) {
					continue
				}
				at, err := s.timeIn(h, v, row, f.Time(k))
				if err != nil {
					return err
				}
				level, _ := f.Class(k)
				if err := h.add(at, allLevels[level]); err != nil {
					return err
				}
			}
		}
		if err := s.tick(end); err != nil {
			return err
		}
	}
	return nil
}

// histogramSplit counts rows of a frame whose times ascend, from one up to another, bucket
// by bucket. first is the row that the frame begins with.
func (s *scan) histogramSplit(h *histogram, v *view, f *segment.Frame, first, from, to int) error {
	for from < to {
		at, err := s.timeIn(h, v, first+from, f.Time(from))
		if err != nil {
			return err
		}
		next := to
		if bucketEnd := h.endOf(at); bucketEnd > at {
			// Those told to lie in the same step as the end may lie before or behind it.
			next = min(to, max(from+1, f.SearchTime(segment.RoundTime(bucketEnd))))
		}
		if err := h.addClasses(at, s.match.wanted(f.Index()), f, from, next); err != nil {
			return err
		}
		from = next
	}
	return nil
}
