package query_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// Who lists runs and steps does not wait until lines have an index, of which a page of them
// asks nothing.
func TestHistoryWithoutIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := openJournal(t, vfs.NewMem(), "logs", rotation.Rule{})
		e := query.New(query.OverJournal(j))
		appendEntries(t, j, querytest.NewGenerator(79).Entries(5000))
		flush(t, j)
		time.Sleep(time.Second) // a burst is over then
		indexed := func() (n int) {
			snap := j.Snapshot()
			for i := range snap.Segments {
				if snap.Segments[i].Index() != nil {
					n++
				}
			}
			return n
		}
		mains, err := e.MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
		require.NoError(t, err)
		require.NotEmpty(t, mains.Items)
		subs, err := e.SubLogs(t.Context(), query.StepFilter{}, query.Paging{})
		require.NoError(t, err)
		require.NotEmpty(t, subs.Items)
		require.Zero(t, indexed())
		_, err = e.LineLogs(t.Context(), query.Filter{}, query.Paging{})
		require.NoError(t, err)
		require.NotZero(t, indexed(), "lines are indexed by who asks for them")
	})
}
