package query_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// TestReadWhileWriting proves the part of R1.5 that a query has.
func TestReadWhileWriting(t *testing.T) {
	t.Run("R1.5 library: an action reads a query while it is being written", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			ctx, run := s.Server("edge-1").Service("orders").Operation("sync-prices").Start(t.Context())
			ctx, step := logger.StartStep(ctx, "write")
			log := logger.FromContext(ctx)
			for i := range 2000 {
				log.Info("fetched", zap.Int("row", i))
			}
			r := s.query.Reader(ctx, query.Filter{Run: run.ID(), Kinds: []query.Kind{query.KindLine}})
			read := bufio.NewScanner(r)
			n := 0
			for ; read.Scan(); n++ {
				log.Info("read one more") // not in what is read: it came after the call
				var line struct {
					Message string
					Details struct{ Row int }
				}
				require.NoError(t, json.Unmarshal(read.Bytes(), &line))
				require.Equal(t, "fetched", line.Message)
				require.Equal(t, n, line.Details.Row)
			}
			require.NoError(t, read.Err())
			require.Equal(t, 2000, n)
			require.NoError(t, r.Close())
			step.End(nil, nil)
			run.End(nil)
		})
	})
}

// TestLevels proves R1.11 in every read path of the engine.
func TestLevels(t *testing.T) {
	all := []zapcore.Level{levels.Trace, levels.Debug, levels.Info, levels.Warn, levels.Error, levels.Fatal}
	fill := func(t *testing.T, s store) string {
		_, run := s.Server("edge-1").Service("orders").Operation("sync-prices").Start(t.Context())
		for _, l := range all {
			run.Log(l, levels.Name(l))
		}
		return run.ID()
	}
	// check compares every read path with the levels wanted.
	check := func(t *testing.T, s store, set levels.Set, want ...string) {
		f := query.Filter{Run: fill(t, s), Levels: set, Kinds: []query.Kind{query.KindLine}}
		tail := s.query.Tail(t.Context(), f, query.TailOptions{Backlog: 10})

		require.Equal(t, want, lines(t, s.query, f), "LineLogs")
		require.Equal(t, want, found(t, s.query, f, query.Paging{Oldest: true}), "Records")
		texts := []string{}
		for r, err := range s.query.All(t.Context(), f) {
			require.NoError(t, err)
			texts = append(texts, r.Message)
		}
		require.Equal(t, want, texts, "All")
		content, err := io.ReadAll(s.query.Reader(t.Context(), f))
		require.NoError(t, err)
		texts = texts[:0]
		for d := json.NewDecoder(bufio.NewReader(newReader(content))); d.More(); {
			var line struct{ Level string }
			require.NoError(t, d.Decode(&line))
			texts = append(texts, line.Level)
		}
		require.Equal(t, want, texts, "Reader")
		buckets, err := s.query.Histogram(t.Context(), f, time.Hour)
		require.NoError(t, err)
		texts = texts[:0]
		for _, b := range buckets {
			for _, l := range all {
				if b.Levels[l] > 0 {
					texts = append(texts, levels.Name(l))
				}
			}
		}
		require.Equal(t, want, texts, "Histogram")
		values, err := s.query.Facets(t.Context(), f, "level", 0)
		require.NoError(t, err)
		texts = texts[:0]
		for _, v := range values {
			texts = append(texts, v.Value)
		}
		require.ElementsMatch(t, want, texts, "Facets")
		texts = texts[:0]
		if len(want) > 0 {
			for r, err := range tail {
				require.NoError(t, err)
				if texts = append(texts, r.Record.Message); len(texts) == len(want) {
					break
				}
			}
		}
		require.Equal(t, want, texts, "Tail")
	}
	t.Run("R1.11 library: an exact set of severities in every read path", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) { check(t, s, levels.Of(levels.Warn, levels.Trace), "trace", "warn") })
	})
	t.Run("R1.11 library: a minimum severity in every read path", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) { check(t, s, levels.AtLeast(levels.Warn), "warn", "error", "fatal") })
	})
	t.Run("R1.11 library: no set is every severity, an empty one is none", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			check(t, s, levels.Set(0), "trace", "debug", "info", "warn", "error", "fatal")
			f := query.Filter{Levels: levels.Of()}
			require.Empty(t, lines(t, s.query, f))
			require.Empty(t, found(t, s.query, f, query.Paging{}))
		})
	})
}

