package runs

import (
	"cmp"
	"slices"
	"sync"

	"github.com/steplog/steplog/internal/line"
)

// Table is what is known of runs, of steps, and of the identities that log.
//
// Its mutex guards all of it, and what its maker keeps beside: whoever calls a method
// holds it, unless the method says that it takes it. It is held for a few
// instructions at a time, never over disk work.
type Table struct {
	mu       *sync.Mutex
	owners   ownerTable
	history  *history
	unlinked map[string]*unlinked // by run id: what was seen before the run
	stray    map[string]*Tally    // by step id: what was seen before the step, after its run
	turns    int                  // how often others got the mutex in the middle of something
	cuts     int                  // that are being written
}

// unlinked holds the owners and steps of a run whose own records are not known:
// they expired, or stand in a file that is read later.
type unlinked struct {
	owners []*Owner
	steps  []*Step
	sealed map[string]*Tally // by step, "" for none: what has no owner to count it
}

func (u *unlinked) empty() bool { return len(u.owners) == 0 && len(u.steps) == 0 && len(u.sealed) == 0 }

// New returns an empty table that mu guards.
func New(mu *sync.Mutex) *Table {
	t := &Table{mu: mu, owners: newOwnerTable(), unlinked: map[string]*unlinked{}, stray: map[string]*Tally{}}
	t.history = newHistory(t)
	return t
}

// Run returns the run with this id, nil when it is not known. It takes the mutex.
func (t *Table) Run(id string) *Run { return t.now().run(id) }

// Step returns the step with this id, nil when it is not known. It takes the mutex.
func (t *Table) Step(id string) *Step { return t.now().step(id) }

// now returns the history, which Restart replaces. It takes the mutex.
func (t *Table) now() *history {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.history
}

// Going returns the runs that have not ended, in the order in which they started. It
// takes the mutex.
func (t *Table) Going() (runs []*Run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.history.live {
		if !r.state.Ended {
			runs = append(runs, r)
		}
	}
	slices.SortFunc(runs, func(a, b *Run) int { return cmp.Compare(a.Seq, b.Seq) })
	return runs
}

// Tick is to be called now and then: runs that have been over since the call before
// are packed, even if somebody could still log for them. It takes the
// mutex.
func (t *Table) Tick() {
	t.mu.Lock()
	t.history.ticks++
	t.mu.Unlock()
	t.Settle(false)
}

// Settle packs the runs that are over: all of them, or, where
// somebody may still log for them, those that have been over for a while. It takes
// the mutex.
func (t *Table) Settle(all bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := settler{turns: turns{of: t}, h: t.history}
	for r := s.next(all); r != nil; r = s.next(all) {
		s.settle(r)
		s.pause()
	}
	if len(s.h.idle) == 0 {
		s.h.shrink()
	}
}

// Held returns what takes memory beyond rows and bytes: how many runs and steps are
// objects, and for how many without records something is counted. It takes the mutex.
func (t *Table) Held() (runs, steps, aside int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.history.live), len(t.history.steps), len(t.unlinked) + len(t.stray)
}

// Expire gives up the runs and steps of which a file, all of whose records were taken
// in, held the last one. A run that goes on stays, with its steps that do: what is
// logged for it still counts, and its end says again what its start said. Others get the
// mutex now and then meanwhile.
func (t *Table) Expire(file uint32) { t.expire(file, false) }

// ExpireAll is Expire for a file with records that may not be known, ends among them:
// runs that go on as far as is known go too.
func (t *Table) ExpireAll(file uint32) { t.expire(file, true) }

func (t *Table) expire(file uint32, going bool) {
	turns := turns{of: t}
	for run, u := range t.unlinked {
		u.steps = slices.DeleteFunc(u.steps, func(s *Step) bool {
			if s.last == file {
				delete(t.history.steps, s.Identity.Step)
			}
			return s.last == file
		})
		if u.empty() {
			delete(t.unlinked, run)
		}
		turns.pause()
	}
	t.history.expire(file, going, &turns)
}

// Moved notes that all records of one file stand in another now.
func (t *Table) Moved(from, to uint32) {
	t.history.moved(from, to)
	for _, u := range t.unlinked {
		for _, s := range u.steps {
			if s.last == from {
				s.last = to
			}
		}
	}
}

// MovedRecord notes that one record of a run or step, that of the owner with a code,
// stands in another file now.
func (t *Table) MovedRecord(kind line.Kind, code, from, to uint32) {
	id := t.Identity(code)
	switch kind {
	case line.KindRun:
		if r := t.history.liveRun(id.Run); r != nil && r.last == from {
			r.last = to
		}
	case line.KindStep:
		if s := t.history.liveStep(id.Step); s != nil && s.last == from {
			s.last = to
		}
	}
}

// Restart forgets all runs and steps, and all that lines counted for them; the
// owners stay. Views that were taken before keep theirs.
func (t *Table) Restart() {
	t.history = t.history.again()
	t.unlinked, t.stray = map[string]*unlinked{}, map[string]*Tally{}
	for code := range t.owners.view.n {
		if o := t.owners.view.at(uint32(code)).o; o != nil {
			t.link(o)
		}
	}
}
