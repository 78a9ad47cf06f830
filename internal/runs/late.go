package runs

import (
	"cmp"
	"slices"
	"time"

	"github.com/steplog/steplog/internal/line"
)

// Records of a run may be read whose start was deleted. The end says again what the
// start said, so it tells the rest, whatever came before it; and steps are known in the
// order of the records that are left, which may be that of their ends.

// unlike reports whether an end says of the start of what has this seq something else
// than is known, because other records than the start were read first.
func unlike(seq uint64, started time.Time, lc *line.Lifecycle) bool {
	return lc != nil && lc.Phase == line.PhaseEnd && lc.ID == seq && !lc.Started.IsZero() &&
		line.Nanoseconds(lc.Started) != line.Nanoseconds(started)
}

// retellRun puts a run with the start that its end tells in the place of a live one.
// Who reads the one before reads it on.
func (t *Table) retellRun(old *Run, end *line.Lifecycle) *Run {
	h := t.history
	r := &Run{Seq: old.Seq, Identity: old.Identity, Start: *end, Started: end.Started, t: t,
		state: old.state, steps: old.steps, jumbled: old.jumbled, last: old.last, slot: old.slot, owners: old.owners}
	for _, s := range r.steps {
		s.run = r
	}
	for _, o := range r.owners {
		o.run = r
	}
	h.live[r.slot], h.runs[r.Identity.Run] = r, r
	row := h.row(r.slot)
	row.started, row.trigger = line.Nanoseconds(r.Started), h.triggerOf(&r.Start)
	return r
}

// retellStep does the same for a step.
func (t *Table) retellStep(old *Step, end *line.Lifecycle) *Step {
	s := &Step{Seq: old.Seq, Identity: old.Identity, Start: *end, Started: end.Started, t: t,
		run: old.run, state: old.state, last: old.last}
	t.history.steps[s.Identity.Step] = s
	replace := func(in []*Step) []*Step {
		in = slices.Clone(in)
		in[slices.Index(in, old)] = s
		return in
	}
	if s.run == nil {
		u := t.unlinked[s.Identity.Run]
		u.steps = replace(u.steps)
		for _, o := range u.owners {
			o.meet(s)
		}
		return s
	}
	s.run.steps = replace(s.run.steps)
	for _, o := range s.run.owners {
		o.meet(s)
	}
	return s
}

// meet has an owner count for a step from now on if it is that step's.
func (o *Owner) meet(s *Step) {
	if o.step != nil && o.identity.Step == s.Identity.Step {
		o.step = s
	}
}

// addStep adds a step.
func (r *Run) addStep(s *Step) {
	n := len(r.steps)
	r.jumbled = r.jumbled || n > 0 && r.steps[n-1].Seq > s.Seq
	r.steps = append(r.steps, s)
	r.state.Steps = n + 1
	row := r.t.history.row(r.slot)
	row.mixed = row.mixed || !sameScope(s.Identity, r.Identity)
}

// ordered returns the steps in the order in which they started.
func (r *Run) ordered() []*Step {
	if r.jumbled {
		r.steps, r.jumbled = slices.Clone(r.steps), false // others read the slice before
		slices.SortFunc(r.steps, func(a, b *Step) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	return r.steps[:len(r.steps):len(r.steps)]
}

// continues reports whether ordered returns these steps, and those that were added since.
func (r *Run) continues(steps []*Step) bool {
	n := len(steps)
	return !r.jumbled && len(r.steps) >= n && (n == 0 || &r.steps[0] == &steps[0] || slices.Equal(r.steps[:n], steps))
}
