package query_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// TestTimesInSteps asks for ranges that begin and end at each nanosecond around the
// times of lines, many of which lie in the same hundredth of a millisecond: sidecars
// tell times only so finely.
func TestTimesInSteps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		time func(i int) time.Duration
	}{
		{"in order", func(i int) time.Duration { return time.Duration(i) * 3_001 }},
		{"at the same time", func(i int) time.Duration { return time.Duration(i/40) * 97_003 }},
		{"out of order", func(i int) time.Duration { return time.Duration(i*3_001 + i*7919%20_000) }},
		{"in whole steps", func(i int) time.Duration { return time.Duration(i/3) * 10_000 }},
		{"before 1970", func(i int) time.Duration { return time.Duration(i)*2_503 - noon.Sub(time.Unix(0, 0)) - time.Minute }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j := openIndexed(t, dir, rotation.Rule{MaxBytes: 120 << 10}, func(err error) { t.Error(err) })
			var times []time.Time
			var entries []querytest.Entry
			for i := range 4000 {
				at := noon.Add(tt.time(i))
				times = append(times, at)
				entries = append(entries, querytest.Entry{File: "user", Text: fmt.Appendf(nil,
					`{"timestamp":%q,"level":"info","kind":"line","run":"run-%d","message":"number %d","details":{"sku":"A-%d"}}`,
					at.Format("2006-01-02T15:04:05.000000000Z"), i/40%9, i, i%2)})
			}
			appendEntries(t, j, entries)
			flush(t, j)
			awaitSealed(t, dir)
			e := query.New(query.OverJournal(j))
			check := func(f query.Filter, width time.Duration, matches func(i int) bool) {
				t.Helper()
				var want []string
				buckets := map[int64]int64{}
				for i, at := range times {
					if (f.From.IsZero() || !at.Before(f.From)) && (f.To.IsZero() || !at.After(f.To)) && matches(i) {
						want = append(want, fmt.Sprint("number ", i))
						n := at.UnixNano() / int64(width)
						if at.UnixNano()%int64(width) < 0 {
							n--
						}
						buckets[n*int64(width)]++
					}
				}
				slices.Reverse(want)
				page, err := e.LineLogs(t.Context(), f, query.Paging{Limit: 40})
				require.NoError(t, err)
				require.Equal(t, query.Total{N: int64(len(want)), Exact: true}, page.Total)
				require.Equal(t, append([]string{}, want[:min(len(want), 40)]...), messages(page.Items))
				got, err := e.Histogram(t.Context(), f, width)
				require.NoError(t, err)
				for _, b := range got {
					require.Equal(t, buckets[b.Start.UnixNano()], b.Count, "%v", b.Start)
					delete(buckets, b.Start.UnixNano())
				}
				require.Empty(t, buckets)
			}
			all := func(int) bool { return true }
			check(query.Filter{}, time.Millisecond, all)
			check(query.Filter{}, 777_777, all)
			check(query.Filter{Where: query.Eq("sku", "A-1")}, 777_777, func(i int) bool { return i%2 == 1 })
			for _, i := range []int{0, 1, 500, 501, 2039, 2040, 3999} {
				for _, by := range []time.Duration{-10_000, -1, 0, 1, 6_999, 10_000} {
					from, to := times[i].Add(by), times[i].Add(by+15_001)
					check(query.Filter{From: from}, 9_999_999, all)
					check(query.Filter{To: from}, 9_999_999, all)
					check(query.Filter{From: from, To: to}, 1_001, all)
					check(query.Filter{From: from, To: from}, 1_001, all)
					check(query.Filter{From: from, To: from.Add(5_000_001)}, 99_990, all)
					check(query.Filter{Run: "run-4", From: from}, 9_999_999, func(i int) bool { return i/40%9 == 4 })
					check(query.Filter{Run: "run-4", To: from}, 9_999_999, func(i int) bool { return i/40%9 == 4 })
					check(query.Filter{Where: query.Eq("sku", "A-1"), From: from, To: from.Add(3 * time.Millisecond)}, 9_999_999, func(i int) bool { return i%2 == 1 })
				}
			}
		})
	}
}
