package line

import (
	"fmt"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func panicReason(r any) string { return cutText(fmt.Sprint(r), 256) }

func (e *Encoder) inline(b []byte, f *zap.Field, st *state) []byte {
	o, ok := f.Interface.(zapcore.ObjectMarshaler)
	if !ok {
		return b
	}
	m := zapcore.NewMapObjectEncoder()
	_ = o.MarshalLogObject(m)
	for k, v := range m.Fields {
		b = e.fields(b, []zap.Field{zap.Any(k, v)}, st)
	}
	return b
}

func (e *Encoder) walkField(b []byte, f *zap.Field, st *state) []byte {
	return e.value(b, fmt.Sprint(f.Interface), st)
}

func (e *Encoder) shrink(b []byte, start int) []byte { return b }
