package journal

// Settle keeps all runs that are over in few bytes, now.
func (j *Journal) Settle() { j.tables.settle(true) }

// Live returns how many runs and steps are objects.
func (j *Journal) Live() (runs, steps int) {
	j.tables.mu.Lock()
	defer j.tables.mu.Unlock()
	return len(j.tables.history.live), len(j.tables.history.steps)
}

// Saved returns the tables as they would be saved for these files.
func (j *Journal) Saved(files map[string]int64) []byte {
	b, _ := j.tables.save(files)
	return b[min(tablesHead, len(b)):]
}

// ReadSaved takes in what Saved returned, or anything else, and looks at all of it.
func ReadSaved(b []byte, files map[string]int64) (runs int, ok bool) {
	t := newTables()
	same, ok := t.load(new(readWire(b)), files)
	if !ok || !same {
		return 0, false
	}
	t.loaded()
	s := t.snapshot(nil, everything)
	s.AsOf = everything
	for _, r := range s.Runs() {
		runs++
		for _, st := range r.Steps() {
			t.step(st.Identity.Step)
		}
		t.run(r.Identity.Run)
	}
	return runs, true
}
