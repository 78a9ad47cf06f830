// Package querytest checks that a [query.Backend] answers as package query
// says. Whoever writes a backend calls [Run] in a test of their own:
//
//	func TestBackend(t *testing.T) {
//		querytest.Run(t, querytest.Options{}, func(t *testing.T) querytest.Subject { … })
//	}
//
// Answers are compared with those of package oracle, a plain loop over the
// text. What is asked is random, from a fixed seed that every failure names.
package querytest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest/oracle"
)

// Entry is a record to be stored.
type Entry struct {
	// File is the name of the log that it belongs in, without ".log".
	File string
	// Text is its line as a JSON object without "seq", which the store adds as
	// the first key.
	Text []byte
}

// Subject is an empty store under test.
type Subject struct {
	// Engine answers the queries. Whoever made it closes it.
	Engine *query.Engine
	// Append stores entries in their order and returns when the Engine sees
	// them. Several goroutines may call it at once.
	Append func(t testing.TB, entries []Entry)
	// Text returns the line of every record stored, audit records left out.
	Text func(t testing.TB) []oracle.Line
}

// Options say how much is tried; the zero value is for an ordinary test run.
type Options struct {
	// Seed makes what is stored and asked.
	Seed uint64
	// Records is how many records the random queries run over: 0 means 600.
	Records int
	// Queries is how many of them there are: 0 means 2,000.
	Queries int
}

// Run runs the whole suite. Each part gets a store of its own from open.
// Backends that answer histograms, facets or tails with [query.ErrUnsupported]
// are not held to those.
func Run(t *testing.T, o Options, open func(t *testing.T) Subject) {
	if o.Records == 0 {
		o.Records = 600
	}
	if o.Queries == 0 {
		o.Queries = 2000
	}
	t.Run("an empty store", func(t *testing.T) { checkEmpty(t, open(t)) })
	t.Run("questions that are wrong", func(t *testing.T) { checkInvalid(t, open(t)) })
	t.Run("a context that has ended", func(t *testing.T) { checkCancelled(t, open(t), o) })
	t.Run("pages hold still while records arrive", func(t *testing.T) { checkStable(t, open(t), o) })
	t.Run("pages taken while writing", func(t *testing.T) { checkWriting(t, open(t), o) })
	t.Run("tail", func(t *testing.T) { checkTail(t, open) })
	t.Run("random queries", func(t *testing.T) {
		s := open(t)
		s.Append(t, NewGenerator(o.Seed).Entries(o.Records))
		Check(t, s.Engine, s.Text(t), o)
	})
}

func text(t testing.TB, lines []oracle.Line) *oracle.Text {
	t.Helper()
	parsed, err := oracle.Read(lines)
	require.NoError(t, err)
	return parsed
}

// seqs returns the ids of records.
func seqs(records []query.Record) []uint64 {
	ids := make([]uint64, len(records))
	for i, r := range records {
		ids[i] = r.Seq
	}
	return ids
}

// checkEmpty looks at a store without records.
func checkEmpty(t *testing.T, s Subject) {
	ctx := t.Context()
	page, err := s.Engine.Records(ctx, query.Filter{}, query.Paging{})
	require.NoError(t, err)
	require.NotNil(t, page.Items)
	require.Empty(t, page.Items)
	require.Equal(t, query.Total{Exact: true}, page.Total)
	require.Empty(t, page.Next)
	require.Zero(t, page.AsOf)

	runs, err := s.Engine.MainLogs(ctx, query.RunFilter{}, query.Paging{Offset: 5})
	require.NoError(t, err)
	require.NotNil(t, runs.Items)
	require.Empty(t, runs.Items)
	steps, err := s.Engine.SubLogs(ctx, query.StepFilter{Run: "none"}, query.Paging{Oldest: true})
	require.NoError(t, err)
	require.NotNil(t, steps.Items)
	require.Empty(t, steps.Items)

	_, err = s.Engine.Record(ctx, 1)
	require.ErrorIs(t, err, query.ErrNotFound)
	_, err = s.Engine.Around(ctx, 1, 1, 1)
	require.ErrorIs(t, err, query.ErrNotFound)
	for range s.Engine.All(ctx, query.Filter{}) {
		t.Fatal("All gave something")
	}
	buckets, err := s.Engine.Histogram(ctx, query.Filter{}, 1)
	supported(t, err, func() { require.Empty(t, buckets) })
	values, err := s.Engine.Facets(ctx, query.Filter{}, "level", 0)
	supported(t, err, func() { require.Empty(t, values) })
}

// checkCancelled asks with a context that has ended.
func checkCancelled(t *testing.T, s Subject, o Options) {
	s.Append(t, NewGenerator(o.Seed).Entries(50))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Engine.Records(ctx, query.Filter{Search: "a"}, query.Paging{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Engine.MainLogs(ctx, query.RunFilter{}, query.Paging{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Engine.SubLogs(ctx, query.StepFilter{}, query.Paging{})
	require.ErrorIs(t, err, context.Canceled)
	n := 0
	for _, err := range s.Engine.All(ctx, query.Filter{}) {
		require.ErrorIs(t, err, context.Canceled)
		n++
	}
	require.Equal(t, 1, n)
	r := s.Engine.Reader(ctx, query.Filter{})
	_, err = r.Read(make([]byte, 10))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, r.Close())
	for _, err := range s.Engine.Tail(ctx, query.Filter{}, query.TailOptions{Backlog: 1}) {
		supported(t, err, func() { t.Fatal("a tail goes on after its context ended") })
	}
}

// supported runs check unless the backend does not answer such questions.
func supported(t testing.TB, err error, check func()) {
	t.Helper()
	if err != nil && isUnsupported(err) {
		return
	}
	require.NoError(t, err)
	check()
}
