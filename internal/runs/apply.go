package runs

import (
	"slices"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
)

// Count adds a line or capture, of a time in Unix nanoseconds, to what its run and
// step logged: so many lines of a level, 1 or 0, and bytes. With both negative it
// takes that back.
func (t *Table) Count(o *Owner, level zapcore.Level, lines, size, at int64) {
	i := line.LevelIndex(level)
	if o.run == nil {
		o.lines[i] += lines
		o.bytes += size
		return
	}
	o.run.state.add(i, lines, size, at)
	if o.identity.Step == "" {
		return
	}
	if o.step == nil {
		o.step = t.history.liveStep(o.identity.Step)
	}
	if o.step != nil {
		o.step.state.add(i, lines, size, at)
		return
	}
	n := Tally{Bytes: size}
	n.Lines[i] = lines
	t.addStepTally(o.identity.Step, &n)
}

func (s *State) add(level int, lines, size, at int64) {
	s.logged[level] += lines
	s.loggedBytes += size
	s.Seen = max(s.Seen, at)
}

// ApplyRun takes in a run record: the file it stands in, its owner, seq and time in
// Unix nanoseconds, and what it says. What follows the first record of a run may be
// any of its records: the start expires before the end. What lc says is kept, lc is not.
func (t *Table) ApplyRun(file uint32, o *Owner, seq uint64, at int64, lc *line.Lifecycle) {
	r := t.history.liveRun(o.identity.Run)
	if r == nil {
		if o.identity.Run == "" || lc == nil {
			return
		}
		r = &Run{Seq: seq, Identity: &o.identity, Start: *lc, Started: time.Unix(0, at).UTC(), t: t}
		if lc.ID != 0 && lc.Phase != line.PhaseStart {
			r.Seq = lc.ID
		}
		if !lc.Started.IsZero() {
			r.Started = lc.Started
		}
		t.addRun(r)
	} else if unlike(r.Seq, r.Started, lc) {
		r = t.retellRun(r, lc)
	}
	r.last = file
	r.state.apply(at, lc)
	t.history.changed(r)
	t.history.noteIdle(r)
}

// addRun enters a run and gives it what came before it.
func (t *Table) addRun(r *Run) {
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
	for _, s := range u.steps {
		r.addStep(s)
	}
	for _, o := range u.owners {
		o.link(r)
	}
	for step, n := range u.sealed {
		t.addTally(r, step, n)
	}
}

func (t *Table) unlinkedOf(run string) *unlinked {
	u := t.unlinked[run]
	if u == nil {
		u = &unlinked{}
		t.unlinked[run] = u
	}
	return u
}

// ApplyStep takes in a step record as ApplyRun does one of a run. An id that a step of
// another run has is given again once that run was deleted: a step whose run is known
// goes before one that is left of a run which is not.
func (t *Table) ApplyStep(file uint32, o *Owner, seq uint64, at int64, lc *line.Lifecycle) {
	s := t.history.liveStep(o.identity.Step)
	if s != nil && s.Identity.Run != o.identity.Run {
		if s.run != nil {
			return
		}
		t.supersede(s)
		s = nil
	}
	if s == nil {
		if o.identity.Step == "" || lc == nil {
			return
		}
		s = &Step{Seq: seq, Identity: &o.identity, Start: *lc, Started: time.Unix(0, at).UTC(), t: t,
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
			s.state.addTally(n)
		}
		if s.run != nil {
			s.run.addStep(s)
			t.history.changed(s.run)
		} else {
			u := t.unlinkedOf(o.identity.Run)
			u.steps = append(u.steps, s)
		}
	} else if unlike(s.Seq, s.Started, lc) {
		s = t.retellStep(s, lc)
	}
	s.last = file
	s.state.apply(at, lc)
	if s.run != nil {
		t.history.noteIdle(s.run)
	}
}

// supersede gives up a step of a run whose records are not known.
func (t *Table) supersede(s *Step) {
	u := t.unlinked[s.Identity.Run]
	u.steps = slices.DeleteFunc(u.steps, func(x *Step) bool { return x == s })
	for _, o := range u.owners {
		if o.step == s {
			o.step = nil
		}
	}
	delete(t.history.steps, s.Identity.Step)
	if u.empty() {
		delete(t.unlinked, s.Identity.Run)
	}
}

// link gives an owner that was seen before its run what it counted.
func (o *Owner) link(r *Run) {
	o.join(r)
	r.t.addTally(r, o.identity.Step, &Tally{o.lines, o.bytes})
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
func (s *State) apply(at int64, lc *line.Lifecycle) {
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
		s.Seen = max(s.Seen, at)
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
		s.End = time.Unix(0, at).UTC()
		s.Duration, s.Outcome, s.Reason = lc.Duration, lc.Outcome, lc.Reason
		s.Lines, s.Bytes = lc.Levels, lc.Bytes
	}
}
