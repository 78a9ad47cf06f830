package querytest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest/oracle"
)

func isUnsupported(err error) bool { return errors.Is(err, query.ErrUnsupported) }

// Check asks an engine o.Queries random questions, 0 meaning 2,000, and
// compares the answers with what a plain loop over the text says. Nothing may
// be written meanwhile.
func Check(t testing.TB, e *query.Engine, lines []oracle.Line, o Options) {
	t.Helper()
	if o.Queries == 0 {
		o.Queries = 2000
	}
	all := text(t, lines)
	require.NotEmpty(t, all.Records)
	asks := newAsker(nil, all)
	for n := range o.Queries {
		asks.rnd = rand.New(rand.NewPCG(o.Seed, uint64(n)))
		c := checker{TB: t, engine: e, text: all, asker: asks}
		c.what = fmt.Sprintf("seed %d, query %d", o.Seed, n)
		c.one()
		if t.Failed() {
			return
		}
	}
}

// checker asks one question.
type checker struct {
	testing.TB
	*asker
	engine *query.Engine
	text   *oracle.Text
	what   string
}

func (c *checker) one() {
	switch c.rnd.IntN(16) {
	case 0, 1, 2, 3:
		c.page()
	case 4:
		c.lineLogs()
	case 5:
		c.cursors()
	case 6:
		c.all()
	case 7:
		c.reader()
	case 8:
		c.histogram()
	case 9:
		c.facets()
	case 10, 11:
		c.mainLogs()
	case 12, 13:
		c.subLogs()
	case 14:
		c.single()
	default:
		c.around()
	}
}

// note adds to what failures say.
func (c *checker) note(format string, args ...any) { c.what += fmt.Sprintf("\n"+format, args...) }

// asOf returns the snapshot that a page asked for with p has.
func (c *checker) asOf(p query.Paging) uint64 {
	newest := c.text.Records[len(c.text.Records)-1].Seq
	if p.AsOf != 0 && p.AsOf < newest {
		return p.AsOf
	}
	return newest
}

// part returns what a page holds of all that was selected, oldest first.
func part[T any](all []T, p query.Paging) []T {
	all = slices.Clone(all)
	if !p.Oldest {
		slices.Reverse(all)
	}
	if p.Limit == 0 {
		p.Limit = query.DefaultLimit
	}
	all = all[min(len(all), p.Offset):]
	return all[:min(len(all), p.Limit)]
}

// frame compares what every page has.
func frame[T, W any](c *checker, page query.Page[T], all []W, p query.Paging) []W {
	c.Helper()
	want := part(all, p)
	require.Equal(c, query.Total{N: int64(len(all)), Exact: true}, page.Total, c.what)
	require.Equal(c, c.asOf(p), page.AsOf, c.what)
	require.NotNil(c, page.Items, c.what)
	require.Len(c, page.Items, len(want), c.what)
	require.Equal(c, p.Offset+len(want) < len(all) && len(want) > 0, page.Next != "", c.what)
	return want
}

func (c *checker) page() {
	f, p := c.filter(), c.paging(len(c.text.Records)/4)
	c.note("Records %+v %+v", f, p)
	page, err := c.engine.Records(c.Context(), f, p)
	require.NoError(c, err, c.what)
	want := frame(c, page, c.text.Select(toOracle(f), p.AsOf), p)
	c.same(want, page.Items)
}

func (c *checker) lineLogs() {
	f, p := c.filter(), c.paging(20)
	f.Kinds = nil
	c.note("LineLogs %+v %+v", f, p)
	page, err := c.engine.LineLogs(c.Context(), f, p)
	require.NoError(c, err, c.what)
	o := toOracle(f)
	o.Kinds = []string{"line"}
	c.same(frame(c, page, c.text.Select(o, p.AsOf), p), page.Items)
}

