package query_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// Main logs of runs that are over are answered from memory the second time: with the
// same words, whatever a caller did with the first answer, and with others once the run
// changed.
func TestKeptMainLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() *logger.Store {
		s, err := logger.Open(dir, nil)
		require.NoError(t, err)
		return s
	}
	ask := func(s *logger.Store, p query.Paging) []query.MainLog {
		t.Helper()
		page, err := s.Query().MainLogs(t.Context(), query.RunFilter{}, p)
		require.NoError(t, err)
		return page.Items
	}
	written := open()
	const runs = 1500 // with their steps more than are kept
	for n := range runs {
		ctx, run := written.Server("edge-1").Service("orders").Operation(fmt.Sprint("o-", n%3)).Start(t.Context(), logger.TriggeredBy("me"))
		for i := range n%5 + 3 {
			ctx, step := logger.StartStep(ctx, "ship", logger.Iteration(i, map[string]int{"n": n}))
			logger.FromContext(ctx).Info("shipped")
			if n%4 == 0 {
				logger.FromContext(ctx).Error("late")
			}
			step.Add(query.Counts{Processed: int64(n)})
			step.End(nil, nil)
		}
		run.End(nil)
	}
	require.NoError(t, written.Close())

	s := open() // in which all of them are over
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	whole := ask(s, query.Paging{Limit: runs})
	require.Len(t, whole, runs)
	for range 3 {
		for from := 0; from < runs; from += 100 {
			require.Equal(t, whole[from:from+100], ask(s, query.Paging{Limit: 100, Offset: from}))
		}
	}
	newest := query.Paging{Limit: 20}
	for range 3 {
		got := ask(s, newest)
		require.Equal(t, whole[:20], got)
		for i := range got {
			m := &got[i]
			clear(m.Lines)
			for j := range m.SubLogs {
				sub := &m.SubLogs[j]
				sub.Lines[0] = 99
				sub.Iteration.Index = -1
				copy(sub.Iteration.Value, "spoilt")
				*sub = query.SubLog{Iteration: sub.Iteration, Lines: sub.Lines}
			}
		}
	}

	require.NoError(t, s.MarkArchived(t.Context(), whole[3].ID))
	for until := time.Now().Add(time.Second); time.Now().Before(until); {
		got := ask(s, newest)
		require.True(t, got[3].Archived)
		require.Equal(t, whole[4], got[4])
	}
	_, run := s.Server("edge-1").Service("orders").Operation("o-1").Start(t.Context())
	require.Equal(t, run.ID(), ask(s, newest)[0].Run)
	run.End(errors.New("refused"))
	require.Eventually(t, func() bool { return ask(s, newest)[0].Outcome == query.Failed }, 30*time.Second, time.Millisecond)
}

func BenchmarkNewestRuns(b *testing.B) {
	dir := b.TempDir()
	s, err := logger.Open(dir, nil)
	require.NoError(b, err)
	for range 200 {
		ctx, run := s.Server("edge-1").Service("orders").Operation("sync").Start(b.Context())
		for range 4 {
			ctx, step := logger.StartStep(ctx, "ship")
			logger.FromContext(ctx).Info("shipped")
			step.End(nil, nil)
		}
		run.End(nil)
	}
	require.NoError(b, s.Close())
	e, err := query.Open(dir) // for which all runs are over
	require.NoError(b, err)
	defer func() { require.NoError(b, e.Close()) }()
	for b.Loop() {
		page, err := e.MainLogs(b.Context(), query.RunFilter{Operation: "sync"}, query.Paging{Limit: 20})
		require.NoError(b, err)
		require.Len(b, page.Items, 20)
	}
}
