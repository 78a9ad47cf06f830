package querytest

import (
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
)

// checkInvalid asks what no engine may answer.
func checkInvalid(t *testing.T, s Subject) {
	s.Append(t, NewGenerator(1).Entries(40))
	ctx, e := t.Context(), s.Engine
	now := time.Now()
	deep := query.Expr{}
	for range query.MaxExprDepth {
		deep = query.Not(deep)
	}
	wide := make([]query.Expr, query.MaxExprSize)

	for name, f := range map[string]query.Filter{
		"From after To":      {From: now, To: now.Add(-1)},
		"an unknown kind":    {Kinds: []query.Kind{"lines"}},
		"audit records":      {Kinds: []query.Kind{query.KindLine, query.KindAudit}},
		"no name of a log":   {Files: []string{"../user"}},
		"too many files":     {Files: make([]string, query.MaxFilterValues+1)},
		"a long search":      {Search: strings.Repeat("a", query.MaxSearchBytes+1)},
		"a search in Latin1": {Search: "gr\xf6\xdfer"},
		"an unknown Op":      {Where: query.Expr{Op: 200}},
		"Eq without a field": {Where: query.Eq("", "x")},
		"Eq with arguments":  {Where: query.Expr{Op: query.OpEq, Field: "a", Args: []query.Expr{{}}}},
		"Not of nothing":     {Where: query.Expr{Op: query.OpNot}},
		"Not of two":         {Where: query.And(query.Expr{Op: query.OpNot, Args: []query.Expr{{}, {}}})},
		"And with a field":   {Where: query.Expr{Op: query.OpAnd, Field: "a"}},
		"every with a field": {Where: query.Expr{Field: "a"}},
		"too deep":           {Where: deep},
		"too many":           {Where: query.Or(wide...)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.Records(ctx, f, query.Paging{})
			wrong(t, err)
			if f.Kinds == nil {
				_, err = e.LineLogs(ctx, f, query.Paging{})
				wrong(t, err)
			}
			for _, err := range e.All(ctx, f) {
				wrong(t, err)
			}
			for _, err := range e.Tail(ctx, f, query.TailOptions{}) {
				wrong(t, err)
			}
			_, err = io.ReadAll(e.Reader(ctx, f))
			wrong(t, err)
			_, err = e.Histogram(ctx, f, time.Second)
			wrong(t, err)
			_, err = e.Facets(ctx, f, "level", 0)
			wrong(t, err)
		})
	}
	_, err := e.LineLogs(ctx, query.Filter{Kinds: []query.Kind{query.KindRun}}, query.Paging{})
	wrong(t, err)
	checkInvalidHistory(t, e)
	checkInvalidPaging(t, e)
	checkInvalidOptions(t, e)
}

func wrong(t testing.TB, err error) {
	t.Helper()
	require.ErrorIs(t, err, query.ErrInvalid)
	var invalid *query.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.NotEmpty(t, invalid.Param)
	require.NotEmpty(t, invalid.Reason)
}

func checkInvalidHistory(t *testing.T, e *query.Engine) {
	now := time.Now()
	for name, f := range map[string]query.RunFilter{
		"From after To":      {From: now, To: now.Add(-1)},
		"an unknown state":   {States: []int{4}},
		"an unknown status":  {Statuses: []int{0}},
		"an unknown outcome": {Outcomes: []query.Outcome{99}},
		"roots of a parent":  {Roots: true, ParentRun: "r"},
		"too many":           {States: make([]int, query.MaxFilterValues+1)},
	} {
		t.Run("runs: "+name, func(t *testing.T) {
			_, err := e.MainLogs(t.Context(), f, query.Paging{})
			wrong(t, err)
			if !f.Roots {
				_, err = e.SubLogs(t.Context(), query.StepFilter{From: f.From, To: f.To, States: f.States, Statuses: f.Statuses,
					Outcomes: f.Outcomes}, query.Paging{})
				wrong(t, err)
			}
		})
	}
}

func checkInvalidPaging(t *testing.T, e *query.Engine) {
	ctx := t.Context()
	page, err := e.Records(ctx, query.Filter{}, query.Paging{Limit: 1})
	require.NoError(t, err)
	require.NotEmpty(t, page.Next)
	steps, err := e.SubLogs(ctx, query.StepFilter{}, query.Paging{Limit: 1, Oldest: true})
	require.NoError(t, err)
	require.NotEmpty(t, steps.Next)

	for name, p := range map[string]query.Paging{
		"a negative limit":          {Limit: -1},
		"a limit too large":         {Limit: query.MaxLimit + 1},
		"a negative offset":         {Offset: -1},
		"cursor and offset":         {Cursor: page.Next, Offset: 1},
		"no cursor":                 {Cursor: "nonsense"},
		"half a cursor":             {Cursor: page.Next[:len(page.Next)/2]},
		"more than a cursor":        {Cursor: page.Next + "A"},
		"a cursor of another list":  {Cursor: steps.Next},
		"a cursor of another order": {Cursor: page.Next, Oldest: true},
		"a cursor and another AsOf": {Cursor: page.Next, AsOf: page.AsOf - 1},
		"a long cursor":             {Cursor: strings.Repeat("A", 1<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.Records(ctx, query.Filter{}, p)
			wrong(t, err)
			if p.Cursor != "" && p.Offset == 0 {
				require.ErrorIs(t, err, query.ErrCursor)
			}
		})
	}
	t.Run("a cursor and what it says", func(t *testing.T) {
		_, err := e.Records(ctx, query.Filter{}, query.Paging{Cursor: page.Next, AsOf: page.AsOf})
		require.NoError(t, err)
	})
}

func checkInvalidOptions(t *testing.T, e *query.Engine) {
	ctx := t.Context()
	for _, o := range []query.TailOptions{{Backlog: -1}, {Backlog: query.MaxLimit + 1}, {Backlog: 1, After: 1}, {MaxLag: -1},
		{MaxLag: math.MaxInt}} {
		n := 0
		for _, err := range e.Tail(ctx, query.Filter{}, o) {
			wrong(t, err)
			n++
		}
		require.Equal(t, 1, n)
	}
	for _, width := range []time.Duration{0, -time.Second} {
		_, err := e.Histogram(ctx, query.Filter{}, width)
		wrong(t, err)
	}
	_, err := e.Histogram(ctx, query.Filter{From: time.Unix(0, 0), To: time.Unix(100, 0)}, time.Millisecond)
	if !isUnsupported(err) {
		require.ErrorIs(t, err, query.ErrTooMany)
		wrong(t, err)
	}
	for _, ask := range []struct {
		field string
		limit int
	}{{"", 1}, {"details.", 1}, {"level", -1}, {"level", query.MaxLimit + 1}} {
		_, err := e.Facets(ctx, query.Filter{}, ask.field, ask.limit)
		wrong(t, err)
	}
	for _, ask := range [][2]int{{-1, 0}, {0, -1}, {query.MaxAround + 1, 0}, {0, query.MaxAround + 1}} {
		_, err := e.Around(ctx, 1, ask[0], ask[1])
		wrong(t, err)
	}
}
