package journal

import (
	"errors"

	"github.com/steplog/steplog/internal/tables"
)

// What a run or step is follows from its records in the order in which they were
// written. A reader that finds them in another one, because files of theirs were
// rotated or compressed between two looks, or that misses one for a moment,
// derives all runs again from all files of theirs.

var errDisorder = errors.New("journal: records of runs were read out of order")

// disorders reports whether taking in what a file has now would apply records of
// runs twice, or after younger ones.
func (w *follower) disorders(j *Journal, seg *tables.Segment, appends bool) bool {
	if seg.File != tables.Usage {
		return false
	}
	return !appends && seg.Last() > 0 || j.tables.UsageAfter(seg)
}

// relearn forgets all runs and steps, and the files of their records, which are
// read again.
func (w *follower) relearn(j *Journal) {
	w.amiss = false
	for _, seg := range j.tables.Segments() {
		if seg.File == tables.Usage {
			j.tables.Clear(seg)
			j.readers.drop(seg)
			w.unread[seg] = true
		}
	}
	j.tables.ForgetRuns()
}
