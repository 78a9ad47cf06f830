package runs

import (
	"maps"
	"runtime"

	"github.com/steplog/steplog/internal/line"
)

// noteIdle notes that a live run may be over.
func (h *history) noteIdle(r *Run) {
	if !r.idle && (len(r.owners) == 0 || r.state.Ended) {
		r.idle, r.idleSince = true, h.ticks
		h.idle = append(h.idle, r)
	}
}

// turnSteps is how many steps, owners or runs are looked at before others get the mutex.
const turnSteps = 64

// turns lets others have the mutex now and then, in what takes long.
type turns struct {
	of     *Table
	looked int // since others had it
}

// pause lets others have the mutex when it is time, and reports whether they had it. On
// nil nobody gets it.
func (t *turns) pause() bool {
	if t == nil {
		return false
	}
	if t.looked++; t.looked < turnSteps {
		return false
	}
	t.looked = 0
	t.of.turns++
	t.of.mu.Unlock()
	runtime.Gosched() // who waits would not get it before this goroutine does
	t.of.mu.Lock()
	return true
}

// settler packs runs that are over. Others get the mutex now and then, also in the middle
// of a run: what they may have changed is packed another time.
type settler struct {
	turns
	h       *history
	run     *Run
	touched uint32 // run.touched when it was begun with
	changed bool   // it is not as it was then
}

// next returns the next run that may be over, nil when there is none. Those that have
// an owner have to be over since the turn before, unless all are wanted.
func (s *settler) next(all bool) *Run {
	h := s.h
	if h.t.history != h || len(h.idle) == 0 {
		return nil
	}
	r := h.idle[0]
	if !all && len(r.owners) > 0 && r.idleSince+1 >= h.ticks {
		return nil
	}
	h.idle[0] = nil
	if h.idle = h.idle[1:]; len(h.idle) == 0 {
		h.idle = nil
	}
	r.idle = false
	return r
}

// on is pause in the middle of a run, and reports whether that is as it was. On nil it
// lets nobody have the mutex.
func (s *settler) on() bool {
	if s == nil {
		return true
	}
	if s.pause() {
		s.changed = s.h.t.history != s.h || s.h.live[s.run.slot] != s.run || s.run.touched != s.touched
	}
	return !s.changed
}

// settle packs a run if it is over, unless it changes meanwhile: then it is packed
// another time. Nobody gets the mutex in the middle of a short one.
func (s *settler) settle(r *Run) {
	h := s.h
	if h.live[r.slot] != r || !r.state.Ended {
		return
	}
	if n := len(r.steps) + len(r.owners); n < turnSteps {
		h.packRun(r, nil)
		s.looked += n
		return
	}
	s.run, s.touched, s.changed = r, r.touched, false
	if h.packRun(r, s); s.changed && h.live[r.slot] == r {
		h.noteIdle(r)
	}
}

// objects is how many runs and steps are not packed.
func (h *history) objects() int { return len(h.runs) + len(h.steps) }

// shrink gives back what maps took for objects that are gone: a map never gets
// smaller.
func (h *history) shrink() {
	n := h.objects()
	if h.peak = max(h.peak, n); h.peak < 1024 || n > h.peak/8 {
		return
	}
	h.peak = n
	h.live, h.runs, h.steps = maps.Collect(maps.All(h.live)), maps.Collect(maps.All(h.runs)), maps.Collect(maps.All(h.steps))
}

// touch notes that a run, which may be nil, is about to change: who packs it packs it
// another time.
func (r *Run) touch() {
	if r != nil {
		r.touched++
	}
}

// packable reports whether a run can be packed, whether it is over or not; false, too,
// where it changes meanwhile.
func (r *Run) packable(s *settler) bool {
	id := r.Identity
	if id.Step != "" || id.Action != "" || id.ActionName != "" || id.Attempt != 0 || !packable(r.Started, &r.state) {
		return false
	}
	for _, step := range r.steps {
		if !packable(step.Started, &step.state) || !s.on() {
			return false
		}
	}
	return true
}

// packRun has bytes take the place of a live run, if it can be packed and does not
// change meanwhile.
func (h *history) packRun(r *Run, s *settler) {
	row := h.row(r.slot)
	if !r.packable(s) || !h.packOwners(r, s) || !h.span(r, row, s) {
		return
	}
	buf := h.buf[:0]
	h.buf = nil // others may pack a run meanwhile
	buf, ok := h.encode(buf, r, row, s)
	if cap(buf) <= maxKeptBuf {
		h.buf = buf
	}
	if !ok {
		return
	}
	h.peak = max(h.peak, h.objects())
	row.packed = h.packed.put(r.slot, buf)
	r.packed = true
	delete(h.live, r.slot)
	delete(h.runs, r.Identity.Run)
	h.enterIDs(r, s)
}

// enterIDs has the ids of a run that was packed, and of its steps, find its bytes, and
// those of the steps no longer what these were made of, unless the run is live again or
// gone meanwhile.
func (h *history) enterIDs(r *Run, s *settler) {
	p := h.openSlot(r.slot)
	h.packedIDs.add(p.id, r.slot)
	if s != nil {
		h.entering[r.slot] = r
	}
	for _, step := range r.steps {
		if id := step.Identity.Step; h.steps[id] == step {
			delete(h.steps, id)
		}
		id := p.ids.id()
		if s == nil || h.entering[r.slot] == r {
			h.packedIDs.add(id, r.slot)
		}
		if s != nil {
			s.pause()
		}
	}
	if s != nil && h.entering[r.slot] == r {
		delete(h.entering, r.slot)
	}
}

// packOwners packs the owners of a run; false where that changes meanwhile.
func (h *history) packOwners(r *Run, s *settler) bool {
	for n := len(r.owners); n > 0; n = len(r.owners) {
		o := r.owners[n-1]
		o.leave()
		h.t.packOwner(o)
		if !s.on() {
			return false
		}
	}
	r.owners = nil
	return true
}

// span fills in what a row says of a packed run; false where that changes meanwhile.
func (h *history) span(r *Run, row *runRow, s *settler) bool {
	row.lo, row.hi = r.last, r.last
	for _, step := range r.steps {
		row.lo, row.hi = min(row.lo, step.last), max(row.hi, step.last)
		if !s.on() {
			return false
		}
	}
	return true
}

// maxKeptBuf is how large a buffer is kept for the next run.
const maxKeptBuf = 1 << 20

// sameScope reports whether a step says of its flow what its run does.
func sameScope(a, b *line.Identity) bool {
	return a.Server == b.Server && a.Service == b.Service && a.Project == b.Project && a.Operation == b.Operation &&
		a.RootRun == b.RootRun && a.ServerName == b.ServerName && a.ServiceName == b.ServiceName &&
		a.OperationName == b.OperationName && a.ParentOperation == b.ParentOperation &&
		a.ParentRun == b.ParentRun && a.ParentStep == b.ParentStep
}
