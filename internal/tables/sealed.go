package tables

import (
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// sealedRow makes the row of a sealed file. Its Owner is one of the segment, its
// place is not known, and its Time is as [sidecar.Frame.Time] tells it: exact of run
// and step records.
func sealedRow(x *sidecar.Index, i int) Row {
	f := x.Frame(i / sidecar.FrameRows)
	k := i % sidecar.FrameRows
	level, kind := f.Class(k)
	return Row{Seq: f.Seq(k), Time: f.Time(k), Owner: f.Owner(k), Level: int8(line.LevelAt(level)), Kind: kind}
}

// ByName returns the segment with a base name, nil when there is none.
func (t *Tables) ByName(name string) *Segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, seg := range t.segments {
		if seg.name == name {
			return seg
		}
	}
	return nil
}

// Swap has a sidecar take the place of the rows of a file, or of another sidecar. It does
// nothing and returns false when they are not of the same records. What was counted stays
// counted, for runs whose records are not known too.
func (t *Tables) Swap(seg *Segment, x *sidecar.Index) bool {
	gone, same := t.swap(seg, x)
	t.giveUp(gone, t.Runs.SealRow)
	return same
}

func (t *Tables) swap(seg *Segment, x *sidecar.Index) (gone Rows, same bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := seg.rows.n
	switch {
	case seg.removed:
		return Rows{}, false
	case seg.index != nil:
		if seg.index.Len() != x.Len() || seg.index.First() != x.First() || seg.index.Last() != x.Last() {
			return Rows{}, false
		}
	case n == 0 || n != x.Len() || seg.rows.At(0).Seq != x.First() || seg.rows.At(n-1).Seq != x.Last():
		return Rows{}, false
	}
	gone, seg.rows, seg.parsed = seg.rows, Rows{}, x.TextSize()
	seg.lookUpIn(x, nil)
	return gone, true
}

// SetIndex gives a file without rows its sidecar. What it counts is not changed.
func (t *Tables) SetIndex(seg *Segment, x *sidecar.Index) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !seg.removed {
		seg.lookUpIn(x, nil)
		seg.parsed = x.TextSize()
	}
}

// Clear takes all rows of a file away, and its sidecar. What they counted stays counted.
func (t *Tables) Clear(seg *Segment) {
	t.mu.Lock()
	gone := seg.rows
	seg.rows, seg.parsed = Rows{}, 0
	seg.lookUpIn(nil, nil)
	t.mu.Unlock()
	t.giveUp(gone, t.Runs.DropRow)
}

// Adopt takes in a sealed file by its sidecar alone: its runs and steps, and what
// its rows count for them.
func (t *Tables) Adopt(seg *Segment, x *sidecar.Index) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.Last() <= t.settled {
		t.taken(seg, x)
		return nil
	}
	owners := map[uint32]*runs.Owner{}
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
			t.Runs.ApplyRun(seg.serial, o, row.Seq, row.Time, l)
		} else {
			t.Runs.ApplyStep(seg.serial, o, row.Seq, row.Time, l)
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
func (t *Tables) taken(seg *Segment, x *sidecar.Index) {
	seg.lookUpIn(x, nil)
	seg.parsed = x.TextSize()
	t.asOf = max(t.asOf, x.Last())
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
}
