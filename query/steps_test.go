package query_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// Steps over all runs are counted without looking at each, and the runs that a page
// needs are not always the newest: pages hold what a plain filter of all steps has.
func TestStepsOfAllRuns(t *testing.T) {
	t.Parallel()
	s := logger.OpenMemory(nil)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	rnd := rand.New(rand.NewPCG(7, 8))
	type open struct {
		ctx  context.Context
		run  *logger.Run
		left int
	}
	var going []open
	for n := range 400 {
		ctx, run := s.Server("edge-1").Service(fmt.Sprint("s-", n%3)).Operation(fmt.Sprint("o-", n%7)).Start(t.Context())
		going = append(going, open{ctx, run, rnd.IntN(8)})
		for range 3 { // so that some go on while many others come and go
			o := &going[min(len(going)-1, int(rnd.ExpFloat64()*20))]
			if o.left == 0 {
				continue
			}
			o.left--
			_, step := logger.StartStep(o.ctx, fmt.Sprint("action-", rnd.IntN(4)))
			if rnd.IntN(3) == 0 {
				step.Add(query.Counts{Processed: rnd.Int64N(2)})
			}
			var err error
			if rnd.IntN(5) == 0 {
				err = fmt.Errorf("refused")
			}
			step.End(nil, err)
		}
		going = slices.DeleteFunc(going, func(o open) bool {
			if o.left == 0 {
				o.run.End(nil)
			}
			return o.left == 0
		})
	}
	e := s.Query()
	page := func(f query.StepFilter, p query.Paging) query.Page[query.SubLog] {
		t.Helper()
		got, err := e.SubLogs(t.Context(), f, p)
		require.NoError(t, err)
		require.True(t, got.Total.Exact)
		return got
	}
	var all []query.SubLog
	for len(all) == 0 || len(all)%500 == 0 {
		all = append(all, page(query.StepFilter{}, query.Paging{Limit: 500, Offset: len(all)}).Items...)
	}
	require.Greater(t, len(all), 600)
	middle, late := all[len(all)/2].Started, all[len(all)/10].Started
	filters := map[string]struct {
		filter query.StepFilter
		wants  func(s *query.SubLog) bool
	}{
		"all":     {query.StepFilter{}, func(*query.SubLog) bool { return true }},
		"action":  {query.StepFilter{Action: "action-2"}, func(s *query.SubLog) bool { return s.Action == "action-2" }},
		"failed":  {query.StepFilter{Statuses: []int{query.StatusFailed}}, func(s *query.SubLog) bool { return s.Status == query.StatusFailed }},
		"nothing": {query.StepFilter{Action: "none"}, func(*query.SubLog) bool { return false }},
		"from":    {query.StepFilter{From: middle}, func(s *query.SubLog) bool { return !s.Started.Before(middle) }},
		"to":      {query.StepFilter{To: late.Add(-time.Nanosecond)}, func(s *query.SubLog) bool { return s.Started.Before(late) }},
		"between": {query.StepFilter{From: middle, To: late, Action: "action-1"}, func(s *query.SubLog) bool {
			return !s.Started.Before(middle) && !s.Started.After(late) && s.Action == "action-1"
		}},
		"flow": {query.StepFilter{Operation: "o-3", Statuses: []int{query.StatusSuccess, query.StatusEmpty}}, func(s *query.SubLog) bool {
			return s.Operation == "o-3" && (s.Status == query.StatusSuccess || s.Status == query.StatusEmpty)
		}},
		"one": {query.StepFilter{ID: all[20].ID}, func(s *query.SubLog) bool { return s.ID == all[20].ID }},
	}
	for name, c := range filters {
		var want []uint64
		for i := range all {
			if c.wants(&all[i]) {
				want = append(want, all[i].ID)
			}
		}
		for _, oldest := range []bool{false, true} {
			for _, limit := range []int{1, 20, 100} {
				for _, offset := range []int{0, 30, 300} {
					got := page(c.filter, query.Paging{Limit: limit, Offset: offset, Oldest: oldest})
					ids := []uint64{}
					for _, s := range got.Items {
						ids = append(ids, s.ID)
					}
					require.EqualValues(t, len(want), got.Total.N, "%s", name)
					from := min(offset, len(want))
					require.Equal(t, append([]uint64{}, want[from:min(from+limit, len(want))]...), ids, "%s, oldest %t, %d from %d", name, oldest, limit, offset)
				}
				// The same by cursor.
				ids, p := []uint64{}, query.Paging{Limit: max(limit, 10), Oldest: oldest}
				for {
					got := page(c.filter, p)
					for _, s := range got.Items {
						ids = append(ids, s.ID)
					}
					require.EqualValues(t, len(want), got.Total.N, "%s", name)
					if got.Next == "" {
						break
					}
					p.Cursor = got.Next
				}
				require.Equal(t, append([]uint64{}, want...), ids, "%s, oldest %t by cursor", name, oldest)
			}
			slices.Reverse(want)
		}
	}
}

