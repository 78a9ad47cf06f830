package tables

import (
	"encoding/binary"
	"io"

	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// Cut is the tables as they were after one record, as far as they are saved. It is
// taken in one moment, during which nobody logs, and written down afterwards: rows are
// never changed, only given up.
type Cut struct {
	// Grown is what [Tables.Grown] returned at that moment.
	Grown int64

	asOf  uint64
	runs  *runs.Cut
	files []cutFile
}

// cutFile is one segment.
type cutFile struct {
	serial    uint32
	log, name string
	rows      Rows
	parts     []Part
	index     *sidecar.Index
	parsed    int64
	unordered bool // filled in afterwards: the lines are not in the order of the rows
}

func (f *cutFile) active() bool { return f.name == f.log+activeExt }

// Cut takes the tables, to be written; false when not all of them can be saved, while
// runs expire, or when more than so many runs and steps would have to be written down
// while all others wait. Who gets one calls [Cut.Done].
func (t *Tables) Cut(most int) (*Cut, bool) {
	of, ok := t.Runs.NewCut(most)
	if !ok {
		return nil, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asOf == 0 || t.expiring > 0 {
		return nil, false
	}
	c := &Cut{Grown: t.grown, asOf: t.asOf, runs: of}
	for _, seg := range t.segments {
		if seg.lastSeq() == 0 {
			continue
		}
		c.files = append(c.files, cutFile{seg.serial, seg.File, seg.name, seg.rows, seg.parts, seg.index, seg.parsed, false})
	}
	return c, of.Take(most)
}

// Done ends a cut, whether it was written or not.
func (c *Cut) Done() { c.runs.Done() }

// Write writes the sections of a cut, and returns the size of the file. stored tells the
// name and the size of the data of a closed file, whose sidecar may be nil.
func (c *Cut) Write(out io.Writer, stored func(name string, x *sidecar.Index) (data string, size int64)) (int64, error) {
	data, sizes := make([]string, len(c.files)), make([]int64, len(c.files))
	codes, order := make([]uint32, c.runs.Owners()), []uint32(nil)
	for i := range c.files {
		f := &c.files[i]
		if !f.active() {
			data[i], sizes[i] = stored(f.name, f.index)
			f.unordered = f.index == nil && data[i] != f.name
		}
		if f.saveable() {
			order = f.number(codes, order)
		}
	}
	w, err := newSavedWriter(out)
	if err != nil {
		return 0, err
	}
	if err := c.runs.WriteRuns(w); err != nil {
		return 0, err
	}
	if err := c.runs.WriteOwners(w, order); err != nil {
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
				if _, err := w.Write(p.Index.Bytes()); err != nil {
					return 0, err
				}
			}
		}
	}
	w.End()
	head := c.runs.AppendNames(binary.AppendUvarint(c.runs.AppendSeed(nil), c.asOf))
	head = c.runs.AppendAside(binary.AppendUvarint(head, uint64(len(order))))
	if _, err := w.Write(append(head, files...)); err != nil {
		return 0, err
	}
	w.End()
	return w.close()
}
