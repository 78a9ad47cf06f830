package runs

import (
	"maps"

	"github.com/steplog/steplog/internal/line"
)

// noteIdle notes that a live run may be over.
func (h *history) noteIdle(r *Run) {
	if !r.idle && (len(r.owners) == 0 || r.state.Ended) {
		r.idle, r.idleSince = true, h.ticks
		h.idle = append(h.idle, r)
	}
}

// settle packs runs that are over, at most so many, and reports
// whether there are more to look at. Those that have an owner have to be over since
// the turn before, unless all are wanted.
func (h *history) settle(most int, all bool) (more bool) {
	n := 0
	for ; n < len(h.idle) && most > 0; n++ {
		r := h.idle[n]
		if !all && len(r.owners) > 0 && r.idleSince+1 >= h.ticks {
			break
		}
		if r.idle = false; h.live[r.slot] == r && r.over() {
			h.packRun(r)
			most--
		}
	}
	if h.idle = h.idle[n:]; len(h.idle) == 0 {
		h.idle = nil
		h.shrink()
	}
	return most == 0
}

// shrink gives back what maps took for objects that are gone: a map never gets
// smaller.
func (h *history) shrink() {
	n := len(h.runs) + len(h.steps)
	if h.peak = max(h.peak, n); h.peak < 1024 || n > h.peak/8 {
		return
	}
	h.peak = n
	h.live, h.runs, h.steps = maps.Collect(maps.All(h.live)), maps.Collect(maps.All(h.runs)), maps.Collect(maps.All(h.steps))
}

// over reports whether a run has ended, and can be packed.
func (r *Run) over() bool { return r.state.Ended && r.packable() }

// packable reports whether it can be packed, whether it is over or not.
func (r *Run) packable() bool {
	id := r.Identity
	if id.Step != "" || id.Action != "" || id.ActionName != "" || id.Attempt != 0 || !packable(r.Started, &r.state) {
		return false
	}
	for _, s := range r.steps {
		if !packable(s.Started, &s.state) {
			return false
		}
	}
	return true
}

// packRun has bytes take the place of a live run.
func (h *history) packRun(r *Run) {
	row := h.row(r.slot)
	h.span(r, row)
	h.peak = max(h.peak, len(h.runs)+len(h.steps))
	h.buf = h.encode(h.buf[:0], r, row)
	row.packed = h.packed.put(r.slot, h.buf)
	delete(h.live, r.slot)
	delete(h.runs, r.Identity.Run)
	h.enterIDs(r.slot)
	for _, o := range r.owners {
		h.t.packOwner(o)
	}
	r.owners = nil
	for _, s := range r.steps {
		if h.steps[s.Identity.Step] == s {
			delete(h.steps, s.Identity.Step)
		}
	}
	if cap(h.buf) > maxKeptBuf {
		h.buf = nil
	}
}

// span fills in what a row says of a packed run.
func (h *history) span(r *Run, row *runRow) {
	row.lo, row.hi, row.mixed = r.last, r.last, false
	for _, s := range r.steps {
		row.lo, row.hi = min(row.lo, s.last), max(row.hi, s.last)
		row.mixed = row.mixed || !sameScope(s.Identity, r.Identity)
	}
}

// maxKeptBuf is how large a buffer is kept for the next run.
const maxKeptBuf = 1 << 20

// enterIDs enters the ids of a packed run, and of its steps.
func (h *history) enterIDs(slot uint32) {
	p := h.openSlot(slot)
	h.packedIDs.add(p.id, slot)
	for range p.steps {
		h.packedIDs.add(p.ids.id(), slot)
	}
}

// sameScope reports whether a step says of its flow what its run does.
func sameScope(a, b *line.Identity) bool {
	return a.Server == b.Server && a.Service == b.Service && a.Project == b.Project && a.Operation == b.Operation &&
		a.RootRun == b.RootRun && a.ServerName == b.ServerName && a.ServiceName == b.ServiceName &&
		a.OperationName == b.OperationName && a.ParentOperation == b.ParentOperation &&
		a.ParentRun == b.ParentRun && a.ParentStep == b.ParentStep
}
