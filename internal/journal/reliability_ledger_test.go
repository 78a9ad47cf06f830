package journal_test

import (
	"fmt"
	"slices"
	"sync"

	"github.com/steplog/steplog/internal/vfs"
)

// fate is what became of a record that was offered.
type fate uint8

const (
	pending  fate = iota // the call has not returned
	refused              // dropped
	accepted             // the call returned without an error
	unsure               // and a Sync after it did not
	synced               // and Sync after it did too
)

// entry is one record that was offered.
type entry struct {
	text string
	seq  uint64
	fate fate
}

// ledger is what was offered to a folder, by log and in order, over all its
// processes.
type ledger struct {
	mu   sync.Mutex
	logs map[string][]entry
	n    int
	last uint64 // the largest seq that was given
	back error  // one that was not larger
}

// offer runs an append and notes what became of it.
func (l *ledger) offer(log string, add func(text string) (uint64, error)) error {
	l.mu.Lock()
	if l.logs == nil {
		l.logs = map[string][]entry{}
	}
	l.n++
	text := fmt.Sprintf("%s %d", log, l.n)
	l.logs[log] = append(l.logs[log], entry{text: text})
	i := len(l.logs[log]) - 1
	l.mu.Unlock()
	seq, err := add(text)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logs[log][i].seq, l.logs[log][i].fate = seq, accepted
	switch {
	case err != nil:
		l.logs[log][i].fate = refused
	case seq <= l.last:
		l.back = fmt.Errorf("seq %d was given after %d", seq, l.last)
	default:
		l.last = seq
	}
	return err
}

// copy returns what is known now.
func (l *ledger) copy() *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &ledger{logs: map[string][]entry{}, n: l.n, last: l.last, back: l.back}
	for log, list := range l.logs {
		c.logs[log] = slices.Clone(list)
	}
	return c
}

// durable notes what Sync returned for everything accepted in the copy.
func (l *ledger) durable(before *ledger, err error) {
	became := synced
	if err != nil {
		became = unsure
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for log, list := range before.logs {
		for i, e := range list {
			if e.fate == accepted {
				l.logs[log][i].fate = became
			}
		}
	}
}

// settle forgets, after a restart, what was lost as it might have been: what was
// found is accepted for good, the rest refused for good. What the rule deleted
// may come back, when a power cut undoes that.
func (l *ledger) settle(s setup, found map[string][]string) {
	for log, list := range l.logs {
		there := map[string]bool{}
		for _, text := range found[log] {
			there[text] = true
		}
		retained := s.maxFiles > 0
		for i, e := range list {
			switch {
			case there[e.text]:
				list[i].fate = max(e.fate, accepted)
				retained = false
			case retained && e.fate != refused:
				list[i].fate = pending
			default:
				list[i].fate = refused
			}
		}
	}
}

// moment takes a state of the file system together with what is known of its
// records at that moment.
func (l *ledger) moment(take func() *vfs.Mem) (*vfs.Mem, *ledger) {
	before := l.copy()
	fsys := take()
	after := l.copy()
	for log, list := range after.logs {
		for i, e := range list {
			known := pending
			if i < len(before.logs[log]) {
				known = before.logs[log][i].fate
			}
			if e.fate != refused {
				list[i].fate = known
			}
		}
	}
	return fsys, after
}
