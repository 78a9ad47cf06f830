package tables

import (
	"maps"
	"math"
	"slices"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// countSealed adds what the rows of a sealed file after a seq count for runs and
// steps, or, with a sign of -1, takes it back. The caller holds mu.
func (t *Tables) countSealed(x *sidecar.Index, after uint64, sign int64) {
	var id line.Identity
	sums := sealedCounts(x, after)
	for o := range sums {
		sum := &sums[o]
		if *sum == (runs.Tally{}) {
			continue
		}
		x.Identity(uint32(o), &id)
		n := runs.Tally{Bytes: sign * sum.Bytes}
		for i, k := range sum.Lines {
			n.Lines[i] = sign * k
		}
		_, newest := x.ScopeTimes(x.ScopeOf(uint32(o)))
		t.Runs.AddTally(&id, &n, newest)
		t.Runs.Saw(id.Step, func() int64 { return newestOf(x, uint32(o)) })
	}
}

// newestOf returns the largest time of an owner's rows, Unix nanoseconds, as far as a
// sidecar tells it.
func newestOf(x *sidecar.Index, owner uint32) (newest int64) {
	newest = math.MinInt64
	for _, row := range x.AppendScopeRows(nil, x.ScopeOf(owner), 0, x.Len()) {
		if r := sealedRow(x, int(row)); r.Owner == owner {
			newest = max(newest, r.Time)
		}
	}
	return newest
}

// sealedCounts returns what the rows of a sealed file after a seq count, by owner.
func sealedCounts(x *sidecar.Index, after uint64) []runs.Tally {
	sums := make([]runs.Tally, x.Owners())
	if after < x.First() {
		for o := range sums {
			_, sums[o].Lines, sums[o].Bytes = x.OwnerCounts(uint32(o))
		}
		return sums
	}
	for i := x.Search(after); i < x.Len(); i++ {
		row := sealedRow(x, i)
		if !row.counts() {
			continue
		}
		_, size := x.Place(i)
		sum := &sums[row.Owner]
		sum.Bytes += int64(size)
		if row.Kind == line.KindLine {
			sum.Lines[line.LevelIndex(zapcore.Level(row.Level))]++
		}
	}
	return sums
}

// aside reports whether something is counted for runs or steps without records.
func (t *Tables) aside() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Runs.Aside()
}

// ForgetCounts gives up what a sealed file that was removed counts for runs and steps
// without records. It reads the sidecar.
func (t *Tables) ForgetCounts(x *sidecar.Index) {
	if !t.aside() {
		return
	}
	sums := sealedCounts(x, 0)
	for from := 0; from < len(sums); from += forgetStep {
		t.forgetSums(x, from, sums[from:min(from+forgetStep, len(sums))])
	}
}

func (t *Tables) forgetSums(x *sidecar.Index, from int, sums []runs.Tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var id line.Identity
	for i, sum := range sums {
		if sum != (runs.Tally{}) {
			x.Identity(uint32(from+i), &id)
			t.Runs.TakeBack(&id, &sum, true)
		}
	}
}

// forgetCounted is ForgetCounts for rows in memory, before those are given up.
func (t *Tables) forgetCounted(gone *Rows) {
	if gone.n == 0 || !t.aside() {
		return
	}
	sums := gone.sums()
	for codes := range slices.Chunk(slices.Collect(maps.Keys(sums)), forgetStep) {
		t.mu.Lock()
		for _, code := range codes {
			t.Runs.TakeBack(t.Runs.Identity(code), sums[code], false)
		}
		t.mu.Unlock()
	}
}

// sums returns what rows count, by owner.
func (r *Rows) sums() map[uint32]*runs.Tally {
	sums := map[uint32]*runs.Tally{}
	for i := range r.n {
		row := r.At(i)
		if !row.counts() {
			continue
		}
		sum := sums[row.Owner]
		if sum == nil {
			sum = &runs.Tally{}
			sums[row.Owner] = sum
		}
		sum.Bytes += int64(row.Len) + 1
		if row.Kind == line.KindLine {
			sum.Lines[line.LevelIndex(zapcore.Level(row.Level))]++
		}
	}
	return sums
}

// recount counts anew what the lines that are there count for runs and steps without
// records: files went away that had been counted. The caller holds mu.
func (t *Tables) recount() {
	if !t.Runs.Aside() {
		return
	}
	t.Runs.ClearAside()
	var id line.Identity
	for _, seg := range t.segments {
		if x := seg.index; x != nil {
			sums := sealedCounts(x, 0)
			for o := range sums {
				x.Identity(uint32(o), &id)
				t.Runs.KeepAside(&id, &sums[o])
			}
		}
		for code, sum := range seg.rows.sums() {
			t.Runs.KeepAside(t.Runs.Identity(code), sum)
		}
	}
}
