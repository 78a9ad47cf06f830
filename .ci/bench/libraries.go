package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	plog "github.com/phuslu/log"
	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"gopkg.in/natefinch/lumberjack.v2"
)

// overZap logs through zap's production encoder, with nanosecond times as every
// other candidate.
func overZap(w zapcore.WriteSyncer, level zapcore.Level, o setting, end func() error, read func() (io.ReadCloser, error)) *target {
	c := zap.NewProductionEncoderConfig()
	c.TimeKey, c.MessageKey = "timestamp", "message"
	c.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	l := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(c), w, level))
	if o.bind {
		l = l.With(zap.String("server", server), zap.String("service", service), zap.String("project", project),
			zap.String("operation", operation), zap.String("run", runID), zap.String("step", stepID),
			zap.String("action", action), zap.Int("attempt", 1))
	}
	return &target{log: zapCall(l), close: end, read: read}
}

func zapCall(l *zap.Logger) func(int, *sample) {
	return func(n int, s *sample) {
		l.Info(s.message, zap.Int("n", n), zap.String("sku", s.sku), zap.String("warehouse", s.warehouse),
			zap.Int("rows", s.rows), zap.Float64("price", s.price), zap.Bool("cached", s.cached), zap.Duration("took", s.took))
	}
}

func openZerolog(dir string, o setting) (*target, error) {
	f, err := os.OpenFile(filepath.Join(dir, "out.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	zerolog.TimeFieldFormat, zerolog.TimestampFieldName = time.RFC3339Nano, "timestamp"
	with := zerolog.New(f).With().Timestamp()
	if o.bind {
		with = with.Str("server", server).Str("service", service).Str("project", project).
			Str("operation", operation).Str("run", runID).Str("step", stepID).
			Str("action", action).Int("attempt", 1)
	}
	l := with.Logger()
	return &target{
		log: func(n int, s *sample) {
			l.Info().Int("n", n).Str("sku", s.sku).Str("warehouse", s.warehouse).Int("rows", s.rows).
				Float64("price", s.price).Bool("cached", s.cached).Dur("took", s.took).Msg(s.message)
		},
		close: f.Close,
		read:  readGlob(dir, "out.log"),
	}, nil
}

func openSlog(dir string, o setting) (*target, error) {
	w := &lumberjack.Logger{Filename: filepath.Join(dir, "out.log"), MaxSize: o.megabytes()}
	l := slog.New(slog.NewJSONHandler(w, nil))
	if o.bind {
		l = l.With(
			slog.String("server", server), slog.String("service", service), slog.String("project", project),
			slog.String("operation", operation), slog.String("run", runID), slog.String("step", stepID),
			slog.String("action", action), slog.Int("attempt", 1))
	}
	ctx := context.Background()
	return &target{
		log: func(n int, s *sample) {
			l.LogAttrs(ctx, slog.LevelInfo, s.message, slog.Int("n", n), slog.String("sku", s.sku),
				slog.String("warehouse", s.warehouse), slog.Int("rows", s.rows), slog.Float64("price", s.price),
				slog.Bool("cached", s.cached), slog.Duration("took", s.took))
		},
		close: w.Close,
		read:  readGlob(dir, "out*.log"),
	}, nil
}

func overPhuslu(dir string, o setting, w plog.Writer, end func() error) *target {
	l := plog.Logger{Level: plog.InfoLevel, TimeField: "timestamp", TimeFormat: time.RFC3339Nano, Writer: w}
	if o.bind {
		l.Context = plog.NewContext(nil).Str("server", server).Str("service", service).Str("project", project).
			Str("operation", operation).Str("run", runID).Str("step", stepID).
			Str("action", action).Int("attempt", 1).Value()
	}
	return &target{
		log: func(n int, s *sample) {
			l.Info().Int("n", n).Str("sku", s.sku).Str("warehouse", s.warehouse).Int("rows", s.rows).
				Float64("price", s.price).Bool("cached", s.cached).Dur("took", s.took).Msg(s.message)
		},
		close: end,
		// out.log itself is a link to the newest of the dated files.
		read: readGlob(dir, "out.*.log"),
	}
}
