package logger_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// flow runs one flow with one step that has input, output and a line, and
// returns the kinds of what was recorded.
func flow(t *testing.T, store *logger.Store) []query.Kind {
	t.Helper()
	before := len(host(t, store))
	ctx, run := operation(store).Start(t.Context())
	actx, step := logger.StartStep(ctx, "fetch", logger.Input("in"))
	logger.FromContext(actx).Info("line")
	logger.Value(actx, levels.Info, "Test", 1)
	step.End("out", nil)
	run.End(nil)
	var kinds []query.Kind
	for _, r := range host(t, store)[before:] {
		kinds = append(kinds, r.Kind)
	}
	return kinds
}

func TestSwitches(t *testing.T) {
	const (
		run, step, line, capture = query.KindRun, query.KindStep, query.KindLine, query.KindCapture
	)
	everything := []query.Kind{run, step, capture, line, line, capture, step, run}
	history := []query.Kind{run, step, step, run}
	action := levels.Scope{Server: "edge-1", Service: "orders", Operation: "sync-prices", Action: "fetch"}

	t.Run("R1.8 library: the default at the root is on", func(t *testing.T) {
		require.Equal(t, everything, flow(t, openMemory(t, nil)))
	})
	for _, scope := range []struct {
		name string
		levels.Scope
	}{
		{"everything", levels.Scope{}},
		{"server", levels.Scope{Server: "edge-1"}},
		{"service", levels.Scope{Server: "edge-1", Service: "orders"}},
		{"operation", levels.Scope{Server: "edge-1", Service: "orders", Operation: "sync-prices"}},
		{"action", action},
	} {
		t.Run("R1.8 library: switched off and on again at run time for a "+scope.name, func(t *testing.T) {
			store := openMemory(t, nil)
			store.Levels().SetLines(t.Context(), scope.Scope, false)
			require.Equal(t, history, flow(t, store), "captures and lines are silent, run and step records stay")
			store.Levels().SetLines(t.Context(), scope.Scope, true)
			require.Equal(t, everything, flow(t, store))
		})
	}
	t.Run("R1.8 library: the nearest explicit setting wins", func(t *testing.T) {
		store := openMemory(t, nil)
		store.Levels().SetLines(t.Context(), levels.Scope{Server: "edge-1"}, false)
		store.Levels().SetLines(t.Context(), action, true)
		require.Equal(t, everything, flow(t, store))
		store.Levels().Reset(t.Context(), action)
		require.Equal(t, history, flow(t, store))
	})
	t.Run("R1.8 library: switching off one action leaves the others", func(t *testing.T) {
		store := openMemory(t, nil)
		other := action
		other.Action = "store"
		store.Levels().SetLines(t.Context(), other, false)
		require.Equal(t, everything, flow(t, store))
	})
	t.Run("R1.8 library: captures have a switch of their own", func(t *testing.T) {
		store := openMemory(t, nil)
		store.Levels().SetCapture(t.Context(), levels.Scope{Server: "edge-1"}, false)
		require.Equal(t, []query.Kind{run, step, line, line, step, run}, flow(t, store))
	})

	t.Run("R1.10 library: the minimum level is global and per scope, and reaches loggers handed out earlier", func(t *testing.T) {
		store := openMemory(t, nil)
		server := store.Server("edge-1")
		service := server.Service("orders")
		bound := service.With(zap.Int("n", 1)).Label("x").To(logger.FileEmail)
		bridged := service.Zap()
		require.True(t, service.Enabled(levels.Info))
		require.False(t, service.Enabled(levels.Debug))

		store.Levels().SetLevel(t.Context(), levels.Scope{}, levels.Error)
		for _, l := range []*logger.Logger{server.Logger, service.Logger, bound} {
			require.False(t, l.Enabled(levels.Warn))
			require.True(t, l.Enabled(levels.Error))
		}
		require.False(t, bridged.Core().Enabled(levels.Warn))
		store.Levels().SetLevel(t.Context(), levels.Scope{Server: "edge-1", Service: "orders"}, levels.Trace)
		require.False(t, server.Enabled(levels.Warn))
		require.True(t, bound.Enabled(levels.Trace))
		service.Trace("recorded")
		server.Warn("not recorded")
		require.Equal(t, []string{"recorded"}, messages(host(t, store)))
	})
	t.Run("R1.10 library: the minimum level never applies to run, step and capture records", func(t *testing.T) {
		store := openMemory(t, &logger.Options{Level: levels.Fatal})
		require.Equal(t, []query.Kind{run, step, capture, capture, step, run}, flow(t, store))
	})
	t.Run("R1.10 library: Options.Level is the first minimum level", func(t *testing.T) {
		store := openMemory(t, &logger.Options{Level: levels.Debug})
		require.True(t, store.Server("edge-1").Enabled(levels.Debug))
		require.False(t, store.Server("edge-1").Enabled(levels.Trace))
	})

	t.Run("R1.11 library: severity filters, exact set and minimum, in every read path", func(t *testing.T) {
		store := openMemory(t, &logger.Options{Level: levels.Trace})
		ctx, r := operation(store).Start(t.Context())
		l := logger.FromContext(ctx)
		l.Trace("trace")
		l.Debug("debug")
		l.Info("info")
		l.Warn("warn")
		l.Error("error")
		l.Fatal("fatal")
		l.Log(levels.Warn, "log")
		l.Log(levels.Error+1, "panic")
		r.End(nil)
		for _, want := range []struct {
			set  levels.Set
			want []string
		}{
			{levels.Set(0), []string{"trace", "debug", "info", "warn", "error", "fatal", "log", "panic"}},
			{levels.Of(levels.Warn), []string{"warn", "log"}},
			{levels.Of(levels.Trace, levels.Fatal), []string{"trace", "fatal"}},
			{levels.AtLeast(levels.Error), []string{"error", "fatal", "panic"}},
			{levels.Of(), []string{}},
		} {
			f := query.Filter{Levels: want.set, Kinds: []query.Kind{line}}
			require.Equal(t, want.want, messages(records(t, store, f)), "All %s", want.set)
			page, err := store.Query().LineLogs(t.Context(), f, query.Paging{Oldest: true})
			require.NoError(t, err)
			require.Equal(t, want.want, messages(page.Items), "LineLogs %s", want.set)
			buckets, err := store.Query().Histogram(t.Context(), f, 1e15)
			require.NoError(t, err)
			require.Equal(t, len(want.want) > 0, len(buckets) > 0, "Histogram %s", want.set)
		}
	})
}

