package query

import "github.com/steplog/steplog/internal/journal"

// Capped is OverJournal with another limit of what is read to count.
func Capped(j *journal.Journal, limit int64) Backend {
	b := overJournal(j, false)
	b.checkLimit = limit
	return b
}

// BackendOf returns what an Engine asks.
func BackendOf(e *Engine) Backend { return e.backend }
