package query_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// A folder that the first form of the journal wrote, before there were a ring and
// sidecars, and whose process was killed in a run, answers as its text says: read
// only, once it is sealed, and opened again.
func TestEarlierFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "earlier"))))
	ask := func(e *query.Engine, seed uint64) {
		t.Helper()
		querytest.Check(t, e, folderText(t, dir), querytest.Options{Seed: seed, Queries: asked(150)})
	}
	readOnly := func(seed uint64) {
		t.Helper()
		e, err := query.Open(dir)
		require.NoError(t, err)
		defer e.Close()
		ask(e, seed)
	}
	readOnly(1)
	j, err := journal.Open(dir, journal.Options{Rule: rotation.Rule{MaxBytes: 24 << 10}, IndexFields: []string{"sku"}})
	require.NoError(t, err)
	require.Equal(t, 1, j.Recovery().RunsClosed)
	flush(t, j) // the end of the run that was closed
	awaitSealed(t, dir)
	ask(query.New(query.OverJournal(j)), 2)
	readOnly(3)
	require.NoError(t, j.Close())
	readOnly(4)
}