func TestCapture(t *testing.T) {
	captures := func(t *testing.T, store *logger.Store) []query.Record {
		return records(t, store, query.Filter{Kinds: []query.Kind{query.KindCapture}})
	}
	t.Run("R1.7 library: input is captured at the start and the resulting data at the end", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context(), logger.Input(map[string]string{"day": "monday"}))
		actx, step := logger.StartStep(ctx, "fetch", logger.Input([]string{"A-1", "A-2"}))
		require.Len(t, captures(t, store), 2, "before the action works")
		logger.FromContext(actx).Info("working")
		step.End(map[string]any{"rows": 2}, nil)
		run.End(nil)
		all := captures(t, store)
		require.Len(t, all, 3)
		require.Equal(t, "input", all[0].Phase)
		require.Empty(t, all[0].Step, "the run's own input")
		require.Equal(t, map[string]any{"value": map[string]any{"day": "monday"}}, details(t, all[0]))
		require.Equal(t, "input", all[1].Phase)
		require.Equal(t, map[string]any{"value": []any{"A-1", "A-2"}}, details(t, all[1]))
		require.Equal(t, "output", all[2].Phase)
		require.Equal(t, step.ID(), all[2].Step)
		require.Equal(t, "fetch", all[2].Action)
		v, ok := all[2].Field("value.rows")
		require.True(t, ok)
		require.EqualValues(t, "2", v)
	})
	t.Run("R1.7 library: what a flow returns is captured like an action's result", func(t *testing.T) {
		store := openMemory(t, nil)
		_, run := operation(store).Start(t.Context())
		run.Output(map[string]any{"rows": 2})
		run.End(nil)
		all := captures(t, store)
		require.Len(t, all, 1)
		require.Equal(t, "output", all[0].Phase)
		require.Equal(t, run.ID(), all[0].Run)
		require.Empty(t, all[0].Step)
		require.Equal(t, map[string]any{"value": map[string]any{"rows": json.Number("2")}}, details(t, all[0]))
		var none *logger.Run
		none.Output(1)
	})
	t.Run("R1.7 library: an error is captured instead of, or beside, the resulting data", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		_, step := logger.StartStep(ctx, "fetch")
		step.End(nil, codedError{"NEGATIVE"})
		_, step = logger.StartStep(ctx, "fetch")
		step.End("half", errors.New("stopped"))
		_, step = logger.StartStep(ctx, "fetch")
		step.End(nil, nil)
		run.End(nil)
		all := captures(t, store)
		require.Len(t, all, 2, "nothing in, nothing out: nothing captured")
		require.Equal(t, "output", all[0].Phase)
		require.Equal(t, "NEGATIVE", all[0].ErrorCode)
		require.Empty(t, details(t, all[0]))
		require.Equal(t, "stopped", all[1].ErrorMessage)
		require.Equal(t, map[string]any{"value": "half"}, details(t, all[1]))
	})
	t.Run("R1.7 library: secrets are masked", func(t *testing.T) {
		store := openMemory(t, nil)
		require.NoError(t, store.AddSecret("s3cr3t-value"))
		ctx, run := operation(store).Start(t.Context())
		_, step := logger.StartStep(ctx, "fetch", logger.Input(map[string]any{"password": "hunter2", "url": "https://x/?k=s3cr3t-value"}))
		step.End(struct {
			Token string `json:"token"`
		}{"abc"}, nil)
		run.End(nil)
		all := captures(t, store)
		require.Equal(t, map[string]any{"value": map[string]any{"password": "***", "url": "https://x/?k=***"}}, details(t, all[0]))
		require.Equal(t, map[string]any{"value": map[string]any{"token": "***"}}, details(t, all[1]))
	})
	t.Run("R1.7 library: 64 KiB each by default, cut and said so", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		fits, tooLong := make([]byte, 60_000), make([]byte, 70_000)
		for _, b := range [][]byte{fits, tooLong} {
			for i := range b {
				b[i] = 'x'
			}
		}
		_, step := logger.StartStep(ctx, "fetch", logger.Input(string(fits)))
		step.End(string(tooLong), nil)
		run.End(nil)
		all := captures(t, store)
		require.False(t, all[0].Truncated)
		require.True(t, all[1].Truncated)
		require.LessOrEqual(t, len(all[1].Raw), 66_000)
		size, ok := all[1].Field("value.$cut")
		require.True(t, ok)
		require.EqualValues(t, "70000", size, "the original size")
	})
	t.Run("R1.7 library: the cap is an option", func(t *testing.T) {
		store := openMemory(t, &logger.Options{CaptureBytes: 1000})
		ctx, run := operation(store).Start(t.Context())
		_, step := logger.StartStep(ctx, "fetch", logger.Input(make([]int, 2000)))
		step.End(nil, nil)
		run.End(nil)
		r := captures(t, store)[0]
		require.True(t, r.Truncated)
		require.Less(t, len(r.Raw), 2000)
	})
}

