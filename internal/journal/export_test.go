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
func (j *Journal) SaveNow() error { return j.saveTables(saveLive, j.Closed) }

// BySeq finds the record with this seq. The segment is nil when there is none.
func (s *Snapshot) BySeq(seq uint64) (*Segment, int) {
	for i := range s.Segments {
		seg := &s.Segments[i]
		if n := seg.Search(seq); n > 0 && seg.Row(n-1).Seq == seq {
			return seg, n - 1
		}
	}
	return nil, 0
}

// SeenLast has the writer have given its last sign of life long ago.
func (j *Journal) SeenLast() { j.ring.setAlive(1) }

// Queued returns how many callers wait for room in the ring.
func (j *Journal) Queued() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, q := range j.queues {
		n += len(q.waiters)
	}
	return n
}

// GiveAndFault gives everybody room who waits for it in the ring, and then has the ring
// fault before anybody took it.
func (j *Journal) GiveAndFault() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, q := range j.queues {
		limit := q.limit
		q.limit = 2 * j.ring.size
		j.giveSpace()
		q.limit = limit
	}
	_ = j.fault(errFault)
}

// Recheck looks at every sidecar, and reports whether any is damaged.
func (j *Journal) Recheck() bool { return j.recheck() }

// Fault has the ring fault.
func (j *Journal) Fault() { j.touched(errFault) }

// UseUpNumbers skips the numbers that are reserved.
func (j *Journal) UseUpNumbers() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.numbers.next = j.numbers.reserved
}

// Busy reports whether somebody is appending.
func (j *Journal) Busy() bool {
	if j.mu.TryLock() {
		j.mu.Unlock()
		return false
	}
	return true
}

// Readers returns how many files are open for reading, and how many of them are closed
// ones, which one after the other is looked at.
func (j *Journal) Readers() (open, ordered int) {
	j.readers.mu.Lock()
	defer j.readers.mu.Unlock()
	return len(j.readers.bySeg), len(j.readers.order)
}

// PartFields returns the paths that the parts of the active file of a log index.
func (j *Journal) PartFields(log string) (fields [][]string) {
	for _, seg := range j.tables.Segments() {
		if seg.File == log && seg.Active() {
			_, parts := seg.Unindexed()
			for _, p := range parts {
				fields = append(fields, p.Index.Fields())
			}
		}
	}
	return fields
}
