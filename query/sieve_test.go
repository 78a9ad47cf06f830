package query_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// No line that matches may be left out unparsed.
func FuzzSieve(f *testing.F) {
	for _, raw := range []string{
		`{"seq":1,"timestamp":"2026-11-21T02:03:04.123456789Z","level":"info","kind":"line","message":"Refused A-1","details":{"sku":"A-1","n":1.50}}`,
		`{"seq":1,"timestamp":"2026-11-21T02:03:04.123456789Z","level":"error","kind":"line","error":{"message":"A-1"},"details":{"message":"k"}}`,
		`{"seq":1,"timestamp":"2026-11-21T02:03:04.123456789Z","kind":"line","message":"k","message":"a","label":"message"}`,
		`{"seq":1,"timestamp":"2026-11-21T02:03:04.123456789Z","level":"info","kind":"line","message":"\u0041-1 \"x\"","details":{"sku":"\u0041-1"}}`,
		"{\"seq\":1,\"timestamp\":\"2026-11-21T02:03:04.123456789Z\",\"level\":\"info\",\"kind\":\"line\",\"message\":\"a\u212aa\",\"details\":{\"sku\":[\"\u212a\",2]}}",
	} {
		for _, text := range []string{"A-1", "aka", "1.50", "k", `"x"`, ""} {
			f.Add([]byte(raw), text)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, text string) {
		is := query.Eq("sku", text)
		folded := query.Contains("sku", text)
		folded.Fold = true
		inMessage := query.Expr{Op: query.OpContains, Key: true, Field: "message", Value: text}
		foldedIs := is
		foldedIs.Fold = true
		for _, filter := range []query.Filter{
			{Search: text}, {Where: is}, {Where: folded}, {Where: query.Prefix("n", text)}, {Where: query.In("sku", "zz", text)},
			{Where: foldedIs}, {Search: text + " " + text, Where: is}, {Where: query.Or(is, inMessage)}, {Where: inMessage},
			{Where: query.Contains("message", text)}, {Where: query.Not(is)}, {Where: query.Or(query.Eq("n", "1.50"), is)},
			{Where: query.And(is, query.Not(folded))}, {Search: text, Where: query.Or(is, query.Exists("n"))}, {Topic: text},
		} {
			dropped, taken, matches, err := query.Dropped(filter, raw)
			if err != nil {
				continue
			}
			if matches {
				require.False(t, dropped, "%+v", filter)
			} else {
				require.False(t, taken, "%+v", filter)
			}
			// Beside others a line is kept as often as alone, or more often.
			lines := [][]byte{raw, []byte(`{"seq":2,"message":"a"}`), raw, raw, []byte(`{}`)}
			if bytes.IndexByte(raw, '\n') >= 0 {
				continue
			}
			sifted, sieved, err := query.Sifted(filter, lines)
			require.NoError(t, err)
			for i := range sifted {
				require.True(t, sifted[i] || !sieved[i], "%+v: line %d of %q", filter, i, lines)
			}
			// Nor is it left out, or taken, by what is remembered of it.
			can, sure, err := query.Recalled(filter, [][]byte{raw, []byte(`{"seq":2,"message":"a"}`), raw})
			require.NoError(t, err)
			for _, i := range []int{0, 2} {
				require.True(t, can == nil || can[i] || !matches, "%+v", filter)
				require.True(t, sure == nil || !sure[i] || matches, "%+v", filter)
			}
		}
	})
}

// The same of random records; and most lines that do not match are left out, or it is
// of no use.
func TestSieve(t *testing.T) {
	t.Parallel()
	filters := []query.Filter{
		{Search: "FETCHED"}, {Search: "price"}, {Search: "é"}, {Search: "[31m"}, {Where: query.Eq("sku", "A-1")},
		{Where: query.In("sku", "A-2", "B-7")}, {Where: query.Or(query.Eq("sku", "A-1"), query.Prefix("a.b", "x"))},
		{Where: query.And(query.Eq("sku", "A-1"), query.Contains("message", "e"))}, {Topic: "security"},
	}
	var lines [][]byte
	dropped, others, sure := 0, 0, 0
	for _, e := range querytest.NewGenerator(73).Entries(3000) {
		raw := append([]byte(`{"seq":1,`), e.Text[1:]...)
		lines = append(lines, raw)
		for _, f := range filters {
			out, taken, matches, err := query.Dropped(f, raw)
			require.NoError(t, err)
			require.False(t, out && matches || taken && !matches, "%+v: %s", f, raw)
			if taken {
				sure++
			}
			if !matches {
				others++
			}
			if out {
				dropped++
			}
		}
	}
	require.Greater(t, dropped, others/5)
	require.Positive(t, sure)

	passed := 0
	for _, f := range filters {
		sifted, sieved, err := query.Sifted(f, lines)
		require.NoError(t, err)
		for i := range sifted {
			require.True(t, sifted[i] || !sieved[i], "%+v: %s", f, lines[i])
			if !sifted[i] {
				passed++
			}
		}
	}
	require.Greater(t, passed, dropped*4/5) // all but what a second clause tells
}

// While records come in faster than they are indexed, answers are as exact as ever.
func TestAskedDuringABurst(t *testing.T) {
	t.Parallel()
	j := openIndexed(t, t.TempDir(), rotation.Rule{MaxBytes: 2 << 20}, func(err error) { t.Error(err) })
	e := query.New(query.OverJournal(j))
	entries := querytest.NewGenerator(74).Entries(1000)
	const rounds = 30
	words := strings.Fields("fetched price rows")
	want := map[string]int64{}
	for _, en := range entries {
		raw := append([]byte(`{"seq":1,`), en.Text[1:]...)
		for _, w := range words {
			_, _, matches, err := query.Dropped(query.Filter{Search: w}, raw)
			require.NoError(t, err)
			if matches {
				want[w]++
			}
		}
	}
	var writer sync.WaitGroup
	var before int64
	writer.Go(func() {
		for range rounds {
			appendEntries(t, j, entries)
		}
	})
	for i := range 40 {
		page, err := e.Records(t.Context(), query.Filter{}, query.Paging{Limit: 10})
		require.NoError(t, err)
		require.GreaterOrEqual(t, page.Total.N, before)
		before = page.Total.N
		w := words[i%len(words)]
		found, err := e.Records(t.Context(), query.Filter{Search: w}, query.Paging{Limit: 10})
		require.NoError(t, err)
		require.True(t, found.Total.Exact)
		require.LessOrEqual(t, found.Total.N, rounds*want[w])
		require.GreaterOrEqual(t, found.Total.N, before/int64(len(entries))*want[w])
		for _, r := range found.Items {
			require.Contains(t, strings.ToLower(r.Message), w)
		}
	}
	writer.Wait()
	for _, w := range words {
		page, err := e.Records(t.Context(), query.Filter{Search: w}, query.Paging{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(rounds*want[w], true), fmt.Sprint(page.Total.N, page.Total.Exact), w)
	}
}
