// Package loggertest gives tests a store in memory: what the code under test
// logs is there to be queried when the call that logged it has returned.
//
//	sink := loggertest.New(t)
//	ctx, run := sink.Server("test").Service("orders").Operation("sync").Start(t.Context())
//	syncPrices(ctx) // the code under test
//	run.End(nil)
//	require.Len(t, sink.MainLogs(), 1)
package loggertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// printed is how many records are printed at most when a test has failed, the
// newest.
const printed = 1000

// patience is how long a call waits for the store. Nothing here waits for a disk,
// so it is only behind where the machine has something else to do, as with many
// tests and the race detector; a test must not fail for that.
const patience = time.Minute

// Sink is a [logger.Store] in memory that belongs to one test. Everything that
// the store can do it can too; the files lie in memory. It is safe for
// concurrent use.
type Sink struct {
	*logger.Store
	t testing.TB

	mu   sync.Mutex
	over bool // the test may have ended; t must not be used any more
}

// New returns a sink that lives until the end of the test. Its minimum level is
// trace, so that it has everything the code under test logs; use Levels to
// change that.
//
// The test fails, at once but without being stopped, when the store reports a
// problem: a record that was dropped, a name that was refused. When the test
// has failed for whatever reason, what was logged is printed, the newest 1,000
// records. Functions that t.Cleanup was given before New must not log.
func New(t testing.TB) *Sink {
	t.Helper()
	s := &Sink{t: t}
	s.Store = logger.OpenMemory(&logger.Options{
		Level: levels.Trace, MaxWait: patience, CloseTimeout: patience, OnProblem: s.problem,
	})
	t.Cleanup(s.end)
	return s
}

// MainLogs returns all runs, oldest first.
func (s *Sink) MainLogs() []query.MainLog {
	s.t.Helper()
	return every(s, func(p query.Paging) (query.Page[query.MainLog], error) {
		return s.Query().MainLogs(context.Background(), query.RunFilter{}, p)
	})
}

// SubLogs returns all steps of all runs, oldest first.
func (s *Sink) SubLogs() []query.SubLog {
	s.t.Helper()
	return every(s, func(p query.Paging) (query.Page[query.SubLog], error) {
		return s.Query().SubLogs(context.Background(), query.StepFilter{}, p)
	})
}

// LineLogs returns all records of kind line, oldest first: what was logged in
// runs and steps, or to user.log. What servers and services log to any other file,
// and what is logged to application.log, are events; Query finds those.
func (s *Sink) LineLogs() []query.Record {
	s.t.Helper()
	return every(s, func(p query.Paging) (query.Page[query.Record], error) {
		return s.Query().LineLogs(context.Background(), query.Filter{}, p)
	})
}

// every returns the items of all pages, oldest first. An error fails the test.
func every[T any](s *Sink, ask func(query.Paging) (query.Page[T], error)) []T {
	s.t.Helper()
	var items []T
	paging := query.Paging{Limit: query.MaxLimit, Oldest: true}
	for {
		page, err := ask(paging)
		if err != nil {
			s.t.Errorf("loggertest: %v", err)
			return items
		}
		items = append(items, page.Items...)
		if page.Next == "" {
			return items
		}
		paging.Cursor = page.Next
	}
}

// problem is the store's hook.
func (s *Sink) problem(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.t.Errorf("loggertest: the store reports: %v", err)
	}
}

// end is called when the test is over.
func (s *Sink) end() {
	// The text of the records, before Close makes it unreadable; but problems
	// that Close reports fail the test too.
	text := s.text()
	if err := s.Close(); err != nil {
		s.t.Errorf("loggertest: close: %v", err)
	}
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	if s.t.Failed() {
		s.t.Logf("loggertest: what was logged:\n%s", text)
	}
}

// text returns the newest records as they are stored, oldest first.
func (s *Sink) text() string {
	page, err := s.Query().Records(context.Background(), query.Filter{}, query.Paging{Limit: printed})
	if err != nil {
		return fmt.Sprintf("cannot be read: %v", err)
	}
	var b strings.Builder
	if left := page.Total.N - int64(len(page.Items)); left > 0 {
		fmt.Fprintf(&b, "(%d earlier records left out)\n", left)
	}
	for i := len(page.Items) - 1; i >= 0; i-- {
		b.Write(page.Items[i].Raw)
		b.WriteByte('\n')
	}
	return b.String()
}
