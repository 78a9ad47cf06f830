package journal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/steplog/steplog/internal/vfs"
)

// Settle keeps all runs that are over in few bytes, now.
func (j *Journal) Settle() { j.tables.runs.Settle(true) }

// Held returns how many runs and steps are objects, and for how many without records
// lines are counted.
func (j *Journal) Held() (runs, steps, aside int) { return j.tables.runs.Held() }

// Unsealed returns how many closed files are not sealed.
func (j *Journal) Unsealed() int { return j.tables.unsealed() }

// TookSaved reports whether the tables were read when the folder was opened.
func (j *Journal) TookSaved() bool {
	j.saving.mu.Lock()
	defer j.saving.mu.Unlock()
	return j.saving.size > 0
}

// Saved returns the tables as they would be saved.
func (j *Journal) Saved() []byte {
	var b bytes.Buffer
	c, ok := j.tables.cut(1 << 20)
	if !ok {
		return nil
	}
	if _, err := c.write(&b, j.stored); err != nil {
		return nil
	}
	return b.Bytes()
}

// ReadSaved takes in what Saved returned, or anything else, and looks at all of it.
// Its checksums are made to fit.
func ReadSaved(b []byte) (runs int, ok bool) {
	b = signed(b)
	s, err := readTables(bytes.NewReader(b), int64(len(b)))
	if s == nil || err != nil {
		return 0, false
	}
	s.at = map[string]*savedSegment{}
	for _, f := range s.files {
		s.at[f.name] = f
		f.found = true
	}
	j := newJournal("", Options{FS: vfs.NewMem()})
	j.tables, j.saved = s.take(), s
	for _, f := range s.files {
		j.takeSaved(s.tables.newSegment(f.log, f.name))
	}
	t := j.tables
	t.loaded()
	snap := j.snapshot(everything)
	snap.AsOf = everything
	for _, r := range snap.Runs() {
		runs++
		for _, st := range r.Steps() {
			t.runs.Step(st.Identity.Step)
		}
		t.runs.Run(r.Identity.Run)
	}
	for i := range snap.Segments {
		for k := range snap.Segments[i].Len() {
			if row := snap.Segments[i].Row(k); snap.Segments[i].rows.n > 0 {
				t.runs.Identity(row.Owner)
			}
		}
	}
	return runs, true
}

// signed returns the same with checksums that fit, where there are any.
func signed(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) < tablesStart+tablesFoot {
		return b
	}
	foot := b[len(b)-tablesFoot:]
	rest := b[tablesStart : len(b)-tablesFoot]
	for i := range savedSections {
		size := binary.LittleEndian.Uint64(foot[12*i:])
		if size > uint64(len(rest)) {
			return b
		}
		binary.LittleEndian.PutUint32(foot[12*i+8:], crc32.Checksum(rest[:size], castagnoli))
		rest = rest[size:]
	}
	n := tablesFoot - 4
	binary.LittleEndian.PutUint32(foot[n:], footSum(b[:tablesStart], foot[:n]))
	return b
}

// SaveNow saves the tables as if enough had been logged.
func (j *Journal) SaveNow() error { return j.saveTables(saveLive, j.stopped) }
