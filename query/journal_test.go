package query_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/query/querytest/oracle"
)

// TestBackends runs the suite over every way to reach a journal.
func TestBackends(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		querytest.Run(t, querytest.Options{Seed: 1, Queries: 3000}, inMemory)
	})
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		querytest.Run(t, querytest.Options{Seed: 2, Queries: 4000}, inFolder)
	})
	t.Run("folder of another process", func(t *testing.T) {
		t.Parallel()
		querytest.Run(t, querytest.Options{Seed: 3, Queries: 3000}, readOnly)
	})
}

// readOnly is a folder that is written by one journal and asked through
// query.Open.
func readOnly(t *testing.T) querytest.Subject {
	dir := t.TempDir()
	j := openJournal(t, nil, dir)
	e, err := query.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return querytest.Subject{
		Engine: e,
		Append: func(t testing.TB, entries []querytest.Entry) { appendEntries(t, j, entries) },
		Text:   func(t testing.TB) []oracle.Line { return folderText(t, dir) },
	}
}
