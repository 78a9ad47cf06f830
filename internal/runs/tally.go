package runs

import (
	"strings"

	"github.com/steplog/steplog/internal/line"
)

// What lines count for a run or a step that has a record stays when the lines are
// deleted: its history outlives them. What they count for those without records is
// kept aside, in case that one is read yet, and given up with the lines.

// Tally is what lines count: how many there are of each level, and the bytes of lines
// and captures.
type Tally struct {
	Lines line.Levels
	Bytes int64
}

func (n *Tally) add(m *Tally) {
	for i, k := range m.Lines {
		n.Lines[i] += k
	}
	n.Bytes += m.Bytes
}

// take takes back as much of m as is there, and leaves the rest in m.
func (n *Tally) take(m *Tally) {
	for i := range n.Lines {
		k := max(min(n.Lines[i], m.Lines[i]), 0)
		n.Lines[i] -= k
		m.Lines[i] -= k
	}
	k := max(min(n.Bytes, m.Bytes), 0)
	n.Bytes -= k
	m.Bytes -= k
}

func (s *State) addTally(n *Tally) {
	for i, k := range n.Lines {
		s.logged[i] += k
	}
	s.loggedBytes += n.Bytes
}

// addTally adds to a run and to a step of it.
func (t *Table) addTally(r *Run, step string, n *Tally) {
	r.state.addTally(n)
	if step != "" {
		t.addStepTally(step, n)
	}
}

// addStepTally adds to a step, or to what is kept for it until its first record is
// read.
func (t *Table) addStepTally(step string, n *Tally) {
	if s := t.history.liveStep(step); s != nil {
		s.state.addTally(n)
		return
	}
	addTo(t.stray, step, n)
}

// addTo adds to one of several sums; one that is zero is no longer there.
func addTo(sums map[string]*Tally, key string, n *Tally) {
	sum := sums[key]
	if sum == nil {
		sum = &Tally{}
		sums[strings.Clone(key)] = sum
	}
	sum.add(n)
	if *sum == (Tally{}) {
		delete(sums, key)
	}
}

// takeFrom takes back what is there of one of several sums.
func takeFrom(sums map[string]*Tally, key string, n *Tally) {
	if sum := sums[key]; sum != nil {
		if sum.take(n); *sum == (Tally{}) {
			delete(sums, key)
		}
	}
}

// setAside adds to what is known of a run without records.
func (t *Table) setAside(run, step string, n *Tally) {
	u := t.unlinkedOf(run)
	if u.sealed == nil {
		u.sealed = map[string]*Tally{}
	}
	addTo(u.sealed, step, n)
	if u.empty() {
		delete(t.unlinked, run)
	}
}

// AddTally adds what the lines of a sealed file count for a run and step, the newest of
// them of a time in Unix nanoseconds.
func (t *Table) AddTally(id *line.Identity, n *Tally, newest int64) {
	if id.Run == "" {
		return
	}
	r := t.history.liveRun(id.Run)
	if r == nil {
		t.setAside(strings.Clone(id.Run), id.Step, n)
		return
	}
	t.addTally(r, id.Step, n)
	r.state.Seen = max(r.state.Seen, newest)
	t.history.noteIdle(r)
}

// Saw notes, of a step that goes on, that something was logged for it at a time in Unix
// nanoseconds, which is asked for only then.
func (t *Table) Saw(step string, at func() int64) {
	if s := t.history.object(step); s != nil && !s.state.Ended {
		s.run.touch()
		s.state.Seen = max(s.state.Seen, at())
	}
}

// Aside reports whether something is counted for runs or steps without records.
func (t *Table) Aside() bool { return len(t.unlinked) > 0 || len(t.stray) > 0 }

// TakeBack takes back what is kept aside of n for a run without records, or a step,
// because the lines are deleted: those of a sealed file, or others. What they count
// for runs and steps with records stays. It changes n.
func (t *Table) TakeBack(id *line.Identity, n *Tally, sealed bool) {
	if u := t.unlinked[id.Run]; u != nil {
		if sealed {
			takeFrom(u.sealed, id.Step, n)
		}
		for _, o := range u.owners {
			if o.identity.Step == id.Step {
				counted := Tally{o.lines, o.bytes}
				counted.take(n)
				o.lines, o.bytes = counted.Lines, counted.Bytes
			}
		}
		takeFrom(u.sealed, id.Step, n)
		if u.empty() {
			delete(t.unlinked, id.Run)
		}
	}
	takeFrom(t.stray, id.Step, n)
}

// ClearAside forgets all that is counted for runs and steps without records, so that
// KeepAside can count it anew.
func (t *Table) ClearAside() {
	t.stray = map[string]*Tally{}
	for run, u := range t.unlinked {
		u.sealed = nil
		for _, o := range u.owners {
			o.lines, o.bytes = line.Levels{}, 0
		}
		if u.empty() {
			delete(t.unlinked, run)
		}
	}
}

// KeepAside adds what lines count for a run or step, if that has no record.
func (t *Table) KeepAside(id *line.Identity, n *Tally) {
	switch {
	case id.Run == "" || *n == Tally{}:
	case !t.history.knowsRun(id.Run):
		t.setAside(strings.Clone(id.Run), id.Step, n)
	case id.Step != "" && !t.history.knowsStep(id.Step):
		addTo(t.stray, id.Step, n)
	}
}
