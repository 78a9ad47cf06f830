package journal

import (
	"errors"
	"fmt"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
)

// ErrGone is returned when the file that held a record was deleted after the
// snapshot was taken. The caller takes a new snapshot and asks again.
var ErrGone = errors.New("journal: the record's file was deleted")

// Snapshot is what was published at one moment. It is immutable and safe for
// concurrent use; records that arrive later do not show in it. It holds no
// file open, so a segment that is deleted later answers ErrGone.
type Snapshot struct {
	// View is what is known of runs and steps, up to the largest seq in the
	// snapshot.
	runs.View
	// Segments are ordered by log name, then by age, oldest first.
	Segments []Segment
}

// snapshot returns what is published with a seq of at most asOf.
func (j *Journal) snapshot(asOf uint64) *Snapshot {
	s := &Snapshot{Segments: make([]Segment, 0, len(j.tables.Segments()))}
	s.View = j.tables.View(asOf, func(v tables.View) { s.Segments = append(s.Segments, Segment{v, j, s}) })
	return s
}

// Segment is the view of one file, or of a part of one that has been indexed: its
// rows in arrival order, seq ascending.
type Segment struct {
	tables.View
	from *Journal
	snap *Snapshot
}

// Owners returns the number of identities of the segment's rows; every Row's
// Owner is below it. Those that no row has may be empty.
func (s *Segment) Owners() int {
	if s.Index() != nil {
		return s.Index().Owners()
	}
	return s.snap.View.Owners()
}

// Identity returns the identifiers of an owner. They must not be changed, and of
// a sealed file hold no longer than the snapshot.
func (s *Segment) Identity(owner uint32) *line.Identity {
	if s.Index() != nil {
		id := new(line.Identity)
		s.Index().Identity(owner, id)
		return id
	}
	return s.snap.Owner(owner)
}

// OwnerHas reports whether an owner of a segment without a sidecar has what a filter asks
// for.
func (s *Segment) OwnerHas(owner uint32, f *runs.OwnerFilter) bool { return s.snap.OwnerHas(owner, f) }

// Read appends the line of row i, without its newline, to buf and returns it.
// It returns ErrGone when the file was deleted or replaced meanwhile.
func (s *Segment) Read(i int, buf []byte) ([]byte, error) {
	var ring uint64
	return s.read(i, buf, &ring)
}

// read is Read for who reads one row after the other: ring is where to look for the
// next one that is not in the text yet.
func (s *Segment) read(i int, buf []byte, ring *uint64) ([]byte, error) {
	if s.Sealed() {
		return s.readSealed(i, buf)
	}
	row := s.TextRow(i)
	at := len(buf)
	if row.Seq > s.Segment.InText.Load() {
		if buf, ok := s.from.readRing(s.Segment, row.Seq, buf, ring); ok {
			return buf, nil
		}
	}
	buf = append(buf, make([]byte, row.Len)...)
	if s.readText(buf[at:], int64(row.Offset)) == nil {
		if seq, ok := line.NumberOf(buf[at:]); ok && seq == row.Seq {
			return buf, nil
		}
	}
	err := s.from.readAt(s.Segment, buf[at:], int64(row.Offset))
	if err != nil && !errors.Is(err, ErrGone) {
		return buf[:at], err
	}
	if seq, ok := line.NumberOf(buf[at:]); err != nil || !ok || seq != row.Seq {
		if x := s.Segment.Index(); x != nil {
			return s.readSince(x, row.Seq, buf[:at])
		}
		if err != nil {
			return buf[:at], err
		}
		s.from.suspect(s.Segment)
		return buf[:at], fmt.Errorf("%w: %s does not hold record %d where it was written", ErrGone, s.Name(), row.Seq)
	}
	return buf, nil
}

// readSince is Read for a row of a file that was sealed after the snapshot.
func (s *Segment) readSince(x *sidecar.Index, seq uint64, buf []byte) ([]byte, error) {
	now := Segment{tables.SealedView(s.Segment, x), s.from, s.snap}
	n := now.Search(seq)
	if n == 0 || now.Row(n-1).Seq != seq {
		return buf, fmt.Errorf("%w: %s was sealed without record %d", ErrGone, s.Name(), seq)
	}
	return now.readSealed(n-1, buf)
}
