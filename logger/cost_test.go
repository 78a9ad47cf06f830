package logger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// sevenFields is a call with what flows usually log.
func sevenFields(l *logger.Logger, now time.Time, err error) {
	l.Info("product stored", zap.String("sku", "A-10442"), zap.Int("rows", 42), zap.Float64("price", 19.99),
		zap.Bool("changed", true), zap.Duration("took", 1500*time.Microsecond), zap.Time("at", now), zap.NamedError("cause", err))
}

func TestCost(t *testing.T) {
	now, err := time.Now(), errors.New("timed out")
	t.Run("R6.10 library: a disabled call allocates nothing", func(t *testing.T) {
		store := openDir(t, t.TempDir(), &logger.Options{Level: levels.Error})
		l := store.Server("edge-1").Service("orders").Logger
		require.Zero(t, testing.AllocsPerRun(1000, func() { sevenFields(l, now, err) }))
		require.Zero(t, testing.AllocsPerRun(1000, func() { logger.FromContext(t.Context()).Info("m", zap.Int("n", 1)) }))
	})
	t.Run("R6.10 library: a call with primitive, time and error fields allocates nothing", func(t *testing.T) {
		store := openDir(t, t.TempDir(), nil)
		ctx, run := operation(store).Start(t.Context())
		ctx, step := logger.StartStep(ctx, "store")
		for name, l := range map[string]*logger.Logger{
			"step": logger.FromContext(ctx), "bound": logger.FromContext(ctx).With(zap.String("k", "v")).Label("x"),
			"file": logger.FromContext(ctx).To(logger.FileEmail), "server": store.Server("edge-1").Logger,
		} {
			// Rows are kept in chunks of a thousand, so that what their growth
			// allocates is under one in a thousand calls.
			require.Zero(t, testing.AllocsPerRun(3000, func() { sevenFields(l, now, err) }), name)
		}
		require.Zero(t, testing.AllocsPerRun(3000, func() { step.Info("through the step", zap.Int("n", 1)) }))
		require.Zero(t, testing.AllocsPerRun(3000, func() { logger.FromContext(ctx).Warn("through the context", zap.Int("n", 1)) }))
		step.End(nil, nil)
		run.End(nil)
	})
}
