package line

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	defaultValue = 64 << 10
	minValue     = 256
)

// AppendValue appends v as one JSON value, for captures and iterations, and
// reports whether anything in it was cut. It is masked as the value of key. What
// makes more than max bytes is replaced by {"$cut":bytes,"sha256":"…","head":"…"}
// that makes at most max; 0 means 64 KiB, and less than 256 means 256.
func (e *Encoder) AppendValue(dst []byte, key string, v any, max int) (out []byte, truncated bool) {
	switch {
	case max == 0:
		max = defaultValue
	case max < minValue:
		max = minValue
	}
	if e.mask.Key(key) {
		return append(dst, hidden...), false
	}
	start := len(dst)
	st := e.newState()
	st.start = start
	w := e.newWalker(dst, &st)
	if failure := w.try(v, func() { w.any(v) }); failure != "" {
		w.text(failure)
	}
	out = w.release(&st)
	if len(out)-start <= max {
		return out, st.truncated
	}
	p := part{group: "details", value: out[start:]}
	p.cut(max)
	return append(out[:start], p.value...), true
}

// Value returns a field that holds v as [Encoder.AppendValue] writes it now, and
// that marks its record as truncated if v was cut.
func (e *Encoder) Value(key string, v any, max int) zap.Field {
	j, truncated := e.AppendValue(nil, key, v, max)
	return zap.Field{Key: key, Type: zapcore.ReflectType, Interface: &encoded{j, truncated}}
}

// CutSize returns a field for a value that is left out because the record has
// far too many already. It marks its record as truncated.
func CutSize(key string) zap.Field {
	return zap.Field{Key: key, Type: zapcore.ReflectType, Interface: &encoded{[]byte(cutSize), true}}
}

// encoded is a value that AppendValue wrote. Other encoders find a json.Marshaler.
type encoded struct {
	json      []byte
	truncated bool
}

func (v *encoded) MarshalJSON() ([]byte, error) { return v.json, nil }
