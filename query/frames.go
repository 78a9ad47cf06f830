package query

import (
	"slices"

	"github.com/steplog/steplog/internal/segment"
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

// classTally is a number for each class.
type classTally [48]int64

// countClasses counts matches by class where [matcher.rowsAlone], frames that match as a
// whole by their headers.
func (s *scan) countClasses(v *view, x *segment.Index) (counts classTally, err error) {
	for i := 0; i*segment.FrameRows < v.hi; i++ {
		head := x.FrameHead(i)
		c := s.match.frame(&head)
		if c == nothing {
			continue
		}
		if c == whole && (i+1)*segment.FrameRows <= v.hi {
			for _, c := range s.match.wanted(x) {
				counts[c.class] += int64(head.CountClass(c.class))
			}
			continue
		}
		f := x.Frame(i)
		end := min(f.Len(), v.hi-i*segment.FrameRows)
		if from, to, ok := v.within(&f, end); ok {
			some := classCounts(&f, from, to)
			for _, c := range s.match.wanted(x) {
				counts[c.class] += int64(some[c.class])
			}
		} else {
			for k := range end {
				if s.match.inFrame(v, &f, i*segment.FrameRows+k) {
					counts[f.ClassOf(k)]++
				}
			}
		}
		if err := s.tick(end); err != nil {
			return counts, err
		}
	}
	return counts, nil
}

// eachMatch calls do with the rows that match of each frame that has some, by their
// numbers in it, of a view with a sidecar that is prepared and decided. The list is good
// during the call.
func (s *scan) eachMatch(v *view, x *segment.Index, do func(f *segment.Frame, rows []uint32) error) error {
	if v.plan != nil && v.plan.listed {
		return s.eachMatchOf(v, x, v.plan.rows, v.plan.owned, do)
	}
	s.match.in(v)
	for i := 0; i*segment.FrameRows < v.hi; i++ {
		list := s.numbers[:0]
		for row := i * segment.FrameRows; row < min(v.hi, (i+1)*segment.FrameRows); row++ {
			list = append(list, uint32(row))
		}
		s.numbers = list
		if err := s.matchesIn(v, x, i, list, false, do); err != nil {
			return err
		}
	}
	return nil
}

// eachMatchOf is eachMatch for some rows, which ascend; owned says that their owners match.
func (s *scan) eachMatchOf(v *view, x *segment.Index, rows []uint32, owned bool, do func(f *segment.Frame, rows []uint32) error) error {
	s.match.in(v)
	end, _ := slices.BinarySearch(rows, uint32(v.hi))
	for rows = rows[:end]; len(rows) > 0; {
		frame := int(rows[0]) / segment.FrameRows
		n := 1
		for n < len(rows) && int(rows[n]) < (frame+1)*segment.FrameRows {
			n++
		}
		s.numbers = append(s.numbers[:0], rows[:n]...)
		if err := s.matchesIn(v, x, frame, s.numbers, owned, do); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// matchesIn calls do with those of some rows of a frame that match. It changes the list.
func (s *scan) matchesIn(v *view, x *segment.Index, frame int, rows []uint32, owned bool, do func(f *segment.Frame, rows []uint32) error) error {
	head := x.FrameHead(frame)
	c := s.match.frame(&head)
	if c == nothing {
		return nil
	}
	f := x.Frame(frame)
	some := rows[:0]
	for _, row := range rows {
		k := int(row) % segment.FrameRows
		if (c == whole && s.match.everyClass || s.match.inFrame(v, &f, int(row))) &&
			(owned || s.match.identity == nil || s.match.owner(f.Owner(k))) {
			some = append(some, uint32(k))
		}
	}
	if len(some) > 0 {
		if err := do(&f, some); err != nil {
			return err
		}
	}
	return s.tick(len(rows))
}
