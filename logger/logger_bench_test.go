package logger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"go.uber.org/zap"
)

// What does a call cost, from the logger to the file in the real file system?
// The store has default options but for rotation: masked keys are on. It fails
// when anything was dropped.
func benchmark(b *testing.B, o *logger.Options, place func(*logger.Store) *logger.Logger, call func(*logger.Logger)) {
	store, err := logger.Open(b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	l := place(store)
	before := store.Stats()
	b.ReportAllocs()
	for b.Loop() {
		call(l)
	}
	after := store.Stats()
	if after.Dropped != 0 {
		b.Fatalf("dropped %d", after.Dropped)
	}
	if n := after.Records - before.Records; n > 0 {
		b.SetBytes((after.Bytes - before.Bytes) / n)
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
}

func step(store *logger.Store) *logger.Logger {
	ctx, _ := operation(store).Start(context.Background())
	_, s := logger.StartStep(ctx, "store")
	return s.Logger
}

func BenchmarkCall(b *testing.B) {
	now, err := time.Now(), errors.New("timed out")
	seven := func(l *logger.Logger) { sevenFields(l, now, err) }
	b.Run("7 fields", func(b *testing.B) { benchmark(b, nil, step, seven) })
	b.Run("7 fields, 16 secrets", func(b *testing.B) {
		benchmark(b, nil, func(store *logger.Store) *logger.Logger {
			for i := range 16 {
				if err := store.AddSecret("s3cr3t-value-" + string(rune('a'+i))); err != nil {
					b.Fatal(err)
				}
			}
			return step(store)
		}, seven)
	})
	b.Run("bound by With", func(b *testing.B) {
		benchmark(b, nil, func(store *logger.Store) *logger.Logger {
			return step(store).With(zap.String("sku", "A-10442"), zap.Int("rows", 42), zap.Float64("price", 19.99),
				zap.Bool("changed", true), zap.Duration("took", 1500*time.Microsecond), zap.Time("at", now), zap.NamedError("cause", err))
		}, func(l *logger.Logger) { l.Info("product stored") })
	})
	b.Run("zap bridge, 7 fields", func(b *testing.B) {
		var z *zap.Logger
		benchmark(b, nil, func(store *logger.Store) *logger.Logger {
			l := step(store)
			z = l.Zap()
			return l
		}, func(*logger.Logger) {
			z.Info("product stored", zap.String("sku", "A-10442"), zap.Int("rows", 42), zap.Float64("price", 19.99),
				zap.Bool("changed", true), zap.Duration("took", 1500*time.Microsecond), zap.Time("at", now), zap.NamedError("cause", err))
		})
	})
	b.Run("disabled, 7 fields", func(b *testing.B) { benchmark(b, &logger.Options{Level: levels.Error}, step, seven) })
}

// What do a run and a step cost, from start to end, without captures?
func BenchmarkStep(b *testing.B) {
	store, err := logger.Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, run := operation(store).Start(b.Context())
	b.ReportAllocs()
	for b.Loop() {
		_, s := logger.StartStep(ctx, "store")
		s.End(nil, nil)
	}
	run.End(nil)
	if n := store.Stats().Dropped; n != 0 {
		b.Fatalf("dropped %d", n)
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
}
