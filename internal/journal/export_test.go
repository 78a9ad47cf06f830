package journal

// Settle keeps all runs that are over in few bytes, now.
func (j *Journal) Settle() { j.tables.Runs.Settle(true) }

// Held returns how many runs and steps are objects, and for how many without records
// lines are counted.
func (j *Journal) Held() (runs, steps, aside int) { return j.tables.Runs.Held() }

// Unsealed returns how many closed files are not sealed.
func (j *Journal) Unsealed() int { return j.tables.Unsealed() }

// TookSaved reports whether the tables were read when the folder was opened.
func (j *Journal) TookSaved() bool {
	j.saving.mu.Lock()
	defer j.saving.mu.Unlock()
	return j.saving.size > 0
}

// SaveNow saves the tables as if enough had been logged.
func (j *Journal) SaveNow() error { return j.saveTables(saveLive, j.stopped) }
