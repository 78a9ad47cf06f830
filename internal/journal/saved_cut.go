package journal

import (
	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// cut is the tables as they were after one record, as far as they are saved. It is
// taken in one moment, during which nobody logs, and written down afterwards: rows are
// never changed, only given up.
type cut struct {
	asOf  uint64
	grown int64 // tables.grown
	runs  *runs.Cut
	files []cutFile
}

// cutFile is one segment.
type cutFile struct {
	serial    uint32
	log, name string
	rows      rows
	parts     []rowsIndex
	index     *sidecar.Index
	parsed    int64
	unordered bool // filled in afterwards: the lines are not in the order of the rows
}

func (f *cutFile) active() bool { return f.name == f.log+logExt }

// cut takes the tables; false when not all of them can be saved, or more than so many
// runs and steps would have to be written down while all others wait.
func (t *tables) cut(most int) (*cut, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asOf == 0 {
		return nil, false
	}
	c := &cut{asOf: t.asOf, grown: t.grown}
	for _, seg := range t.segments {
		if seg.lastSeq() == 0 {
			continue
		}
		c.files = append(c.files, cutFile{seg.serial, seg.file, seg.name, seg.rows, seg.parts, seg.index, seg.parsed, false})
	}
	var ok bool
	c.runs, ok = t.runs.Cut(most)
	return c, ok
}
