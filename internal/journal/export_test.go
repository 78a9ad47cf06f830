package journal

// Settle keeps all runs that are over in few bytes, now.
func (j *Journal) Settle() { j.tables.settle(true) }

// Live returns how many runs and steps are objects.
func (j *Journal) Live() (runs, steps int) {
	j.tables.mu.Lock()
	defer j.tables.mu.Unlock()
	return len(j.tables.history.live), len(j.tables.history.steps)
}