// cursors goes through all pages of records, runs or steps.
func (c *checker) cursors() {
	p := query.Paging{Limit: 1 + c.rnd.IntN(200), Oldest: c.one2()}
	whole := func(n int) query.Paging { return query.Paging{Limit: n + 1, Oldest: p.Oldest} }
	switch c.rnd.IntN(4) {
	case 0:
		f := c.history(c.runs)
		f.Step, f.Action, p.Limit = "", "", 1+p.Limit%7
		c.note("MainLogs %+v %+v by cursor", f, p)
		all := oracle.Choose(c.runs, f, 0)
		got := walk(c, p, len(all), func(p query.Paging) (query.Page[query.MainLog], error) {
			return c.engine.MainLogs(c.Context(), toRunFilter(f), p)
		})
		for i, want := range part(all, whole(len(all))) {
			c.sameRun(want, got[i])
		}
	case 1:
		f := c.history(c.steps)
		f.ParentRun, f.ParentStep, f.Roots, p.Limit = "", "", false, 1+p.Limit%7
		c.note("SubLogs %+v %+v by cursor", f, p)
		all := oracle.Choose(c.steps, f, 0)
		got := walk(c, p, len(all), func(p query.Paging) (query.Page[query.SubLog], error) {
			return c.engine.SubLogs(c.Context(), toStepFilter(f), p)
		})
		for i, want := range part(all, whole(len(all))) {
			c.sameStep(want, got[i])
		}
	default:
		f := c.filter()
		c.note("Records %+v %+v by cursor", f, p)
		all := c.text.Select(toOracle(f), 0)
		got := walk(c, p, len(all), func(p query.Paging) (query.Page[query.Record], error) {
			return c.engine.Records(c.Context(), f, p)
		})
		c.same(part(all, whole(len(all))), got)
	}
}

// walk asks for page after page, and returns what they hold: n items.
func walk[T any](c *checker, p query.Paging, n int, ask func(query.Paging) (query.Page[T], error)) (got []T) {
	for {
		page, err := ask(p)
		require.NoError(c, err, c.what)
		require.Equal(c, query.Total{N: int64(n), Exact: true}, page.Total, c.what)
		require.Equal(c, c.asOf(p), page.AsOf, c.what)
		got = append(got, page.Items...)
		require.LessOrEqual(c, len(got), n, c.what)
		if page.Next == "" {
			break
		}
		require.Len(c, page.Items, p.Limit, c.what)
		p.Cursor = page.Next
	}
	require.Len(c, got, n, c.what)
	return got
}

func (c *checker) one2() bool { return c.rnd.IntN(2) == 0 }

func (c *checker) all() {
	f := c.filter()
	c.note("All %+v", f)
	var got []query.Record
	for r, err := range c.engine.All(c.Context(), f) {
		require.NoError(c, err, c.what)
		got = append(got, r)
	}
	c.same(c.text.Select(toOracle(f), 0), got)
}

func (c *checker) reader() {
	f := c.filter()
	c.note("Reader %+v", f)
	r := c.engine.Reader(c.Context(), f)
	var b bytes.Buffer
	_, err := io.CopyN(&b, r, int64(c.rnd.IntN(1000))) // read so far, and copied from there
	if err == nil {
		_, err = io.Copy(&b, r)
	}
	if err != io.EOF {
		require.NoError(c, err, c.what)
	}
	require.NoError(c, r.Close(), c.what)
	got := b.Bytes()
	var want []byte
	for _, record := range c.text.Select(toOracle(f), 0) {
		want = append(append(want, record.Text...), '\n')
	}
	require.Equal(c, string(want), string(got), c.what)
}

func (c *checker) single() {
	r := c.record()
	seq := r.Seq + uint64(c.rnd.IntN(2))
	c.note("Record %d", seq)
	got, err := c.engine.Record(c.Context(), seq)
	want := c.text.Around(seq, 0, 0)
	if len(want) == 0 {
		require.ErrorIs(c, err, query.ErrNotFound, c.what)
		return
	}
	require.NoError(c, err, c.what)
	c.same(want, []query.Record{got})
}

