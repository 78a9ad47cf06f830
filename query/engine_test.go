package query_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
)

// fake is a Backend that keeps what it was asked. It answers nothing beyond the
// interface.
type fake struct {
	records query.Result[query.Record]
	err     error

	filter  query.Filter
	windows []query.Window
	closed  int
}

func (f *fake) Find(_ context.Context, filter query.Filter, w query.Window) (query.Result[query.Record], error) {
	f.filter = filter
	f.windows = append(f.windows, w)
	return f.records, f.err
}

func (f *fake) Runs(_ context.Context, _ query.RunFilter, w query.Window) (query.Result[query.MainLog], error) {
	f.windows = append(f.windows, w)
	return query.Result[query.MainLog]{Items: []query.MainLog{{ID: 5}}, More: true, AsOf: 9}, f.err
}

func (f *fake) Steps(_ context.Context, _ query.StepFilter, w query.Window) (query.Result[query.SubLog], error) {
	f.windows = append(f.windows, w)
	return query.Result[query.SubLog]{}, f.err
}

func (f *fake) Close() error {
	f.closed++
	return nil
}

func TestEngine(t *testing.T) {
	ctx := t.Context()
	t.Run("defaults are filled in", func(t *testing.T) {
		b := &fake{}
		_, err := query.New(b).Records(ctx, query.Filter{Files: []string{"user.log"}}, query.Paging{})
		require.NoError(t, err)
		require.Equal(t, []query.Window{{Limit: query.DefaultLimit, MaxBytes: 64 << 20}}, b.windows)
		require.Equal(t, []string{"user"}, b.filter.Files)
	})
	t.Run("the backend gets lists of its own", func(t *testing.T) {
		b := &fake{}
		f := query.Filter{Files: []string{"user"}, Kinds: []query.Kind{query.KindLine}}
		_, err := query.New(b).Records(ctx, f, query.Paging{})
		require.NoError(t, err)
		f.Files[0], f.Kinds[0] = "other", query.KindEvent
		require.Equal(t, []string{"user"}, b.filter.Files)
		require.Equal(t, []query.Kind{query.KindLine}, b.filter.Kinds)
	})
	t.Run("a cursor is taken apart", func(t *testing.T) {
		b := &fake{}
		e := query.New(b)
		page, err := e.MainLogs(ctx, query.RunFilter{}, query.Paging{Limit: 1, Oldest: true})
		require.NoError(t, err)
		require.NotEmpty(t, page.Next)
		_, err = e.MainLogs(ctx, query.RunFilter{}, query.Paging{Limit: 7, Cursor: page.Next})
		require.NoError(t, err)
		require.Equal(t, query.Window{Limit: 7, Past: 5, AsOf: 9, Oldest: true, MaxBytes: 64 << 20}, b.windows[1])
		last, err := e.SubLogs(ctx, query.StepFilter{}, query.Paging{})
		require.NoError(t, err)
		require.Empty(t, last.Next)
		require.NotNil(t, last.Items)
	})
	t.Run("the backend's errors come through", func(t *testing.T) {
		broken := errors.New("broken")
		e := query.New(&fake{err: broken})
		_, err := e.Records(ctx, query.Filter{}, query.Paging{})
		require.ErrorIs(t, err, broken)
		_, err = e.Record(ctx, 3)
		require.ErrorIs(t, err, broken)
		_, err = e.Around(ctx, 3, 1, 1)
		require.ErrorIs(t, err, broken)
		for _, err := range e.All(ctx, query.Filter{}) {
			require.ErrorIs(t, err, broken)
		}
		_, err = e.Reader(ctx, query.Filter{}).Read(make([]byte, 1))
		require.ErrorIs(t, err, broken)
	})
	t.Run("what a backend lacks", func(t *testing.T) {
		e := query.New(&fake{})
		_, err := e.Histogram(ctx, query.Filter{}, time.Second)
		require.ErrorIs(t, err, query.ErrUnsupported)
		_, err = e.Facets(ctx, query.Filter{}, "level", 0)
		require.ErrorIs(t, err, query.ErrUnsupported)
		for _, err := range e.Tail(ctx, query.Filter{}, query.TailOptions{}) {
			require.ErrorIs(t, err, query.ErrUnsupported)
		}
	})
	t.Run("a record that is not there", func(t *testing.T) {
		b := &fake{records: query.Result[query.Record]{Items: []query.Record{{Seq: 2}}}}
		_, err := query.New(b).Record(ctx, 3)
		require.ErrorIs(t, err, query.ErrNotFound)
		_, err = query.New(b).Record(ctx, 0)
		require.ErrorIs(t, err, query.ErrNotFound)
		r, err := query.New(b).Record(ctx, 2)
		require.NoError(t, err)
		require.EqualValues(t, 2, r.Seq)
	})
	t.Run("a part without an end is not asked for again", func(t *testing.T) {
		b := &fake{records: query.Result[query.Record]{AsOf: 9, More: true}}
		for range query.New(b).All(ctx, query.Filter{}) {
			t.Fatal("nothing was found")
		}
		require.Len(t, b.windows, 2)
	})
	t.Run("closing", func(t *testing.T) {
		b := &fake{}
		require.NoError(t, query.New(b).Close())
		require.Equal(t, 1, b.closed)
	})
}

func TestInvalidError(t *testing.T) {
	_, err := query.New(&fake{}).Records(t.Context(), query.Filter{}, query.Paging{Limit: -1})
	require.EqualError(t, err, "query: invalid: Limit is negative")
	_, err = query.New(&fake{}).Records(t.Context(), query.Filter{}, query.Paging{Cursor: "?"})
	require.EqualError(t, err, "query: invalid cursor: Cursor was not given by a page")
}
