package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
)

// TestOneCondition asks a sealed file for one word or one value alone: how many records
// have it stands in its sidecar, where that tells it.
func TestOneCondition(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{IndexFields: []string{"sku", "label"}, OnProblem: func(err error) { t.Error(err) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	long := strings.Repeat("z", 200)
	one := func(i, of int, then, otherwise string) string {
		if i%of == 0 {
			return then
		}
		return otherwise
	}
	var said []string
	var entries []querytest.Entry
	for i := range 300 {
		said = append(said, fmt.Sprint("number ", i, one(i, 5, " needle", ""), one(i, 49, " needle"+long, ""), one(i, 11, " --", "")))
		entries = append(entries, querytest.Entry{File: "user", Text: fmt.Appendf(nil,
			`{"timestamp":%q,"level":"info","kind":%q,"label":%q,"message":%q,"details":{"sku":%q,"label":%q}}`,
			noon.Add(time.Duration(i)*time.Second).Format("2006-01-02T15:04:05.000000000Z"), one(i, 3, "capture", "line"), one(i, 7, "x", "y"),
			said[i], one(i, 41, long, one(i, 2, "A-1", "a-1")), one(i, 10, "x", one(i, 8, "X", "y")))})
	}
	appendEntries(t, j, entries)
	closeFile(t, j, dir)
	e := query.New(query.OverJournal(j))
	lines := []query.Kind{query.KindLine}
	word := func(w string) query.Expr { return query.Folded(query.OnKey(query.Contains("message", w))) }
	for _, c := range []struct {
		name  string
		f     query.Filter
		match func(i int) bool
	}{
		{"a word", query.Filter{Search: "number"}, func(int) bool { return true }},
		{"a word, of one kind", query.Filter{Search: "number", Kinds: lines}, func(i int) bool { return i%3 != 0 }},
		{"a word that begins a long one", query.Filter{Search: "needle"}, func(i int) bool { return i%5 == 0 || i%49 == 0 }},
		{"no word", query.Filter{Search: "--"}, func(i int) bool { return i%11 == 0 }},
		{"a value", query.Filter{Where: query.Eq("sku", "A-1")}, func(i int) bool { return i%41 != 0 && i%2 == 0 }},
		{"a value in capitals or not", query.Filter{Where: query.Folded(query.Eq("label", "x"))}, func(i int) bool { return i%10 == 0 || i%8 == 0 }},
		{"a long value", query.Filter{Where: query.Eq("sku", long)}, func(i int) bool { return i%41 == 0 }},
		{"a value, of one kind", query.Filter{Where: query.Eq("label", "x"), Kinds: lines}, func(i int) bool { return i%10 == 0 && i%3 != 0 }},
		{"a field", query.Filter{Where: query.Eq("label", "x")}, func(i int) bool { return i%10 == 0 }},
		{"not a value", query.Filter{Where: query.Not(query.Eq("label", "x"))}, func(i int) bool { return i%10 != 0 }},
		{"not a value, of one kind", query.Filter{Where: query.Not(query.Eq("label", "x")), Kinds: lines}, func(i int) bool { return i%10 != 0 && i%3 != 0 }},
		{"not a long value", query.Filter{Where: query.Not(query.Eq("sku", long))}, func(i int) bool { return i%41 != 0 }},
		{"neither of two", query.Filter{Where: query.And(query.Not(query.Eq("label", "x")), query.Not(query.Eq("label", "X")))},
			func(i int) bool { return i%10 != 0 && i%8 != 0 }},
		{"not a word", query.Filter{Where: query.Not(word("number"))}, func(int) bool { return false }},
		{"a word and not another", query.Filter{Search: "number", Where: query.Not(word("needle"))},
			func(i int) bool { return i%5 != 0 && i%49 != 0 }},
		{"a value or not another", query.Filter{Where: query.Or(query.Eq("label", "x"), query.Not(query.Eq("label", "X")))},
			func(i int) bool { return i%10 == 0 || i%8 != 0 }},
		{"a key of the same name", query.Filter{Where: query.OnKey(query.Eq("label", "x"))}, func(i int) bool { return i%7 == 0 }},
	} {
		want := []string{}
		for i, message := range said {
			if c.match(i) {
				want = append(want, message)
			}
		}
		slices.Reverse(want)
		page, err := e.Records(t.Context(), c.f, query.Paging{Limit: len(said)})
		require.NoError(t, err, c.name)
		require.Equal(t, query.Total{N: int64(len(want)), Exact: true}, page.Total, c.name)
		require.Equal(t, want, messages(page.Items), c.name)
		if strings.HasPrefix(c.name, "not a value") {
			require.LessOrEqual(t, page.Stats.Lines, int64(len(want)), c.name)
		}
	}
	counts := map[string]int64{}
	for i := range said {
		counts[one(i, 41, long, one(i, 2, "A-1", "a-1"))]++
	}
	values, err := e.Facets(t.Context(), query.Filter{}, "sku", 0)
	require.NoError(t, err)
	require.Len(t, values, len(counts))
	for _, v := range values {
		require.Equal(t, counts[v.Value], v.Count, "%.10s", v.Value)
	}
}

// Pages are right where a condition selects more rows of a file than are kept from
// counting them.
func TestManyRows(t *testing.T) {
	t.Parallel()
	const n = 40_000
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{OnProblem: func(err error) { t.Error(err) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	entries := make([]querytest.Entry, n)
	for i := range entries {
		entries[i] = querytest.Entry{File: "user", Text: fmt.Appendf(nil, `{"timestamp":%q,"level":"info","kind":"line","message":"%d %s"}`,
			noon.Add(time.Duration(i)*time.Second).Format("2006-01-02T15:04:05.000000000Z"), i, []string{"one", "two", "three"}[i%3])}
	}
	appendEntries(t, j, entries)
	closeFile(t, j, dir)
	e := query.New(query.OverJournal(j))
	var want []string
	for i := n - 1; i >= 0; i-- {
		if i%3 != 1 {
			want = append(want, []string{"one", "two", "three"}[i%3])
		}
	}
	where, err := query.Parse("-two")
	require.NoError(t, err)
	for _, offset := range []int{0, 1000, len(want) - 10} {
		for _, oldest := range []bool{false, true} {
			page, err := e.LineLogs(t.Context(), query.Filter{Where: where}, query.Paging{Limit: 10, Offset: offset, Oldest: oldest})
			require.NoError(t, err)
			require.Equal(t, query.Total{N: int64(len(want)), Exact: true}, page.Total)
			require.Len(t, page.Items, 10)
			for k, r := range page.Items {
				at := offset + k
				if oldest {
					at = len(want) - 1 - at
				}
				require.Equal(t, want[at], r.Message[strings.IndexByte(r.Message, ' ')+1:])
			}
			require.LessOrEqual(t, page.Stats.Lines, int64(10))
		}
	}
}
