package query_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/query/querytest/oracle"
	"github.com/steplog/steplog/rotation"
)

// remembered are questions about lines that are answered without reading them again, in
// part or as a whole, each in two forms.
var remembered = []struct {
	query  query.Filter
	oracle oracle.Filter
}{
	{query.Filter{Search: "fetched"}, oracle.Filter{Search: "fetched"}},
	{query.Filter{Search: "price e"}, oracle.Filter{Search: "price e"}},
	{query.Filter{Search: "É"}, oracle.Filter{Search: "É"}},
	{query.Filter{Search: "nowhere"}, oracle.Filter{Search: "nowhere"}},
	{query.Filter{Where: query.Eq("sku", "A-1")}, oracle.Filter{Where: &oracle.Expr{Op: "eq", Field: "sku", Value: "A-1"}}},
	{query.Filter{Where: query.Eq("sku", "nowhere")}, oracle.Filter{Where: &oracle.Expr{Op: "eq", Field: "sku", Value: "nowhere"}}},
	{query.Filter{Search: "e", Where: query.Eq("sku", "A-1")}, oracle.Filter{Search: "e", Where: &oracle.Expr{Op: "eq", Field: "sku", Value: "A-1"}}},
	{query.Filter{Search: "e", Run: "none"}, oracle.Filter{Search: "e", Run: "none"}},
}

// askRemembered asks all of them twice, and compares what is found with a plain loop over
// the text.
func askRemembered(t *testing.T, j *journal.Journal, e *query.Engine, dir, when string) {
	t.Helper()
	var before []query.Page[query.Record] // of lines that are not in the text yet
	for _, q := range remembered {
		page, err := e.Records(t.Context(), q.query, query.Paging{Limit: 7})
		require.NoError(t, err, when)
		before = append(before, page)
	}
	flush(t, j)
	text := recordsOf(t, folderText(t, dir))
	for i, q := range remembered {
		page, err := e.Records(t.Context(), q.query, query.Paging{Limit: 7})
		require.NoError(t, err, when)
		want := text.Select(q.oracle, 0)
		require.Equal(t, query.Total{N: int64(len(want)), Exact: true}, page.Total, "%s: %+v", when, q.query)
		require.Equal(t, page.Total, before[i].Total, "%s: %+v", when, q.query)
		for k, r := range page.Items {
			w := want[len(want)-1-k]
			require.Equal(t, w.Seq, r.Seq, "%s: %+v", when, q.query)
			require.Equal(t, r, before[i].Items[k], "%s: %+v", when, q.query)
		}
	}
}

// What is remembered of lines is what they say: while more are added, and when their file
// is closed, sealed, deleted, or read by another process.
func TestRemembered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{MaxBytes: 8 << 20}, func(error) {})
	e := query.New(query.OverJournal(j))
	g := querytest.NewGenerator(75)
	for range 5 {
		appendEntries(t, j, g.Entries(150))
		askRemembered(t, j, e, dir, "added")
	}
	questions := querytest.Options{Seed: 76, Queries: asked(300)}
	querytest.Check(t, e, folderText(t, dir), questions)
	querytest.Check(t, e, folderText(t, dir), questions)
	other, err := query.Open(dir)
	require.NoError(t, err)
	querytest.Check(t, other, folderText(t, dir), questions)

	old := query.Paging{Limit: 3, Cursor: pageOf(t, e).Next}
	appendEntries(t, j, g.Entries(1500)) // some get an index, for there are many
	askRemembered(t, j, e, dir, "indexed")
	appendEntries(t, j, g.Entries(100))
	askRemembered(t, j, e, dir, "added behind an index")
	for _, log := range []string{"user", "usage"} {
		require.NoError(t, j.Rotate(log))
		askRemembered(t, j, e, dir, "closed")
	}
	appendEntries(t, j, g.Entries(100))
	askRemembered(t, j, e, dir, "added to the next file")
	require.Eventually(t, func() bool {
		plain, err := filepath.Glob(filepath.Join(dir, "*-20*.log"))
		return err == nil && len(plain) == 0
	}, 30*time.Second, 5*time.Millisecond)
	askRemembered(t, j, e, dir, "sealed")
	page, err := e.Records(t.Context(), remembered[0].query, old)
	require.NoError(t, err)
	require.Less(t, page.Total.N, pageOf(t, e).Total.N, "a page shows what was there when the first one was asked for")
	querytest.Check(t, other, folderText(t, dir), questions)
	require.NoError(t, other.Close())

	closed, err := filepath.Glob(filepath.Join(dir, "user-*"))
	require.NoError(t, err)
	require.NotEmpty(t, closed)
	for _, name := range closed {
		if base, sealed := strings.CutSuffix(filepath.Base(name), ".idx"); sealed {
			require.NoError(t, j.Folder().Delete(t.Context(), base))
		}
	}
	askRemembered(t, j, e, dir, "deleted")
}

