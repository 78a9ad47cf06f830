package query

import (
	"fmt"
	"slices"

	"github.com/steplog/steplog/internal/journal"
)

// read fetches and parses the line of a row into s.raw and s.rec, which hold it
// until the next call.
func (s *scan) read(v *view, i int) error {
	if err := s.fetch(v, i); err != nil {
		return err
	}
	return s.parse(v)
}

// outline is read for a line of which only a record is made: it leaves s.rec as it was.
func (s *scan) outline(v *view, i int) error {
	if err := s.fetch(v, i); err != nil {
		return err
	}
	return s.parsed(v, s.parser.Outline(s.raw, &s.out))
}

// fetch reads the line of a row into s.raw.
func (s *scan) fetch(v *view, i int) error {
	s.lookAt(v)
	var err error
	if s.raw, err = s.reader.Read(i); err != nil {
		return err
	}
	s.stats.Lines++
	s.stats.Bytes += int64(len(s.raw))
	return nil
}

// lookAt has the reader read lines of a view.
func (s *scan) lookAt(v *view) {
	if s.reader.Segment() != v.Segment {
		s.reader.Reset(v.Segment)
	}
}

// ahead has the line of a row found that a merge visits together with those that it
// visits next, as many as are wanted, where these are surely of the same file and match.
// Those of one run lie together anyway.
func (s *scan) ahead(v *view, i, wanted int) {
	h := s.at
	if !s.alone || wanted < 2 || s.where.filter.Run != "" || !v.Sealed() || s.reader.Expects(v.Segment, i) {
		return
	}
	if s.match.wanted(v.Index()); !h.leavesOutNone(&s.match) {
		return
	}
	s.lookAt(v)
	var rows [journal.MostAhead]uint32
	n := min(wanted, len(rows), h.hi-h.lo)
	for k := range n {
		at := h.lo + k
		if !h.oldest {
			at = h.hi - 1 - k
		}
		if rows[k] = uint32(at); h.listed {
			rows[k] = h.list[at]
		}
	}
	s.reader.Ahead(rows[:n])
}

// parse parses s.raw into s.rec.
func (s *scan) parse(v *view) error { return s.parsed(v, s.parser.Parse(s.raw, &s.rec)) }

// parsed counts a line that was parsed with this error.
func (s *scan) parsed(v *view, err error) error {
	if err != nil {
		return fmt.Errorf("query: %s: %w", v.Name(), err)
	}
	// A line costs about as much as a hundred rows.
	s.sinceCheck += 100
	return nil
}

// matches reads the line of a row and reports whether it matches; only then s.rec is
// what it says.
func (s *scan) matches(v *view, i int) (bool, error) {
	if err := s.fetch(v, i); err != nil {
		return false, err
	}
	if s.sieve != nil && s.sieve.drops(s.raw) {
		s.sinceCheck += 10
		return false, nil
	}
	if err := s.parse(v); err != nil {
		return false, err
	}
	return s.found(v)
}

// found reports whether the line in s.rec matches. With a pattern each line may take as
// long as thousands of others, and the context is looked at behind each.
func (s *scan) found(v *view) (bool, error) {
	found := s.match.text.match(&s.rec, v.File())
	if s.match.text.patterns {
		return found, s.ctx.Err()
	}
	return found, nil
}

// has is matches for who only counts: s.rec is not what the line says.
func (s *scan) has(v *view, i int) (bool, error) {
	if s.sieve == nil {
		return s.matches(v, i)
	}
	if err := s.fetch(v, i); err != nil {
		return false, err
	}
	s.sinceCheck += 10
	if s.sieve.drops(s.raw) || s.sieve.takes() {
		return s.sieve.takes(), nil
	}
	if err := s.parse(v); err != nil {
		return false, err
	}
	return s.found(v)
}

// keepBytes is how many bytes of lines share an allocation: whoever keeps one
// record keeps its neighbours' lines alive.
const keepBytes = 16 << 10

// record makes the answer from the line that read or matches fetched.
func (s *scan) record(v *view, to *Record) {
	s.rec.Outline(s.raw, &s.out)
	s.outlined(v, to)
}

// outlined makes the answer from the line that outline fetched. to is empty.
func (s *scan) outlined(v *view, to *Record) {
	if n := len(s.raw); n > keepBytes/4 {
		fillRecord(to, &s.out, v.File(), slices.Clone(s.raw))
		return
	} else if cap(s.kept)-len(s.kept) < n {
		s.kept = make([]byte, 0, max(n, min(keepBytes, s.expected*n)))
	}
	s.expected--
	from := len(s.kept)
	s.kept = append(s.kept, s.raw...)
	fillRecord(to, &s.out, v.File(), s.kept[from:len(s.kept):len(s.kept)])
}
