package query_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// Facets and histograms of few records of a large file look at few rows: not at all owners,
// nor at all rows of the scopes that have such a record.
func TestFewOfManyRows(t *testing.T) {
	t.Parallel()
	const n, rare = 40_000, 2_000
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{}, func(err error) { t.Error(err) })
	entries := make([]querytest.Entry, n)
	for i := range entries {
		level := "info"
		if i%rare == 0 {
			level = "error"
		}
		entries[i] = querytest.Entry{File: "user", Text: fmt.Appendf(nil,
			`{"timestamp":%q,"level":%q,"kind":"line","service":"service-%d","run":"run-%d","step":"s-%d","action":"a-%d","message":"m","details":{"sku":"A-%d"}}`,
			noon.Add(time.Duration(i)*time.Millisecond).Format("2006-01-02T15:04:05.000000000Z"), level, i%4, i%400, i/400, i%3, i%5)}
	}
	appendEntries(t, j, entries)
	closeFile(t, j, dir)
	snap := j.Snapshot()
	facets := func(f query.Filter, field string, most int64, want ...query.FacetValue) {
		t.Helper()
		got, stats, err := query.FacetsIn(t.Context(), j, snap, f, field)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.LessOrEqual(t, stats.Rows, most)
	}
	one := query.Filter{Run: "run-5", Step: "s-17"} // row 17 * 400 + 5
	facets(one, "service", 200, query.FacetValue{Value: "service-1", Count: 1})
	facets(one, "action", 200, query.FacetValue{Value: "a-1", Count: 1})
	facets(query.Filter{Run: "run-7"}, "action", 200, query.FacetValue{Value: "a-1", Count: 34}, query.FacetValue{Value: "a-0", Count: 33},
		query.FacetValue{Value: "a-2", Count: 33})
	// Each row is looked at once, then those that match.
	facets(query.Filter{Step: "s-17"}, "sku", n+1000, query.FacetValue{Value: "A-0", Count: 80}, query.FacetValue{Value: "A-1", Count: 80},
		query.FacetValue{Value: "A-2", Count: 80}, query.FacetValue{Value: "A-3", Count: 80}, query.FacetValue{Value: "A-4", Count: 80})

	errors := query.Filter{Levels: levels.Of(levels.Error), Where: query.Not(query.OnKey(query.Eq("service", "service-3")))}
	buckets, stats, err := query.HistogramIn(t.Context(), j, snap, errors, 20*time.Second)
	require.NoError(t, err)
	require.Len(t, buckets, 2)
	require.EqualValues(t, n/rare, buckets[0].Count+buckets[1].Count)
	require.LessOrEqual(t, stats.Rows, int64(1000))
}

// A condition on the identifiers of runs is looked at for those runs only of which records
// can match else.
func TestFewOfManyRuns(t *testing.T) {
	t.Parallel()
	const n = 10_000
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{}, func(err error) { t.Error(err) })
	entries := make([]querytest.Entry, n)
	for i := range entries {
		entries[i] = querytest.Entry{File: "user", Text: fmt.Appendf(nil,
			`{"timestamp":%q,"level":"info","kind":"line","run":"run-%d","message":"number%d of all","details":{"sku":"A-%d"}}`,
			noon.Add(time.Duration(i)*time.Millisecond).Format("2006-01-02T15:04:05.000000000Z"), i/20, i, i/100)}
	}
	appendEntries(t, j, entries)
	closeFile(t, j, dir)
	snap := j.Snapshot()
	but := query.Not(query.OnKey(query.Eq("run", "run-36")))
	for _, c := range []struct {
		name string
		f    query.Filter
		want int64
		most int
	}{
		{"a value", query.Filter{Where: query.And(query.Eq("sku", "A-7"), but)}, 80, 10},
		{"a word", query.Filter{Search: "number720", Where: but}, 10, 10},
		{"a time", query.Filter{From: noon.Add(700 * time.Millisecond), To: noon.Add(799 * time.Millisecond), Where: but}, 80, 10},
		{"all", query.Filter{Where: but}, n - 20, n / 20},
		{"few", query.Filter{Where: query.OnKey(query.In("run", "run-36", "run-37"))}, 40, n / 20},
		{"few with what no index tells", query.Filter{Search: "of all", Where: query.OnKey(query.In("run", "run-36", "run-37"))}, 40, n / 20},
	} {
		r, decided, err := query.DecidedIn(t.Context(), j, snap, c.f, query.Window{Limit: 1})
		require.NoError(t, err, c.name)
		require.Equal(t, query.Total{N: c.want, Exact: true}, r.Total, c.name)
		require.LessOrEqual(t, decided, c.most, c.name)
		require.LessOrEqual(t, r.Stats.Lines, c.want+1, c.name)
	}
}