func pageOf(t *testing.T, e *query.Engine) query.Page[query.Record] {
	t.Helper()
	page, err := e.Records(t.Context(), remembered[0].query, query.Paging{Limit: 3})
	require.NoError(t, err)
	return page
}

// A line is read once to count, however many questions there are, and once more when its
// values have been asked for some times.
func TestRememberedOnce(t *testing.T) {
	t.Parallel()
	j, err := journal.Open(t.TempDir(), journal.Options{OnProblem: func(err error) { t.Error(err) }}) // nobody tells it messages
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	e := query.New(query.OverJournal(j))
	g := querytest.NewGenerator(77)
	read := func(f query.Filter, found bool) int64 {
		t.Helper()
		page, err := e.Records(t.Context(), f, query.Paging{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, found, page.Total.N > 0)
		return page.Stats.Lines
	}
	value := query.Filter{Where: query.Eq("sku", "nowhere")}
	for n := range 3 {
		appendEntries(t, j, g.Entries(300))
		require.Greater(t, read(query.Filter{Search: "fetched"}, true), int64(200))
		require.Less(t, read(query.Filter{Search: "row"}, true), int64(10))
		require.Less(t, read(query.Filter{Search: "nowhere"}, false), int64(10))
		if n == 0 {
			for range 3 {
				require.Greater(t, read(value, false), int64(200))
			}
		}
		// Of values with escapes, which are many here, nothing is told.
		require.Less(t, read(value, false), int64(150*(n+1)))
		require.Less(t, read(query.Filter{Search: "row"}, true), int64(10))
	}
}

// Lines of which too much would have to be remembered are found as the others are.
func TestRememberedLong(t *testing.T) {
	t.Parallel()
	j, err := journal.Open(t.TempDir(), journal.Options{OnProblem: func(err error) { t.Error(err) }}) // nobody tells it messages
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	e := query.New(query.OverJournal(j))
	var entries []querytest.Entry
	for i := range 200 {
		more := `"short"`
		switch i % 10 {
		case 3:
			more = `"` + strings.Repeat("long ", journal.TextBytes/5) + `"`
		case 7:
			more = "[1" + strings.Repeat(",2", 200) + "]"
		case 9:
			more = `["1"` + strings.Repeat(`,"2"`, 200) + "]"
		}
		entries = append(entries, querytest.Entry{File: "user", Text: fmt.Appendf(nil,
			`{"timestamp":%q,"level":"info","kind":"line","run":"r","message":"number %d of them","details":{"sku":"A-%d","more":%s,"last":"B-%d"}}`,
			noon.Format("2006-01-02T15:04:05.000000000Z"), i%20, i%20, more, i%20)})
	}
	for n := range 2 {
		appendEntries(t, j, entries)
		for k := range 5 {
			for _, i := range []int{0, 3, 7, 19} {
				for _, f := range []query.Filter{{Search: fmt.Sprintf(`"number %d of"`, i)},
					{Where: query.Eq("sku", fmt.Sprint("A-", i))}, {Where: query.Eq("last", fmt.Sprint("B-", i))}} {
					page, err := e.Records(t.Context(), f, query.Paging{Limit: 1})
					require.NoError(t, err)
					require.Equal(t, query.Total{N: int64(10 * (n + 1)), Exact: true}, page.Total, "%+v, time %d", f, k)
				}
			}
		}
	}
}

// A line whose row tells the message is not read for it, before values are asked for.
func TestMessageWithoutLine(t *testing.T) {
	t.Parallel()
	j := openIndexed(t, t.TempDir(), rotation.Rule{}, func(err error) { t.Error(err) })
	e := query.New(query.OverJournal(j))
	entry := querytest.NewGenerator(79).Entries(1)
	// A message has a code from its second time on, which other tests may have seen.
	other := openIndexed(t, t.TempDir(), rotation.Rule{}, func(err error) { t.Error(err) })
	appendEntries(t, other, append(entry, entry...))
	for range 500 {
		appendEntries(t, j, entry)
	}
	ask := func(f query.Filter) query.Page[query.Record] {
		t.Helper()
		page, err := e.Records(t.Context(), f, query.Paging{Limit: 1})
		require.NoError(t, err)
		return page
	}
	message := ask(query.Filter{}).Items[0].Message
	for range 2 {
		page := ask(query.Filter{Search: message})
		require.Equal(t, query.Total{N: 500, Exact: true}, page.Total)
		require.Less(t, page.Stats.Lines, int64(10))
		page = ask(query.Filter{Search: "nowhere"})
		require.Equal(t, query.Total{Exact: true}, page.Total)
		require.Zero(t, page.Stats.Lines)
	}
	for range 3 {
		require.Zero(t, ask(query.Filter{Where: query.Eq("sku", "nowhere")}).Total.N)
	}
	require.Equal(t, int64(500), ask(query.Filter{Search: message}).Total.N)
}

// Rows that cannot match by who logged them, when and how are not looked at.
func TestRememberedRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{}, func(err error) { t.Error(err) })
	e := query.New(query.OverJournal(j))
	entry := querytest.NewGenerator(79).Entries(1)
	for n := int64(0); n < 900; n += 100 {
		for range 100 {
			appendEntries(t, j, entry)
		}
		all, err := e.Records(t.Context(), query.Filter{}, query.Paging{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, query.Total{N: n + 100, Exact: true}, all.Total)
		r := all.Items[0]
		for _, f := range []query.Filter{{Service: "none"}, {Run: "none"}, {From: r.Time.Add(1)}, {To: r.Time.Add(-1)},
			{Kinds: []query.Kind{query.KindAccess}}, {Levels: levels.Of(zapcore.FatalLevel)}, {Search: "e", Run: "none"}} {
			page, err := e.Records(t.Context(), f, query.Paging{Limit: 1})
			require.NoError(t, err)
			require.Zero(t, page.Total.N, "%+v", f)
			require.Zero(t, page.Stats.Rows, "%+v", f)
		}
		page, err := e.Records(t.Context(), query.Filter{Service: r.Service, Levels: levels.Of(r.Level), From: r.Time, To: r.Time}, query.Paging{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, n+100, page.Total.N)
	}
}

// An old snapshot shows what it did, whatever was remembered of rows that came later or
// have an index by now.
func TestRememberedBySnapshots(t *testing.T) {
	t.Parallel()
	j := openIndexed(t, t.TempDir(), rotation.Rule{}, func(err error) { t.Error(err) })
	e := query.New(query.OverJournal(j))
	g := querytest.NewGenerator(80)
	appendEntries(t, j, g.Entries(200))
	snap := j.Snapshot()
	all, err := e.Records(t.Context(), query.Filter{}, query.Paging{Limit: 200})
	require.NoError(t, err)
	require.Len(t, all.Items, 200)
	filters := []query.Filter{{Search: "e"}, {Search: "fetched"}, {Where: query.Eq("sku", "A-1")}, {Service: "none"}, {Levels: levels.Of(zapcore.WarnLevel)}}
	for _, r := range all.Items[:20] {
		filters = append(filters, query.Filter{Service: r.Service, Action: r.Action}, query.Filter{Search: "e", Run: r.Run})
	}
	ask := func() (found [][]uint64) {
		for _, f := range filters {
			r, err := query.FindIn(t.Context(), j, snap, f, query.Window{Limit: 5000})
			require.NoError(t, err)
			require.True(t, r.Total.Exact)
			require.Len(t, r.Items, int(r.Total.N))
			var seqs []uint64
			for _, item := range r.Items {
				seqs = append(seqs, item.Seq)
			}
			found = append(found, seqs)
		}
		return found
	}
	want := ask()
	appendEntries(t, j, g.Entries(300))
	for _, f := range filters {
		if f.Search == "" && f.Where.Op == query.OpEvery {
			_, err := e.Records(t.Context(), f, query.Paging{})
			require.NoError(t, err)
		}
	}
	require.Equal(t, want, ask(), "others log")
	appendEntries(t, j, g.Entries(300))
	flush(t, j)
	require.NoError(t, j.IndexRows(t.Context()))
	appendEntries(t, j, g.Entries(50))
	for _, f := range filters {
		_, err := e.Records(t.Context(), f, query.Paging{})
		require.NoError(t, err)
	}
	require.Equal(t, want, ask(), "the rows have an index")

	few := g.Entries(20)
	for range 150 {
		appendEntries(t, j, few)
	}
	snap = j.Snapshot()
	want = ask()
	appendEntries(t, j, g.Entries(50))
	for _, f := range filters {
		_, err := query.FindIn(t.Context(), j, j.Snapshot(), f, query.Window{Limit: 1})
		require.NoError(t, err)
	}
	require.Equal(t, want, ask(), "of many rows, with others behind them")
	appendEntries(t, j, g.Entries(100))
	flush(t, j)
	require.NoError(t, j.IndexRows(t.Context()))
	appendEntries(t, j, few)
	for _, f := range filters {
		for range 3 {
			_, err := query.FindIn(t.Context(), j, j.Snapshot(), f, query.Window{Limit: 1})
			require.NoError(t, err)
		}
	}
	require.Equal(t, want, ask(), "of rows that have an index, with some behind them that have none")
}

// Few lines that are wanted, behind many that are remembered, are read one by one.
func TestRememberedInPart(t *testing.T) {
	t.Parallel()
	j, err := journal.Open(t.TempDir(), journal.Options{OnProblem: func(err error) { t.Error(err) }}) // nobody tells it messages
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	e := query.New(query.OverJournal(j))
	add := func(n int, run, message string) {
		for i := range n {
			appendEntries(t, j, []querytest.Entry{{File: "user", Text: fmt.Appendf(nil,
				`{"timestamp":%q,"level":"info","kind":"line","run":%q,"message":"%s %d"}`, noon.Format("2006-01-02T15:04:05.000000000Z"), run, message, i)}})
		}
	}
	count := func(f query.Filter) int64 {
		t.Helper()
		page, err := e.Records(t.Context(), f, query.Paging{Limit: 1})
		require.NoError(t, err)
		require.True(t, page.Total.Exact)
		return page.Total.N
	}
	add(1, "short", "earlier")
	add(300, "long", "earlier")
	require.EqualValues(t, 301, count(query.Filter{Search: "earlier"}))
	add(2, "short", "later")
	add(100, "long", "earlier")
	for range 2 {
		require.EqualValues(t, 2, count(query.Filter{Search: "later", Run: "short"}))
		require.EqualValues(t, 1, count(query.Filter{Search: "earlier", Run: "short"}))
		require.EqualValues(t, 2, count(query.Filter{Search: "0", Run: "short"}))
	}
	require.EqualValues(t, 401, count(query.Filter{Search: "earlier"}))
	require.EqualValues(t, 2, count(query.Filter{Search: "later"}))
}

// Many ask at the same time, while lines are added and files rotate.
func TestRememberedTogether(t *testing.T) {
	t.Parallel()
	j := openIndexed(t, t.TempDir(), rotation.Rule{MaxBytes: 1 << 20}, func(err error) { t.Error(err) })
	entries := querytest.NewGenerator(78).Entries(500)
	const rounds = 10
	want := make([]int64, len(remembered))
	for _, en := range entries {
		raw := append([]byte(`{"seq":1,`), en.Text[1:]...)
		for i, q := range remembered {
			if _, _, matches, err := query.Dropped(q.query, raw); matches && q.query.Run == "" {
				want[i]++
			} else {
				require.NoError(t, err)
			}
		}
	}
	var all sync.WaitGroup
	all.Go(func() {
		for range rounds {
			appendEntries(t, j, entries)
		}
	})
	e := query.New(query.OverJournal(j))
	for from := range 3 {
		all.Go(func() {
			before := make([]int64, len(remembered))
			for n := range 40 {
				i := (n + from) % len(remembered)
				page, err := e.Records(t.Context(), remembered[i].query, query.Paging{Limit: 5})
				if err != nil || !page.Total.Exact || page.Total.N < before[i] || page.Total.N > rounds*want[i] {
					t.Errorf("%+v: %+v after %d, %v", remembered[i].query, page.Total, before[i], err)
					return
				}
				before[i] = page.Total.N
				for _, r := range page.Items {
					if i == 0 && !strings.Contains(strings.ToLower(r.Message), "fetched") {
						t.Errorf("found %s", r.Raw)
					}
				}
			}
		})
	}
	all.Wait()
	for i, q := range remembered {
		page, err := e.Records(t.Context(), q.query, query.Paging{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, query.Total{N: rounds * want[i], Exact: true}, page.Total, "%+v", q.query)
	}
}
