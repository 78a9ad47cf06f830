package query

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
)

// maxChecked is how many bytes of lines a query reads to count what no index
// counts: a second or two. A total that would need more is a lower bound.
const maxChecked = 1 << 30

const reasonCapped = "too many lines would have to be read to count them all"

// cover says how much of a frame can match.
type cover uint8

const (
	nothing cover = iota
	part
	whole // as far as time, level and kind tell
)

// frame tells how much of a frame can match by its header.
func (m *matcher) frame(f *segment.FrameHead) cover {
	first, last := f.Times()
	if last < m.from || first > m.to {
		return nothing
	}
	if m.wanted(f.Index()); !m.everyClass && m.classes(f) == 0 {
		return nothing
	}
	if first >= m.from && last <= m.to {
		return whole
	}
	return part
}

// classes counts the rows of a frame whose level and kind are wanted.
func (m *matcher) classes(f *segment.FrameHead) (n int) {
	for _, c := range m.wanted(f.Index()) {
		n += f.CountClass(c.class)
	}
	return n
}

// wantedClass is a level and a kind, of those that occur in a file, that a
// filter wants.
type wantedClass struct{ class, level int }

// wanted returns those of a file.
func (m *matcher) wanted(x *segment.Index) []wantedClass {
	if m.wantedOf == x {
		return m.wantedList
	}
	m.wantedOf, m.wantedList, m.wantedMap, m.everyClass = x, m.wantedList[:0], 0, true
	for class, c := range x.Classes {
		if m.kinds[c.Kind] && m.levels[int(levelOf(c.Level))+128] {
			m.wantedList = append(m.wantedList, wantedClass{class, c.Level})
			m.wantedMap |= 1 << class
		} else {
			m.everyClass = false
		}
	}
	return m.wantedList
}

func levelOf(i int) int8 { return int8(line.LevelAt(i)) }

// aloneFor is how long files are counted one after the other: to begin other
// goroutines costs as much as most questions take as a whole.
const aloneFor = 300 * time.Microsecond

// total counts what matches: file by file, and the rest of them side by side
// when it takes longer.
func (s *scan) total() (Total, error) {
	workers := runtime.GOMAXPROCS(0)
	began := time.Now()
	var n int64
	for i := range s.views {
		if left := len(s.views) - i; left > 1 && workers > 1 && time.Since(began) > aloneFor {
			k, err := s.countBeside(i, min(workers, left))
			return s.totalOf(n + k), err
		}
		k, err := s.count(&s.views[i])
		if n += k; err != nil {
			return Total{}, err
		}
	}
	return s.totalOf(n), nil
}

// countBeside counts the files from one on, several at a time.
func (s *scan) countBeside(from, workers int) (int64, error) {
	var next, sum atomic.Int64
	next.Store(int64(from))
	var group sync.WaitGroup
	forks := make([]*scan, workers)
	errs := make([]error, workers)
	for w := range forks {
		f := *s
		f.match = s.match.fork()
		f.stats = Stats{}
		f.room = room{}
		if s.sieve != nil {
			f.sieve = &sieve{clauses: s.sieve.clauses, search: s.sieve.search, gist: s.sieve.gist, values: s.sieve.values}
		}
		forks[w] = &f
		group.Go(func() {
			errs[w] = s.j.Guarded(func() error {
				for {
					i := int(next.Add(1)) - 1
					if i >= len(f.views) {
						return nil
					}
					n, err := f.count(&f.views[i])
					if sum.Add(n); err != nil {
						next.Store(int64(len(f.views)))
						return err
					}
				}
			})
		})
	}
	group.Wait()
	for _, f := range forks {
		s.stats.Rows += f.stats.Rows
		s.stats.Lines += f.stats.Lines
		s.stats.Bytes += f.stats.Bytes
		s.capped = s.capped || f.capped
	}
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return sum.Load(), nil
}

func (s *scan) totalOf(n int64) Total {
	if s.capped {
		return Total{N: n, Reason: reasonCapped}
	}
	return Total{N: n, Exact: true}
}

// manyRows is how many rows a plan lists at most that is kept until the page is made: a
// page needs those of one file or two, and the lists of all together may be long.
const manyRows = 1 << 14

// count counts what matches in one file, and notes it.
func (s *scan) count(v *view) (int64, error) {
	capped := s.capped
	s.capped = false
	n, err := s.countOf(v)
	if v.Index() != nil && len(v.made.rows) > manyRows {
		v.plan, v.made = nil, plan{} // few pages need it again
	}
	v.matches, v.counted = n, err == nil && !s.capped
	s.capped = s.capped || capped
	return n, err
}

