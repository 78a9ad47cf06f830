package runs

// Bytes returns how much memory the bytes of runs that are over take.
func (t *Table) Bytes() (n int) {
	for _, c := range t.history.packed.chunks {
		if c != nil {
			n += cap(c.b)
		}
	}
	return n
}

// Turns returns how often others got the mutex in the middle of something.
func (t *Table) Turns() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.turns
}

// Scopes returns how many scopes there are, how many codes they take, and how many lists.
func (t *Table) Scopes() (scopes, codes, lists int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.history.scopes
	for i := range s.lists {
		lists += len(s.lists[i])
	}
	return len(s.byIdentity), len(s.list), lists
}

// SweepFewScopes is SweepScopes where there are few.
func (t *Table) SweepFewScopes() {
	t.history.scopes.enough = 0
	t.SweepScopes()
}

// IDs is an index of ids.
type IDs struct{ x idIndex }

// NewIDs returns an empty index.
func NewIDs() *IDs { return &IDs{newIDIndex(newIDSeed())} }

// Add enters a slot under an id.
func (ids *IDs) Add(id string, slot uint32) { ids.x.add([]byte(id), slot) }

// Remove takes it out again.
func (ids *IDs) Remove(id string, slot uint32) { ids.x.remove([]byte(id), slot) }

// Find returns the first slot under an id that is the right one.
func (ids *IDs) Find(id string, is func(slot uint32) bool) (uint32, bool) {
	return ids.x.find([]byte(id), is)
}

// Places returns how many places the index has, and how many are taken.
func (ids *IDs) Places() (all, taken int) {
	for i := range ids.x.tables {
		all += len(ids.x.tables[i].entries)
	}
	return all, ids.x.n
}

// Saved returns the index as it is saved and read, nil where what is saved has other bytes
// by then.
func (ids *IDs) Saved(slots int, change func(b []byte) []byte) *IDs {
	again := &IDs{newIDIndex(ids.x.seed)}
	if !again.x.load(change(ids.x.appendTo(nil)), slots) {
		return nil
	}
	return again
}
