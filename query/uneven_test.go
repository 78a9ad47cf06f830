package query_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// TestUneven asks for the newest of many records that lie unevenly in sealed files: at
// first only the last rows of a file are looked at, and they have few of them. The
// order of times is that of arrival, or is not.
func TestUneven(t *testing.T) {
	t.Parallel()
	type logged struct {
		at      time.Time
		warn    bool
		early   bool
		message string
	}
	for _, name := range []string{"times in order", "times out of order"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := openIndexed(t, dir, rotation.Rule{MaxBytes: 300 << 10}, func(err error) { t.Error(err) })
			var all []logged
			var entries []querytest.Entry
			for i := range 8000 {
				l := logged{at: noon.Add(time.Duration(i) * time.Millisecond), warn: i%3 == 0, early: i/100%14 == 0 || i%97 == 0, message: fmt.Sprint("number ", i)}
				if name == "times out of order" {
					l.at = l.at.Add(time.Duration(i*7919%300) * time.Millisecond)
				}
				service, level := "late", "info"
				if l.early {
					service = "early"
				}
				if l.warn {
					level = "warn"
				}
				all = append(all, l)
				entries = append(entries, querytest.Entry{File: "user", Text: fmt.Appendf(nil,
					`{"timestamp":%q,"level":%q,"kind":"line","server":"edge-1","service":%q,"run":"run-%d","step":"step-%d","message":%q,"details":{"sku":"A-%d"}}`,
					l.at.Format("2006-01-02T15:04:05.000000000Z"), level, service, i/40*7%11+i/500*20, i%5, l.message, i%1000)})
			}
			appendEntries(t, j, entries)
			flush(t, j)
			awaitSealed(t, dir)
			e := query.New(query.OverJournal(j))
			slices.Reverse(all)
			for _, onlyWarn := range []bool{false, true} {
				for _, span := range [][2]int{{0, 8000}, {1200, 1300}, {1700, 6100}, {501, 7990}, {2999, 2999}, {7000, 9000}} {
					f := query.Filter{Service: "early", From: noon.Add(time.Duration(span[0]) * time.Millisecond), To: noon.Add(time.Duration(span[1]) * time.Millisecond)}
					if onlyWarn {
						f.Levels = levels.Of(levels.Warn)
					}
					var want []string
					for _, l := range all {
						if l.early && (l.warn || !onlyWarn) && !l.at.Before(f.From) && !l.at.After(f.To) {
							want = append(want, l.message)
						}
					}
					for _, p := range []query.Paging{{Limit: 1}, {Limit: 7}, {Limit: 30}, {Limit: 100, Offset: 40}, {Limit: 3, Offset: 1000}, {Limit: 10000}} {
						page, err := e.LineLogs(t.Context(), f, p)
						require.NoError(t, err)
						require.Equal(t, query.Total{N: int64(len(want)), Exact: true}, page.Total)
						at := min(p.Offset, len(want))
						end := min(at+p.Limit, len(want))
						require.Equal(t, append([]string{}, want[at:end]...), messages(page.Items), "%v %+v", span, p)
						if page.Next == "" {
							require.Equal(t, len(want), max(end, at))
							continue
						}
						next, err := e.LineLogs(t.Context(), f, query.Paging{Limit: 50, Cursor: page.Next})
						require.NoError(t, err)
						require.Equal(t, append([]string{}, want[end:min(end+50, len(want))]...), messages(next.Items))
					}
				}
			}
		})
	}
}

// TestWordInSkippedFrames asks for a rare word together with a level: the rows of the
// word stand first and last in parts of a sealed file that have nothing of the level.
func TestWordInSkippedFrames(t *testing.T) {
	t.Parallel()
	const frame = 1024
	rows := []int{0, 1, frame - 1, frame, 2*frame - 1, 2*frame + 500, 3*frame - 1, 3 * frame, 4*frame - 1}
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{MaxBytes: 1 << 20}, func(err error) { t.Error(err) })
	var want []string
	var entries []querytest.Entry
	for i := range 4*frame + 10 {
		level, word := "info", "plenty"
		if i/frame == 2 && i%3 == 2 {
			level = "warn"
		}
		if slices.Contains(rows, i) {
			word = "needle"
			if level == "warn" {
				want = append(want, fmt.Sprint("needle ", i))
			}
		}
		entries = append(entries, querytest.Entry{File: "user", Text: fmt.Appendf(nil,
			`{"timestamp":%q,"level":%q,"kind":"line","run":"r","message":"%s %d"}`,
			noon.Format("2006-01-02T15:04:05.000000000Z"), level, word, i)})
	}
	appendEntries(t, j, entries)
	closeFile(t, j, dir)
	f := query.Filter{Search: "needle", Levels: levels.Of(levels.Warn)}
	e := query.New(query.OverJournal(j))
	require.Equal(t, want, found(t, e, f, query.Paging{Limit: 10, Oldest: true}))
	slices.Reverse(want)
	require.Equal(t, want, found(t, e, f, query.Paging{Limit: 10}))
}