// TestIntegrator proves what R2.2, R2.3 and R2.9 ask of the library.
func TestIntegrator(t *testing.T) {
	t.Run("R2.2 library: main, sub and line logs by project and flow", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			orders := s.Server("edge-1").Service("orders")
			for _, project := range []string{"p-1", "p-2"} {
				for _, flow := range []string{"sync-prices", "sync-stock"} {
					ctx, run := orders.Operation(flow).Start(t.Context(), logger.Project(project))
					ctx, step := logger.StartStep(ctx, "login")
					logger.FromContext(ctx).Info(project + " " + flow)
					step.End(nil, nil)
					run.End(nil)
				}
			}
			runs, err := s.query.MainLogs(t.Context(), query.RunFilter{Project: "p-1", Operation: "sync-stock"}, query.Paging{})
			require.NoError(t, err)
			require.EqualValues(t, 1, runs.Total.N)
			require.Equal(t, "p-1", runs.Items[0].Project)
			require.Equal(t, "sync-stock", runs.Items[0].Operation)
			steps, err := s.query.SubLogs(t.Context(), query.StepFilter{Project: "p-1", Operation: "sync-stock"}, query.Paging{})
			require.NoError(t, err)
			require.EqualValues(t, 1, steps.Total.N)
			require.Equal(t, runs.Items[0].Run, steps.Items[0].Run)
			require.Equal(t, []string{"p-1 sync-stock"}, lines(t, s.query, query.Filter{Project: "p-1", Operation: "sync-stock"}))
		})
	})
	t.Run("R2.2 library: limit and page", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			for range 30 {
				_, run := s.Server("edge-1").Service("orders").Operation("sync-prices").Start(t.Context())
				run.End(nil)
			}
			first, err := s.query.MainLogs(t.Context(), query.RunFilter{Operation: "sync-prices"}, query.Paging{Limit: 25})
			require.NoError(t, err)
			require.Len(t, first.Items, 25)
			second, err := s.query.MainLogs(t.Context(), query.RunFilter{Operation: "sync-prices"},
				query.Paging{Limit: 25, Offset: 25, AsOf: first.AsOf})
			require.NoError(t, err)
			require.Len(t, second.Items, 5)
			require.Empty(t, second.Next)
			past, err := s.query.MainLogs(t.Context(), query.RunFilter{Operation: "sync-prices"}, query.Paging{Limit: 25, Offset: 50})
			require.NoError(t, err)
			require.Empty(t, past.Items)
			require.EqualValues(t, 30, past.Total.N)
			for _, bad := range []query.Paging{{Limit: -1}, {Limit: query.MaxLimit + 1}, {Offset: -1}} {
				_, err := s.query.MainLogs(t.Context(), query.RunFilter{}, bad)
				require.ErrorIs(t, err, query.ErrInvalid)
			}
		})
	})
	t.Run("R2.2 library: by execution, and by step", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			var runs, steps []string
			for range 2 {
				ctx, run := s.Server("edge-1").Service("orders").Operation("sync-prices").Start(t.Context())
				for range 2 {
					actx, step := logger.StartStep(ctx, "login")
					logger.FromContext(actx).Info(step.ID())
					step.End(nil, nil)
					steps = append(steps, step.ID())
				}
				run.End(nil)
				runs = append(runs, run.ID())
			}
			mains, err := s.query.MainLogs(t.Context(), query.RunFilter{Run: runs[1]}, query.Paging{})
			require.NoError(t, err)
			require.EqualValues(t, 1, mains.Total.N)
			require.Equal(t, runs[1], mains.Items[0].Run)

			subs, err := s.query.SubLogs(t.Context(), query.StepFilter{Run: runs[0]}, query.Paging{Oldest: true})
			require.NoError(t, err)
			require.EqualValues(t, 2, subs.Total.N)
			require.Equal(t, steps[0], subs.Items[0].Step)
			subs, err = s.query.SubLogs(t.Context(), query.StepFilter{Step: steps[3]}, query.Paging{})
			require.NoError(t, err)
			require.EqualValues(t, 1, subs.Total.N)
			require.Equal(t, runs[1], subs.Items[0].Run)

			require.Equal(t, steps[2:], lines(t, s.query, query.Filter{Run: runs[1]}))
			require.Equal(t, steps[1:2], lines(t, s.query, query.Filter{Run: runs[0], Step: steps[1]}))
			require.Empty(t, lines(t, s.query, query.Filter{Run: runs[1], Step: steps[1]}))
		})
	})
	t.Run("R2.2 library: fields and values by dotted path, combined with and, in line logs", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			_, run := s.Server("edge-1").Service("orders").Operation("sync-prices").Start(t.Context())
			run.Info("one", zap.String("sku", "A-1"), zap.Any("order", map[string]any{"items": []any{map[string]any{"n": 1}, map[string]any{"n": 2}}}))
			run.Info("two", zap.String("sku", "A-1"), zap.Any("order", map[string]any{"items": []any{map[string]any{"n": 3}}}))
			run.Info("three", zap.String("sku", "A-2"), zap.Int("order.items.n", 2))
			run.To("email").Info("four", zap.String("sku", "A-1"))
			eq := func(pairs ...string) query.Filter {
				var all []query.Expr
				for i := 0; i < len(pairs); i += 2 {
					all = append(all, query.Eq(pairs[i], pairs[i+1]))
				}
				return query.Filter{Where: query.And(all...), Run: run.ID()}
			}
			require.Equal(t, []string{"one", "two", "four"}, lines(t, s.query, eq("sku", "A-1")))
			require.Equal(t, []string{"one"}, lines(t, s.query, eq("sku", "A-1", "order.items.n", "2")))
			require.Equal(t, []string{"one", "three"}, lines(t, s.query, eq("order.items.n", "2")))
			require.Empty(t, lines(t, s.query, eq("sku", "a-1")))
			require.Empty(t, lines(t, s.query, eq("order.items", "2")))
			f := eq("sku", "A-1")
			f.Where = query.Or(f.Where, query.Not(query.Eq("sku", "A-1")))
			require.Len(t, lines(t, s.query, f), 4)
		})
	})
	t.Run("R2.3 library: an exact total, newest first", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			log := s.Server("edge-1").To("email")
			for i := range 250 {
				log.Info(fmt.Sprint(i))
			}
			page, err := s.query.Records(t.Context(), query.Filter{Files: []string{"email"}}, query.Paging{})
			require.NoError(t, err)
			require.Equal(t, query.Total{N: 250, Exact: true}, page.Total)
			require.Len(t, page.Items, query.DefaultLimit)
			require.Equal(t, "249", page.Items[0].Message)
			require.Equal(t, "150", page.Items[99].Message)
		})
	})
	t.Run("R2.3 library: pages are stable while new logs arrive, and the last has no next", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			log := s.Server("edge-1").To("email")
			for i := range 50 {
				log.Info(fmt.Sprint(i))
			}
			f := query.Filter{Files: []string{"email"}}
			var byCursor, byOffset []string
			p := query.Paging{Limit: 20}
			for {
				page, err := s.query.Records(t.Context(), f, p)
				require.NoError(t, err)
				require.EqualValues(t, 50, page.Total.N)
				byCursor = append(byCursor, messages(page.Items)...)
				byOffset = append(byOffset, found(t, s.query, f, query.Paging{Limit: 20, Offset: len(byOffset), AsOf: page.AsOf})...)
				log.Info("new")
				if p.Cursor = page.Next; p.Cursor == "" {
					break
				}
			}
			require.Len(t, byCursor, 50)
			require.Equal(t, byCursor, byOffset)
			for i, text := range byCursor {
				require.Equal(t, fmt.Sprint(49-i), text)
			}
		})
	})
	t.Run("R2.9 library: list by root, show nested", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			orders := s.Server("edge-1").Service("orders")
			ctx, root := orders.Operation("nightly").Start(t.Context())
			sctx, step := logger.StartStep(ctx, "flow/run")
			cctx, child := orders.Operation("sync-prices").Start(sctx)
			_, below := orders.Operation("notify").Start(cctx)
			_, other := orders.Operation("nightly").Start(t.Context())
			for _, r := range []*logger.Run{below, child, root, other} {
				r.Info("from " + r.ID())
				r.End(nil)
			}
			list := func(f query.RunFilter) (ids []string) {
				page, err := s.query.MainLogs(t.Context(), f, query.Paging{Oldest: true})
				require.NoError(t, err)
				for _, m := range page.Items {
					ids = append(ids, m.Run)
				}
				return ids
			}
			require.Equal(t, []string{root.ID(), child.ID(), below.ID()}, list(query.RunFilter{RootRun: root.ID()}))
			require.Equal(t, []string{root.ID(), other.ID()}, list(query.RunFilter{Roots: true}))
			require.Equal(t, []string{child.ID()}, list(query.RunFilter{ParentRun: root.ID()}))
			require.Equal(t, []string{child.ID()}, list(query.RunFilter{ParentStep: step.ID()}))
			require.Equal(t, []string{below.ID()}, list(query.RunFilter{ParentRun: child.ID()}))
			require.Equal(t, []string{"from " + below.ID(), "from " + child.ID(), "from " + root.ID()},
				lines(t, s.query, query.Filter{RootRun: root.ID()}), "lines of the whole tree")
			steps, err := s.query.SubLogs(t.Context(), query.StepFilter{RootRun: root.ID()}, query.Paging{})
			require.NoError(t, err)
			require.EqualValues(t, 1, steps.Total.N)
		})
	})
}
