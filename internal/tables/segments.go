package tables

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// NewSegment adds an empty segment under a base name as the newest of its log.
func (t *Tables) NewSegment(file, name string) *Segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun++
	return t.insert(file, name, t.begun)
}

// SegmentAt adds an empty active segment in the place of one that has got its
// final name: before those that were begun meanwhile.
func (t *Tables) SegmentAt(old *Segment) *Segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.insert(old.File, old.File+activeExt, old.number)
}

// insert adds a segment. The caller holds mu.
func (t *Tables) insert(file, name string, number uint64) *Segment {
	serial, ok := t.reserved[name]
	if !ok {
		t.serial++
		serial = t.serial
	}
	delete(t.reserved, name)
	seg := &Segment{File: file, name: name, t: t, number: number, serial: serial}
	seg.InText.Store(AllInText)
	t.list(seg)
	return seg
}

// list puts a segment where it belongs. The caller holds mu.
func (t *Tables) list(seg *Segment) {
	at, _ := slices.BinarySearchFunc(t.segments, seg, compareSegments)
	t.segments = slices.Insert(slices.Clip(t.segments), at, seg)
}

// without returns the segments but one, in a list of their own.
func (t *Tables) without(seg *Segment) []*Segment {
	return slices.DeleteFunc(slices.Clone(t.segments), func(s *Segment) bool { return s == seg })
}

// Renamed gives a segment its new name and the place that goes with it.
func (t *Tables) Renamed(seg *Segment, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	seg.name = name
	if !seg.removed {
		t.segments = t.without(seg)
		t.list(seg)
	}
}

// compareSegments orders by log, then by age: by name, and those that still
// have the name of the active file by the order in which they were begun. The
// caller holds mu.
func compareSegments(a, b *Segment) int {
	if c := Compare(a.File, a.name, b.File, b.name); c != 0 {
		return c
	}
	return cmp.Compare(a.number, b.number)
}

// Compare orders files by log, then by age: closed files by their names,
// and the active file of a log after them.
func Compare(logA, nameA, logB, nameB string) int {
	if c := strings.Compare(logA, logB); c != 0 {
		return c
	}
	if activeA, activeB := nameA == logA+activeExt, nameB == logB+activeExt; activeA != activeB {
		if activeA {
			return 1
		}
		return -1
	}
	return strings.Compare(nameA, nameB)
}

// Remove takes a segment out, and with it the runs and steps that are over and of which
// no record is left. It returns the sidecar that the segment had, for [Tables.ForgetCounts].
func (t *Tables) Remove(seg *Segment) *sidecar.Index {
	x := seg.Index()
	if seg.File != Usage {
		t.forget(t.unlist(seg))
		return x
	}
	t.mu.Lock()
	t.expiring++ // before the file is gone, with which its runs would be saved for ever
	t.mu.Unlock()
	gone := t.unlist(seg)
	t.expire(seg)
	t.forget(gone)
	return x
}

// forget gives up rows, and what they counted for runs and steps without records.
func (t *Tables) forget(gone Rows) {
	t.forgetCounted(&gone)
	t.giveUp(gone, t.Runs.DropRow)
}

// Unlist takes a segment out with its rows. What it counted stays counted, and the runs
// and steps stay that it had the last record of.
func (t *Tables) Unlist(seg *Segment) { t.giveUp(t.unlist(seg), t.Runs.DropRow) }

// unlist takes a segment out, and returns its rows, to be given up.
func (t *Tables) unlist(seg *Segment) (gone Rows) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seg.removed {
		return Rows{}
	}
	seg.removed = true
	gone, seg.rows, seg.parsed = seg.rows, Rows{}, 0
	seg.lookUpIn(nil, nil)
	t.segments = t.without(seg)
	return gone
}

// expire gives up the runs and steps that are over and of which a segment held the last
// record.
func (t *Tables) expire(seg *Segment) {
	t.giving.Lock()
	defer t.giving.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.settled > 0 {
		t.late = append(t.late, seg.serial) // not all files are known
	} else {
		t.Runs.Expire(seg.serial)
	}
	t.expiring--
}

// Everything is a limit of views that is none.
const Everything = math.MaxUint64

// View returns what is known of runs up to a record, and hands out the views of all
// files up to it, by log, then by age, oldest first. yield must not call the tables.
func (t *Tables) View(asOf uint64, yield func(View)) runs.View {
	t.mu.Lock()
	defer t.mu.Unlock()
	limited := asOf < t.asOf
	for _, seg := range t.segments {
		v := View{rows: seg.rows, index: seg.index, Segment: seg}
		if v.index != nil {
			if v.n = v.index.Len(); limited {
				v.n = v.index.Search(asOf)
			}
			yield(v)
			continue
		}
		if limited {
			v.rows.n = v.rows.search(asOf)
		}
		for _, p := range seg.parts {
			if p.From < v.rows.n {
				part := v
				part.index, part.from0, part.n = p.Index, p.From, min(p.To, v.rows.n)-p.From
				yield(part)
			}
		}
		if v.from0 = seg.indexed(); v.from0 < v.rows.n || v.rows.n == 0 || len(seg.parts) == 0 {
			v.n = max(v.rows.n-v.from0, 0)
			yield(v)
		}
	}
	return t.Runs.View(min(t.asOf, asOf))
}

