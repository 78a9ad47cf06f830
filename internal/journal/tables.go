package journal

import (
	"math"
	"sync"
	"sync/atomic"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// tables holds what is derived from the text and kept in memory: the rows of
// every segment, the identities, the runs and their steps.
//
// mu guards everything but what a field says otherwise; it is held for a few
// instructions at a time, never over disk work.
type tables struct {
	mu       sync.Mutex
	runs     *runs.Table
	asOf     uint64
	segments []*segment // ordered by file, then by age; replaced, never changed in place
	begun    uint64     // segments so far
	chunks   chunkStock
	serial   uint32            // of the segment that was added last
	reserved map[string]uint32 // serials of files, by name, while a folder is opened
	late     []uint32          // serials of those removed while a folder is opened; their runs expire afterwards
	lost     bool              // files went away that lines were counted of, while a folder is opened
	settled  uint64            // up to this seq the tables know of all records, while a folder is opened
	grown    int64             // bytes of text that was taken in
	wake     chan struct{}     // closed at the next publication when somebody waits
}

func newTables() *tables {
	t := &tables{}
	t.runs = runs.New(&t.mu)
	return t
}

// allInText says of a segment that nothing of it is in the ring.
const allInText = math.MaxUint64

// segment is one file of lines.
type segment struct {
	file string // the log's name, immutable
	t    *tables

	// inText is the newest seq of the segment whose line is in the text:
	// younger ones are in the ring. allInText when there is no ring.
	inText atomic.Uint64

	unindexable atomic.Bool // the rows are not what their text says

	serial uint32 // tells segments apart, above 0, immutable
	number uint64 // in the order in which segments were begun, immutable

	// guarded by tables.mu
	name    string // base name: user.log while active, user-<time>.log after
	rows    rows
	index   *sidecar.Index // of a sealed file, whose rows are empty
	parts   []rowsIndex    // of a file that is not sealed, in order; replaced, never changed in place
	parsed  int64          // bytes of text that the rows stand for
	removed bool
}

func (s *segment) baseName() string {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.name
}

// publish adds the record to the rows of seg and to what is derived from it.
// It makes the record visible to every snapshot taken afterwards.
func (t *tables) publish(seg *segment, row Row, o *Owner, lc *line.Lifecycle) {
	t.publishRow(seg, &row, o, lc)
}

// publishRow is publish for who has a row that may be changed.
func (t *tables) publishRow(seg *segment, row *Row, o *Owner, lc *line.Lifecycle) {
	t.mu.Lock()
	o = t.runs.Current(o)
	row.Owner = o.Code()
	t.runs.AddRow(row.Owner)
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
		t.runs.ApplyRun(seg.serial, o, row.Seq, row.Time, lc)
	case row.Kind == line.KindStep:
		t.runs.ApplyStep(seg.serial, o, row.Seq, row.Time, lc)
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
func (t *tables) count(o *Owner, row *Row, sign int64) {
	lines := int64(0)
	if row.Kind == line.KindLine {
		lines = sign
	}
	t.runs.Count(o, zapcore.Level(row.Level), lines, sign*(int64(row.Len)+1), row.Time)
}

// uncount takes back what the rows of a segment added, because the segment is
// going to be read again.
func (t *tables) uncount(seg *segment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seg.index != nil {
		t.countSealed(seg.index, t.settled, -1)
	}
	for i := range seg.rows.n {
		if row := seg.rows.at(i); row.counts() && row.Seq > t.settled {
			t.count(t.runs.OwnerAt(row.Owner), row, -1)
		}
	}
}

// ownerOf returns the owner of an identity, making it when it is new.
func (t *tables) ownerOf(id *line.Identity) *Owner {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.runs.Owner(id)
}

// ownerRead is ownerOf for the identity of a record that was read from a file.
func (t *tables) ownerRead(id *line.Identity, seq uint64) *Owner {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seq <= t.settled {
		return t.runs.OwnerOfRows(id)
	}
	return t.runs.OwnerRead(id)
}

// forgetStep is how many rows are given up at a time, so that nobody waits long
// for mu.
const forgetStep = 4096

// forget gives up the rows of a segment that was removed, and the owners of which
// they were the last.
func (t *tables) forget(gone rows) { t.giveUp(gone, t.runs.DropRow) }

// forgetSealed gives up rows that stand in a sidecar now. What they counted for
// runs whose records are not known is kept.
func (t *tables) forgetSealed(gone rows) { t.giveUp(gone, t.runs.SealRow) }

func (t *tables) giveUp(gone rows, row func(code uint32)) {
	for i := 0; i < gone.n; {
		t.mu.Lock()
		for end := min(i+forgetStep, gone.n); i < end; i++ {
			row(gone.at(i).Owner)
		}
		t.mu.Unlock()
	}
	if gone.n > 0 {
		t.runs.Settle(false)
	}
}