func (c *checker) around() {
	seq, before, after := c.record().Seq, c.rnd.IntN(9), c.rnd.IntN(9)
	c.note("Around %d %d %d", seq, before, after)
	got, err := c.engine.Around(c.Context(), seq, before, after)
	require.NoError(c, err, c.what)
	c.same(c.text.Around(seq, before, after), got)
}

func (c *checker) histogram() {
	f := c.filter()
	found := c.text.Select(toOracle(f), 0)
	first, last := f.From, f.To
	for _, r := range found {
		if first.IsZero() || r.Time.Before(first) {
			first = r.Time
		}
		if last.IsZero() || r.Time.After(last) {
			last = r.Time
		}
	}
	width := max(last.Sub(first)/time.Duration(1+c.rnd.IntN(40)), 1)
	c.note("Histogram %+v %v", f, width)
	got, err := c.engine.Histogram(c.Context(), f, width)
	supported(c, err, func() {
		want := oracle.Histogram(found, toOracle(f), width)
		require.Len(c, got, len(want), c.what)
		for i, w := range want {
			require.Equal(c, w.Start, got[i].Start, c.what)
			require.Equal(c, w.Levels, named(got[i].Levels), c.what)
			var sum int64
			for _, n := range w.Levels {
				sum += n
			}
			require.Equal(c, sum, got[i].Count, c.what)
		}
	})
}

var facetFields = []string{"level", "level", "kind", "file", "topic", "server", "server_name", "service", "project", "operation",
	"operation_name", "run", "root_run", "parent_run", "parent_step", "step", "action", "action_name", "label", "trace", "caller", "phase", "error_code", "sku", "a.b", "tags", "nested.a",
	"details.level", "details.a.b", "größe"}

func (c *checker) facets() {
	f, field := c.filter(), facetFields[c.rnd.IntN(len(facetFields))]
	limit := c.rnd.IntN(6)
	c.note("Facets %+v %q %d", f, field, limit)
	got, err := c.engine.Facets(c.Context(), f, field, limit)
	supported(c, err, func() {
		name, fixed := query.FacetField(field)
		counts := oracle.Facets(c.text.Select(toOracle(f), 0), name, fixed)
		var want []query.FacetValue
		for v, n := range counts {
			want = append(want, query.FacetValue{Value: v, Count: n})
		}
		slices.SortFunc(want, func(a, b query.FacetValue) int {
			switch {
			case a.Count != b.Count:
				return int(b.Count - a.Count)
			case a.Value < b.Value:
				return -1
			default:
				return 1
			}
		})
		if limit == 0 {
			limit = query.DefaultLimit
		}
		want = want[:min(limit, len(want))]
		require.Len(c, got, len(want), c.what)
		for i := range want {
			require.Equal(c, want[i], got[i], c.what)
		}
	})
}

func (c *checker) mainLogs() {
	f, p := c.history(c.runs), c.paging(len(c.runs))
	f.Step, f.Action = "", ""
	c.note("MainLogs %+v %+v", f, p)
	page, err := c.engine.MainLogs(c.Context(), toRunFilter(f), p)
	require.NoError(c, err, c.what)
	for i, want := range frame(c, page, oracle.Choose(c.runs, f, p.AsOf), p) {
		c.sameRun(want, page.Items[i])
	}
}

func (c *checker) subLogs() {
	f, p := c.history(c.steps), c.paging(len(c.steps))
	f.ParentRun, f.ParentStep, f.Roots = "", "", false
	c.note("SubLogs %+v %+v", f, p)
	page, err := c.engine.SubLogs(c.Context(), toStepFilter(f), p)
	require.NoError(c, err, c.what)
	for i, want := range frame(c, page, oracle.Choose(c.steps, f, p.AsOf), p) {
		c.sameStep(want, page.Items[i])
	}
}
