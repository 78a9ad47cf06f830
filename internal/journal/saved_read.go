package journal

import (
	"errors"
	"io"

	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/wire"
)

// readTables reads a file of tables.
func readTables(r io.ReaderAt, size int64) (*saved, error) {
	f, err := openSaved(r, size)
	if f == nil {
		return nil, err
	}
	head, err := f.section(savedHead)
	if err != nil {
		return nil, err
	}
	s := &saved{tables: newTables()}
	t := s.tables
	w := wire.Reader{B: head}
	t.runs.LoadSeed(&w)
	t.settled = w.Uvarint()
	if !t.runs.LoadNames(&w) {
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
func (t *tables) readRuns(f *savedFile) error {
	rows, err := f.section(savedRuns)
	if err != nil {
		return err
	}
	content, err := f.section(savedBytes)
	if err != nil {
		return err
	}
	ids, err := f.section(savedIDs)
	if err == nil && !t.runs.LoadRuns(rows, content, ids) {
		err = errTables
	}
	return err
}

// readRows takes in owners and rows, and what is said of the files.
func (s *saved) readRows(f *savedFile, w *wire.Reader) error {
	t := s.tables
	n := w.Uvarint()
	t.runs.LoadAside(w)
	var parts [savedSections][]byte
	for _, i := range [...]int{savedOwners, savedOwnerIDs, savedRows, savedParts} {
		var err error
		if parts[i], err = f.section(i); err != nil {
			return err
		}
	}
	if w.Bad || n > uint64(len(parts[savedOwners])) || !t.runs.LoadOwners(parts[savedOwners], parts[savedOwnerIDs], int(n)) {
		return errTables
	}
	var ok bool
	if s.files, ok = readSegments(w, parts[savedRows], parts[savedParts], int(n)); !ok || len(w.B) > 0 {
		return errTables
	}
	return nil
}

// take returns the tables, to go on with: files get the serials that they had.
func (s *saved) take() *tables {
	t := s.tables
	t.reserved = map[string]uint32{}
	for base, f := range s.at {
		t.reserved[base] = f.serial
	}
	for _, f := range s.files {
		t.serial = max(t.serial, f.serial)
		if !f.found && f.log == FileUsage {
			// It was deleted since: the runs that it was the last of expire.
			t.late = append(t.late, f.serial)
		} else if !f.found {
			t.lost = true
		}
	}
	return t
}

// rowsOf gives a segment the rows that were saved of its file, if any were. What came
// after them is read from the text.
func (s *saved) rowsOf(seg *segment, cache *sidecar.Cache) {
	f, t := s.at[seg.baseName()], s.tables
	if f == nil || f.rows.n == 0 {
		return
	}
	parts := f.readParts(cache)
	t.mu.Lock()
	defer t.mu.Unlock()
	seg.rows, seg.parsed = f.rows, f.parsed
	for i := range seg.rows.n {
		t.runs.AddRow(seg.rows.at(i).Owner)
	}
	seg.lookUpIn(nil, parts)
	t.asOf = max(t.asOf, f.last)
}

// loaded ends what loading began: what is published from now on is new.
func (t *tables) loaded() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settled, t.reserved = 0, nil
	t.runs.Loaded()
	for _, serial := range t.late {
		t.runs.Expire(serial)
	}
	t.late = nil
	if t.lost {
		t.lost = false
		t.recount()
	}
	t.runs.Sweep()
}
