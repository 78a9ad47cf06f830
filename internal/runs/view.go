package runs

import (
	"encoding/binary"
	"strings"

	"github.com/steplog/steplog/internal/line"
)

// View is what a table knows of runs that started up to one record, and whose the
// codes of rows were at that moment. States are those of the moment in which they
// are asked for. It is safe for concurrent use: its methods take the table's mutex.
type View struct {
	// AsOf is the seq of the newest record in the view, 0 when it is empty.
	AsOf uint64

	owners  ownerView
	scopes  []*runScope // that owners name, as they were
	table   *Table
	history *history // guarded by Table.mu
}

// View returns a view as of a record.
func (t *Table) View(asOf uint64) View {
	return View{AsOf: asOf, owners: t.owners.snapshot(), scopes: t.history.scopes.list, table: t, history: t.history}
}

// Owners returns how many codes there are: those of rows are below it.
func (v *View) Owners() int { return v.owners.n }

// Owner returns the identity with a code, which must not be changed.
func (v *View) Owner(code uint32) *line.Identity {
	e := v.owners.at(code)
	if e.o != nil {
		return &e.o.identity
	}
	v.table.mu.Lock()
	defer v.table.mu.Unlock()
	id := v.table.history.unpackIdentity(e.packed, v.scopes)
	return &id
}

// OwnerFilter is a condition on identities, as far as the run and what runs of a flow have
// in common tell.
type OwnerFilter struct {
	run, kept string // the id of the run as it is and as it is kept, "" for any
	flow      func(*line.Identity) bool
}

// NewOwnerFilter returns the filter for a run, "" for any, and for what a flow decides by
// server to parent_operation of an identity.
func NewOwnerFilter(run string, flow func(*line.Identity) bool) *OwnerFilter {
	f := &OwnerFilter{run: run, flow: flow}
	if run != "" {
		f.kept = string(appendID(nil, run))
	}
	return f
}

// And returns a filter that asks for something more of a flow.
func (f *OwnerFilter) And(flow func(*line.Identity) bool) *OwnerFilter {
	return &OwnerFilter{f.run, f.kept, func(id *line.Identity) bool { return f.flow(id) && flow(id) }}
}

// noFlow is that of an identity that is not known any more.
var noFlow line.Identity // immutable

// OwnerHas reports whether the identity with a code has what a filter asks for, in a
// small part of the time that Owner takes.
func (v *View) OwnerHas(code uint32, f *OwnerFilter) bool {
	e := v.owners.at(code)
	if e.o != nil {
		id := &e.o.identity
		return (f.run == "" || f.run == id.Run) && f.flow(id)
	}
	scope, n := uvarint(e.packed)
	if n <= 0 {
		return f.run == "" && f.flow(&noFlow)
	}
	if !strings.HasPrefix(e.packed[n:], f.kept) {
		return false
	}
	if s := scopeAt(v.scopes, scope); s != nil {
		return f.flow(&s.identity)
	}
	return f.flow(&noFlow)
}

// uvarint is [binary.Uvarint] of what a text begins with.
func uvarint(text string) (uint64, int) {
	var head [binary.MaxVarintLen64]byte
	return binary.Uvarint(head[:copy(head[:], text)])
}

// Runs returns the runs in the order in which they started: all of them, for
// tests and for few.
func (v *View) Runs() (runs []*Run) {
	v.AllRuns().Each(true, 0, 0, AnyClass(), func(row *Row) bool {
		if r := v.Of(row.Ref()); r != nil {
			runs = append(runs, r)
		}
		return true
	})
	return runs
}

// Run returns the run with this id, nil when it is not known.
func (v *View) Run(id string) *Run {
	if r := v.history.run(id); r != nil && r.Seq <= v.AsOf {
		return r
	}
	return nil
}

// Step returns the step with this id, nil when it is not known.
func (v *View) Step(id string) *Step {
	if st := v.history.step(id); st != nil && st.Seq <= v.AsOf {
		return st
	}
	return nil
}

// Of returns a run that a row told of, nil when it was removed meanwhile.
func (v *View) Of(run Ref) *Run { return v.Read(run, new(Reading)) }

// Read is Of for who looks at one run after the other: what it returns, with its
// steps, holds until the next Read with the same Reading.
func (v *View) Read(run Ref, in *Reading) *Run { return v.history.of(run, in) }

// List returns the runs with a value of a dimension.
func (v *View) List(by Dimension, value string) List {
	v.table.mu.Lock()
	defer v.table.mu.Unlock()
	return List{v.history, v.history.scopes.lists[by][value], v.AsOf}
}

// AllRuns returns all runs.
func (v *View) AllRuns() List { return List{v.history, &v.history.all, v.AsOf} }

// Row returns the row of the run with this id, false when it is not known.
func (v *View) Row(id string) (Row, bool) {
	h := v.history
	v.table.mu.Lock()
	defer v.table.mu.Unlock()
	slot, ok := uint32(0), false
	if r := h.runs[id]; r != nil {
		slot, ok = r.slot, true
	} else {
		slot, ok = h.findRun(id)
	}
	if !ok || h.row(slot).seq > v.AsOf {
		return Row{}, false
	}
	return h.rowOf(slot), true
}

// Hash returns the hash of an id: equal ids have the same, others nearly always
// another one. That of "" is 0.
func (v *View) Hash(id string) uint32 { return v.history.hash(id) }

// Trigger returns the code of who started a run, without blanks around; false when
// no run says so but those of OtherTrigger.
func (v *View) Trigger(by string) (code uint32, ok bool) {
	v.table.mu.Lock()
	defer v.table.mu.Unlock()
	if by == "" {
		return 0, true
	}
	code, ok = v.history.texts.codeOf(by, false)
	return code + 1, ok
}
