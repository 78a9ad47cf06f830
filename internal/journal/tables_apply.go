package journal

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
)

// Reasons that the library gives when it ends a run or step itself.
const (
	ReasonProcessDied = "the process died before the run ended"
	ReasonRunEnded    = "the run ended first"
	outcomeFailed     = "failed"
)

func newTables() *tables {
	return &tables{
		owners:   newOwnerTable(),
		runByID:  map[string]*Run{},
		stepByID: map[string]*Step{},
		unlinked: map[string]*unlinked{},
		stray:    map[string]*tally{},
	}
}

// publish adds the record to the rows of seg and to what is derived from it.
// It makes the record visible to every snapshot taken afterwards.
func (t *tables) publish(seg *segment, row Row, o *Owner, lc *line.Lifecycle) {
	t.mu.Lock()
	o = t.current(o)
	o.rows++
	row.Owner = o.code
	seg.rows.append(row)
	seg.parsed = int64(row.Offset) + int64(row.Len) + 1
	switch row.Kind {
	case line.KindLine, line.KindCapture:
		t.count(o, &row, 1)
	case line.KindRun:
		t.applyRun(seg, &row, o, lc)
	case line.KindStep:
		t.applyStep(seg, &row, o, lc)
	}
	if row.Seq > t.asOf {
		t.asOf = row.Seq
	}
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
	t.mu.Unlock()
}

// counts reports whether a run or step counts a row: lines and captures.
func (r *Row) counts() bool { return r.Kind == line.KindLine || r.Kind == line.KindCapture }

// count adds a line or capture to what its run and step logged, or, with a sign
// of -1, takes it back. The caller holds mu.
func (t *tables) count(o *Owner, row *Row, sign int64) {
	size := sign * (int64(row.Len) + 1)
	lines := int64(0)
	if row.Kind == line.KindLine {
		lines = sign
	}
	level := line.LevelIndex(zapcore.Level(row.Level))
	if o.run == nil {
		o.lines[level] += lines
		o.bytes += size
		return
	}
	o.run.state.add(level, lines, size, row.Time)
	if o.identity.Step == "" {
		return
	}
	if o.step == nil {
		o.step = t.stepByID[o.identity.Step]
	}
	if o.step != nil {
		o.step.state.add(level, lines, size, row.Time)
		return
	}
	n := tally{bytes: size}
	n.lines[level] = lines
	t.tellStep(o.identity.Step, &n)
}

func (s *RunState) add(level int, lines, size, at int64) {
	s.logged[level] += lines
	s.loggedBytes += size
	s.seen = max(s.seen, at)
}

// uncount takes back what the rows of a segment added, because the segment is
// going to be read again.
func (t *tables) uncount(seg *segment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seg.index != nil {
		t.countSealed(seg.index, -1)
	}
	for i := range seg.rows.n {
		if row := seg.rows.at(i); row.counts() {
			t.count(t.owners.view.at(row.Owner), row, -1)
		}
	}
}

// applyRun takes in a run record. What follows the first record of a run may
// be any of its records: the start expires before the end.
func (t *tables) applyRun(seg *segment, row *Row, o *Owner, lc *line.Lifecycle) {
	r := t.runByID[o.identity.Run]
	if r == nil {
		if o.identity.Run == "" || lc == nil {
			return
		}
		r = &Run{Seq: row.Seq, Identity: &o.identity, Start: *lc, Started: time.Unix(0, row.Time).UTC(), t: t, owner: o}
		if lc.ID != 0 && lc.Phase != line.PhaseStart {
			r.Seq = lc.ID
		}
		if !lc.Started.IsZero() {
			r.Started = lc.Started
		}
		t.addRun(r)
	}
	r.last = seg
	r.state.apply(row, lc)
}

