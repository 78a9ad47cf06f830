package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/internal/wire"
	"github.com/steplog/steplog/rotation"
)

// The tables are saved with the rows of files that are not sealed: when the folder is
// closed, and while it is open each time that enough was logged. They hold for all
// records up to one; what came after it is read from the text, so that neither a
// clean end nor a kill has the next process read everything. FORMAT.md says when they
// are believed.

const (
	tablesName = "tables"
	// rowsName is that of a file which version 1 of the tables had beside them.
	rowsName = "rows"
	// saveAfter is how much text is logged before the tables are saved again, and
	// saveTimes how many times what they took the last time: a quarter is written on
	// top of the text at most.
	saveAfter = 16 << 20
	saveTimes = 4
	// saveLive bounds how many runs and steps that go on are written down in one
	// moment, during which those who log wait: a few milliseconds.
	saveLive = 1 << 13
)

// saving is what is known of the file of tables. The zero value is of none.
type saving struct {
	mu    sync.Mutex // held while they are saved
	size  int64
	grown int64 // tables.grown when they were cut
	of    savedOf
}

// savedOf tells whether there would be anything else to save.
type savedOf struct {
	asOf          uint64
	files         int // with records
	rows, indexed int // of files that are not sealed, and of these those that have an index
}

var errSavingStopped = errors.New("journal: saving stopped")

// keepSaved saves the tables from time to time.
func (j *Journal) keepSaved() {
	defer j.done.Done()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if !j.grownEnough() {
				continue
			}
			if err := j.saveTables(saveLive, j.stopped); err != nil && !errors.Is(err, errSavingStopped) {
				j.saving.mu.Lock()
				j.saving.grown = j.tables.grownBy() // not again for the same
				j.saving.mu.Unlock()
				j.problem(fmt.Errorf("save the tables: %w", err))
			}
		case <-j.stop:
			return
		}
	}
}

func (j *Journal) grownEnough() bool {
	j.saving.mu.Lock()
	defer j.saving.mu.Unlock()
	return j.tables.grownBy()-j.saving.grown >= max(j.opts.SaveAfter, saveTimes*j.saving.size)
}

// grownBy returns how much text was taken in since the tables were made.
func (t *tables) grownBy() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.grown
}

// saveTables writes the tables as they are now, unless more than so many runs and
// steps go on, or stop returns true meanwhile. Nothing is lost when it fails: what was
// saved before still holds.
func (j *Journal) saveTables(live int, stop func() bool) error {
	s := &j.saving
	s.mu.Lock()
	defer s.mu.Unlock()
	faulted := j.faulted.Load()
	c, ok := j.tables.cut(live)
	if !ok || c.of() == s.of {
		return nil
	}
	path := filepath.Join(j.dir, privateDir, tablesName)
	var size int64
	err := j.writeSynced(path+tempExt, func(w io.Writer) (err error) {
		size, err = j.writeTables(stopWriter{w, stop}, c)
		return err
	})
	if err == nil {
		err = j.inText(faulted)
	}
	if err == nil {
		err = j.fs.Rename(path+tempExt, path)
	}
	if err != nil {
		return errors.Join(err, vfs.IgnoreNotExist(j.fs.Remove(path+tempExt)))
	}
	s.size, s.grown, s.of = size, c.grown, c.of()
	return nil
}

// inText returns when all that was accepted is in the text: what is saved must not
// know of more than that. A ring that cannot be used since, with which records may have
// been lost, is an error.
func (j *Journal) inText(faulted bool) error {
	if j.ring == nil {
		return nil
	}
	if err := j.drain(); err != nil {
		return err
	}
	if !faulted && j.faulted.Load() {
		return errRingDamaged
	}
	return nil
}

// stopWriter writes until it is stopped.
type stopWriter struct {
	w    io.Writer
	stop func() bool
}

func (s stopWriter) Write(b []byte) (int, error) {
	if s.stop() {
		return 0, errSavingStopped
	}
	return s.w.Write(b)
}

func (c *cut) of() savedOf {
	of := savedOf{asOf: c.asOf, files: len(c.files)}
	for i := range c.files {
		if f := &c.files[i]; f.index == nil {
			of.rows += f.rows.n
			of.indexed += indexedRows(f.parts)
		}
	}
	return of
}

// indexedRows is how many rows parts cover, which follow each other from the first.
func indexedRows(parts []rowsIndex) int {
	if len(parts) == 0 {
		return 0
	}
	return parts[len(parts)-1].to
}

