package journal

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// newSegment adds an empty segment as the newest of its log.
func (t *tables) newSegment(file, name string) *segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun++
	return t.insert(file, name, t.begun)
}

// segmentAt adds an empty active segment in the place of one that has got its
// final name: before those that were begun meanwhile.
func (t *tables) segmentAt(old *segment) *segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.insert(old.file, old.file+logExt, old.number)
}

// insert adds a segment. The caller holds mu.
func (t *tables) insert(file, name string, number uint64) *segment {
	serial, ok := t.reserved[name]
	if !ok {
		t.serial++
		serial = t.serial
	}
	delete(t.reserved, name)
	seg := &segment{file: file, name: name, t: t, number: number, serial: serial}
	seg.inText.Store(allInText)
	segments := slices.Clone(t.segments)
	at, _ := slices.BinarySearchFunc(segments, seg, compareSegments)
	t.segments = slices.Insert(segments, at, seg)
	return seg
}

// renamed gives a segment its new name and the place that goes with it.
func (t *tables) renamed(seg *segment, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	seg.name = name
	t.segments = slices.Clone(t.segments)
	slices.SortFunc(t.segments, compareSegments)
}

// compareSegments orders by log, then by age: by name, and those that still
// have the name of the active file by the order in which they were begun. The
// caller holds mu.
func compareSegments(a, b *segment) int {
	if c := compareNames(a.file, a.name, b.file, b.name); c != 0 {
		return c
	}
	return cmp.Compare(a.number, b.number)
}

// compareNames orders files by log, then by age: closed files by their names,
// and the active file of a log after them.
func compareNames(logA, nameA, logB, nameB string) int {
	if c := strings.Compare(logA, logB); c != 0 {
		return c
	}
	if activeA, activeB := nameA == logA+".log", nameB == logB+".log"; activeA != activeB {
		if activeA {
			return 1
		}
		return -1
	}
	return strings.Compare(nameA, nameB)
}

// remove takes a segment out, and with it the runs and steps of which no
// record is left. It returns the sidecar that the segment had, for forgetCounts.
func (t *tables) remove(seg *segment) *sidecar.Index {
	x := t.indexOf(seg)
	gone := t.unlist(seg)
	if seg.file == FileUsage {
		t.expire(seg)
	}
	t.forgetCounted(&gone)
	t.forget(gone)
	return x
}

// unlist takes a segment out of the list, and returns its rows.
func (t *tables) unlist(seg *segment) (gone rows) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seg.removed {
		return rows{}
	}
	seg.removed = true
	gone, seg.rows, seg.parsed = seg.rows, rows{}, 0
	seg.lookUpIn(nil, nil)
	t.segments = slices.DeleteFunc(slices.Clone(t.segments), func(s *segment) bool { return s == seg })
	return gone
}

// expire gives up the runs and steps of which a segment held the last record.
func (t *tables) expire(seg *segment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.settled > 0 {
		t.late = append(t.late, seg.serial) // not all files are known
		return
	}
	t.runs.Expire(seg.serial)
}

// lookUpIn gives a segment the sidecar that stands for its rows, or those of parts
// of them, in place of what it had. The caller holds mu.
func (s *segment) lookUpIn(x *sidecar.Index, parts []rowsIndex) {
	if s.index != nil && s.index != x {
		s.index.Held().Release()
	}
	for _, p := range s.parts {
		if !slices.Contains(parts, p) {
			p.index.Held().Release()
		}
	}
	s.index, s.parts = x, parts
}

// everything is a limit that is none.
const everything = math.MaxUint64

// snapshot returns what is known of runs up to a record, and hands out the views of all
// files up to it, by log, then by age, oldest first.
func (t *tables) snapshot(asOf uint64, yield func(view)) runs.View {
	t.mu.Lock()
	defer t.mu.Unlock()
	limited := asOf < t.asOf
	for _, seg := range t.segments {
		v := view{rows: seg.rows, index: seg.index, seg: seg}
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
			if p.from < v.rows.n {
				part := v
				part.index, part.from0, part.n = p.index, p.from, min(p.to, v.rows.n)-p.from
				yield(part)
			}
		}
		if v.from0 = seg.indexed(); v.from0 < v.rows.n || v.rows.n == 0 || len(seg.parts) == 0 {
			v.n = max(v.rows.n-v.from0, 0)
			yield(v)
		}
	}
	return t.runs.View(min(t.asOf, asOf))
}

