package loggertest_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/logger/loggertest"
	"github.com/steplog/steplog/query"
)

func TestSink(t *testing.T) {
	t.Parallel()

	t.Run("R6.7 library: what the code under test logs is there when the call has returned", func(t *testing.T) {
		t.Parallel()
		sink := loggertest.New(t)
		require.Empty(t, sink.MainLogs())
		require.Empty(t, sink.SubLogs())
		require.Empty(t, sink.LineLogs())

		flow := sink.Server("edge-1").Service("orders").Operation("sync-prices")
		for i := range 2 {
			ctx, run := flow.Start(t.Context(), logger.ID(fmt.Sprint("run-", i)))
			require.Len(t, sink.MainLogs(), i+1)
			for j := range 2 {
				actx, step := logger.StartStep(ctx, fmt.Sprint("action-", j))
				logger.FromContext(actx).Trace("fetched", zap.Int("rows", 10*i+j))
				step.End(nil, nil)
			}
			run.End(nil)
		}

		var runs, actions []string
		for _, m := range sink.MainLogs() {
			runs = append(runs, m.Run)
			require.Equal(t, query.Succeeded, m.Outcome)
		}
		require.Equal(t, []string{"run-0", "run-1"}, runs, "oldest first")
		for _, s := range sink.SubLogs() {
			actions = append(actions, s.Run+" "+s.Action)
		}
		require.Equal(t, []string{"run-0 action-0", "run-0 action-1", "run-1 action-0", "run-1 action-1"}, actions)
		var rows []string
		for _, r := range sink.LineLogs() {
			require.Equal(t, levels.Trace, r.Level, "every level is recorded")
			v, ok := r.Field("rows")
			require.True(t, ok)
			rows = append(rows, fmt.Sprint(v))
		}
		require.Equal(t, []string{"0", "1", "10", "11"}, rows)
	})

	t.Run("R6.7 library: it has the whole query API", func(t *testing.T) {
		t.Parallel()
		sink := loggertest.New(t)
		ctx, run := sink.Server("edge-1").Service("orders").Operation("sync-prices").Start(t.Context())
		logger.FromContext(ctx).Warn("price refused", zap.String("sku", "A-1"))
		logger.FromContext(ctx).Info("price set", zap.String("sku", "A-2"))
		run.End(nil)

		page, err := sink.Query().LineLogs(t.Context(), query.Filter{Run: run.ID(), Levels: levels.AtLeast(levels.Warn),
			Search: "REFUSED", Where: query.Eq("sku", "A-1")}, query.Paging{})
		require.NoError(t, err)
		require.Equal(t, query.Total{N: 1, Exact: true}, page.Total)
		facets, err := sink.Query().Facets(t.Context(), query.Filter{Kinds: []query.Kind{query.KindLine}}, "level", 10)
		require.NoError(t, err)
		require.Len(t, facets, 2)
		files, err := sink.Files().List()
		require.NoError(t, err)
		require.NotEmpty(t, files, "the files are there too")
	})

	t.Run("R6.7 library: more than a page is returned whole", func(t *testing.T) {
		t.Parallel()
		sink := loggertest.New(t)
		_, run := sink.Server("edge-1").Service("orders").Operation("sync-prices").Start(t.Context())
		for range query.MaxLimit + 5 {
			run.Info("line")
		}
		require.Len(t, sink.LineLogs(), query.MaxLimit+5)
	})

	t.Run("R6.7 library: two sinks do not see each other", func(t *testing.T) {
		t.Parallel()
		one, two := loggertest.New(t), loggertest.New(t)
		one.Server("edge-1").Service("orders").Operation("sync-prices").Start(t.Context())
		require.Len(t, one.MainLogs(), 1)
		require.Empty(t, two.MainLogs())
	})
}

// test stands in for a test whose failing is what is tested.
type test struct {
	testing.TB
	cleanup []func()

	mu     sync.Mutex
	errors []string
	logs   []string
}

func (f *test) Helper()          {}
func (f *test) Cleanup(g func()) { f.cleanup = append(f.cleanup, g) }

func (f *test) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *test) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, fmt.Sprintf(format, args...))
}

func (f *test) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.errors) > 0
}

// end does what package testing does after a test.
func (f *test) end() {
	for _, g := range f.cleanup {
		g()
	}
}

func TestSinkFailsTheTest(t *testing.T) {
	t.Parallel()

	t.Run("R6.7 library: a problem of the store fails the test, and the lines are printed", func(t *testing.T) {
		t.Parallel()
		f := &test{TB: t}
		sink := loggertest.New(f)
		sink.Server("edge-1").To("audit").Info("kept elsewhere")
		f.end()
		require.NotEmpty(t, f.errors)
		require.Contains(t, f.errors[0], "loggertest: the store reports: ")
		require.ErrorIs(t, sink.Sync(t.Context()), logger.ErrClosed)
		require.Len(t, f.logs, 1)
		require.Contains(t, f.logs[0], `"message":"kept elsewhere"`)
	})

	t.Run("R6.7 library: a failed test prints its lines, oldest first", func(t *testing.T) {
		t.Parallel()
		f := &test{TB: t}
		sink := loggertest.New(f)
		sink.Server("edge-1").Info("first")
		sink.Server("edge-1").Error("second", zap.Error(errors.New("no answer")))
		f.Errorf("something else")
		f.end()
		require.Equal(t, []string{"something else"}, f.errors)
		require.Len(t, f.logs, 1)
		first, second := strings.Index(f.logs[0], `"first"`), strings.Index(f.logs[0], `"second"`)
		require.Positive(t, first)
		require.Greater(t, second, first)
	})

	t.Run("many lines are cut to the newest", func(t *testing.T) {
		t.Parallel()
		f := &test{TB: t}
		sink := loggertest.New(f)
		for i := range 1500 {
			sink.Server("edge-1").Info(fmt.Sprint("line ", i))
		}
		f.Errorf("something else")
		f.end()
		require.Contains(t, f.logs[0], "earlier records left out")
		require.Contains(t, f.logs[0], `"line 1499"`)
		require.NotContains(t, f.logs[0], `"line 400"`)
	})

	t.Run("a test that passes prints nothing", func(t *testing.T) {
		t.Parallel()
		f := &test{TB: t}
		loggertest.New(f).Server("edge-1").Error("expected")
		f.end()
		require.Empty(t, f.errors)
		require.Empty(t, f.logs)
	})
}
