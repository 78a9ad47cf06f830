package journal

import "errors"

// What a run or step is follows from its records in the order in which they were
// written. A reader that finds them in another one, because files of theirs were
// rotated or compressed between two looks, or that misses one for a moment,
// derives all runs again from all files of theirs.

var errDisorder = errors.New("journal: records of runs were read out of order")

// disorders reports whether taking in what a file has now would apply records of
// runs twice, or after younger ones.
func (w *follower) disorders(j *Journal, seg *segment, appends bool) bool {
	if seg.file != FileUsage {
		return false
	}
	return !appends && j.tables.lastOf(seg) > 0 || j.tables.usageAfter(seg)
}

// relearn forgets all runs and steps, and the files of their records, which are
// read again.
func (w *follower) relearn(j *Journal) {
	w.amiss = false
	for _, seg := range j.tables.all() {
		if seg.file == FileUsage {
			j.tables.forget(j.tables.clearRows(seg))
			j.readers.drop(seg)
			w.unread[seg] = true
		}
	}
	j.tables.forgetRuns()
}

// usageAfter reports whether records of runs are known from a file after this one.
func (t *tables) usageAfter(seg *segment) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.segments {
		if s.file == FileUsage && compareSegments(s, seg) > 0 && s.lastSeq() > 0 {
			return true
		}
	}
	return false
}

// forgetRuns forgets what is known of runs and steps but what lines count for
// them. Earlier snapshots keep theirs.
func (t *tables) forgetRuns() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs.Restart()
	for _, seg := range t.segments {
		if seg.index != nil {
			t.countSealed(seg.index, 0, 1)
		}
		for i := range seg.rows.n {
			if row := seg.rows.at(i); row.counts() {
				t.count(t.runs.OwnerAt(row.Owner), row, 1)
			}
		}
	}
}
