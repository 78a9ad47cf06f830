package runs

import (
	"encoding/binary"
	"math"
)

// StepSum is what the steps of a run that is over have together: lists of steps are
// counted by it, and only the steps of runs that a page shows are looked at.
type StepSum struct {
	Newest      uint64 // the largest seq
	First, Last int64  // when the first and the last one started, in Unix nanoseconds
	Counts      []StepCount
}

// StepCount is how many steps of a run have an action and a class.
type StepCount struct {
	Action string
	Class  Class
	N      int64
}

// maxStepCounts is of how many actions and classes the steps of a run may be to be
// counted together: of more, they are looked at one by one.
const maxStepCounts = 64

// StepSum fills in what the steps of a run have together, into memory that is used
// again. It is false where that is not told: of a run that goes on, of one whose steps
// say otherwise of flow and root or are of too many kinds, and of one that was removed
// meanwhile.
func (v *View) StepSum(run *Row, sum *StepSum) bool {
	if run.Mixed {
		return false
	}
	h := v.history
	v.table.mu.Lock()
	defer v.table.mu.Unlock()
	row := h.row(run.slot)
	if !row.used || row.seq != run.Seq || row.packed == (place{}) || row.mixed {
		return false
	}
	w := readWire(h.packed.get(row.packed))
	w.id()
	if w.Count() == 0 {
		*sum = StepSum{Newest: row.seq, First: row.started, Last: row.started, Counts: sum.Counts[:0]}
		return !w.Bad
	}
	return w.stepSum(h.texts.list, row, sum)
}

// appendStepSum appends the sum of steps, of which there are some, behind its length;
// false where their run changes meanwhile:
//
//	newest seq - the run's | first start - the run's | last start - the run's
//	| how many counts, 0 for too many | for each: action | class | count
func (h *history) appendStepSum(b []byte, row *runRow, steps []*Step, settling *settler) ([]byte, bool) {
	sum := StepSum{First: math.MaxInt64, Last: math.MinInt64}
	for _, s := range steps {
		started := s.Started.UnixNano()
		sum.Newest, sum.First, sum.Last = max(sum.Newest, s.Seq), min(sum.First, started), max(sum.Last, started)
		if sum.add(s.Identity.Action, s.state.class(0)); !settling.on() {
			return b, false
		}
	}
	if len(sum.Counts) > maxStepCounts {
		sum.Counts = nil
	}
	at := len(b)
	b = binary.AppendUvarint(b, sum.Newest-row.seq)
	b = binary.AppendVarint(b, sum.First-row.started)
	b = binary.AppendVarint(b, sum.Last-row.started)
	b = binary.AppendUvarint(b, uint64(len(sum.Counts)))
	for _, c := range sum.Counts {
		b = append(h.texts.append(b, c.Action, true), byte(c.Class))
		b = binary.AppendUvarint(b, uint64(c.N))
	}
	var size [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(size[:], uint64(len(b)-at))
	b = append(b, size[:n]...)
	copy(b[at+n:], b[at:])
	copy(b[at:], size[:n])
	return b, true
}

func (sum *StepSum) add(action string, class Class) {
	for i := range sum.Counts {
		if c := &sum.Counts[i]; c.Class == class && c.Action == action {
			c.N++
			return
		}
	}
	if len(sum.Counts) <= maxStepCounts { // one more says that there are too many
		sum.Counts = append(sum.Counts, StepCount{action, class, 1})
	}
}

// stepSum takes what appendStepSum wrote; false where there are too many counts.
func (w *wireReader) stepSum(texts []string, row *runRow, sum *StepSum) bool {
	w.Count() // its length
	sum.Newest = row.seq + w.Uvarint()
	sum.First, sum.Last = row.started+w.Varint(), row.started+w.Varint()
	n := w.Count()
	sum.Counts = sum.Counts[:0]
	for range n {
		c := StepCount{Action: w.text(texts)}
		c.Class, c.N = Class(w.Uvarint()%classes), int64(w.Uvarint())
		sum.Counts = append(sum.Counts, c)
	}
	return n > 0 && !w.Bad
}

// skipStepSum passes over it.
func (w *wireReader) skipStepSum() { w.Bytes(w.Count()) }
