package runs

import (
	"slices"

	"github.com/steplog/steplog/internal/line"
)

// StepRow is what filters ask of a step.
type StepRow struct {
	Seq     uint64
	Started int64 // Unix nanoseconds
	Class   Class
	// Scope is as in [Row], Root too.
	Scope  *line.Identity
	Root   uint32
	Action string
	Place  int // among the steps of its run, from 0
}

// AppendSteps appends what filters ask of the steps of a run, in the order in
// which they started, but those after the view. It appends nothing when the run
// was removed meanwhile.
func (v *View) AppendSteps(rows []StepRow, run *Row) []StepRow {
	h := v.history
	v.table.mu.Lock()
	row := *h.row(run.slot)
	if !row.used || row.seq != run.Seq {
		v.table.mu.Unlock()
		return rows
	}
	if r := h.live[run.slot]; r != nil {
		steps := r.ordered()
		v.table.mu.Unlock()
		rows = slices.Grow(rows, len(steps)) // which takes long for many
		v.table.mu.Lock()
		for i, st := range steps {
			if st.Seq <= v.AsOf {
				rows = append(rows, h.liveStepRow(row.root, r, st, i))
			}
			if i%rowsLooked == rowsLooked-1 { // others get the mutex
				v.table.mu.Unlock()
				v.table.mu.Lock()
			}
		}
		v.table.mu.Unlock()
		return rows
	}
	// What is read from here on never changes, and is read without the mutex.
	p := h.openIDs(&row, h.packed.get(row.packed))
	v.table.mu.Unlock()
	var start line.Lifecycle
	var state State
	p.open(&start, &state)
	st := packedStep{start: &start, state: &state}
	rows = slices.Grow(rows, p.steps)
	for i := range p.steps {
		p.next(&st)
		if st.seq <= v.AsOf {
			rows = append(rows, h.stepRow(&p, &st, i))
		}
	}
	return rows
}

// stepRow returns what filters ask of a step of a run that is over.
func (h *history) stepRow(p *packedRun, s *packedStep, place int) StepRow {
	root := p.row.root
	if s.ownRelatives {
		if root = h.hashKept(p.id); s.relatives[0] != nil {
			root = h.hashKept(s.relatives[0])
		}
	}
	return StepRow{Seq: s.seq, Started: s.started, Class: s.state.class(0), Scope: &s.scope.identity, Root: root,
		Action: s.action, Place: place}
}

// liveStepRow is stepRow for one of a run that goes on, which has the hash of a root.
func (h *history) liveStepRow(root uint32, r *Run, s *Step, place int) StepRow {
	if s.Identity.RootRun != r.Identity.RootRun {
		root = h.hash(s.Identity.Root())
	}
	return StepRow{Seq: s.Seq, Started: line.Nanoseconds(s.Started), Class: s.state.class(0), Scope: s.Identity, Root: root,
		Action: s.Identity.Action, Place: place}
}
