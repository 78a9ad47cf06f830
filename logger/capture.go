package logger

import (
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/levels"
	"go.uber.org/zap"
)

// capture records the input or output of a run or step, if captures are on for
// it. It has a switch of its own: neither the minimum level nor the file's rule
// applies.
func (l *Logger) capture(phase string, v any, err error) {
	if !l.gate.Capture() {
		return
	}
	s := l.store
	e := line.Entry{
		Time: s.now(), Level: levels.Debug, Kind: line.KindCapture,
		Trace: l.trace, Span: l.span, Phase: phase, Message: phase, Err: err,
	}
	var fields []zap.Field
	if v != nil || err == nil {
		fields = []zap.Field{s.encoder.Value("value", v, s.options.CaptureBytes)}
	}
	_, _ = s.append(s.file(FileUser), l.owner, &e, fields)
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