// writeTables writes the sections of a cut, and returns the size of the file.
func (j *Journal) writeTables(out io.Writer, c *cut) (int64, error) {
	data, sizes := make([]string, len(c.files)), make([]int64, len(c.files))
	for i := range c.files {
		f := &c.files[i]
		f.unordered = !f.rows.inOrder()
		if f.active() {
			continue
		}
		if x := f.index; x != nil {
			data[i], sizes[i] = f.name+extOf[x.Format()], x.DataSize()
			continue
		}
		for _, ext := range extOf {
			if info, err := j.fs.Lstat(filepath.Join(j.dir, f.name+ext)); err == nil {
				data[i], sizes[i] = f.name+ext, info.Size()
				break
			}
		}
		f.unordered = f.unordered || data[i] != f.name
	}
	return c.write(out, data, sizes)
}

// write writes a cut of tables whose files have these names and sizes.
func (c *cut) write(out io.Writer, data []string, sizes []int64) (int64, error) {
	w, err := newSavedWriter(out)
	if err != nil {
		return 0, err
	}
	if err := c.runs.WriteRuns(w); err != nil {
		return 0, err
	}
	codes, owners, err := c.writeOwners(w)
	if err != nil {
		return 0, err
	}
	files := binary.AppendUvarint(nil, uint64(len(c.files)))
	for i := range c.files {
		f, size := &c.files[i], int64(0)
		if f.saveable() {
			if size, err = f.writeRows(w, codes); err != nil {
				return 0, err
			}
		}
		files = f.describe(files, data[i], sizes[i], size)
	}
	w.End()
	for i := range c.files {
		if f := &c.files[i]; f.saveable() {
			for _, p := range f.parts {
				if _, err := w.Write(p.index.Bytes()); err != nil {
					return 0, err
				}
			}
		}
	}
	w.End()
	head := c.runs.AppendNames(binary.AppendUvarint(c.runs.AppendSeed(nil), c.asOf))
	head = c.runs.AppendAside(binary.AppendUvarint(head, uint64(owners)))
	if _, err := w.Write(append(head, files...)); err != nil {
		return 0, err
	}
	w.End()
	return w.close()
}

// readSaved reads what was saved; nil where there is nothing, or something of another
// version.
func (j *Journal) readSaved(private string) (*saved, int64, error) {
	f, err := j.fs.OpenFile(filepath.Join(private, tablesName), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	s, err := readTables(f, info.Size())
	return s, info.Size(), err
}

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

// openedIndex is what came of opening a sidecar.
type openedIndex struct {
	index *sidecar.Index
	err   error
}

// openIndexes opens the sidecars of closed files, some at a time.
func (j *Journal) openIndexes(infos []rotation.Info) map[string]openedIndex {
	var names []string
	for i := range infos {
		if !infos[i].Active && infos[i].Log != fileAudit {
			names = append(names, infos[i].Name)
		}
	}
	found := make([]openedIndex, len(names))
	var wait sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(names))
	for from := range workers {
		wait.Go(func() {
			for i := from; i < len(names); i += workers {
				found[i].index, found[i].err = j.openSealed(names[i])
			}
		})
	}
	wait.Wait()
	opened := make(map[string]openedIndex, len(names))
	for i, name := range names {
		opened[name] = found[i]
	}
	return opened
}

// loadSaved takes in what was saved, if it is of the files that are there, and opens
// the sidecars. Tables that cannot be used are removed: they are derived again. clean
// says that nobody wrote to the folder since.
func (j *Journal) loadSaved(infos []rotation.Info, believed, clean bool) error {
	private := filepath.Join(j.dir, privateDir)
	type result struct {
		saved *saved
		size  int64
		err   error
	}
	read := make(chan result, 1)
	go func() {
		var r result
		if believed {
			r.saved, r.size, r.err = j.readSaved(private)
		}
		read <- r
	}()
	j.indexes = j.openIndexes(infos)
	r := <-read
	if r.err != nil {
		j.problem(r.err)
	} else if s := r.saved; s != nil && s.matches(j, infos, j.indexes, clean) {
		j.takeTables(s)
		j.saving.size = r.size
		return nil
	}
	return vfs.IgnoreNotExist(j.fs.Remove(filepath.Join(private, tablesName)))
}

// takeTables begins with tables that were saved.
func (j *Journal) takeTables(s *saved) {
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
	j.tables, j.saved = t, s
}

// takeSaved gives a segment the rows that were saved of its file. What came after them
// is read from the text.
func (j *Journal) takeSaved(seg *segment) {
	if j.saved == nil {
		return
	}
	if f := j.saved.at[seg.baseName()]; f != nil && f.rows.n > 0 {
		j.tables.takeSaved(seg, f, f.readParts(j.cache))
	}
}

// settled notes that the file of tables says all there is, if it does, so that Close
// need not write it again.
func (s *saving) settled(t *tables) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asOf != t.settled {
		return
	}
	s.of = savedOf{asOf: t.asOf}
	for _, seg := range t.segments {
		if seg.lastSeq() != 0 {
			s.of.files++
		}
		if seg.index == nil {
			s.of.rows += seg.rows.n
			s.of.indexed += seg.indexed()
		}
	}
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
