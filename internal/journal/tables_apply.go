package journal

import (
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
	t := &tables{
		owners:   newOwnerTable(),
		unlinked: map[string]*unlinked{},
		stray:    map[string]*tally{},
		serials:  map[uint32]*segment{},
	}
	t.history = newHistory(t)
	return t
}

// publish adds the record to the rows of seg and to what is derived from it.
// It makes the record visible to every snapshot taken afterwards.
func (t *tables) publish(seg *segment, row Row, o *Owner, lc *line.Lifecycle) {
	t.publishRow(seg, &row, o, lc)
}

// publishRow is publish for who has a row that may be changed.
func (t *tables) publishRow(seg *segment, row *Row, o *Owner, lc *line.Lifecycle) {
	t.mu.Lock()
	o = t.current(o)
	t.owners.rows[o.code]++
	row.Owner = o.code
	seg.rows.grow(&t.chunks)
	seg.rows.add(row)
	seg.parsed = int64(row.Offset) + int64(row.Len) + 1
	if row.Seq > t.settled {
		t.grown += int64(row.Len) + 1
	}
	switch {
	case row.Seq <= t.settled:
	case row.counts():
		t.count(o, row, 1)
	case row.Kind == line.KindRun:
		t.applyRun(seg, row, o, lc)
	case row.Kind == line.KindStep:
		t.applyStep(seg, row, o, lc)
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
		o.step = t.history.liveStep(o.identity.Step)
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
		t.countSealed(seg.index, t.settled, -1)
	}
	for i := range seg.rows.n {
		if row := seg.rows.at(i); row.counts() && row.Seq > t.settled {
			t.count(t.ownerAt(row.Owner), row, -1)
		}
	}
}

// applyRun takes in a run record. What follows the first record of a run may
// be any of its records: the start expires before the end.
func (t *tables) applyRun(seg *segment, row *Row, o *Owner, lc *line.Lifecycle) {
	r := t.history.liveRun(o.identity.Run)
	if r == nil {
		if o.identity.Run == "" || lc == nil {
			return
		}
		r = &Run{Seq: row.Seq, Identity: &o.identity, Start: *lc, Started: time.Unix(0, row.Time).UTC(), t: t}
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
	t.history.changed(r)
	t.history.rest(r)
}

// addRun enters a run and gives it what came before it.
func (t *tables) addRun(r *Run) {
	id := r.Identity.Run
	t.history.enter(r)
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
	s := t.history.liveStep(o.identity.Step)
	if s == nil {
		if o.identity.Step == "" || lc == nil {
			return
		}
		s = &Step{Seq: row.Seq, Identity: &o.identity, Start: *lc, Started: time.Unix(0, row.Time).UTC(), t: t,
			run: t.history.liveRun(o.identity.Run)}
		if lc.ID != 0 && lc.Phase != line.PhaseStart {
			s.Seq = lc.ID
		}
		if !lc.Started.IsZero() {
			s.Started = lc.Started
		}
		t.history.steps[o.identity.Step] = s
		o.step = s
		if n := t.stray[o.identity.Step]; n != nil {
			delete(t.stray, o.identity.Step)
			s.state.tell(n)
		}
		if s.run != nil {
			s.run.steps = append(s.run.steps, s)
			s.run.state.Steps = len(s.run.steps)
			t.history.changed(s.run)
		} else {
			u := t.unlinkedOf(o.identity.Run)
			u.steps = append(u.steps, s)
		}
	}
	s.last = seg
	s.state.apply(row, lc)
	if s.run != nil {
		t.history.rest(s.run)
	}
}

// link gives an owner that was seen before its run what it counted.
func (o *Owner) link(r *Run) {
	o.join(r)
	r.t.tell(r, o.identity.Step, &tally{o.lines, o.bytes})
	o.lines, o.bytes = line.Levels{}, 0
}

// join has an owner count for a run from now on.
func (o *Owner) join(r *Run) {
	o.run, o.place = r, len(r.owners)
	r.owners = append(r.owners, o)
}

// leave undoes join.
func (o *Owner) leave() {
	owners := o.run.owners
	n := len(owners) - 1
	owners[o.place] = owners[n]
	owners[o.place].place = o.place
	owners[n] = nil
	o.run.owners = owners[:n]
	o.run, o.step = nil, nil
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
	return t.history.run(id)
}

func (t *tables) step(id string) *Step {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.history.step(id)
}