// addRun enters a run in the order of seq and gives it what came before it.
func (t *tables) addRun(r *Run) {
	at := len(t.runs)
	for at > 0 && t.runs[at-1].Seq > r.Seq {
		at--
	}
	if at == len(t.runs) {
		t.runs = append(t.runs, r)
	} else {
		t.runs = slices.Insert(slices.Clone(t.runs), at, r)
	}
	id := r.Identity.Run
	t.runByID[id] = r
	u := t.unlinked[id]
	if u == nil {
		return
	}
	delete(t.unlinked, id)
	for _, s := range u.steps {
		s.run = r
	}
	r.steps = append(r.steps, u.steps...)
	r.state.Steps = len(r.steps)
	for _, o := range u.owners {
		o.link(r)
	}
	for step, n := range u.sealed {
		t.tell(r, step, n)
	}
}

func (t *tables) unlinkedOf(run string) *unlinked {
	u := t.unlinked[run]
	if u == nil {
		u = &unlinked{}
		t.unlinked[run] = u
	}
	return u
}

func (t *tables) applyStep(seg *segment, row *Row, o *Owner, lc *line.Lifecycle) {
	s := t.stepByID[o.identity.Step]
	if s == nil {
		if o.identity.Step == "" || lc == nil {
			return
		}
		s = &Step{Seq: row.Seq, Identity: &o.identity, Start: *lc, Started: time.Unix(0, row.Time).UTC(), t: t, owner: o,
			run: t.runByID[o.identity.Run]}
		if lc.ID != 0 && lc.Phase != line.PhaseStart {
			s.Seq = lc.ID
		}
		if !lc.Started.IsZero() {
			s.Started = lc.Started
		}
		t.stepByID[o.identity.Step] = s
		o.step = s
		if n := t.stray[o.identity.Step]; n != nil {
			delete(t.stray, o.identity.Step)
			s.state.tell(n)
		}
		if s.run != nil {
			s.run.steps = append(s.run.steps, s)
			s.run.state.Steps = len(s.run.steps)
		} else {
			u := t.unlinkedOf(o.identity.Run)
			u.steps = append(u.steps, s)
		}
	}
	s.last = seg
	s.state.apply(row, lc)
}

// link gives an owner that was seen before its run what it counted.
func (o *Owner) link(r *Run) {
	o.run = r
	r.t.tell(r, o.identity.Step, &tally{o.lines, o.bytes})
	o.lines, o.bytes = line.Levels{}, 0
}

// apply takes in one record of a run or step. An end that the library wrote is
// replaced by one of the host's; otherwise the first end stands.
func (s *RunState) apply(row *Row, lc *line.Lifecycle) {
	if lc == nil {
		return
	}
	if lc.Counted {
		s.Processed, s.Succeeded, s.Failed, s.Fragments, s.Counted = lc.Processed, lc.Succeeded, lc.Failed, lc.Fragments, true
	}
	if lc.Archived {
		s.Archived = true
	}
	if !lc.Implied {
		s.seen = max(s.seen, row.Time)
	}
	switch lc.Phase {
	case line.PhaseResume:
		if s.Ended && s.Implied {
			s.Ended, s.Implied, s.End, s.Duration, s.Outcome, s.Reason = false, false, time.Time{}, 0, "", ""
		}
	case line.PhaseEnd:
		if s.Ended && !(s.Implied && !lc.Implied) {
			return
		}
		s.Ended, s.Implied = true, lc.Implied
		s.End = time.Unix(0, row.Time).UTC()
		s.Duration, s.Outcome, s.Reason = lc.Duration, lc.Outcome, lc.Reason
		s.Lines, s.Bytes = lc.Levels, lc.Bytes
	}
}

func (t *tables) run(id string) *Run {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.runByID[id]
}

func (t *tables) step(id string) *Step {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stepByID[id]
}

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
	seg := &segment{file: file, name: name, t: t, number: number}
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
// record is left.
func (t *tables) remove(seg *segment) {
	gone := t.unlist(seg)
	if seg.file == FileUsage {
		t.expire(seg)
	}
	t.forget(gone)
}

// unlist takes a segment out of the list, and returns its rows.
func (t *tables) unlist(seg *segment) (gone rows) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seg.removed {
		return rows{}
	}
	seg.removed = true
	gone, seg.rows, seg.index, seg.parts, seg.parsed = seg.rows, rows{}, nil, nil, 0
	t.segments = slices.DeleteFunc(slices.Clone(t.segments), func(s *segment) bool { return s == seg })
	return gone
}

