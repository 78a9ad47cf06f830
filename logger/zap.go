package logger

import (
	"time"

	"github.com/steplog/steplog/internal/line"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Zap returns a zap logger that writes where l does, with the same settings,
// fields and masking. Names, callers and stacks that zap adds are kept; ask zap
// for callers with zap.AddCaller.
//
// Its Fatal methods do not exit: the host is not the library's to end. Its Panic
// methods panic, as zap's do, and DPanic does in development; what they log has
// the level error.
func (l *Logger) Zap() *zap.Logger {
	if l == nil || l.gate == nil {
		return zap.New(zapcore.NewNopCore(), zap.WithFatalHook(stay{}))
	}
	return zap.New(&core{l}, zap.WithFatalHook(stay{}), zap.WithClock(clock{l.store}), zap.ErrorOutput(zapProblems{l.store}))
}

// stay is what happens after a fatal entry: nothing. zap replaces its own
// WriteThenNoop by an exit.
type stay struct{}

func (stay) OnWrite(*zapcore.CheckedEntry, []zapcore.Field) {}

// clock gives zap the store's time.
type clock struct{ store *Store }

func (c clock) Now() time.Time                         { return c.store.stamp() }
func (c clock) NewTicker(d time.Duration) *time.Ticker { return time.NewTicker(d) }

// zapProblems takes what zap says about its own troubles.
type zapProblems struct{ store *Store }

func (p zapProblems) Write(text []byte) (int, error) {
	p.store.problem(zapError(text))
	return len(text), nil
}

func (zapProblems) Sync() error { return nil }

type zapError string

func (e zapError) Error() string { return "zap: " + string(e) }

// core is a [zapcore.Core] over a logger.
type core struct{ l *Logger }

func (c *core) Enabled(level zapcore.Level) bool { return c.l.Enabled(level) }

func (c *core) With(fields []zapcore.Field) zapcore.Core { return &core{c.l.With(fields...)} }

func (c *core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.l.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c *core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	l := c.l
	var e line.Entry // filled in place, see Logger.log
	e.Time, e.Level, e.Kind, e.Context = entry.Time, six(entry.Level), l.kind, l.bound
	e.Trace, e.Span, e.Logger, e.Message, e.Stack = l.trace, l.span, entry.LoggerName, entry.Message, entry.Stack
	if entry.Caller.Defined {
		e.Caller = entry.Caller.TrimmedPath()
	}
	// A drop is counted and reported already; returned, zap would report it too.
	l.write(&e, fields)
	return nil
}

// Sync does nothing: records are with the operating system already, and
// [Store.Sync] makes them durable.
func (c *core) Sync() error { return nil }
