package query

import (
	"bytes"
	"sync"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

const (
	// keptAtOnce is how many main and sub logs are kept, twice that at most: some 4 MB.
	keptAtOnce = 4096
	// keptOfPage is how large a page may be whose main logs are kept: who asks for more
	// reads all of them once.
	keptOfPage = 100
)

// keptLogs are the main logs that were asked for a moment ago, of runs that are over:
// who looks at a flow asks for its newest ones again and again. The zero value is
// ready.
type keptLogs struct {
	mu      sync.Mutex
	edition runs.Edition
	// by seq: those that were asked for since there were enough of them, and before
	fresh, stale map[uint64]*keptLog
	n            int // main and sub logs that are fresh
}

// keptLog is one of them. It does not change.
type keptLog struct {
	log   MainLog       // without its lines and those of its sub logs
	lines []line.Levels // of the run, and of each sub log
}

// get returns the main log of a run, nil when it is not kept.
func (k *keptLogs) get(seq uint64, edition runs.Edition) *keptLog {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.edition != edition {
		return nil
	}
	if l := k.fresh[seq]; l != nil {
		return l
	}
	l := k.stale[seq]
	if l != nil {
		delete(k.stale, seq)
		k.add(l)
	}
	return l
}

// put keeps a main log of a run that was over in an edition.
func (k *keptLogs) put(l *keptLog, edition runs.Edition) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.edition != edition {
		k.edition, k.fresh, k.stale, k.n = edition, nil, nil, 0
	}
	k.add(l)
}

func (k *keptLogs) add(l *keptLog) {
	if k.n += len(l.lines); k.n > keptAtOnce {
		k.stale, k.fresh, k.n = k.fresh, nil, len(l.lines)
	}
	if k.fresh == nil {
		k.fresh = map[uint64]*keptLog{}
	}
	k.fresh[l.log.ID] = l
}

// keep returns what can be kept of a main log, to which its caller may do anything.
func keep(m *MainLog) *keptLog {
	l := &keptLog{log: *m, lines: make([]line.Levels, 1+len(m.SubLogs))}
	l.lines[0] = levelsOf(m.Lines)
	for i := range m.SubLogs {
		l.lines[i+1] = levelsOf(m.SubLogs[i].Lines)
	}
	l.log.Lines = nil
	l.log.SubLogs = copySubLogs(m.SubLogs)
	return l
}

// fill makes the answer again. m is empty.
func (l *keptLog) fill(m *MainLog) {
	*m = l.log
	m.Lines = levelCounts(&l.lines[0])
	m.SubLogs = copySubLogs(l.log.SubLogs)
	for i := range m.SubLogs {
		m.SubLogs[i].Lines = levelCounts(&l.lines[i+1])
	}
}

// copySubLogs copies them without their lines.
func copySubLogs(from []SubLog) []SubLog {
	logs := make([]SubLog, len(from))
	copy(logs, from)
	for i := range logs {
		s := &logs[i]
		s.Lines = nil
		if s.Iteration != nil {
			s.Iteration = &Iteration{Index: s.Iteration.Index, Value: bytes.Clone(s.Iteration.Value)}
		}
	}
	return logs
}
