package runs

import (
	"maps"
	"slices"
	"strings"

	"github.com/steplog/steplog/internal/line"
)

// runScope is what runs of one flow have in common: server to parent_operation.
type runScope struct {
	code     uint32
	identity line.Identity
	lists    [dimensions]*runList
	seen     uint32 // the sweep in which something named it
}

// scopeTable gives scopes their codes, which rows, bytes of runs and packed identities name
// them by. A code that nothing names any more is given to another scope: who has a project
// for each customer, or a server for each start, would keep all of them for ever otherwise.
//
// Who has the bytes of a run reads the list without the mutex: what they name stays in it,
// for another list takes its place when codes are taken back.
type scopeTable struct {
	list       []*runScope // by code; nil where that is free
	free       []uint32    // codes
	byIdentity map[line.Identity]*runScope
	lists      [dimensions]map[string]*runList
	sweeps     uint32 // how often it was looked for codes that nothing names
	enough     int    // how many scopes there are when that is worth its time again
}

// fewScopes is of how many scopes nobody minds the memory, some 750 bytes for each.
const fewScopes = 1024

func newScopeTable() scopeTable {
	t := scopeTable{byIdentity: map[line.Identity]*runScope{}, enough: fewScopes}
	for i := range t.lists {
		t.lists[i] = map[string]*runList{}
	}
	return t
}

// again returns a table with the same codes, and lists without runs.
func (t *scopeTable) again() scopeTable {
	next := newScopeTable()
	for _, s := range t.list {
		next.load(s)
	}
	next.sweeps, next.enough = t.sweeps, t.enough
	return next
}

// load adds a scope like one of another table, nil for a code that is free.
func (t *scopeTable) load(like *runScope) {
	code := uint32(len(t.list))
	t.list = append(t.list, nil)
	if like == nil {
		t.free = append(t.free, code)
		return
	}
	t.put(&runScope{code: code, identity: like.identity})
}

// scopeAt returns the scope with a code, nil where there is none.
func scopeAt(list []*runScope, code uint64) *runScope {
	if code >= uint64(len(list)) {
		return nil
	}
	return list[code]
}

// of returns the scope of an identity.
func (t *scopeTable) of(id *line.Identity) *runScope {
	key := line.Identity{Server: id.Server, ServerName: id.ServerName, Service: id.Service, ServiceName: id.ServiceName,
		Project: id.Project, Operation: id.Operation, OperationName: id.OperationName, ParentOperation: id.ParentOperation}
	s := t.byIdentity[key]
	if s == nil {
		for _, text := range scopeTexts(&key) {
			*text = strings.Clone(*text)
		}
		s = &runScope{code: t.code(), identity: key}
		t.put(s)
	}
	s.seen = t.sweeps
	return s
}

// code returns one that is free.
func (t *scopeTable) code() (code uint32) {
	if n := len(t.free); n > 0 {
		code, t.free = t.free[n-1], t.free[:n-1]
		return code
	}
	t.list = append(t.list, nil)
	return uint32(len(t.list) - 1)
}

// put has a scope stand for its code.
func (t *scopeTable) put(s *runScope) {
	for i, value := range s.values() {
		l := t.lists[i][value]
		if l == nil {
			l = &runList{}
			t.lists[i][value] = l
		}
		l.scopes++
		s.lists[i] = l
	}
	t.list[s.code] = s
	t.byIdentity[s.identity] = s
}

// values returns what the runs of a scope are listed by.
func (s *runScope) values() [dimensions]string {
	return [dimensions]string{s.identity.Operation, s.identity.Service, s.identity.Server, s.identity.Project}
}

// see notes that something names a code.
func (t *scopeTable) see(code uint32) { t.list[code].seen = t.sweeps }

// SweepScopes gives up what runs of a flow have in common where no run, step or owner of it
// is left, when there may be much of it. Others get the mutex now and then meanwhile, but
// no runs may expire, and no cut may be taken, until it returns.
func (t *Table) SweepScopes() {
	h := t.history
	if len(h.scopes.byIdentity) < h.scopes.enough || t.cuts > 0 {
		return
	}
	turns := turns{of: t}
	h.scopes.sweeps++
	h.seeRuns(&turns)
	h.seeOwners(&turns)
	if t.history == h {
		h.scopes.takeBack(&turns)
	}
}

// seeRuns notes what runs and their steps name.
func (h *history) seeRuns(turns *turns) {
	var in Reading
	for slot := uint32(0); slot < h.used; slot++ {
		if row := h.row(slot); row.used {
			h.live[slot].touch() // bytes of it that were begun may name what nothing else does
			h.scopes.see(row.scope)
			if row.mixed && row.packed != (place{}) {
				h.seeSteps(slot, &in, turns)
			}
		}
		turns.pause()
	}
}

// seeOwners notes what owners name, until the history is another one.
func (h *history) seeOwners(turns *turns) {
	owners := &h.t.owners.view
	for code := uint32(0); h.t.history == h && int(code) < owners.n; code++ {
		switch e := owners.at(code); {
		case e.o != nil:
			h.scopes.of(&e.o.identity)
		case e.packed != "":
			h.scopes.see(scopeOfPacked(e.packed))
		}
		turns.pause()
	}
}

// seeSteps notes what the steps of a packed run name.
func (h *history) seeSteps(slot uint32, in *Reading, turns *turns) {
	var start line.Lifecycle
	var state State
	step := packedStep{start: &start, state: &state}
	p := h.openRun(slot, in)
	for p.open(&start, &state); p.steps > 0; p.steps-- {
		p.next(&step)
		step.scope.seen = h.scopes.sweeps
		turns.pause()
	}
}

// takeBack takes back the codes of which nothing was seen in this sweep, and the lists
// that have no scope left.
func (t *scopeTable) takeBack(turns *turns) {
	t.list = slices.Clone(t.list)
	for code := range t.list {
		s := t.list[code]
		if s == nil || s.seen == t.sweeps {
			continue
		}
		for i, value := range s.values() {
			if s.lists[i].scopes--; s.lists[i].scopes == 0 {
				delete(t.lists[i], value)
			}
		}
		delete(t.byIdentity, s.identity)
		t.list[code] = nil
		t.free = append(t.free, uint32(code))
		turns.pause()
	}
	if len(t.byIdentity) < t.enough/4 { // a map never gets smaller
		t.byIdentity = maps.Collect(maps.All(t.byIdentity))
		for i := range t.lists {
			t.lists[i] = maps.Collect(maps.All(t.lists[i]))
		}
	}
	t.enough = max(fewScopes, 2*len(t.byIdentity))
}

// scopeTexts returns those identifiers that runs of one flow have in common.
func scopeTexts(id *line.Identity) [8]*string {
	return [8]*string{&id.Server, &id.ServerName, &id.Service, &id.ServiceName, &id.Project, &id.Operation, &id.OperationName, &id.ParentOperation}
}
