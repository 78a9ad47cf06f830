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

// Settling reports whether a run is being packed. It takes the mutex.
func (t *Table) Settling() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.history.idle) == 0 && len(t.history.live)+len(t.history.steps) > 0
}
