package logger

import (
	"context"
	"encoding"
	"encoding/json"
	"log/slog"
	"slices"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/levels"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Slog returns a slog logger that writes where l does, with the same settings
// and masking. Levels between two of slog's count as the lower one. Groups
// become objects under the details. A value's MarshalJSON or MarshalText goes before
// its String, as with slog's own handlers. With Options.TraceIDs, calls that take a
// context log its trace and span; nothing else is taken from it, so that what a
// step logs is the step's through FromContext(ctx).Slog(). A record without a time
// gets the store's. Where the call stands in the source is not recorded.
func (l *Logger) Slog() *slog.Logger {
	if l == nil || l.gate == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(&handler{l: l})
}

// handler is a [slog.Handler] over a logger. It is immutable.
type handler struct {
	l *Logger
	// groups are open and have no attribute yet: a group without any must not
	// show. They become namespaces with the first attribute below them.
	groups []string
}

// Enabled reports whether a record of a level would be recorded.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return h.l.Enabled(levels.FromSlog(level))
}

// Handle writes a record. It always returns nil: a drop is counted and reported
// by the store.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	l := h.l
	e := line.Entry{
		Time: r.Time, Level: levels.FromSlog(r.Level), Kind: l.kind, Context: l.bound,
		Trace: l.trace, Span: l.span, Message: r.Message,
	}
	if !l.Enabled(e.Level) {
		return nil
	}
	if e.Time.IsZero() {
		e.Time = l.store.now()
	}
	if trace, span := l.store.traceIDs(ctx); trace != "" || span != "" {
		e.Trace, e.Span = trace, span
	}
	fields := make([]zap.Field, 0, r.NumAttrs()+len(h.groups))
	all := attrs{encoder: l.store.encoder, left: maxLogValues}
	r.Attrs(func(a slog.Attr) bool {
		fields = all.append(fields, a)
		return true
	})
	l.write(&e, h.grouped(fields))
	return nil
}

// WithAttrs returns a handler whose records have these attributes too.
func (h *handler) WithAttrs(attributes []slog.Attr) slog.Handler {
	var fields []zap.Field
	all := attrs{encoder: h.l.store.encoder, left: maxLogValues}
	for _, a := range attributes {
		fields = all.append(fields, a)
	}
	if len(fields) == 0 {
		return h
	}
	return &handler{l: h.l.With(h.grouped(fields)...)}
}

// WithGroup returns a handler whose further attributes stand below a name.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{l: h.l, groups: append(slices.Clip(h.groups), name)}
}

// grouped puts fields below the open groups.
func (h *handler) grouped(fields []zap.Field) []zap.Field {
	if len(fields) == 0 || len(h.groups) == 0 {
		return fields
	}
	below := make([]zap.Field, 0, len(h.groups)+len(fields))
	for _, g := range h.groups {
		below = append(below, zap.Namespace(g))
	}
	return append(below, fields...)
}

// maxLogValues is how many LogValue methods are called for one record: groups
// that they return may lead back to where they came from. A group that is no
// value's is as long as the caller made it.
const maxLogValues = 10_000

// attrs turns the attributes of one record into fields.
type attrs struct {
	encoder *line.Encoder
	left    int // of the calls of LogValue
}

// append appends an attribute as a field: none for an empty attribute or group,
// those inside for a group without a name.
func (t *attrs) append(fields []zap.Field, a slog.Attr) []zap.Field {
	v := a.Value
	if v.Kind() == slog.KindLogValuer {
		if t.left == 0 {
			return append(fields, line.CutSize(a.Key))
		}
		t.left--
		v = t.resolve(v)
	}
	if a.Key == "" && v.Kind() == slog.KindAny && v.Any() == nil {
		return fields
	}
	switch v.Kind() {
	case slog.KindString:
		return append(fields, zap.String(a.Key, v.String()))
	case slog.KindInt64:
		return append(fields, zap.Int64(a.Key, v.Int64()))
	case slog.KindUint64:
		return append(fields, zap.Uint64(a.Key, v.Uint64()))
	case slog.KindFloat64:
		return append(fields, zap.Float64(a.Key, v.Float64()))
	case slog.KindBool:
		return append(fields, zap.Bool(a.Key, v.Bool()))
	case slog.KindDuration:
		return append(fields, zap.Duration(a.Key, v.Duration()))
	case slog.KindTime:
		return append(fields, zap.Time(a.Key, v.Time()))
	case slog.KindGroup:
		var inside []zap.Field
		for _, b := range v.Group() {
			inside = t.append(inside, b)
		}
		switch {
		case len(inside) == 0:
			return fields
		case a.Key == "":
			return append(fields, inside...)
		default:
			return append(fields, zap.Dict(a.Key, inside...))
		}
	default:
		return append(fields, anyField(a.Key, v.Any()))
	}
}

// anyField is [zap.Any], but for a value that says its own JSON: zap asks the String
// method first, slog's handlers ask that last.
func anyField(key string, value any) zap.Field {
	switch value.(type) {
	case zapcore.ObjectMarshaler, zapcore.ArrayMarshaler, error:
	case json.Marshaler, encoding.TextMarshaler:
		return zap.Reflect(key, value)
	}
	return zap.Any(key, value)
}

// resolve calls LogValue, which may panic, or log the value that it belongs to.
func (t *attrs) resolve(v slog.Value) slog.Value {
	leave, ok := t.encoder.EnterForeign()
	defer leave()
	if !ok {
		return slog.StringValue(line.TooNested)
	}
	return v.Resolve()
}
