package line

import (
	"encoding/base64"
	"math"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// codeMark and topicMark tell the fields made by [Code] and [Topic] from others.
// For another encoder those are ordinary text fields.
type (
	codeMark  struct{}
	topicMark struct{}
)

// Code returns a field that sets the code of the record's error. It goes to the
// error key, not under details, and before a code found in the error itself.
func Code(code string) zap.Field {
	return zap.Field{Key: "code", Type: zapcore.StringType, String: code, Interface: codeMark{}}
}

// Topic returns a field that sets the record's topic. It does not go under
// details.
func Topic(topic string) zap.Field {
	return zap.Field{Key: "topic", Type: zapcore.StringType, String: topic, Interface: topicMark{}}
}

// marks finds the fields that do not go under details: codes and topics, of which
// the last counts, and, if wanted, the first error that is not hidden.
func (e *Encoder) marks(fields []zap.Field, st *state, wantErr bool) {
	for i := range fields {
		if fields[i].Interface != nil {
			e.mark(fields, i, st, wantErr)
		}
	}
}

func (e *Encoder) mark(fields []zap.Field, i int, st *state, wantErr bool) {
	f := &fields[i]
	switch f.Type {
	case zapcore.StringType:
		switch f.Interface.(type) {
		case codeMark:
			st.code = f.String
		case topicMark:
			st.topic = f.String
		}
	case zapcore.ErrorType:
		if wantErr && st.skip < 0 && !e.hides(fields, i, st) {
			st.skip = i
		}
	}
}

// hides reports whether the key of a field, or that of a namespace around it, says that
// its value is secret.
func (e *Encoder) hides(fields []zap.Field, i int, st *state) bool {
	if st.hide || e.mask.Key(fields[i].Key) {
		return true
	}
	for k := range i {
		if f := &fields[k]; f.Type == zapcore.NamespaceType && e.mask.Key(f.Key) {
			return true
		}
	}
	return false
}

func marked(f *zap.Field) bool {
	switch f.Interface.(type) {
	case codeMark, topicMark:
		return true
	}
	return false
}

// field appends one field, as fields does.
func (e *Encoder) field(b []byte, f *zap.Field, i int, st *state) []byte {
	switch f.Type {
	case zapcore.SkipType:
		return b
	case zapcore.StringType:
		if f.Interface != nil && marked(f) {
			return b
		}
	case zapcore.ErrorType:
		if i == st.skip {
			return b
		}
	case zapcore.NamespaceType:
		b, st.hide = e.key(b, f.Key, st)
		st.ns++
		return append(b, '{')
	case zapcore.InlineMarshalerType:
		return e.inline(b, f, st)
	}
	b, secret := e.key(b, f.Key, st)
	if secret {
		b = append(b, hidden...)
	} else {
		b = e.fieldValue(b, f, st)
	}
	return append(b, ',')
}

func (e *Encoder) fieldValue(b []byte, f *zap.Field, st *state) []byte {
	start := len(b)
	switch f.Type {
	case zapcore.StringType:
		return e.value(b, f.String, st)
	case zapcore.BoolType:
		if f.Integer == 1 {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case zapcore.Int64Type, zapcore.Int32Type, zapcore.Int16Type, zapcore.Int8Type:
		b = appendInt(b, f.Integer)
	case zapcore.Uint64Type, zapcore.Uint32Type, zapcore.Uint16Type, zapcore.Uint8Type, zapcore.UintptrType:
		b = appendUint(b, uint64(f.Integer))
	case zapcore.Float64Type:
		b = appendFloat(b, math.Float64frombits(uint64(f.Integer)), 64)
	case zapcore.Float32Type:
		b = appendFloat(b, float64(math.Float32frombits(uint32(f.Integer))), 32)
	case zapcore.DurationType:
		b = appendDuration(b, time.Duration(f.Integer))
	case zapcore.TimeType:
		b = appendUnix(b, f.Integer)
	default:
		return e.complexField(b, f, st)
	}
	return e.masked(b, start, st)
}

// masked returns b with the secrets hidden in the number, or the time, at its end.
func (e *Encoder) masked(b []byte, start int, st *state) []byte {
	if st.secrets && e.mask.Contains(b[start:]) {
		return e.maskNumber(b, start)
	}
	return b
}

// maskNumber replaces the number, or the text that needs no escapes, at the end of b by
// its masked text.
func (e *Encoder) maskNumber(b []byte, start int) []byte {
	s, changed := e.mask.Mask(strings.Trim(string(b[start:]), `"`))
	if !changed {
		return b
	}
	return appendQuoted(b[:start], s)
}

// complexField appends the value of a field that is more than a number or a text.
func (e *Encoder) complexField(b []byte, f *zap.Field, st *state) []byte {
	switch f.Type {
	case zapcore.Complex128Type:
		if c, ok := f.Interface.(complex128); ok {
			return e.masked(appendComplex(b, c, 64), len(b), st)
		}
	case zapcore.Complex64Type:
		if c, ok := f.Interface.(complex64); ok {
			return e.masked(appendComplex(b, complex128(c), 32), len(b), st)
		}
	case zapcore.TimeFullType:
		if t, ok := f.Interface.(time.Time); ok {
			return e.masked(appendTime(b, t), len(b), st)
		}
	case zapcore.BinaryType:
		if p, ok := f.Interface.([]byte); ok {
			return e.binary(b, p, st)
		}
	case zapcore.ByteStringType:
		if p, ok := f.Interface.([]byte); ok {
			return e.value(b, view(p), st)
		}
	case zapcore.ErrorType:
		if err, ok := f.Interface.(error); ok {
			return e.appendError(b, err, st)
		}
	}
	return e.walkField(b, f, st)
}

// binary appends bytes in base64, masked before they are encoded.
func (e *Encoder) binary(b, p []byte, st *state) []byte {
	if p == nil {
		return append(b, "null"...)
	}
	if st.secrets && e.mask.Contains(p) {
		s, _ := e.mask.Mask(string(p))
		p = []byte(s)
	}
	if size := base64.StdEncoding.EncodedLen(len(p)); size > minValue {
		if head := e.headFor(b, size, st); head > 0 {
			return appendCut(b, base64.StdEncoding.EncodeToString(p), head)
		}
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, p)
	return append(b, '"')
}
