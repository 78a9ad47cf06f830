package runs

import "github.com/steplog/steplog/internal/line"

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
	defer v.table.mu.Unlock()
	row := h.row(run.slot)
	if !row.used || row.seq != run.Seq {
		return rows
	}
	if r := h.live[run.slot]; r != nil {
		for i, st := range r.steps {
			if st.Seq > v.AsOf {
				continue
			}
			root := row.root
			if st.Identity.RootRun != r.Identity.RootRun {
				root = h.hash(rootOf(st.Identity))
			}
			rows = append(rows, StepRow{Seq: st.Seq, Started: line.Nanoseconds(st.Started), Class: st.state.class(0), Scope: st.Identity,
				Root: root, Action: st.Identity.Action, Place: i})
		}
		return rows
	}
	p := h.openSlot(run.slot)
	var start line.Lifecycle
	var state State
	p.open(&start, &state)
	st := pastStep{start: &start, state: &state}
	for i := range p.steps {
		p.next(&st)
		if st.seq > v.AsOf {
			continue
		}
		root := row.root
		if st.ownRelatives {
			if root = h.hashKept(p.id); st.relatives[0] != nil {
				root = h.hashKept(st.relatives[0])
			}
		}
		rows = append(rows, StepRow{Seq: st.seq, Started: st.started, Class: st.state.class(0), Scope: &st.scope.identity,
			Root: root, Action: st.action, Place: i})
	}
	return rows
}
