package query_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// TestAllAudit reads more records than one page of the backend has, with newer
// ones arriving meanwhile.
func TestAllAudit(t *testing.T) {
	t.Parallel()
	store := logger.OpenMemory(nil)
	defer store.Close()
	record := func(i int) {
		_, err := store.Audit().Record(t.Context(), audit.Entry{Event: audit.FlowUpdated, FlowID: fmt.Sprint(i % 3), Run: fmt.Sprint(i)})
		require.NoError(t, err)
	}
	const n = 2500
	for i := range n {
		record(i)
	}
	runs := func(f query.AuditFilter) (found []string) {
		for r, err := range store.Query().AllAudit(t.Context(), f) {
			require.NoError(t, err)
			found = append(found, r.Run)
			if len(found)%1000 == 1 {
				record(-1)
			}
		}
		return found
	}
	all := runs(query.AuditFilter{Events: []string{audit.FlowUpdated.Name}})
	require.Len(t, all, n)
	for i, run := range all {
		require.Equal(t, fmt.Sprint(i), run)
	}
	require.Len(t, runs(query.AuditFilter{FlowID: "2"}), n/3)
	for r, err := range store.Query().AllAudit(t.Context(), query.AuditFilter{}) {
		require.NoError(t, err)
		require.Zero(t, r.Seq)
		break
	}
	for _, err := range store.Query().AllAudit(t.Context(), query.AuditFilter{Search: "\xff"}) {
		require.ErrorIs(t, err, query.ErrInvalid)
	}
}

// A remote engine that has neither says so.
func TestEverythingUnsupported(t *testing.T) {
	t.Parallel()
	e := query.New(struct{ query.Backend }{})
	for _, err := range e.AllAudit(t.Context(), query.AuditFilter{}) {
		require.ErrorIs(t, err, query.ErrUnsupported)
	}
	for _, err := range e.AllAccess(t.Context(), query.AccessFilter{}) {
		require.ErrorIs(t, err, query.ErrUnsupported)
	}
}
