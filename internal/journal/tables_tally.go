package journal

import (
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// What lines count for a run or a step that has a record stays when the lines are
// deleted: its history outlives them. What they count for those without records is
// kept aside, in case that one is read yet, and given up with the lines.

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

// take takes back as much of n as is there, and leaves the rest in n.
func (t *tally) take(n *tally) {
	for i := range t.lines {
		k := max(min(t.lines[i], n.lines[i]), 0)
		t.lines[i] -= k
		n.lines[i] -= k
	}
	k := max(min(t.bytes, n.bytes), 0)
	t.bytes -= k
	n.bytes -= k
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

// takeFrom takes back what is there of one of several sums.
func takeFrom(sums map[string]*tally, key string, n *tally) {
	if sum := sums[key]; sum != nil {
		if sum.take(n); *sum == (tally{}) {
			delete(sums, key)
		}
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

// tallied reports whether something is counted for runs or steps without records.
func (t *tables) tallied() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.unlinked) > 0 || len(t.stray) > 0
}

// forgetCounts gives up what a sealed file that was removed counts for runs and steps
// without records. It reads the sidecar.
func (t *tables) forgetCounts(x *sidecar.Index) {
	if !t.tallied() {
		return
	}
	sums, _ := sealedCounts(x, 0)
	for from := 0; from < len(sums); from += forgetStep {
		t.forgetSums(x, from, sums[from:min(from+forgetStep, len(sums))])
	}
}

func (t *tables) forgetSums(x *sidecar.Index, from int, sums []tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var id line.Identity
	for i, sum := range sums {
		if sum != (tally{}) {
			x.Identity(uint32(from+i), &id)
			t.takeBack(&id, &sum, true)
		}
	}
}

// forgetCounted is forgetCounts for rows in memory, before those are given up.
func (t *tables) forgetCounted(gone *rows) {
	if gone.n == 0 || !t.tallied() {
		return
	}
	sums := gone.sums()
	for codes := range slices.Chunk(slices.Collect(maps.Keys(sums)), forgetStep) {
		t.mu.Lock()
		for _, code := range codes {
			t.takeBack(t.identityAt(code), sums[code], false)
		}
		t.mu.Unlock()
	}
}

// sums returns what rows count, by owner.
func (r *rows) sums() map[uint32]*tally {
	sums := map[uint32]*tally{}
	for i := range r.n {
		row := r.at(i)
		if !row.counts() {
			continue
		}
		sum := sums[row.Owner]
		if sum == nil {
			sum = &tally{}
			sums[row.Owner] = sum
		}
		sum.bytes += int64(row.Len) + 1
		if row.Kind == line.KindLine {
			sum.lines[line.LevelIndex(zapcore.Level(row.Level))]++
		}
	}
	return sums
}

// takeBack takes back what is kept aside of n for a run without records, or a step.
// The caller holds mu.
func (t *tables) takeBack(id *line.Identity, n *tally, sealed bool) {
	if u := t.unlinked[id.Run]; u != nil {
		if sealed {
			takeFrom(u.sealed, id.Step, n)
		}
		for _, o := range u.owners {
			if o.identity.Step == id.Step {
				counted := tally{o.lines, o.bytes}
				counted.take(n)
				o.lines, o.bytes = counted.lines, counted.bytes
			}
		}
		takeFrom(u.sealed, id.Step, n)
		if u.empty() {
			delete(t.unlinked, id.Run)
		}
	}
	takeFrom(t.stray, id.Step, n)
}

// recount counts anew what the lines that are there count for runs and steps without
// records: files went away that had been counted. The caller holds mu.
func (t *tables) recount() {
	if len(t.unlinked) == 0 && len(t.stray) == 0 {
		return
	}
	t.stray = map[string]*tally{}
	for run, u := range t.unlinked {
		u.sealed = nil
		for _, o := range u.owners {
			o.lines, o.bytes = line.Levels{}, 0
		}
		if u.empty() {
			delete(t.unlinked, run)
		}
	}
	var id line.Identity
	for _, seg := range t.segments {
		if x := seg.index; x != nil {
			sums, _ := sealedCounts(x, 0)
			for o := range sums {
				x.Identity(uint32(o), &id)
				t.keepUnknown(&id, &sums[o])
			}
		}
		for code, sum := range seg.rows.sums() {
			t.keepUnknown(t.identityAt(code), sum)
		}
	}
}

// keepUnknown keeps a count for a run or step, if that has no record. The caller
// holds mu.
func (t *tables) keepUnknown(id *line.Identity, n *tally) {
	switch {
	case id.Run == "" || *n == tally{}:
	case !t.history.knowsRun(id.Run):
		t.keep(strings.Clone(id.Run), id.Step, n)
	case id.Step != "" && !t.history.knowsStep(id.Step):
		addTo(t.stray, id.Step, n)
	}
}
