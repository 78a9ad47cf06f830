package logger

import (
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/levels"
	"go.uber.org/zap"
)

// captured is an input or output as it will be recorded: encoded, so that no
// method of the host's is called while a lock is held.
type captured struct {
	phase  string // "" for none
	fields []zap.Field
	err    error
}

// captured encodes the input or output of a run or step, if captures are on for
// it. They have a switch of their own: neither the minimum level nor the file's
// rule applies.
func (l *Logger) captured(phase string, v any, err error) captured {
	if !l.gate.Capture() {
		return captured{}
	}
	c := captured{phase: phase, err: err}
	if v != nil || err == nil {
		c.fields = []zap.Field{l.store.encoder.Value("value", v, l.store.options.CaptureBytes)}
	}
	return c
}

// keep records what was captured.
func (l *Logger) keep(c captured) {
	if c.phase == "" {
		return
	}
	s := l.store
	e := line.Entry{
		Time: s.now(), Level: levels.Debug, Kind: line.KindCapture,
		Trace: l.trace, Span: l.span, Phase: c.phase, Message: c.phase, Err: c.err,
	}
	_, _ = s.append(s.file(FileUser), l.owner, &e, c.fields)
}

// capture records an input or output.
func (l *Logger) capture(phase string, v any, err error) {
	l.keep(l.captured(phase, v, err))
}

// value encodes a value of the host's for later use, nil when that panics.
func (s *Store) value(key string, v any, max int) (out []byte) {
	defer func() {
		if p := recover(); p != nil {
			_ = s.panicked("encode "+key, p)
			out = nil
		}
	}()
	out, _ = s.encoder.AppendValue(nil, key, v, max)
	return out
}