// changed returns a channel that is closed at the next publication, nil when
// something newer than after is there already.
func (t *tables) changed(after uint64) <-chan struct{} {
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

// holds reports whether a log has a record with a seq and with a line of this
// length, without its newline.
func (t *tables) holds(file string, seq uint64, length uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, seg := range t.segments {
		if seg.file != file {
			continue
		}
		if n := seg.rows.search(seq); n > 0 && seg.rows.at(n-1).Seq == seq {
			return seg.rows.at(n-1).Len == length
		}
		if x := seg.index; x != nil {
			// What was sealed was read from the text, and whole.
			if n := x.Search(seq); n > 0 && sealedRow(x, n-1).Seq == seq {
				return true
			}
		}
	}
	return false
}

// newest returns the largest seq published.
func (t *tables) newest() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.asOf
}

// rowsOf returns the rows of a segment as they are now.
func (t *tables) rowsOf(seg *segment) rows {
	t.mu.Lock()
	defer t.mu.Unlock()
	return seg.rows
}

// newestOf returns the largest seq of a log.
func (t *tables) newestOf(file string) (newest uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, seg := range t.segments {
		if seg.file == file {
			newest = max(newest, seg.lastSeq())
		}
	}
	return newest
}

// all returns every segment; the slice is never changed.
func (t *tables) all() []*segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.segments
}

// unsealed returns how many closed files are not sealed: while there are several,
// those who log are ahead of those who seal.
func (t *tables) unsealed() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, seg := range t.segments {
		if seg.index == nil && seg.name != seg.file+logExt {
			n++
		}
	}
	return n
}

// firstOf returns the seq of a segment's oldest row, 0 when it has none.
func (t *tables) firstOf(seg *segment) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case seg.index != nil:
		return seg.index.First()
	case seg.rows.n == 0:
		return 0
	}
	return seg.rows.at(0).Seq
}

// lastOf returns the seq of a segment's newest row.
func (t *tables) lastOf(seg *segment) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return seg.lastSeq()
}

// parsedTo remembers how much of a segment's text the rows stand for.
func (t *tables) parsedTo(seg *segment, end int64) {
	t.mu.Lock()
	seg.parsed = max(seg.parsed, end)
	t.mu.Unlock()
}

// before returns a copy of the rows whose lines end at or before an offset, and
// where the last of them ends.
func (t *tables) before(seg *segment, offset int64) (kept rows, end int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range seg.rows.n {
		row := seg.rows.at(i)
		rowEnd := int64(row.Offset) + int64(row.Len) + 1
		if rowEnd > offset {
			break
		}
		kept.append(*row)
		end = rowEnd
	}
	return kept, end
}

// parsed returns how much of a segment's text the rows stand for.
func (t *tables) parsed(seg *segment) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return seg.parsed
}

// split moves the rows of a segment that come after a seq to another, which is
// empty, and returns how much text they take.
func (t *tables) split(from, to *segment, after uint64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := from.rows.search(after)
	size := to.rows.rebase(&from.rows, n, 0)
	for i := n; i < from.rows.n; i++ {
		row := from.rows.at(i)
		t.runs.MovedRecord(row.Kind, row.Owner, from.serial, to.serial)
	}
	from.rows.n = n
	from.lookUpIn(nil, nil)
	from.rows.chunks = from.rows.chunks[: (n+chunkRows-1)/chunkRows : (n+chunkRows-1)/chunkRows]
	if n%chunkRows != 0 {
		// The last chunk is shared with snapshots that see more of it.
		last := *from.rows.chunks[n/chunkRows]
		from.rows.chunks[n/chunkRows] = &last
	}
	to.parsed = size
	return size
}

// merge moves the rows of a segment behind the text of the one before it, takes
// it out, and returns how much text there is then.
func (t *tables) merge(into, next *segment, text int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	size := into.rows.rebase(&next.rows, 0, text)
	into.parsed = size
	next.removed = true
	t.segments = slices.DeleteFunc(slices.Clone(t.segments), func(s *segment) bool { return s == next })
	t.runs.Moved(next.serial, into.serial)
	return size
}

// rebase gives a segment the rows that were found in its text, and after them
// those that come after a seq and are not in the text yet, which will be written
// from offset end on. Of the found ones from row n on, owners are given apart. It
// returns where they will end.
func (t *tables) rebase(seg *segment, found rows, owners []*Owner, n int, end int64, after uint64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seg.removed {
		return end
	}
	for i, o := range owners {
		found.at(n + i).Owner = t.runs.Current(o).Code()
	}
	old := seg.rows
	size := found.rebase(&old, old.search(after), end)
	for i := range found.n {
		t.runs.AddRow(found.at(i).Owner)
	}
	seg.rows, seg.parsed = found, size
	seg.lookUpIn(nil, nil)
	for i := range old.n {
		t.runs.DropRow(old.at(i).Owner)
	}
	return size
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
