package query

import (
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
)

// within returns the first and the end of the rows, up to one, whose time
// matches, in a frame whose times ascend.
func (m *matcher) within(f *segment.Frame, end int) (from, to int) {
	first, last := f.Times()
	if to = end; last > m.to {
		to = min(end, f.SearchTime(m.to+1))
	}
	if first < m.from {
		from = min(to, f.SearchTime(m.from))
	}
	return from, to
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
			err := s.eachOf(v, func(_ *view, row *tables.Row, _ *line.Record) error {
				return h.add(row.Time, zapcore.Level(row.Level))
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
	for i := v.lo / segment.FrameRows; i*segment.FrameRows < v.hi; i++ {
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
		if f.Ascending() {
			if err := s.histogramSplit(h, &f, end); err != nil {
				return err
			}
		} else {
			for k := range end {
				if !s.match.inFrame(&f, k) {
					continue
				}
				level, _ := f.Class(k)
				if err := h.add(f.Time(k), allLevels[level]); err != nil {
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

// histogramSplit counts the rows of a frame whose times ascend, up to one:
// bucket by bucket.
func (s *scan) histogramSplit(h *histogram, f *segment.Frame, end int) error {
	from, to := s.match.within(f, end)
	for from < to {
		at := f.Time(from)
		next := to
		if bucketEnd := h.endOf(at); bucketEnd > at {
			next = min(to, f.SearchTime(bucketEnd))
		}
		if err := h.addClasses(at, s.match.wanted(f.Index()), f, from, next); err != nil {
			return err
		}
		from = next
	}
	return nil
}
