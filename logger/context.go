package logger

import (
	"context"

	"github.com/steplog/steplog/internal/line"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

type contextKey struct{}

// FromContext returns the logger that a context carries: that of the step or run
// it belongs to, or what [NewContext] put there. It is never nil; without one it
// does nothing. With Options.TraceIDs its lines have the context's trace and
// span. ctx may be nil.
func FromContext(ctx context.Context) *Logger {
	l := loggerOf(ctx)
	if l == nil {
		return silent
	}
	if l.store == nil || l.store.options.TraceIDs == nil {
		return l
	}
	trace, span := l.store.traceIDs(ctx)
	if trace == "" && span == "" || trace == l.trace && span == l.span {
		return l
	}
	c := *l
	c.trace, c.span = trace, span
	return &c
}

// NewContext returns a context that carries l: for FromContext, and for
// [StartStep], which starts its step in the run that l belongs to. A logger from
// FromContext(ctx).With keeps its place. A nil l carries a logger that does
// nothing.
func NewContext(ctx context.Context, l *Logger) context.Context {
	return withLogger(orBackground(ctx), l.orSilent())
}

// Value logs a value in the middle of a flow: the system/log action. The line
// has the label, also as its message, and the value under details.value, masked
// and cut at Options.CaptureBytes. It obeys the minimum level and the switch of
// the action that ctx belongs to.
func Value(ctx context.Context, level zapcore.Level, label string, value any) {
	l := FromContext(ctx)
	if level = six(level); !l.Enabled(level) {
		return
	}
	s := l.store
	e := line.Entry{
		Time: s.now(), Level: level, Kind: l.kind, Context: l.bound,
		Trace: l.trace, Span: l.span, Label: label, Message: label,
	}
	l.write(&e, []zap.Field{s.encoder.Value("value", value, s.options.CaptureBytes)})
}

func loggerOf(ctx context.Context) *Logger {
	if ctx == nil {
		return nil
	}
	l, _ := ctx.Value(contextKey{}).(*Logger)
	return l
}

func withLogger(ctx context.Context, l *Logger) context.Context {
	return context.WithValue(ctx, contextKey{}, l)
}

func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// traceIDs asks the host's hook.
func (s *Store) traceIDs(ctx context.Context) (trace, span string) {
	if s.options.TraceIDs == nil {
		return "", ""
	}
	defer func() {
		if p := recover(); p != nil {
			_ = s.panicked("Options.TraceIDs", p)
			trace, span = "", ""
		}
	}()
	return s.options.TraceIDs(ctx)
}
