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
