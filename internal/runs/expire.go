package runs

import (
	"maps"
	"slices"
)

// expire gives up the runs and steps of which a file held the last record, and, only if
// that is wanted, those that go on.
func (h *history) expire(file uint32, going bool, turns *turns) {
	var gone []uint32
	for slot := uint32(0); slot < h.used; slot++ {
		if h.row(slot).used && h.expireRun(slot, file, going, turns) {
			gone = append(gone, slot)
		}
		turns.pause()
	}
	if len(gone) > 0 {
		h.sweep(gone, turns)
	}
}

// expireRun does so for one run and its steps, and reports whether the run is given up.
func (h *history) expireRun(slot, file uint32, going bool, turns *turns) (gone bool) {
	row, r := h.row(slot), h.live[slot]
	switch {
	case r != nil:
	case row.lo > file || row.hi < file:
		return false
	case row.lo == row.hi:
		h.dismiss(slot)
		h.dropPacked(slot, turns)
		return true
	default:
		r = h.revive(slot)
	}
	r.touch()
	stays := !going && !r.state.Ended
	if r.last == file && !stays {
		h.removeLive(r)
		return true
	}
	kept := slices.DeleteFunc(slices.Clone(r.steps), func(s *Step) bool {
		goes := s.last == file && (s.state.Ended || !stays)
		if goes && h.steps[s.Identity.Step] == s {
			delete(h.steps, s.Identity.Step)
		}
		return goes
	})
	if len(kept) < len(r.steps) {
		r.steps, r.state.Steps = kept, len(kept)
		h.changed(r)
	}
	return false
}

// moved notes that the records of one file stand in another now.
func (h *history) moved(from, to uint32) {
	for slot := range h.used {
		row := h.row(slot)
		r := h.live[slot]
		if r == nil {
			if !row.used || row.lo > from || row.hi < from {
				continue
			}
			r = h.revive(slot)
		}
		r.touch()
		if r.last == from {
			r.last = to
		}
		for _, s := range r.steps {
			if s.last == from {
				s.last = to
			}
		}
	}
}

// removeLive gives up a live run and its steps.
func (h *history) removeLive(r *Run) {
	for _, s := range r.steps {
		if h.steps[s.Identity.Step] == s {
			delete(h.steps, s.Identity.Step)
		}
	}
	r.steps, r.state.Steps = nil, 0
	delete(h.live, r.slot)
	delete(h.runs, r.Identity.Run)
	h.dismiss(r.slot)
}

// dismiss takes a run out of the counts; sweep takes it out of the lists.
func (h *history) dismiss(slot uint32) {
	row := h.row(slot)
	h.all.dismiss(row.class)
	for _, l := range h.scopes.list[row.scope].lists {
		l.dismiss(row.class)
	}
	row.used = false
}

// sweep takes runs out of the lists that were dismissed, and gives their slots to
// others.
func (h *history) sweep(gone []uint32, turns *turns) {
	h.all.sweep(h)
	for i := range h.scopes.lists {
		// Others may add a list meanwhile, for a run that is not among these.
		for _, value := range slices.Collect(maps.Keys(h.scopes.lists[i])) {
			turns.pause()
			h.scopes.lists[i][value].sweep(h)
		}
	}
	h.free = append(h.free, gone...)
}
