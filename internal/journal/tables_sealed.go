package journal

import (
	"strings"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/rotation"
)

// tally is what rows of sealed files add to a run or step.
type tally struct {
	lines line.Levels
	bytes int64
}

func (n *tally) add(lines *line.Levels, bytes int64) {
	for i, k := range lines {
		n.lines[i] += k
	}
	n.bytes += bytes
}

func (s *RunState) tell(n *tally) {
	for i, k := range n.lines {
		s.logged[i] += k
	}
	s.loggedBytes += n.bytes
}

// tell adds to a run and to a step of it. The caller holds mu.
func (t *tables) tell(r *Run, step string, n *tally) {
	r.state.tell(n)
	if step != "" {
		t.tellStep(step, n)
	}
}

// tellStep adds to a step, or to what is kept for it until its first record is
// read. The caller holds mu.
func (t *tables) tellStep(step string, n *tally) {
	if s := t.history.liveStep(step); s != nil {
		s.state.tell(n)
		return
	}
	addTo(t.stray, step, n)
}

// addTo adds to one of several sums; one that is zero is no longer there.
func addTo(sums map[string]*tally, key string, n *tally) {
	sum := sums[key]
	if sum == nil {
		sum = &tally{}
		sums[strings.Clone(key)] = sum
	}
	sum.add(&n.lines, n.bytes)
	if *sum == (tally{}) {
		delete(sums, key)
	}
}

// keep adds to what is known of a run without records. The caller holds mu.
func (t *tables) keep(run, step string, n *tally) {
	u := t.unlinkedOf(run)
	if u.sealed == nil {
		u.sealed = map[string]*tally{}
	}
	addTo(u.sealed, step, n)
	if u.empty() {
		delete(t.unlinked, run)
	}
}

// indexOf returns the sidecar of a sealed file, nil of another.
func (t *tables) indexOf(seg *segment) *sidecar.Index {
	t.mu.Lock()
	defer t.mu.Unlock()
	return seg.index
}

// hasIndex reports whether a closed file, as it is stored now, has its sidecar in use.
func (t *tables) hasIndex(c rotation.Closed) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, seg := range t.segments {
		if seg.name == c.Name {
			return seg.index != nil && c.Name+extOf[seg.index.Format()] == c.File
		}
	}
	return false
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

// forgetSealed gives up rows that stand in a sidecar now. What they counted for
// runs whose records are not known is kept.
func (t *tables) forgetSealed(gone rows) {
	for i := 0; i < gone.n; {
		t.mu.Lock()
		for end := min(i+forgetStep, gone.n); i < end; i++ {
			code := gone.at(i).Owner
			if t.owners.rows[code]--; t.owners.rows[code] > 0 {
				continue
			}
			if o := t.owners.view.at(code).o; o != nil && o.run == nil && o.identity.Run != "" && (o.bytes != 0 || o.lines != line.Levels{}) {
				t.keep(o.identity.Run, o.identity.Step, &tally{o.lines, o.bytes})
				o.lines, o.bytes = line.Levels{}, 0
			}
			t.release(code)
		}
		t.mu.Unlock()
	}
	if gone.n > 0 {
		t.settle(false)
	}
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
			o = &Owner{identity: x.CloneIdentity(row.Owner), released: true}
			owners[row.Owner] = o
		}
		if row.Kind == line.KindRun {
			t.applyRun(seg, &row, o, l)
		} else {
			t.applyStep(seg, &row, o, l)
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

// countSealed adds what the rows of a sealed file after a seq count for runs and
// steps, or, with a sign of -1, takes it back. The caller holds mu.
func (t *tables) countSealed(x *sidecar.Index, after uint64, sign int64) {
	var id line.Identity
	sums, seen := sealedCounts(x, after)
	for o := range sums {
		sum := &sums[o]
		if *sum == (tally{}) {
			continue
		}
		x.Identity(uint32(o), &id)
		if id.Run == "" {
			continue
		}
		n := tally{bytes: sign * sum.bytes}
		for i, k := range sum.lines {
			n.lines[i] = sign * k
		}
		r := t.history.liveRun(id.Run)
		if r == nil {
			t.keep(strings.Clone(id.Run), id.Step, &n)
			continue
		}
		t.tell(r, id.Step, &n)
		r.state.seen = max(r.state.seen, seen(uint32(o)))
		t.history.rest(r)
	}
}

// sealedCounts returns what the rows of a sealed file after a seq count, by owner, and
// what tells the time of the newest of them.
func sealedCounts(x *sidecar.Index, after uint64) (sums []tally, seen func(owner uint32) int64) {
	sums = make([]tally, x.Owners())
	if after < x.First() {
		for o := range sums {
			_, sums[o].lines, sums[o].bytes = x.OwnerCounts(uint32(o))
		}
		return sums, func(o uint32) int64 {
			_, last := x.ScopeTimes(x.ScopeOf(o))
			return last
		}
	}
	times := make([]int64, len(sums))
	for i := x.Search(after); i < x.Len(); i++ {
		row := sealedRow(x, i)
		if !row.counts() {
			continue
		}
		_, size := x.Place(i)
		sum := &sums[row.Owner]
		sum.bytes += int64(size)
		if row.Kind == line.KindLine {
			sum.lines[line.LevelIndex(zapcore.Level(row.Level))]++
		}
		times[row.Owner] = max(times[row.Owner], row.Time)
	}
	return sums, func(o uint32) int64 { return times[o] }
}
