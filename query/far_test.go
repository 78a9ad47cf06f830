package query_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// TestFarTimes asks for records whose times no int64 tells in nanoseconds: they lie before
// or behind all others, in rows and in sidecars.
func TestFarTimes(t *testing.T) {
	years := []int{0, 1500, 1676, 1900, 1970, 2026, 2261, 2263, 2300, 9999}
	start := func(year int) time.Time { return time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC) }
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{MaxBytes: 100 << 10}, func(err error) { t.Error(err) })
	e := query.New(query.OverJournal(j))
	var entries []querytest.Entry
	const each = 300
	for i := range each * len(years) {
		at := start(years[i%len(years)]).Add(time.Duration(i) * 7_001)
		entries = append(entries, querytest.Entry{File: "user", Text: fmt.Appendf(nil,
			`{"timestamp":%q,"level":"info","kind":"line","run":"run-%d","message":"in %d"}`,
			at.Format("2006-01-02T15:04:05.000000000Z"), i%3, years[i%len(years)])})
	}
	check := func(t *testing.T, n int64) {
		for _, edge := range []int{1600, 1800, 1950, 2000, 2100, 2262} {
			for _, at := range []time.Time{time.Date(edge, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(edge, 1, 1, 0, 0, 0, 1, time.UTC)} {
				later := int64(len(years) - slices.IndexFunc(years, func(y int) bool { return y >= edge }))
				if edge < 1677 {
					later = int64(len(years)) // they are all the same
				}
				from, err := e.Records(t.Context(), query.Filter{From: at}, query.Paging{Limit: query.MaxLimit})
				require.NoError(t, err)
				require.Equal(t, query.Total{N: later * n, Exact: true}, from.Total, "from %v", at)
				for _, r := range from.Items {
					require.True(t, edge < 1677 || !r.Time.Before(at), "%v from %v", r.Time, at)
				}
				if edge < 1677 {
					continue
				}
				to, err := e.Records(t.Context(), query.Filter{To: at}, query.Paging{Limit: query.MaxLimit})
				require.NoError(t, err)
				require.Equal(t, query.Total{N: (int64(len(years)) - later) * n, Exact: true}, to.Total, "to %v", at)
			}
		}
		for _, at := range []time.Time{start(2400), start(1000)} {
			page, err := e.Records(t.Context(), query.Filter{From: at, To: at}, query.Paging{})
			require.NoError(t, err)
			require.Equal(t, query.Total{N: 3 * n, Exact: true}, page.Total, "at %v", at)
		}
	}
	appendEntries(t, j, entries[:each])
	flush(t, j)
	t.Run("rows", func(t *testing.T) { check(t, each/int64(len(years))) })
	appendEntries(t, j, entries[each:])
	flush(t, j)
	awaitSealed(t, dir)
	t.Run("sidecars", func(t *testing.T) { check(t, each) })
}

// TestFarBuckets asks for buckets that begin before and end behind what an int64 tells in
// nanoseconds.
func TestFarBuckets(t *testing.T) {
	for _, year := range []int{1500, 2026, 9999} {
		at := time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)
		s := logger.OpenMemory(&logger.Options{Clock: func() time.Time { return at }})
		ctx, run := s.Server("a").Service("b").Operation("o").Start(t.Context())
		logger.FromContext(ctx).Info("x")
		run.End(nil)
		const width = 36_500 * 24 * time.Hour
		buckets, err := s.Query().Histogram(t.Context(), query.Filter{From: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), To: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
			Kinds: []query.Kind{query.KindLine}}, width)
		require.NoError(t, err)
		require.NotEmpty(t, buckets)
		sum := int64(0)
		for i, b := range buckets {
			sum += b.Count
			if i > 0 {
				require.Equal(t, buckets[i-1].Start.Add(width), b.Start)
			}
			require.Zero(t, b.Start.Unix()%int64(width/time.Second))
		}
		require.EqualValues(t, 1, sum)
		runs, err := s.Query().MainLogs(t.Context(), query.RunFilter{From: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}, query.Paging{})
		require.NoError(t, err)
		require.Equal(t, year > 2000, len(runs.Items) == 1, year)
		require.NoError(t, s.Close())
	}
}

// Times at both ends of what an int64 tells lie in buckets of their own, of which the first
// begins before it.
func TestFarthestBuckets(t *testing.T) {
	const width = 365 * 24 * time.Hour
	years := []int{1500, 9999, 2026, 9999, 1500}
	for _, state := range []string{"rows", "sidecar"} {
		dir := t.TempDir()
		j := openIndexed(t, dir, rotation.Rule{}, func(err error) { t.Error(err) })
		for i, year := range years {
			appendEntries(t, j, []querytest.Entry{{File: "user", Text: fmt.Appendf(nil,
				`{"timestamp":%q,"level":"info","kind":"line","service":"s-%d","message":"m"}`,
				time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC).Format("2006-01-02T15:04:05.000000000Z"), i%2)}})
		}
		if state == "sidecar" {
			closeFile(t, j, dir)
		}
		e := query.New(query.OverJournal(j))
		for _, f := range []query.Filter{{}, {Where: query.OnKey(query.Exists("service"))}} {
			buckets, err := e.Histogram(t.Context(), f, width)
			require.NoError(t, err)
			counts := map[int]int64{}
			for i, b := range buckets {
				if b.Count > 0 {
					counts[i] = b.Count
				}
			}
			require.Equal(t, map[int]int64{0: 2, 293 + 56: 1, len(buckets) - 1: 2}, counts, state)
		}
	}
}
