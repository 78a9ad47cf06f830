package tables

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"

	sidecar "github.com/steplog/steplog/internal/segment"
)

const (
	// Usage is the log with the records of runs and steps, which expire with its files.
	Usage = "usage"
	// MaxSeq is the largest number of a record: JSON readers that keep numbers as
	// float64 can tell all up to it apart.
	MaxSeq = 1 << 53
	// AllInText is what Segment.InText says while every line is in the text.
	AllInText = math.MaxUint64

	// activeExt is what the name of the active file has behind that of its log.
	activeExt = ".log"
)

// Segment is one file of lines, active or closed. It is safe for concurrent use.
type Segment struct {
	// File is the log's name, "user". Immutable.
	File string
	// InText is the newest seq whose line is in the text; younger ones are on their
	// way there. It is [AllInText] until who writes says otherwise.
	InText atomic.Uint64
	// Unindexable says that the text does not say just what the rows say, in their order:
	// they get no index, and their lines are looked for one by one.
	Unindexable atomic.Bool

	t *Tables

	serial uint32 // tells segments apart, above 0, immutable
	number uint64 // in the order in which segments were begun, immutable

	// guarded by Tables.mu
	name    string // base name: user.log while active, user-<time>.log after
	rows    Rows
	index   *sidecar.Index // of a sealed file, whose rows are empty
	parts   []Part         // of a file that is not sealed, in order; replaced, never changed in place
	parsed  int64          // bytes of text that the rows stand for
	removed bool

	besideMu sync.Mutex     // of beside; nothing else is locked under it
	beside   map[int]beside // see [Beside]
}

// Name returns the file's base name, without what compression adds: "user.log" while
// it is active, "user-<time>.log" after.
func (s *Segment) Name() string {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.name
}

// Active reports whether it is the file of its log that is written.
func (s *Segment) Active() bool { return s.Name() == s.File+activeExt }

// Index returns the sidecar of a sealed file, nil of another.
func (s *Segment) Index() *sidecar.Index {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.index
}

// lastSeq returns the newest seq of a segment. The caller holds Tables.mu.
func (s *Segment) lastSeq() uint64 {
	switch {
	case s.index != nil:
		return s.index.Last()
	case s.rows.n == 0:
		return 0
	}
	return s.rows.At(s.rows.n - 1).Seq
}

// Rows returns the rows as they are now, none of a sealed file.
func (s *Segment) Rows() Rows {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.rows
}

// First returns the seq of the oldest row, 0 when there is none.
func (s *Segment) First() uint64 {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	switch {
	case s.index != nil:
		return s.index.First()
	case s.rows.n == 0:
		return 0
	}
	return s.rows.At(0).Seq
}

// Last returns the seq of the newest row, 0 when there is none.
func (s *Segment) Last() uint64 {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.lastSeq()
}

// ParsedTo notes that the rows stand for so many bytes of the text, or more.
func (s *Segment) ParsedTo(end int64) {
	s.t.mu.Lock()
	s.parsed = max(s.parsed, end)
	s.t.mu.Unlock()
}

// Before returns a copy of the rows whose lines end at or before an offset, and
// where the last of them ends.
func (s *Segment) Before(offset int64) (kept Rows, end int64) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	for i := range s.rows.n {
		row := s.rows.At(i)
		rowEnd := int64(row.Offset) + int64(row.Len) + 1
		if rowEnd > offset {
			break
		}
		kept.Append(*row)
		end = rowEnd
	}
	return kept, end
}

// Parsed returns how many bytes of the text the rows stand for.
func (s *Segment) Parsed() int64 {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.parsed
}

// lookUpIn gives a segment the sidecar that stands for its rows, or those of parts
// of them, in place of what it had. The caller holds mu.
func (s *Segment) lookUpIn(x *sidecar.Index, parts []Part) {
	if s.index != nil && s.index != x {
		s.index.Held().Release()
	}
	for _, p := range s.parts {
		if !slices.Contains(parts, p) {
			p.Index.Held().Release()
		}
	}
	s.index, s.parts = x, parts
	s.forgetBeside(Indexed(parts))
}
