package query_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// indexedParts returns how many files, and parts of them, have an index.
func indexedParts(j *journal.Journal) (n int) {
	snap := j.Snapshot()
	for i := range snap.Segments {
		if snap.Segments[i].Index() != nil {
			n++
		}
	}
	return n
}

// Who asks what rows tell does not wait until lines have an index: runs and steps need none,
// and lines get theirs for who asks next.
func TestRowsWithoutIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		j := openJournal(t, vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
			if (op.Kind == vfs.OpRead || op.Kind == vfs.OpReadAt || op.Kind == vfs.OpMap) && slow.Load() {
				time.Sleep(time.Minute)
			}
			return nil
		}), "logs", rotation.Rule{})
		e := query.New(query.OverJournal(j))
		entries := querytest.NewGenerator(79).Entries(5000)
		appendEntries(t, j, entries)
		flush(t, j)
		time.Sleep(time.Second) // a burst is over then
		indexed := func() int { return indexedParts(j) }
		mains, err := e.MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
		require.NoError(t, err)
		require.NotEmpty(t, mains.Items)
		subs, err := e.SubLogs(t.Context(), query.StepFilter{}, query.Paging{})
		require.NoError(t, err)
		require.NotEmpty(t, subs.Items)
		synctest.Wait()
		require.Zero(t, indexed())

		slow.Store(true)
		began := time.Now()
		for _, f := range []query.Filter{{}, {Levels: levels.AtLeast(levels.Warn)}, {Service: "orders"},
			{Where: query.Not(query.OnKey(query.In("action", "read", "write")))}} {
			_, err := e.Facets(t.Context(), f, "operation", 10)
			require.NoError(t, err)
			_, err = e.Histogram(t.Context(), f, 365*24*time.Hour)
			require.NoError(t, err)
		}
		require.Zero(t, time.Since(began))
		require.Zero(t, indexed())
		slow.Store(false)
		time.Sleep(time.Hour) // for what was begun slowly
		require.NotZero(t, indexed())

		appendEntries(t, j, entries)
		flush(t, j)
		time.Sleep(time.Second)
		slow.Store(true)
		began = time.Now()
		_, err = e.Histogram(t.Context(), query.Filter{Search: "nothing says this"}, time.Hour)
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(began), time.Minute)
		slow.Store(false)
	})
}

// Who has less patience than an index takes finds it when he asks again, in the process
// that writes and in another one.
func TestIndexOutlivesItsQuestion(t *testing.T) {
	t.Parallel()
	for _, other := range []bool{false, true} {
		t.Run(fmt.Sprintf("in another process %v", other), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var slow atomic.Bool
				fsys := vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
					if (op.Kind == vfs.OpRead || op.Kind == vfs.OpReadAt || op.Kind == vfs.OpMap) && slow.Load() {
						time.Sleep(time.Minute)
					}
					return nil
				})
				j := openJournal(t, fsys, "logs", rotation.Rule{})
				appendEntries(t, j, querytest.NewGenerator(79).Entries(5000))
				flush(t, j)
				time.Sleep(time.Second) // a burst is over then
				if other {
					var err error
					j, err = journal.OpenReader(fsys, "logs")
					require.NoError(t, err)
					defer func() { require.NoError(t, j.Close()) }()
				}
				slow.Store(true)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := query.New(query.OverJournal(j)).LineLogs(ctx, query.Filter{Search: "e"}, query.Paging{})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				synctest.Wait()
				slow.Store(false) // but for what was begun
				require.Zero(t, indexedParts(j))
				time.Sleep(time.Hour)
				require.NotZero(t, indexedParts(j))
			})
		})
	}
}
