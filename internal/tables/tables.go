package tables

import (
	"sync"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

// Tables are the tables of one folder. They are safe for concurrent use.
//
// One mutex guards everything but what a field says otherwise; it is held for a few
// instructions at a time, never over disk work but for pages of a mapped sidecar.
type Tables struct {
	// Runs is the table of runs and steps, which the mutex guards too: only what takes it
	// itself may be called. Immutable.
	Runs *runs.Table

	giving sync.Mutex // held while runs expire, and taken before mu

	mu       sync.Mutex
	asOf     uint64
	segments []*Segment // ordered by file, then by age; replaced, never changed in place
	begun    uint64     // segments so far
	chunks   chunkStock
	serial   uint32            // of the segment that was added last
	reserved map[string]uint32 // serials of files, by name, while a folder is opened
	late     []uint32          // serials of those removed while a folder is opened; their runs expire afterwards
	expiring int               // files of which not all runs expired yet that do, and sweeps
	lost     bool              // files went away that lines were counted of, while a folder is opened
	settled  uint64            // up to this seq the tables know of all records, while a folder is opened
	grown    int64             // bytes of text that was taken in
	wake     chan struct{}     // closed at the next publication when somebody waits
}

// New returns empty tables.
func New() *Tables {
	t := &Tables{}
	t.Runs = runs.New(&t.mu)
	return t
}

// Publish adds a record to the rows of a segment, and to what is derived from it, and
// makes it visible to every view taken afterwards. The row gets its owner's code; lc is
// what a run or step record says, nil for others. Neither is kept.
func (t *Tables) Publish(seg *Segment, row *Row, o *runs.Owner, lc *line.Lifecycle) {
	t.mu.Lock()
	o = t.Runs.Current(o)
	row.Owner = o.Code()
	t.Runs.AddRow(row.Owner)
	seg.rows.grow(&t.chunks)
	seg.rows.add(row)
	seg.parsed = int64(row.Offset) + int64(row.Len) + 1
	if row.Seq > t.settled {
		t.grown += int64(row.Len) + 1
	}
	switch {
	case row.Seq <= t.settled:
	case row.counts():
		t.count(o, row, 1)
	case row.Kind == line.KindRun:
		t.Runs.ApplyRun(seg.serial, o, row.Seq, row.Time, lc)
	case row.Kind == line.KindStep:
		t.Runs.ApplyStep(seg.serial, o, row.Seq, row.Time, lc)
	}
	if row.Seq > t.asOf {
		t.asOf = row.Seq
	}
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
	t.mu.Unlock()
}

// counts reports whether a run or step counts a row: lines and captures.
func (r *Row) counts() bool { return r.Kind == line.KindLine || r.Kind == line.KindCapture }

// count adds a line or capture to what its run and step logged, or, with a sign
// of -1, takes it back. The caller holds mu.
func (t *Tables) count(o *runs.Owner, row *Row, sign int64) {
	lines := int64(0)
	if row.Kind == line.KindLine {
		lines = sign
	}
	t.Runs.Count(o, zapcore.Level(row.Level), lines, sign*(int64(row.Len)+1), row.Time)
}

// Uncount takes back what the rows of a segment counted, because it is going to be
// read again.
func (t *Tables) Uncount(seg *Segment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seg.index != nil {
		t.countSealed(seg.index, t.settled, -1)
	}
	for i := range seg.rows.n {
		if row := seg.rows.At(i); row.counts() && row.Seq > t.settled {
			t.count(t.Runs.OwnerAt(row.Owner), row, -1)
		}
	}
}

// Owner returns the owner of an identity, making it when it is new. id is copied.
func (t *Tables) Owner(id *line.Identity) *runs.Owner {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Runs.Owner(id)
}

// OwnerRead is Owner for the identity of a record that was read from a file: its texts
// are not kept where others hold the same ones. Of a record that the tables know all
// of, the owner is good for its row alone.
func (t *Tables) OwnerRead(id *line.Identity, seq uint64) *runs.Owner {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seq <= t.settled {
		return t.Runs.OwnerOfRows(id)
	}
	return t.Runs.OwnerRead(id)
}

// forgetStep is how many rows are given up at a time, so that nobody waits long
// for mu.
const forgetStep = 4096

// giveUp gives up rows that a segment has no more, each by a method of the table of runs,
// and the owners of which they were the last.
func (t *Tables) giveUp(gone Rows, row func(code uint32)) {
	for i := 0; i < gone.n; {
		t.mu.Lock()
		for end := min(i+forgetStep, gone.n); i < end; i++ {
			row(gone.At(i).Owner)
		}
		t.mu.Unlock()
	}
	if gone.n > 0 {
		t.Runs.Settle(false)
	}
	t.sweep()
}

// sweep gives up what rows, runs and steps had in common that are gone, unless somebody
// does already, or runs expire.
func (t *Tables) sweep() {
	if !t.giving.TryLock() {
		return
	}
	defer t.giving.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.settled == 0 {
		t.expiring++
		t.Runs.SweepScopes()
		t.expiring--
	}
}