// Changed returns a channel that is closed at the next publication, nil when
// something newer than after is there already.
func (t *Tables) Changed(after uint64) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asOf > after {
		return nil
	}
	if t.wake == nil {
		t.wake = make(chan struct{})
	}
	return t.wake
}

// Holds reports whether a log has a record with a seq and with a line of this
// length, without its newline. It reads no sidecar but that of a file with older and
// younger records.
func (t *Tables) Holds(file string, seq uint64, length uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, seg := range t.segments {
		if seg.File != file {
			continue
		}
		if n := seg.rows.search(seq); n > 0 && seg.rows.At(n-1).Seq == seq {
			return seg.rows.At(n-1).Len == length
		}
		if x := seg.index; x != nil && x.First() <= seq && seq <= x.Last() {
			// What was sealed was read from the text, and whole.
			if n := x.Search(seq); n > 0 && sealedRow(x, n-1).Seq == seq {
				return true
			}
		}
	}
	return false
}

// Newest returns the largest seq published.
func (t *Tables) Newest() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.asOf
}

// NewestOf returns the largest seq of a log.
func (t *Tables) NewestOf(file string) (newest uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, seg := range t.segments {
		if seg.File == file {
			newest = max(newest, seg.lastSeq())
		}
	}
	return newest
}

// Segments returns all segments, by log, then by age, oldest first. The slice is never
// changed and must not be.
func (t *Tables) Segments() []*Segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.segments
}

// Unsealed returns how many closed files are not sealed: while there are several,
// those who log are ahead of those who seal.
func (t *Tables) Unsealed() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, seg := range t.segments {
		if seg.index == nil && seg.name != seg.File+activeExt {
			n++
		}
	}
	return n
}

// Split moves the rows of a segment that come after a seq to another, which is
// empty, and returns how much text they take.
func (t *Tables) Split(from, to *Segment, after uint64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := from.rows.search(after)
	size := to.rows.rebase(&from.rows, n, 0)
	for i := n; i < from.rows.n; i++ {
		row := from.rows.At(i)
		t.Runs.MovedRecord(row.Kind, row.Owner, from.serial, to.serial)
	}
	from.rows.n = n
	from.lookUpIn(nil, nil)
	// The list and the last chunk are shared with views that see more of them.
	from.rows.chunks = slices.Clone(from.rows.chunks[:(n+chunkRows-1)/chunkRows])
	if n%chunkRows != 0 {
		last := *from.rows.chunks[n/chunkRows]
		from.rows.chunks[n/chunkRows] = &last
	}
	to.parsed = size
	return size
}

// Merge moves the rows of a segment behind the text of the one before it, takes
// it out, and returns how much text there is then.
func (t *Tables) Merge(into, next *Segment, text int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	size := into.rows.rebase(&next.rows, 0, text)
	into.parsed = size
	next.removed = true
	t.segments = t.without(next)
	t.Runs.Moved(next.serial, into.serial)
	return size
}

// Rebase gives a segment the rows that were found in its text, and after them
// those that come after a seq and are not in the text yet, which will be written
// from offset end on. Of the found ones from row n on, owners are given apart. It
// returns where they will end.
func (t *Tables) Rebase(seg *Segment, found Rows, owners []*runs.Owner, n int, end int64, after uint64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seg.removed {
		return end
	}
	for i, o := range owners {
		found.At(n + i).Owner = t.Runs.Current(o).Code()
	}
	old := seg.rows
	size := found.rebase(&old, old.search(after), end)
	for i := range found.n {
		t.Runs.AddRow(found.At(i).Owner)
	}
	seg.rows, seg.parsed = found, size
	seg.lookUpIn(nil, nil)
	for i := range old.n {
		t.Runs.DropRow(old.At(i).Owner)
	}
	return size
}

// UsageAfter reports whether records of runs are known from a file after this one.
func (t *Tables) UsageAfter(seg *Segment) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.segments {
		if s.File == Usage && compareSegments(s, seg) > 0 && s.lastSeq() > 0 {
			return true
		}
	}
	return false
}

// ForgetRuns forgets what is known of runs and steps but what lines count for
// them. Earlier views keep theirs.
func (t *Tables) ForgetRuns() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Runs.Restart()
	for _, seg := range t.segments {
		if seg.index != nil {
			t.countSealed(seg.index, 0, 1)
		}
		for i := range seg.rows.n {
			if row := seg.rows.At(i); row.counts() {
				t.count(t.Runs.OwnerAt(row.Owner), row, 1)
			}
		}
	}
}
