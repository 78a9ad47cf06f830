package query_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// A page of very long lines ends before its limit, and the next one goes on.
func TestPageBytes(t *testing.T) {
	const records, size = 90, 900_000
	j := openJournal(t, nil, t.TempDir(), rotation.Rule{})
	long := strings.Repeat("x", size)
	for i := range records {
		appendEntries(t, j, []querytest.Entry{{File: "user", Text: fmt.Appendf(nil,
			`{"timestamp":"2026-11-21T02:03:04.000000000Z","level":"info","kind":"line","message":"number %d %s"}`, i, long)}})
		flush(t, j)
	}
	e := query.New(query.OverJournal(j))
	var got []uint64
	paging := query.Paging{Limit: query.MaxLimit}
	pages := 0
	for {
		page, err := e.LineLogs(t.Context(), query.Filter{}, paging)
		require.NoError(t, err)
		require.Equal(t, query.Total{N: records, Exact: true}, page.Total)
		pages++
		bytes := 0
		for _, r := range page.Items {
			got = append(got, r.Seq)
			bytes += len(r.Raw)
		}
		require.LessOrEqual(t, bytes, query.MaxPageBytes+size+1000)
		if page.Next == "" {
			break
		}
		paging.Cursor = page.Next
	}
	require.Equal(t, 2, pages)
	require.Len(t, got, records)
	for i := range records {
		require.Equal(t, uint64(records-i), got[i])
	}
}
