package runs

import "sort"

// StepReader reads the steps that a run has, one after the other, in the order in which
// they started. A copy of it goes on from where it stands. It is for one goroutine at a
// time.
type StepReader struct {
	run  Told // without its state
	h    *history
	ref  Ref
	root uint32
	row  StepRow
	told Told

	live  *Run // nil for one that is over
	steps []*Step

	kept   []byte // of one that is over: they never change
	packed packedRun
	step   packedStep
}

// ReadSteps returns what reads the steps of a run, those after the view among them; nil
// when it was removed meanwhile.
func (v *View) ReadSteps(run *Row) *StepReader {
	h := v.history
	v.table.mu.Lock()
	defer v.table.mu.Unlock()
	row := *h.row(run.slot)
	if !row.used || row.seq != run.Seq {
		return nil
	}
	r := &StepReader{h: h, ref: run.Ref(), root: row.root}
	r.row.Place = -1
	if row.packed == (place{}) {
		r.live = h.live[run.slot]
		r.steps = r.live.ordered()
		r.run.Start = r.live.Start
		return r
	}
	r.kept = h.packed.get(row.packed)
	r.packed = h.openIDs(&row, r.kept)
	r.packed.open(&r.run.Start, &r.run.State)
	r.run.Run = textOfID(r.packed.id)
	ids := r.packed.relatives.texts()
	r.run.RootRun, r.run.ParentRun, r.run.ParentStep = ids[0], ids[1], ids[2]
	return r
}

// Over reports whether the run was over when r began with it.
func (r *StepReader) Over() bool { return r.live == nil }

// Same reports whether r still reads what is known of its run: one that is over is as it
// was when r began with it, one that goes on may have further steps.
func (v *View) Same(r *StepReader) bool {
	h := v.history
	v.table.mu.Lock()
	defer v.table.mu.Unlock()
	row := h.row(r.ref.slot)
	switch {
	case h != r.h || !row.used || row.seq != r.ref.Seq:
		return false
	case row.packed == place{}:
		return r.live != nil && r.live == h.live[r.ref.slot] && r.live.continues(r.steps)
	}
	// Nothing else can lie where these bytes are as long as r has them.
	return r.live == nil && &h.packed.get(row.packed)[0] == &r.kept[0]
}

// Run tells of the run, without its state.
func (r *StepReader) Run() *Told { return &r.run }

// Next returns what filters ask of the next step, nil after the last. It holds until the
// next call.
func (r *StepReader) Next() *StepRow {
	place := r.row.Place + 1
	if r.live != nil {
		if place == len(r.steps) {
			return nil
		}
		t := r.live.t
		t.mu.Lock()
		defer t.mu.Unlock()
		r.row = r.h.liveStepRow(r.root, r.live, r.steps[place], place)
		return &r.row
	}
	if place == r.packed.steps {
		return nil
	}
	s := &r.step
	s.start, s.state = &r.told.Start, &r.told.State
	r.packed.next(s)
	r.row = r.h.stepRow(&r.packed, s, place)
	return &r.row
}

// Steps returns how many steps there are.
func (r *StepReader) Steps() int {
	if r.live != nil {
		return len(r.steps)
	}
	return r.packed.steps
}

// Seek has Next return the step at a place, which costs most for those just before a
// multiple of [StepsAtMark] and least for one.
func (r *StepReader) Seek(place int) {
	if place = min(place, r.Steps()); r.live != nil {
		r.row.Place = place - 1
		return
	}
	for r.row.Place = r.packed.seek(place) - 1; r.row.Place < place-1; {
		r.Next()
	}
}

// After returns the place of the first step with a larger seq, that behind the last where
// there is none. Next returns any step then, until Seek.
func (r *StepReader) After(seq uint64) int {
	if r.live != nil {
		return sort.Search(len(r.steps), func(i int) bool { return r.steps[i].Seq > seq })
	}
	n := r.packed.steps
	place := sort.Search((n+StepsAtMark-1)/StepsAtMark, func(i int) bool {
		r.Seek(i * StepsAtMark)
		return r.Next().Seq > seq
	}) * StepsAtMark
	if place == 0 {
		return 0
	}
	place -= StepsAtMark
	r.Seek(place)
	for place < n && r.Next().Seq <= seq {
		place++
	}
	return place
}

// Place is that of the step that Next returned among the steps of its run.
func (r *StepReader) Place() int { return r.row.Place }

// Told tells of the step that Next returned; see [Told] for how long it holds.
func (r *StepReader) Told() *Told {
	to, run := &r.told, &r.run
	if r.live != nil {
		r.steps[r.row.Place].Tell(to)
	} else {
		r.step.tell(to, run.Run, &[3]string{run.RootRun, run.ParentRun, run.ParentStep}, textOfID(r.step.id))
	}
	return to
}
