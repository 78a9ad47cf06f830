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