// countOf counts what matches in one file.
func (s *scan) countOf(v *view) (int64, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	x := v.Index()
	if x == nil {
		return s.countRowByRow(v)
	}
	if s.match.never(x) {
		return 0, nil
	}
	if err := s.findTimes(v, x); err != nil {
		return 0, err
	}
	if s.match.rowsAlone() {
		return s.countFrames(v, x)
	}
	count := s.countTerms
	if s.match.text == nil {
		count = s.countOwners
	}
	if n, ok, err := count(v, x); ok || err != nil {
		return n, err
	}
	if err := s.prepare(v); err != nil {
		return 0, err
	}
	switch {
	case !s.decided(v):
		return s.countLines(v, x)
	case v.plan != nil && v.plan.listed:
		return s.countList(v, x)
	}
	var n int64
	err := s.eachRow(v, func(int, *tables.Row, bool) error {
		n++
		return nil
	})
	return n, err
}

// rowsAlone reports whether time, level and kind decide.
func (m *matcher) rowsAlone() bool { return m.text == nil && m.identity == nil }

// countFrames counts where [matcher.rowsAlone].
func (s *scan) countFrames(v *view, x *segment.Index) (n int64, err error) {
	counts, err := s.countClasses(v, x)
	for _, k := range counts {
		n += k
	}
	return n, err
}

// countList counts the rows of a list, those of a frame that matches as a whole
// without looking at them.
func (s *scan) countList(v *view, x *segment.Index) (n int64, err error) {
	s.match.in(v)
	rows := v.plan.rows
	end, _ := slices.BinarySearch(rows, uint32(v.hi))
	for rows = rows[:end]; len(rows) > 0; {
		frame := int(rows[0]) / segment.FrameRows
		k, _ := slices.BinarySearch(rows, uint32((frame+1)*segment.FrameRows))
		in := rows[:k]
		rows = rows[k:]
		head := x.FrameHead(frame)
		c := s.match.frame(&head)
		switch {
		case c == nothing:
		case c == whole && s.match.identity == nil && s.match.classes(&head) == head.Len():
			n += int64(k)
		default:
			f := x.Frame(frame)
			for _, row := range in {
				if s.match.inFrame(v, &f, int(row)) && (s.match.identity == nil || s.match.owner(f.Owner(int(row)%segment.FrameRows))) {
					n++
				}
			}
			if err := s.tick(k); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// inFrame decides by time, level and kind about a row, which lies in a frame. What is
// wanted of the file was looked at.
func (m *matcher) inFrame(v *view, f *segment.Frame, row int) bool {
	k := row % segment.FrameRows
	return m.wantedMap>>f.ClassOf(k)&1 != 0 && v.times.hold(f.Time(k), row)
}

// countRows counts those of some rows that match by time, level and kind.
func (s *scan) countRows(v *view, x *segment.Index, rows []uint32) (n int64) {
	var f segment.Frame
	framed := -1
	for _, row := range rows {
		if k := int(row) / segment.FrameRows; k != framed {
			f, framed = x.Frame(k), k
		}
		if s.match.inFrame(v, &f, int(row)) {
			n++
		}
	}
	return n
}

// countLines reads the lines that can match of a file with a sidecar, in the order in
// which they lie, up to the limit.
func (s *scan) countLines(v *view, x *segment.Index) (n int64, err error) {
	type placed struct {
		row   int
		place int64
	}
	var rows []placed
	err = s.eachRow(v, func(i int, _ *tables.Row, _ bool) error {
		p := placed{row: i}
		if x.Grouped() {
			p.place, _ = x.Place(i)
		}
		rows = append(rows, p)
		return nil
	})
	if err != nil {
		return 0, err
	}
	if x.Grouped() {
		slices.SortFunc(rows, func(a, b placed) int { return cmp.Compare(a.place, b.place) })
	}
	for _, p := range rows {
		if s.full() {
			return n, nil
		}
		found, err := s.has(v, p.row)
		if err != nil {
			return n, err
		}
		s.checked.Add(int64(len(s.raw)))
		if found {
			n++
		}
		if err := s.tick(0); err != nil {
			return n, err
		}
	}
	return n, nil
}

// full reports whether as many lines were read to count as may be, and notes it.
func (s *scan) full() bool {
	s.capped = s.capped || s.over()
	return s.capped
}

// over reports whether as many lines were read to count as may be.
func (s *scan) over() bool {
	return s.checked.Load() > cmp.Or(s.limit, maxChecked)
}

// countRowByRow counts where there is no index. What lines were read for is noted as
// the plan of the view, so that they are not read again to find the page.
func (s *scan) countRowByRow(v *view) (n int64, err error) {
	var rows []uint32
	err = s.eachRow(v, func(i int, _ *tables.Row, sure bool) error {
		if s.match.text == nil {
			n++
			return nil
		}
		found, err := sure, error(nil)
		if !found {
			if s.full() {
				return nil
			}
			found, err = s.has(v, i)
			s.checked.Add(int64(len(s.raw)))
		}
		if found {
			rows = append(rows, uint32(i))
			n++
		}
		return err
	})
	if err == nil && s.match.text != nil && !s.capped {
		v.made = plan{rows: rows, listed: true, exact: true}
		v.plan = &v.made
	}
	return n, err
}
