package runs

import (
	"time"

	"github.com/steplog/steplog/internal/line"
)

// Told is a run or a step as a page shows it: without its identity for itself, most of
// which steps have in common with their run. Its texts hold for ever, all else until
// the [Teller] tells of another one.
type Told struct {
	Seq uint64
	// Scope says server to parent_operation. It must not be changed.
	Scope                               *line.Identity
	Run, RootRun, ParentRun, ParentStep string
	Step, Action, ActionName            string // "" of a run
	Attempt                             int

	Started time.Time
	// Start is what the start record said. The value of its iteration must not be changed.
	Start line.Lifecycle
	State State
}

// Tell fills in what the step is now.
func (s *Step) Tell(to *Told) {
	id := s.Identity
	to.Seq, to.Scope, to.Started, to.Start, to.State = s.Seq, id, s.Started, s.Start, s.State()
	to.Run, to.RootRun, to.ParentRun, to.ParentStep = id.Run, id.RootRun, id.ParentRun, id.ParentStep
	to.Step, to.Action, to.ActionName, to.Attempt = id.Step, id.Action, id.ActionName, id.Attempt
}

func (r *Run) tell(to *Told) {
	id := r.Identity
	to.Seq, to.Scope, to.Started, to.Start, to.State = r.Seq, id, r.Started, r.Start, r.State()
	to.Run, to.RootRun, to.ParentRun, to.ParentStep = id.Run, id.RootRun, id.ParentRun, id.ParentStep
}

// tell fills in the step of a run with these relatives, but for what start and state
// point to, which is filled in.
func (s *packedStep) tell(to *Told, run string, relatives *[3]string, id string) {
	if s.ownRelatives {
		own := s.relatives.texts()
		relatives = &own
	}
	to.State.reconcile()
	to.Seq, to.Scope, to.Started = s.seq, &s.scope.identity, time.Unix(0, s.started).UTC()
	to.Run, to.RootRun, to.ParentRun, to.ParentStep = run, relatives[0], relatives[1], relatives[2]
	to.Step, to.Action, to.ActionName, to.Attempt = id, s.action, s.actionName, s.attempt
}

// Edition tells what a table knew of runs that were over from what it knew before or
// after: as long as it is the same, such a run is told of with the same words.
type Edition struct{ restarts, changes uint64 }

// Edition returns the one of this moment; false when the run goes on, or was removed.
func (v *View) Edition(run Ref) (e Edition, over bool) {
	v.table.mu.Lock()
	defer v.table.mu.Unlock()
	h := v.history
	row := h.row(run.slot)
	return Edition{h.restarts, h.changes}, row.used && row.seq == run.Seq && row.packed != place{}
}

// Teller tells of runs, one after the other, and of the steps of each: of those that
// are over without making a [Run] and each [Step]. The zero value is ready, and memory
// is used again for the next run. It is for one goroutine at a time.
type Teller struct {
	told Told

	live  *Run // nil for one that is over
	steps []*Step

	row      runRow
	packed   packedRun // of a run that is over
	step     packedStep
	run      string // its id and those of its relatives
	relative [3]string
	text     []byte // room for ids
	ids      string // of the steps that follow
}

// Tell begins with a run that a row told of; false when it was removed meanwhile.
func (v *View) Tell(run Ref, t *Teller) bool {
	v.table.mu.Lock()
	defer v.table.mu.Unlock()
	h := v.history
	row := h.row(run.slot)
	if !row.used || row.seq != run.Seq {
		return false
	}
	if t.live = nil; row.packed == (place{}) {
		t.live = h.live[run.slot]
		return t.live != nil
	}
	// What is read from here on never changes, and is read without the mutex.
	t.row = *row
	t.packed = h.openIDs(&t.row, h.packed.get(row.packed))
	return true
}

// Run tells of the run. It is to be called first, and once, with how many of its steps
// will be told of at most.
func (t *Teller) Run(steps int) *Told {
	to := &t.told
	to.Step, to.Action, to.ActionName, to.Attempt = "", "", "", 0
	if t.live != nil {
		t.steps = t.live.Steps()
		t.steps = t.steps[:min(len(t.steps), steps)]
		t.live.tell(to)
		return to
	}
	p := &t.packed
	p.open(&to.Start, &to.State)
	p.steps = min(p.steps, steps)
	// The ids are parts of one text.
	t.text = appendTextOfID(t.text[:0], p.id)
	n := len(t.text)
	for ids, left := p.ids0, p.steps; left > 0; left-- {
		t.text = appendTextOfID(t.text, ids.id())
	}
	t.ids = string(t.text)
	t.run, t.ids = t.ids[:n], t.ids[n:]
	to.State.reconcile()
	to.Seq, to.Scope, to.Started = t.row.seq, &p.scopes[t.row.scope].identity, time.Unix(0, t.row.started).UTC()
	t.relative = p.relatives.texts()
	to.Run, to.RootRun, to.ParentRun, to.ParentStep = t.run, t.relative[0], t.relative[1], t.relative[2]
	t.step.start, t.step.state = &to.Start, &to.State
	return to
}

// Steps returns how many steps are left to tell of, once Run told of the run.
func (t *Teller) Steps() int {
	if t.live != nil {
		return len(t.steps)
	}
	return t.packed.steps
}

// Step tells of the next step of the run, in the order in which they started; nil after
// the last.
func (t *Teller) Step() *Told {
	to := &t.told
	switch {
	case t.Steps() == 0:
		return nil
	case t.live != nil:
		t.steps[0].Tell(to)
		t.steps = t.steps[1:]
		return to
	}
	t.packed.steps--
	t.packed.next(&t.step)
	n := lenOfID(t.step.id)
	t.step.tell(to, t.run, &t.relative, t.ids[:n])
	t.ids = t.ids[n:]
	return to
}

// Forget gives up what it told of, but keeps memory for the next run, if that is not
// much.
func (t *Teller) Forget() {
	*t = Teller{text: t.text[:0]}
	if cap(t.text) > maxToldRoom {
		t.text = nil
	}
}

// maxToldRoom is how many bytes a Teller keeps for the next run: as many as some
// hundreds of steps take.
const maxToldRoom = 64 << 10
