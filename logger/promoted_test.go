package logger_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// logs is what a server, a service, an operation, a run and a step have of their Logger.
type logs interface {
	Trace(msg string, fields ...zap.Field)
	Debug(msg string, fields ...zap.Field)
	Info(msg string, fields ...zap.Field)
	Warn(msg string, fields ...zap.Field)
	Error(msg string, fields ...zap.Field)
	Fatal(msg string, fields ...zap.Field)
	Log(level zapcore.Level, msg string, fields ...zap.Field)
	Enabled(level zapcore.Level) bool
	With(fields ...zap.Field) *logger.Logger
	Label(label string) *logger.Logger
	To(file string) *logger.Logger
	Zap() *zap.Logger
	Slog() *slog.Logger
	Writer(level zapcore.Level) io.WriteCloser
}

// TestPromoted calls each method that is written out for each type: it logs at its own
// level, in the place of the value it was called on, and through nil does nothing.
func TestPromoted(t *testing.T) {
	t.Parallel()
	store := openMemory(t, &logger.Options{Level: levels.Trace})
	server := store.Server("edge-1")
	service := server.Service("orders")
	flow := service.Operation("sync-prices")
	ctx, run := flow.Start(t.Context(), logger.ID("r-1"))
	_, step := logger.StartStep(ctx, "fetch", logger.ID("s-1"))

	for name, place := range map[string]struct {
		of, none logs
		want     query.Record
	}{
		"server":  {server, (*logger.Server)(nil), query.Record{Kind: query.KindEvent, File: "application", Server: "edge-1"}},
		"service": {service, (*logger.Service)(nil), query.Record{Kind: query.KindEvent, File: "application", Server: "edge-1", Service: "orders"}},
		"operation": {flow, (*logger.Operation)(nil), query.Record{Kind: query.KindEvent, File: "application",
			Server: "edge-1", Service: "orders", Operation: "sync-prices"}},
		"run": {run, (*logger.Run)(nil), query.Record{Kind: query.KindLine, File: "user",
			Server: "edge-1", Service: "orders", Operation: "sync-prices", Run: "r-1"}},
		"step": {step, (*logger.Step)(nil), query.Record{Kind: query.KindLine, File: "user",
			Server: "edge-1", Service: "orders", Operation: "sync-prices", Run: "r-1", Step: "s-1", Action: "fetch"}},
	} {
		for _, call := range []struct {
			name  string
			level zapcore.Level
			log   func(l logs, msg string)
			more  query.Record // what the call adds
		}{
			{"Trace", levels.Trace, func(l logs, msg string) { l.Trace(msg) }, query.Record{}},
			{"Debug", levels.Debug, func(l logs, msg string) { l.Debug(msg) }, query.Record{}},
			{"Info", levels.Info, func(l logs, msg string) { l.Info(msg) }, query.Record{}},
			{"Warn", levels.Warn, func(l logs, msg string) { l.Warn(msg) }, query.Record{}},
			{"Error", levels.Error, func(l logs, msg string) { l.Error(msg) }, query.Record{}},
			{"Fatal", levels.Fatal, func(l logs, msg string) { l.Fatal(msg) }, query.Record{}},
			{"Log", levels.Warn, func(l logs, msg string) { l.Log(levels.Warn, msg) }, query.Record{}},
			{"With", levels.Info, func(l logs, msg string) { l.With(zap.Int("n", 1)).Info(msg) }, query.Record{}},
			{"Label", levels.Info, func(l logs, msg string) { l.Label("x").Info(msg) }, query.Record{Label: "x"}},
			{"To", levels.Info, func(l logs, msg string) { l.To("email").Info(msg) }, query.Record{File: "email"}},
			{"Zap", levels.Warn, func(l logs, msg string) { l.Zap().Warn(msg) }, query.Record{}},
			{"Slog", levels.Warn, func(l logs, msg string) { l.Slog().Warn(msg) }, query.Record{}},
			{"Writer", levels.Error, func(l logs, msg string) {
				w := l.Writer(levels.Error)
				_, _ = io.WriteString(w, msg+"\n")
				_ = w.Close()
			}, query.Record{}},
		} {
			msg := name + "-" + call.name
			call.log(place.of, msg)
			got := one(t, store, query.Filter{Server: "edge-1", Search: msg})
			want := place.want
			if call.more.File != "" {
				want.File = call.more.File
			}
			require.Equal(t, msg, got.Message)
			require.Equal(t, call.level, got.Level, msg)
			require.Equal(t, call.more.Label, got.Label, msg)
			require.Equal(t, want, query.Record{Kind: got.Kind, File: got.File, Server: got.Server, Service: got.Service,
				Operation: got.Operation, Run: got.Run, Step: got.Step, Action: got.Action}, msg)

			require.NotPanics(t, func() { call.log(place.none, "nobody") }, msg)
		}
		require.True(t, place.of.Enabled(levels.Trace), name)
		require.False(t, place.none.Enabled(levels.Fatal), name)
		require.Equal(t, map[string]any{"n": json.Number("1")}, details(t, one(t, store, query.Filter{Search: name + "-With"})), name)
	}
	require.Empty(t, records(t, store, query.Filter{Search: "nobody"}))
	step.End(nil, nil)
	run.End(nil)
}
