package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/DeRuina/timberjack"
	plog "github.com/phuslu/log"
	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"gopkg.in/natefinch/lumberjack.v2"
)

// candidate is one way to log.
type candidate struct {
	name string
	// text is whether a folder of text is left behind, to be checked.
	text bool
	// open prepares a logger that writes below dir.
	open func(dir string) (*target, error)
	// times is how many calls stand for one, 0 for one: what takes nanoseconds
	// has to be done often to be measured.
	times int
}

// target is an open candidate. log makes the n-th call, or, for the candidates
// that measure disabled calls, one that is not recorded. close ends everything
// and returns when the text is whole.
type target struct {
	log   func(n int, s *sample)
	close func() error
	// read returns the text in the order of writing, after close.
	read func() (io.ReadCloser, error)
}

// closedCandidate also says how large the closed files are.
const closedCandidate = "steplog, closed and compressed"

const maxMegabytes = 100 // every rotating writer starts a new file at this size

// candidates in the order of the table. The first two are what the others are
// held against.
var candidates = []candidate{
	{name: "zap, to nowhere", open: func(string) (*target, error) {
		return overZap(zapcore.AddSync(io.Discard), zapcore.InfoLevel, nil, nil), nil
	}},
	{name: "zap, lumberjack", text: true, open: func(dir string) (*target, error) {
		w := &lumberjack.Logger{Filename: filepath.Join(dir, "out.log"), MaxSize: maxMegabytes}
		return overZap(zapcore.AddSync(w), zapcore.InfoLevel, w.Close, readGlob(dir, "out*.log")), nil
	}},
	{name: "zap, 256 KiB buffer, lumberjack", text: true, open: func(dir string) (*target, error) {
		w := &lumberjack.Logger{Filename: filepath.Join(dir, "out.log"), MaxSize: maxMegabytes}
		b := &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(w), Size: 256 << 10}
		end := func() error {
			if err := b.Stop(); err != nil {
				return err
			}
			return w.Close()
		}
		return overZap(b, zapcore.InfoLevel, end, readGlob(dir, "out*.log")), nil
	}},
	{name: "zap, timberjack", text: true, open: func(dir string) (*target, error) {
		w := &timberjack.Logger{Filename: filepath.Join(dir, "out.log"), MaxSize: maxMegabytes}
		return overZap(zapcore.AddSync(w), zapcore.InfoLevel, w.Close, readGlob(dir, "out*.log")), nil
	}},
	{name: "zerolog, file", text: true, open: openZerolog},
	{name: "slog, lumberjack", text: true, open: openSlog},
	{name: "phuslu, FileWriter", text: true, open: func(dir string) (*target, error) {
		w := &plog.FileWriter{Filename: filepath.Join(dir, "out.log"), MaxSize: maxMegabytes << 20}
		return overPhuslu(dir, w, w.Close), nil
	}},
	{name: "phuslu, AsyncWriter", text: true, open: func(dir string) (*target, error) {
		w := &plog.AsyncWriter{ChannelSize: 4096, Writer: &plog.FileWriter{Filename: filepath.Join(dir, "out.log"), MaxSize: maxMegabytes << 20}}
		return overPhuslu(dir, w, w.Close), nil
	}},
	{name: "steplog", text: true, open: openSteplog},
	{name: closedCandidate, text: true, open: openSteplogClosed},
	{name: "steplog, 16 secrets", text: true, open: openSteplogSecrets},
	{name: "steplog, zap bridge", text: true, open: openSteplogZap},
	{name: "zap, disabled", open: func(string) (*target, error) {
		return overZap(zapcore.AddSync(io.Discard), zapcore.WarnLevel, nil, nil), nil
	}, times: 20},
	{name: "steplog, disabled", open: openSteplogDisabled, times: 20},
}

// overZap logs through zap's production encoder, with nanosecond times as every
// other candidate.
func overZap(w zapcore.WriteSyncer, level zapcore.Level, end func() error, read func() (io.ReadCloser, error)) *target {
	c := zap.NewProductionEncoderConfig()
	c.TimeKey, c.MessageKey = "timestamp", "message"
	c.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	l := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(c), w, level)).With(
		zap.String("server", server), zap.String("service", service), zap.String("project", project),
		zap.String("operation", operation), zap.String("run", runID), zap.String("step", stepID),
		zap.String("action", action), zap.Int("attempt", 1))
	return &target{log: zapCall(l), close: end, read: read}
}

func zapCall(l *zap.Logger) func(int, *sample) {
	return func(n int, s *sample) {
		l.Info(s.message, zap.Int("n", n), zap.String("sku", s.sku), zap.String("warehouse", s.warehouse),
			zap.Int("rows", s.rows), zap.Float64("price", s.price), zap.Bool("cached", s.cached), zap.Duration("took", s.took))
	}
}

func openZerolog(dir string) (*target, error) {
	f, err := os.OpenFile(filepath.Join(dir, "out.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	zerolog.TimeFieldFormat, zerolog.TimestampFieldName = time.RFC3339Nano, "timestamp"
	l := zerolog.New(f).With().Timestamp().
		Str("server", server).Str("service", service).Str("project", project).
		Str("operation", operation).Str("run", runID).Str("step", stepID).
		Str("action", action).Int("attempt", 1).Logger()
	return &target{
		log: func(n int, s *sample) {
			l.Info().Int("n", n).Str("sku", s.sku).Str("warehouse", s.warehouse).Int("rows", s.rows).
				Float64("price", s.price).Bool("cached", s.cached).Dur("took", s.took).Msg(s.message)
		},
		close: f.Close,
		read:  readGlob(dir, "out.log"),
	}, nil
}

func openSlog(dir string) (*target, error) {
	w := &lumberjack.Logger{Filename: filepath.Join(dir, "out.log"), MaxSize: maxMegabytes}
	l := slog.New(slog.NewJSONHandler(w, nil)).With(
		slog.String("server", server), slog.String("service", service), slog.String("project", project),
		slog.String("operation", operation), slog.String("run", runID), slog.String("step", stepID),
		slog.String("action", action), slog.Int("attempt", 1))
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

func overPhuslu(dir string, w plog.Writer, end func() error) *target {
	l := plog.Logger{
		Level: plog.InfoLevel, TimeField: "timestamp", TimeFormat: time.RFC3339Nano, Writer: w,
		Context: plog.NewContext(nil).Str("server", server).Str("service", service).Str("project", project).
			Str("operation", operation).Str("run", runID).Str("step", stepID).
			Str("action", action).Int("attempt", 1).Value(),
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