// TestFrameBorders asks a sealed file, all of whose parts are full, for all of it and for
// what was there when it had some rows fewer.
func TestFrameBorders(t *testing.T) {
	t.Parallel()
	const frame = 1024
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{MaxBytes: 4 << 20}, func(err error) { t.Error(err) })
	at := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Second) }
	var entries []querytest.Entry
	for i := range 3 * frame {
		entries = append(entries, querytest.Entry{File: "user", Text: fmt.Appendf(nil,
			`{"timestamp":%q,"level":%q,"kind":"line","service":%q,"run":"run-%d","message":"number %d","details":{"sku":"A-%d"}}`,
			at(i).Format("2006-01-02T15:04:05.000000000Z"), []string{"info", "warn"}[i/frame%2], []string{"a", "b"}[i%2], i%100, i, i%3)})
	}
	appendEntries(t, j, entries)
	closeFile(t, j, dir)
	e := query.New(query.OverJournal(j))
	newest, err := e.Records(t.Context(), query.Filter{}, query.Paging{Limit: 1})
	require.NoError(t, err)
	for _, c := range []struct {
		name  string
		f     query.Filter
		match func(i int) bool
	}{
		{"everything", query.Filter{}, func(int) bool { return true }},
		{"a level", query.Filter{Levels: levels.Of(levels.Info)}, func(i int) bool { return i/frame != 1 }},
		{"times", query.Filter{From: at(1), To: at(3*frame - 2)}, func(i int) bool { return i > 0 && i < 3*frame-1 }},
		{"times at borders", query.Filter{From: at(frame - 1), To: at(2 * frame)}, func(i int) bool { return i >= frame-1 && i <= 2*frame }},
		{"a service", query.Filter{Service: "b"}, func(i int) bool { return i%2 == 1 }},
		{"a run", query.Filter{Run: "run-23"}, func(i int) bool { return i%100 == 23 }},
		{"a value", query.Filter{Where: query.Eq("sku", "A-1")}, func(i int) bool { return i%3 == 1 }},
		{"not a value", query.Filter{Where: query.Not(query.Eq("sku", "A-1"))}, func(i int) bool { return i%3 != 1 }},
	} {
		for _, n := range []int{1, frame - 1, frame, frame + 1, 2*frame - 1, 2 * frame, 2*frame + 1, 3*frame - 1, 3 * frame} {
			var want []string
			for i := range n {
				if c.match(i) {
					want = append(want, fmt.Sprint("number ", i))
				}
			}
			p := query.Paging{Limit: 5000, AsOf: newest.Items[0].Seq - 3*frame + uint64(n), Oldest: true}
			require.Equal(t, append([]string{}, want...), found(t, e, c.f, p), "%s of %d", c.name, n)
			slices.Reverse(want)
			page, err := e.Records(t.Context(), c.f, query.Paging{Limit: 3, AsOf: p.AsOf})
			require.NoError(t, err)
			require.Equal(t, query.Total{N: int64(len(want)), Exact: true}, page.Total, "%s of %d", c.name, n)
			require.Equal(t, append([]string{}, want[:min(3, len(want))]...), messages(page.Items), "%s of %d", c.name, n)
		}
	}
}

// TestTotalsOfKinds counts records of one service and of some kinds in a sealed file
// that has several.
func TestTotalsOfKinds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{MaxBytes: 1 << 20}, func(err error) { t.Error(err) })
	kinds, names := []query.Kind{query.KindLine, query.KindEvent, query.KindCapture}, []string{"debug", "info", "error"}
	counts := map[query.Kind]map[string]int64{}
	var entries []querytest.Entry
	for i := range 300 {
		kind, level := kinds[i%3], names[i/3%3]
		if kind == query.KindCapture {
			level = "info"
		}
		service := []string{"a", "b"}[i/9%2]
		if service == "a" {
			if counts[kind] == nil {
				counts[kind] = map[string]int64{}
			}
			counts[kind][level]++
		}
		entries = append(entries, querytest.Entry{File: "user", Text: fmt.Appendf(nil,
			`{"timestamp":%q,"level":%q,"kind":%q,"service":%q,"run":"r","message":"m"}`,
			noon.Format("2006-01-02T15:04:05.000000000Z"), level, kind, service)})
	}
	appendEntries(t, j, entries)
	closeFile(t, j, dir)
	e := query.New(query.OverJournal(j))
	for chosen := 1; chosen < 1<<len(kinds); chosen++ {
		for _, level := range append(names, "") {
			f := query.Filter{Service: "a"}
			if level != "" {
				l, err := levels.Parse(level)
				require.NoError(t, err)
				f.Levels = levels.Of(l)
			}
			var want int64
			for i, kind := range kinds {
				if chosen&(1<<i) == 0 {
					continue
				}
				f.Kinds = append(f.Kinds, kind)
				for of, n := range counts[kind] {
					if level == "" || level == of {
						want += n
					}
				}
			}
			page, err := e.Records(t.Context(), f, query.Paging{Limit: 1})
			require.NoError(t, err)
			require.Equal(t, query.Total{N: want, Exact: true}, page.Total, "%v %s", f.Kinds, level)
		}
	}
}

