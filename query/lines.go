package query

import (
	"context"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/tables"
)

// Liner is a [Backend] that can give out lines without taking them apart, which
// is what [Engine.Reader] needs.
type Liner interface {
	// Lines appends to dst the lines of the records that Find would return for f
	// and w, each with a newline. w has no Offset and is Uncounted; lines are
	// added until there are w.Limit of them or, where it is not 0, until they
	// have w.MaxBytes.
	Lines(ctx context.Context, f Filter, w Window, dst []byte) (Lines, error)
}

// Lines is what a [Liner] answers.
type Lines struct {
	// Text is dst with the lines.
	Text []byte
	// Records is how many there are, and Last the seq of the last.
	Records int
	Last    uint64
	// More reports whether there are lines after the last one.
	More bool
}

// Lines returns lines as they are stored.
func (b *journalBackend) Lines(ctx context.Context, f Filter, w Window, dst []byte) (Lines, error) {
	index := f.indexing()
	if index == indexBehind {
		index = leaveRows // each line is wanted once
	}
	return tries(ctx, b, index, func(snap *journal.Snapshot) (Lines, error) {
		return newScan(ctx, b.j, snap, f, w.AsOf).copyLines(w, dst)
	})
}

// copyLines appends lines to dst. They are parsed only where the filter asks for
// what neither rows nor a sidecar tell.
func (s *scan) copyLines(w Window, dst []byte) (Lines, error) {
	l := Lines{Text: dst}
	s.seqs = true
	err := s.merge(w.Past, w.Oldest, nil, func(v *view, i int, row *tables.Row) (bool, error) {
		if !s.match.visited(v, row) {
			return true, nil
		}
		if l.Records == w.Limit || w.MaxBytes > 0 && len(l.Text)-len(dst) >= w.MaxBytes {
			// The next row need not be a match: the next call tells.
			l.More = true
			return false, nil
		}
		if s.decided(v) {
			var err error
			if l.Text, err = v.Read(i, l.Text); err != nil {
				return false, err
			}
		} else {
			if err := s.read(v, i); err != nil {
				return false, err
			}
			if found, err := s.found(v); err != nil || !found {
				return err == nil, err
			}
			l.Text = append(l.Text, s.raw...)
		}
		l.Text = append(l.Text, '\n')
		l.Records++
		l.Last = row.Seq
		return true, nil
	})
	return l, err
}