// expire gives up the runs and steps of which a segment held the last record.
func (t *tables) expire(seg *segment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for run, u := range t.unlinked {
		u.steps = slices.DeleteFunc(u.steps, func(s *Step) bool {
			if s.last == seg {
				delete(t.stepByID, s.Identity.Step)
			}
			return s.last == seg
		})
		if u.empty() {
			delete(t.unlinked, run)
		}
	}
	t.runs = slices.DeleteFunc(slices.Clone(t.runs), func(r *Run) bool {
		r.steps = slices.DeleteFunc(slices.Clone(r.steps), func(s *Step) bool {
			gone := s.last == seg || r.last == seg
			if gone {
				delete(t.stepByID, s.Identity.Step)
			}
			return gone
		})
		r.state.Steps = len(r.steps)
		if r.last == seg {
			delete(t.runByID, r.Identity.Run)
		}
		return r.last == seg
	})
}

// everything is a limit that is none.
const everything = math.MaxUint64

// snapshot returns what is published with a seq of at most asOf.
func (t *tables) snapshot(from *Journal, asOf uint64) *Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &Snapshot{AsOf: t.asOf, owners: t.owners.snapshot(), runs: t.runs[:len(t.runs):len(t.runs)], tables: t,
		runByID: t.runByID, stepByID: t.stepByID}
	s.Segments = make([]Segment, 0, len(t.segments))
	limited := asOf < t.asOf
	if limited {
		s.AsOf = asOf
		for len(s.runs) > 0 && s.runs[len(s.runs)-1].Seq > asOf {
			s.runs = s.runs[:len(s.runs)-1]
		}
	}
	for _, seg := range t.segments {
		view := Segment{rows: seg.rows, index: seg.index, seg: seg, from: from, snap: s}
		if view.index != nil {
			if view.n = view.index.Len(); limited {
				view.n = view.index.Search(asOf)
			}
			s.Segments = append(s.Segments, view)
			continue
		}
		if limited {
			view.rows.n = view.rows.search(asOf)
		}
		for _, p := range seg.parts {
			if p.from < view.rows.n {
				part := view
				part.index, part.from0, part.n = p.index, p.from, min(p.to, view.rows.n)-p.from
				s.Segments = append(s.Segments, part)
			}
		}
		if view.from0 = seg.indexed(); view.from0 < view.rows.n || view.rows.n == 0 || len(seg.parts) == 0 {
			view.n = max(view.rows.n-view.from0, 0)
			s.Segments = append(s.Segments, view)
		}
	}
	return s
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
		t.movedLast(from.rows.at(i), from, to)
	}
	from.rows.n, from.parts = n, nil
	from.rows.chunks = from.rows.chunks[: (n+chunkRows-1)/chunkRows : (n+chunkRows-1)/chunkRows]
	if n%chunkRows != 0 {
		// The last chunk is shared with snapshots that see more of it.
		last := *from.rows.chunks[n/chunkRows]
		from.rows.chunks[n/chunkRows] = &last
	}
	to.parsed = size
	return size
}

// movedLast notes that a record of a run or step stands in another segment. The
// caller holds mu.
func (t *tables) movedLast(row *Row, from, to *segment) {
	o := t.owners.view.at(row.Owner)
	switch row.Kind {
	case line.KindRun:
		if r := t.runByID[o.identity.Run]; r != nil && r.last == from {
			r.last = to
		}
	case line.KindStep:
		if s := t.stepByID[o.identity.Step]; s != nil && s.last == from {
			s.last = to
		}
	}
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
	for _, r := range t.runs {
		if r.last == next {
			r.last = into
		}
		for _, s := range r.steps {
			if s.last == next {
				s.last = into
			}
		}
	}
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
		o = t.current(o)
		found.at(n + i).Owner = o.code
	}
	old := seg.rows
	size := found.rebase(&old, old.search(after), end)
	for i := range found.n {
		t.owners.view.at(found.at(i).Owner).rows++
	}
	seg.rows, seg.index, seg.parts, seg.parsed = found, nil, nil, size
	for i := range old.n {
		t.uncountRow(old.at(i))
	}
	return size
}
