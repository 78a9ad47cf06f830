package journal

import (
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// sealedRow makes the row of a sealed file. Its Owner is one of the segment, its
// place is not known.
func sealedRow(x *sidecar.Index, i int) Row {
	f := x.Frame(i / sidecar.FrameRows)
	k := i % sidecar.FrameRows
	level, kind := f.Class(k)
	return Row{Seq: f.Seq(k), Time: f.Time(k), Owner: f.Owner(k), Level: levelOf(level), Kind: kind}
}

// levelOf is the inverse of line.LevelIndex.
func levelOf(i int) int8 {
	if i == len(line.Levels{})-1 {
		return int8(zapcore.FatalLevel)
	}
	return int8(i) - 2
}

// indexOf returns the sidecar of a sealed file, nil of another.
func (t *tables) indexOf(seg *segment) *sidecar.Index {
	t.mu.Lock()
	defer t.mu.Unlock()
	return seg.index
}

// lastSeq returns the newest seq of a segment. The caller holds tables.mu.
func (s *segment) lastSeq() uint64 {
	switch {
	case s.index != nil:
		return s.index.Last()
	case s.rows.n == 0:
		return 0
	}
	return s.rows.at(s.rows.n - 1).Seq
}

// byName returns the closed file with a name, nil when it is not known.
func (t *tables) byName(name string) *segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, seg := range t.segments {
		if seg.name == name {
			return seg
		}
	}
	return nil
}

// swap has a sidecar take the place of the rows of a file, which it returns. It
// does nothing when they are not of the same records.
func (t *tables) swap(seg *segment, x *sidecar.Index) (gone rows, same bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := seg.rows.n
	switch {
	case seg.removed:
		return rows{}, false
	case seg.index != nil:
		if seg.index.Len() != x.Len() || seg.index.First() != x.First() || seg.index.Last() != x.Last() {
			return rows{}, false
		}
	case n == 0 || n != x.Len() || seg.rows.at(0).Seq != x.First() || seg.rows.at(n-1).Seq != x.Last():
		return rows{}, false
	}
	gone, seg.rows, seg.parsed = seg.rows, rows{}, x.TextSize()
	seg.lookUpIn(x, nil)
	return gone, true
}

// setIndex gives a file without rows its sidecar. What it counts is not changed.
func (t *tables) setIndex(seg *segment, x *sidecar.Index) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !seg.removed {
		seg.lookUpIn(x, nil)
		seg.parsed = x.TextSize()
	}
}

// clearRows takes all rows of a file away, and returns them.
func (t *tables) clearRows(seg *segment) (gone rows) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone, seg.rows, seg.parsed = seg.rows, rows{}, 0
	seg.lookUpIn(nil, nil)
	return gone
}

// adopt takes in a sealed file by its sidecar alone: its runs and steps, and what
// its rows count for them.
func (t *tables) adopt(seg *segment, x *sidecar.Index) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.Last() <= t.settled {
		t.taken(seg, x)
		return nil
	}
	owners := map[uint32]*Owner{}
	err := x.Lifecycle(func(i int, l *line.Lifecycle) error {
		row := sealedRow(x, i)
		if row.Seq <= t.settled {
			return nil
		}
		o := owners[row.Owner]
		if o == nil {
			o = runs.OwnerOfRecords(x.CloneIdentity(row.Owner))
			owners[row.Owner] = o
		}
		if row.Kind == line.KindRun {
			t.runs.ApplyRun(seg.serial, o, row.Seq, row.Time, l)
		} else {
			t.runs.ApplyStep(seg.serial, o, row.Seq, row.Time, l)
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.countSealed(x, t.settled, 1)
	t.taken(seg, x)
	t.grown += x.TextSize()
	return nil
}

// taken has a sealed file show. The caller holds mu.
func (t *tables) taken(seg *segment, x *sidecar.Index) {
	seg.lookUpIn(x, nil)
	seg.parsed = x.TextSize()
	t.asOf = max(t.asOf, x.Last())
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
}