// TestTooManyTerms asks a sealed file with so many words and values that its index has no
// list of them, beside values of which it has one.
func TestTooManyTerms(t *testing.T) {
	t.Parallel()
	const n = 3000
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{MaxBytes: 4 << 20}, func(err error) { t.Error(err) })
	rnd := rand.New(rand.NewPCG(6, 6))
	words := func() string {
		return fmt.Sprintf("%016x %016x %016x%016x", rnd.Uint64(), rnd.Uint64(), rnd.Uint64(), rnd.Uint64())
	}
	var said, skus []string
	var entries []querytest.Entry
	for i := range n {
		said, skus = append(said, fmt.Sprint("number ", i, " ", words())), append(skus, words())
		entries = append(entries, querytest.Entry{File: "user", Text: fmt.Appendf(nil,
			`{"timestamp":%q,"level":"info","kind":"line","run":"r","message":%q,"details":{"sku":%q,"tags":"t-%d","a":{"b":"v-%d"}}}`,
			noon.Format("2006-01-02T15:04:05.000000000Z"), said[i], skus[i], i%7, i%5)})
	}
	appendEntries(t, j, entries)
	closeFile(t, j, dir)
	e := query.New(query.OverJournal(j))
	sku := func(i int) query.Expr { return query.Eq("sku", skus[i]) }
	tag, value := query.Eq("tags", "t-3"), query.Eq("a.b", "v-2")
	for _, c := range []struct {
		name  string
		f     query.Filter
		match func(i int) bool
	}{
		{"a part of a message", query.Filter{Search: said[1500][20:31]}, func(i int) bool { return i == 1500 }},
		{"two parts", query.Filter{Search: said[2999][20:31] + " " + said[2999][40:50]}, func(i int) bool { return i == 2999 }},
		{"parts of two messages", query.Filter{Search: said[1][20:31] + " " + said[2][20:31]}, func(int) bool { return false }},
		{"short", query.Filter{Search: "f0"}, func(i int) bool { return strings.Contains(said[i], "f0") }},
		{"in all", query.Filter{Search: "number"}, func(int) bool { return true }},
		{"in none", query.Filter{Search: "nowhere"}, func(int) bool { return false }},
		{"a value", query.Filter{Where: sku(1024)}, func(i int) bool { return i == 1024 }},
		{"no value", query.Filter{Where: query.Eq("sku", "nothing")}, func(int) bool { return false }},
		{"not a value", query.Filter{Where: query.Not(sku(1023))}, func(i int) bool { return i != 1023 }},
		{"one of some", query.Filter{Where: query.In("sku", skus[0], skus[2048], "nothing")}, func(i int) bool { return i == 0 || i == 2048 }},
		{"either", query.Filter{Where: query.Or(sku(7), value)}, func(i int) bool { return i == 7 || i%5 == 2 }},
		{"a beginning", query.Filter{Where: query.Prefix("sku", skus[5][:9])}, func(i int) bool { return i == 5 }},
		{"a part of a value", query.Filter{Where: query.Contains("sku", skus[9][30:44])}, func(i int) bool { return i == 9 }},
		{"both", query.Filter{Where: query.And(tag, value)}, func(i int) bool { return i%7 == 3 && i%5 == 2 }},
		{"one without the other", query.Filter{Where: query.And(tag, query.Not(value))}, func(i int) bool { return i%7 == 3 && i%5 != 2 }},
		{"neither of two", query.Filter{Where: query.And(tag, query.Not(value), query.Not(sku(10)))},
			func(i int) bool { return i%7 == 3 && i%5 != 2 && i != 10 }},
		{"a word and a value", query.Filter{Search: "number", Where: sku(99)}, func(i int) bool { return i == 99 }},
	} {
		want := []string{}
		for i, message := range said {
			if c.match(i) {
				want = append(want, message)
			}
		}
		oldest, err := e.Records(t.Context(), c.f, query.Paging{Limit: n, Oldest: true})
		require.NoError(t, err)
		require.Equal(t, want, messages(oldest.Items), c.name)
		newest, err := e.Records(t.Context(), c.f, query.Paging{Limit: 2})
		require.NoError(t, err)
		require.Equal(t, query.Total{N: int64(len(want)), Exact: true}, newest.Total, c.name)
		slices.Reverse(want)
		require.Equal(t, want[:min(2, len(want))], messages(newest.Items), c.name)
	}
}

// closeFile closes the active file and waits until it is sealed.
func closeFile(t *testing.T, j *journal.Journal, dir string) {
	t.Helper()
	require.NoError(t, j.Rotate("user"))
	require.Eventually(t, func() bool {
		plain, err := filepath.Glob(filepath.Join(dir, "*-20*.log"))
		return err == nil && len(plain) == 0
	}, 30*time.Second, 5*time.Millisecond)
}
