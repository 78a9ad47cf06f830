package tables

import (
	"errors"
	"io"

	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/wire"
)

// Read reads a file of tables of a size in bytes. It returns nil, and no error, for one of
// another version, and an error for one that is damaged: the tables are derived again.
func Read(r io.ReaderAt, size int64) (*Saved, error) {
	f, err := openSaved(r, size)
	if f == nil {
		return nil, err
	}
	head, err := f.section(savedHead)
	if err != nil {
		return nil, err
	}
	s := &Saved{tables: New()}
	t := s.tables
	w := wire.Reader{B: head}
	t.Runs.LoadSeed(&w)
	t.settled = w.Uvarint()
	if !t.Runs.LoadNames(&w) {
		if w.Bad {
			return nil, errTables
		}
		return nil, nil // of another version
	}
	read := make(chan error, 1)
	go func() { read <- t.readRuns(f) }()
	err = s.readRows(f, &w)
	return s, errors.Join(err, <-read)
}

// readRuns takes in the runs.
func (t *Tables) readRuns(f *savedFile) error {
	rows, err := f.section(savedRuns)
	if err != nil {
		return err
	}
	content, err := f.section(savedBytes)
	if err != nil {
		return err
	}
	ids, err := f.section(savedIDs)
	if err == nil && !t.Runs.LoadRuns(rows, content, ids) {
		err = errTables
	}
	return err
}

// readRows takes in owners and rows, and what is said of the files.
func (s *Saved) readRows(f *savedFile, w *wire.Reader) error {
	t := s.tables
	n := w.Uvarint()
	t.Runs.LoadAside(w)
	var parts [savedSections][]byte
	for _, i := range [...]int{savedOwners, savedOwnerIDs, savedRows, savedParts} {
		var err error
		if parts[i], err = f.section(i); err != nil {
			return err
		}
	}
	if w.Bad || n > uint64(len(parts[savedOwners])) || !t.Runs.LoadOwners(parts[savedOwners], parts[savedOwnerIDs], int(n)) {
		return errTables
	}
	var ok bool
	if s.files, ok = readSegments(w, parts[savedRows], parts[savedParts], int(n)); !ok || len(w.B) > 0 {
		return errTables
	}
	return nil
}

// Take returns the tables, after Matches, to go on with. Files get their rows by Rows, and
// what came after them is published; then comes [Tables.Loaded].
func (s *Saved) Take() *Tables {
	t := s.tables
	t.reserved = map[string]uint32{}
	for base, f := range s.at {
		t.reserved[base] = f.serial
	}
	for _, f := range s.files {
		t.serial = max(t.serial, f.serial)
		if !f.found && f.log == Usage {
			// It was deleted since: the runs that it was the last of expire.
			t.late = append(t.late, f.serial)
		} else if !f.found {
			t.lost = true
		}
	}
	return t
}

// Rows gives a segment of the tables the rows that were saved of its file, if any were.
// What came after them is read from the text.
func (s *Saved) Rows(seg *Segment, cache *sidecar.Cache) {
	f, t := s.at[seg.Name()], s.tables
	if f == nil || f.rows.n == 0 {
		return
	}
	parts := f.readParts(cache)
	t.mu.Lock()
	defer t.mu.Unlock()
	seg.rows, seg.parsed = f.rows, f.parsed
	for i := range seg.rows.n {
		t.Runs.AddRow(seg.rows.At(i).Owner)
	}
	seg.lookUpIn(nil, parts)
	t.asOf = max(t.asOf, f.last)
}

// Loaded ends what loading began: what is published from now on is new.
func (t *Tables) Loaded() {
	t.giving.Lock()
	defer t.giving.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settled, t.reserved = 0, nil
	t.Runs.Loaded()
	t.expiring++
	for _, serial := range t.late {
		t.Runs.ExpireAll(serial)
	}
	t.expiring--
	t.late = nil
	if t.lost {
		t.lost = false
		t.recount()
	}
	t.Runs.Sweep()
}
