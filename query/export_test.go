package query

import (
	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
)

// Capped is OverJournal with another limit of what is read to count.
func Capped(j *journal.Journal, limit int64) Backend {
	b := overJournal(j, false)
	b.checkLimit = limit
	return b
}

// BackendOf returns what an Engine asks.
func BackendOf(e *Engine) Backend { return e.backend }

// Dropped says of a line whether a query leaves it out before it is parsed, and
// whether its text matches.
func Dropped(f Filter, raw []byte) (dropped, matches bool, err error) {
	if f, err = f.complete(); err != nil {
		return false, false, err
	}
	var rec line.Record
	if err := line.Parse(raw, &rec); err != nil {
		return false, false, err
	}
	t := newTextMatcher(&f)
	if t == nil {
		return false, true, nil
	}
	s := newSieve(t)
	return s != nil && s.drops(raw), t.match(&rec, "user"), nil
}