func TestValue(t *testing.T) {
	t.Run("R1.9 library: label, level and value, from anywhere through the context", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		ctx, step := logger.StartStep(ctx, "system/log")
		logger.Value(ctx, levels.Warn, "Test", map[string]any{"sku": "A-1", "price": 9.5})
		step.End(nil, nil)
		run.End(nil)
		r := one(t, store, query.Filter{Kinds: []query.Kind{query.KindLine}})
		require.Equal(t, "Test", r.Label)
		require.Equal(t, levels.Warn, r.Level)
		require.Equal(t, "system/log", r.Action)
		v, _ := r.Field("value.sku")
		require.Equal(t, "A-1", v)
	})
	t.Run("R1.9 library: it obeys the minimum level", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		logger.Value(ctx, levels.Debug, "hidden", 1)
		logger.Value(ctx, levels.Info, "shown", 1)
		run.End(nil)
		require.Equal(t, "shown", one(t, store, query.Filter{Kinds: []query.Kind{query.KindLine}}).Label)
	})
	t.Run("R1.9 library: it obeys the switch of the action it runs in", func(t *testing.T) {
		store := openMemory(t, nil)
		store.Levels().SetLines(t.Context(), levels.Scope{Server: "edge-1", Service: "orders", Operation: "sync-prices", Action: "quiet"}, false)
		ctx, run := operation(store).Start(t.Context())
		quiet, a := logger.StartStep(ctx, "quiet")
		loud, b := logger.StartStep(ctx, "loud")
		logger.Value(quiet, levels.Fatal, "quiet", 1)
		logger.Value(loud, levels.Info, "loud", 1)
		a.End(nil, nil)
		b.End(nil, nil)
		run.End(nil)
		require.Equal(t, "loud", one(t, store, query.Filter{Kinds: []query.Kind{query.KindLine}}).Label)
	})
	t.Run("R1.9 library: outside a run it goes to application.log, and without a store nowhere", func(t *testing.T) {
		store := openMemory(t, nil)
		logger.Value(logger.NewContext(t.Context(), store.Server("edge-1").Logger), levels.Info, "Test", 1)
		logger.Value(t.Context(), levels.Info, "Test", 1)
		r := one(t, store, query.Filter{Topic: "application"})
		require.Equal(t, "Test", r.Label)
		require.Equal(t, "application", r.File)
	})
}
