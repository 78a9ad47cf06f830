package runs

import (
	"slices"
	"sort"

	"github.com/steplog/steplog/internal/line"
)

// Dimension is an identifier of runs that there are lists for.
type Dimension int

// The dimensions.
const (
	ByOperation Dimension = iota
	ByService
	ByServer
	ByProject
	dimensions = 4
)

// runList is the runs with one value of a dimension in the order in which they
// started, with how many are of each class. Table.mu guards it.
type runList struct {
	slots  []uint32
	counts []classCount
	gone   int // runs that were dismissed and not swept
	scopes int // that have this value
}

type classCount struct {
	class Class
	n     uint32
}

// insert adds a run in the order of seq.
func (l *runList) insert(h *history, slot uint32) {
	row := h.row(slot)
	at := len(l.slots)
	for at > 0 && h.row(l.slots[at-1]).seq > row.seq {
		at--
	}
	l.slots = slices.Insert(l.slots, at, slot)
	l.add(row.class, 1)
}

func (l *runList) add(c Class, by int) {
	for i := range l.counts {
		if l.counts[i].class == c {
			l.counts[i].n += uint32(by)
			return
		}
	}
	l.counts = append(l.counts, classCount{c, uint32(by)})
}

// recount notes that a run is of another class now.
func (l *runList) recount(from, to Class) {
	l.add(from, -1)
	l.add(to, 1)
}

// dismiss notes that a run will be swept.
func (l *runList) dismiss(c Class) {
	l.add(c, -1)
	l.gone++
}

func (l *runList) sweep(h *history) {
	if l.gone == 0 {
		return
	}
	l.gone = 0
	l.slots = slices.DeleteFunc(l.slots, func(slot uint32) bool { return !h.row(slot).used })
	if cap(l.slots) > 2*len(l.slots)+64 {
		l.slots = slices.Clone(l.slots)
	}
}

// until returns how many runs have a seq of at most seq.
func (l *runList) until(h *history, seq uint64) int {
	if n := len(l.slots); n == 0 || h.row(l.slots[n-1]).seq <= seq {
		return n
	}
	return sort.Search(len(l.slots), func(i int) bool { return h.row(l.slots[i]).seq > seq })
}

// List is the runs of a view with one value of a dimension, or all of
// them, in the order in which they started. Runs that are removed meanwhile leave
// it, and states are those of the moment.
type List struct {
	h    *history
	list *runList // nil for none
	asOf uint64
}

// Row is what can be told of a run without looking at more than its row.
type Row struct {
	Seq     uint64
	Started int64 // Unix nanoseconds
	Class   Class
	// Scope is what the run's identity says of its flow: server to
	// parent_operation. It must not be changed.
	Scope *line.Identity
	// Root, Parent and ParentStep are hashes, as View.Hash has them, of the
	// run at the top and of what started the run; 0 for none.
	Root, Parent, ParentStep uint32
	// Trigger is a code, as View.Trigger has it, of who started it: 0 for
	// nobody, OtherTrigger for somebody without one.
	Trigger uint32
	// Mixed reports whether a step may say otherwise of flow and root.
	Mixed bool

	slot uint32
}

// Ref names a run.
type Ref struct {
	Seq  uint64
	slot uint32
}

// Ref returns what names the run.
func (r *Row) Ref() Ref { return Ref{r.Seq, r.slot} }

// Len returns how many runs there are, about.
func (l List) Len() int {
	if l.list == nil {
		return 0
	}
	l.h.t.mu.Lock()
	defer l.h.t.mu.Unlock()
	return len(l.list.slots)
}

// Count returns how many runs started at or before asOf are of the wanted
// classes: in the time that it takes to look at those that are younger.
func (l List) Count(want *Wanted, asOf uint64) (n int64) {
	if l.list == nil {
		return 0
	}
	l.h.t.mu.Lock()
	defer l.h.t.mu.Unlock()
	for _, c := range l.list.counts {
		if want[c.class] {
			n += int64(c.n)
		}
	}
	for _, slot := range l.list.slots[l.list.until(l.h, min(asOf, l.asOf)):] {
		if row := l.h.row(slot); row.used && want[row.class] {
			n--
		}
	}
	return n
}

// How many rows are looked at, and how many handed out, before others get the
// lock.
const (
	rowsLooked = 4096
	rowsFirst  = 32 // as many as a page has, or few more
	rowsHanded = 128
)

// Each calls yield for the runs of the wanted classes until it returns false,
// newest first or oldest first; with after, only for those that come after the run
// with that seq in this order. Skip of them are passed over, which costs nothing
// where all classes are wanted.
func (l List) Each(oldest bool, after uint64, skip int, want *Wanted, yield func(*Row) bool) {
	if l.list == nil {
		return
	}
	batch := make([]Row, rowsFirst)
	for {
		n, next, more := l.batch(batch, oldest, after, &skip, want)
		for i := range n {
			if !yield(&batch[i]) {
				return
			}
		}
		if !more {
			return
		}
		if after = next; len(batch) < rowsHanded {
			batch = make([]Row, rowsHanded)
		}
	}
}

// rowOf returns what a row says. The caller holds mu.
func (h *history) rowOf(slot uint32) Row {
	row := h.row(slot)
	return Row{Seq: row.seq, Started: row.started, Class: row.class, Scope: &h.scopes.list[row.scope].identity, Root: row.root,
		Parent: row.parent, ParentStep: row.parentStep, Trigger: row.trigger, Mixed: row.mixed, slot: slot}
}

// batch fills in some rows, and returns how many and behind which seq to go on.
func (l List) batch(batch []Row, oldest bool, after uint64, skip *int, want *Wanted) (n int, next uint64, more bool) {
	h := l.h
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	slots := l.list.slots[:l.list.until(h, l.asOf)]
	step, at, end := 1, 0, len(slots)
	switch {
	case oldest && after != 0:
		at = l.list.until(h, after)
	case !oldest && after != 0:
		step, end = -1, -1
		at = min(l.list.until(h, after-1), len(slots)) - 1
	case !oldest:
		step, at, end = -1, len(slots)-1, -1
	}
	if *skip > 0 && l.wantsAll(want) {
		by := min(*skip, (end-at)*step)
		at += by * step
		*skip -= by
	}
	for looked := 0; at*step < end*step; at += step {
		row := h.row(slots[at])
		next = row.seq
		if looked++; row.used && want[row.class] {
			if *skip > 0 {
				*skip--
			} else {
				batch[n] = h.rowOf(slots[at])
				n++
			}
		}
		if n == len(batch) || looked == rowsLooked {
			return n, next, true
		}
	}
	return n, next, false
}

// wantsAll reports whether every run of the list is of a wanted class. The caller
// holds mu.
func (l List) wantsAll(want *Wanted) bool {
	if l.list.gone > 0 {
		return false
	}
	for _, c := range l.list.counts {
		if c.n > 0 && !want[c.class] {
			return false
		}
	}
	return true
}
