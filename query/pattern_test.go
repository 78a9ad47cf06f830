package query_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// A regular expression of a few bytes can stand for a million steps at each byte of a
// text.
func TestPatternsAreLimited(t *testing.T) {
	for _, pattern := range []string{
		"(a?){1000}(a?){1000}(a?){1000}b",
		"((a?){30}){30}(a?b?c?){900}",
		strings.Repeat(".{1000}", 6),
	} {
		_, err := query.Parse("/" + pattern + "/")
		var invalid *query.InvalidError
		require.ErrorAs(t, err, &invalid, pattern)
		require.Equal(t, "Where", invalid.Param)
	}
	many := make([]query.Expr, 20)
	for i := range many {
		many[i] = query.Match("sku", "a{300}")
	}
	s := logger.OpenMemory(nil)
	defer s.Close()
	_, err := s.Query().Records(t.Context(), query.Filter{Where: query.Or(many...)}, query.Paging{})
	require.ErrorIs(t, err, query.ErrInvalid)

	for _, pattern := range []string{"time(d )?out", `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, `.{1,1000}`, `\pL{100}`, strings.Repeat("x", query.MaxValueBytes), ""} {
		_, err := query.Parse("/" + pattern + "/i")
		require.NoError(t, err, pattern)
	}
}

// impatient is a context that counts who looks whether it has ended, which it has from the
// n-th time on.
type impatient struct {
	context.Context
	times atomic.Int64
	n     int64
}

func (a *impatient) Err() error {
	if a.times.Add(1) >= a.n {
		return context.Canceled
	}
	return nil
}

// A question with a pattern ends soon after its context does, however long each of the
// texts takes.
func TestPatternsEndWithTheirContext(t *testing.T) {
	const lines = 100
	pattern := query.OnKey(query.Match("message", "(a?){1000}b"))
	f := query.Filter{Where: pattern}
	s := logger.OpenMemory(&logger.Options{IndexFields: []string{"sku"}})
	defer s.Close()
	l := s.Server("a").Service("b").Logger
	for i := range lines {
		l.Info(fmt.Sprint("aa", i), zap.String("sku", fmt.Sprint("aa", i)))
	}
	for _, tt := range []struct {
		name string
		ask  func(ctx context.Context) error
	}{
		{"a page", func(ctx context.Context) error {
			_, err := s.Query().Records(ctx, f, query.Paging{})
			return err
		}},
		{"facets", func(ctx context.Context) error {
			_, err := s.Query().Facets(ctx, f, "service", 1)
			return err
		}},
		{"values that have an index", func(ctx context.Context) error {
			_, err := s.Query().Records(ctx, query.Filter{Where: query.Match("sku", "(a?){1000}b")}, query.Paging{})
			return err
		}},
		{"lines", func(ctx context.Context) error {
			for _, err := range s.Query().All(ctx, f) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			whole := &impatient{Context: t.Context(), n: 1 << 62}
			require.NoError(t, tt.ask(whole))
			require.GreaterOrEqual(t, whole.times.Load(), int64(lines))
			ends := &impatient{Context: t.Context(), n: lines / 2}
			require.ErrorIs(t, tt.ask(ends), context.Canceled)
			require.Less(t, ends.times.Load(), int64(lines))
		})
	}

	t.Run("many texts in a line", func(t *testing.T) {
		s := logger.OpenMemory(nil)
		defer s.Close()
		list := make([]string, 250)
		for i := range list {
			list[i] = strings.Repeat("c", 1000) + fmt.Sprint(i)
		}
		s.Server("a").Service("b").Info("", zap.Strings("list", list))
		ends := &impatient{Context: t.Context(), n: 8}
		where := query.Or(query.Match("list", "^(c|d){400}x"), query.Match("list", "^(c|d){400}y"))
		_, err := s.Query().Records(ends, query.Filter{Where: where}, query.Paging{})
		require.ErrorIs(t, err, context.Canceled)
		page, err := s.Query().Records(t.Context(), query.Filter{Where: query.Match("list", "(c|d){50}249$")}, query.Paging{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
	})

	t.Run("a long text", func(t *testing.T) {
		s := logger.OpenMemory(nil)
		defer s.Close()
		s.Server("a").Service("b").Info(strings.Repeat("c", 800<<10) + "b")
		page, err := s.Query().Records(t.Context(), query.Filter{Where: query.OnKey(query.Match("message", "^c+b$"))}, query.Paging{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		ends := &impatient{Context: t.Context(), n: 20}
		_, err = s.Query().Records(ends, query.Filter{Where: query.OnKey(query.Match("message", "^(c|d)+x{800}"))}, query.Paging{})
		require.ErrorIs(t, err, context.Canceled)
		require.Less(t, ends.times.Load(), int64(40))
		_, err = s.Query().Records(&impatient{Context: t.Context(), n: 1 << 62}, query.Filter{Where: query.OnKey(query.Match("message", "^(c|d)+x{800}"))}, query.Paging{})
		require.NoError(t, err)
	})
}
