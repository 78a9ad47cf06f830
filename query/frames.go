package query

import (
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
)

// within returns the first and the end of the rows, up to one, whose time
// matches, in a frame whose times ascend. ok is false where those are not all in a row.
func (v *view) within(f *segment.Frame, end int) (from, to int, ok bool) {
	if !f.Ascending() || len(v.times.outside) > 0 {
		return 0, 0, false
	}
	first, last := f.Times()
	if to = end; last > v.times.to {
		to = min(end, f.SearchTime(v.times.to+1))
	}
	if first < v.times.from {
		from = min(to, f.SearchTime(v.times.from))
	}
	return from, to, true
}

// classCounts counts some rows of a frame by class: those rows, or all others,
// whichever are fewer.
func classCounts(f *segment.Frame, from, to int) (counts [48]int) {
	if 2*(to-from) <= f.Len() {
		f.CountClasses(&counts, from, to)
		return counts
	}
	var others [48]int
	f.CountClasses(&others, 0, from)
	f.CountClasses(&others, to, f.Len())
	for class := range f.Index().Classes {
		counts[class] = f.CountClass(class) - others[class]
	}
	return counts
}

// histogram counts by time: frames that lie in one bucket by their headers.
func (s *scan) histogram(h *histogram) error {
	for n := range s.views {
		v := &s.views[n]
		if err := s.prepare(v); err != nil {
			return err
		}
		x := v.Index()
		if x == nil || v.plan.listed || s.match.text != nil || s.match.identity != nil {
			err := s.eachOf(v, func(i int, row *tables.Row, _ *line.Record) error {
				at, err := s.timeIn(h, v, i, row.Time)
				if err != nil {
					return err
				}
				return h.add(at, zapcore.Level(row.Level))
			})
			if err != nil {
				return err
			}
			continue
		}
		if err := s.histogramFrames(h, v, x); err != nil {
			return err
		}
	}
	return nil
}

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