// TestStepIDComesAgain has a host that gives a step the id of one whose run was deleted,
// but for the end of that step, which came late.
func TestStepIDComesAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := logger.Open(dir, &logger.Options{OnProblem: func(err error) { t.Error(err) }})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	operation := store.Server("edge-1").Service("orders").Operation("sync-prices")
	usage := func() (names []string) {
		list, err := store.Files().List()
		require.NoError(t, err)
		for _, info := range list {
			if info.Log == logger.FileUsage && !info.Active {
				names = append(names, info.Name)
			}
		}
		return names
	}
	ctx, first := operation.Start(t.Context(), logger.ID("first"))
	_, late := logger.StartStep(ctx, "read", logger.ID("step-1"))
	first.End(nil)
	require.NoError(t, store.Rotate(t.Context(), logger.FileUsage))
	late.End(nil, nil)
	require.NoError(t, store.Rotate(t.Context(), logger.FileUsage))
	require.NoError(t, store.Files().Delete(t.Context(), usage()[0]))
	require.Eventually(t, func() bool {
		page, err := store.Query().MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
		return err == nil && len(page.Items) == 0
	}, 30*time.Second, time.Millisecond)

	ctx, second := operation.Start(t.Context(), logger.ID("second"))
	_, step := logger.StartStep(ctx, "write", logger.ID("step-1"))
	require.Equal(t, "step-1", step.ID())
	late.End(nil, nil)
	step.EndAs(query.TimedOut, nil, nil)
	second.End(nil)
	require.NoError(t, store.Sync(t.Context()))
	beside, err := query.Open(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, beside.Close()) }()
	for _, e := range []*query.Engine{store.Query(), beside} {
		page, err := e.MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.Len(t, page.Items[0].SubLogs, 1)
		require.Equal(t, "write", page.Items[0].SubLogs[0].Action)
		require.Equal(t, query.TimedOut, page.Items[0].SubLogs[0].Outcome)
	}
}

// TestStepPagesOfTwoQuestions has two lists of one run's steps stop at the same step.
func TestStepPagesOfTwoQuestions(t *testing.T) {
	t.Parallel()
	store := logger.OpenMemory(nil)
	defer store.Close()
	ctx, run := store.Server("edge-1").Service("orders").Operation("sync-prices").Start(t.Context())
	for i := range 6 {
		_, step := logger.StartStep(ctx, [...]string{"read", "write"}[i%2])
		step.End(nil, nil)
	}
	run.End(nil)
	ask := func(action string, p query.Paging) query.Page[query.SubLog] {
		p.Limit, p.Oldest = 1, true
		page, err := store.Query().SubLogs(t.Context(), query.StepFilter{Run: run.ID(), Action: action}, p)
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		return page
	}
	all, reads := ask("", query.Paging{}), ask("read", query.Paging{})
	require.Equal(t, all.Items, reads.Items)
	reads, all = ask("read", query.Paging{Cursor: reads.Next}), ask("", query.Paging{Cursor: all.Next})
	require.Equal(t, "read", reads.Items[0].Action)
	require.EqualValues(t, 3, reads.Total.N)
	require.Equal(t, "write", all.Items[0].Action)
	require.EqualValues(t, 6, all.Total.N)
}
