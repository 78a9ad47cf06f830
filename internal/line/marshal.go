package line

import (
	"time"

	"go.uber.org/zap/zapcore"
)

// objectEncoder is what a marshaler writes the members of an object to. It may be
// used until the marshaler returns; afterwards, and while a container inside is
// being written, what it is given is dropped.
type objectEncoder struct {
	w  *walker
	id int
}

var (
	_ zapcore.ObjectEncoder = (*objectEncoder)(nil)
	_ zapcore.ArrayEncoder  = (*arrayEncoder)(nil)
)

func (o *objectEncoder) member(key string) bool {
	return o.w.id == o.id && o.id != 0 && o.w.member(key)
}

func (o *objectEncoder) AddArray(key string, v zapcore.ArrayMarshaler) (err error) {
	if o.member(key) {
		err = o.w.array(v)
		o.w.comma()
	}
	return err
}

func (o *objectEncoder) AddObject(key string, v zapcore.ObjectMarshaler) (err error) {
	if o.member(key) {
		err = o.w.object(v)
		o.w.comma()
	}
	return err
}

func (o *objectEncoder) AddBinary(key string, v []byte) {
	if o.member(key) {
		o.w.binary(v)
		o.w.comma()
	}
}

func (o *objectEncoder) AddByteString(key string, v []byte) {
	if o.member(key) {
		o.w.text(view(v))
		o.w.comma()
	}
}

func (o *objectEncoder) AddBool(key string, v bool) {
	if o.member(key) {
		o.w.bool(v)
		o.w.comma()
	}
}

func (o *objectEncoder) AddComplex128(key string, v complex128) {
	if o.member(key) {
		o.w.masked(appendComplex(o.w.b, v, 64))
		o.w.comma()
	}
}

func (o *objectEncoder) AddComplex64(key string, v complex64) {
	if o.member(key) {
		o.w.masked(appendComplex(o.w.b, complex128(v), 32))
		o.w.comma()
	}
}

func (o *objectEncoder) AddDuration(key string, v time.Duration) {
	if o.member(key) {
		o.w.duration(v)
		o.w.comma()
	}
}

func (o *objectEncoder) addFloat(key string, v float64, bits int) {
	if o.member(key) {
		o.w.float(v, bits)
		o.w.comma()
	}
}

func (o *objectEncoder) addInt(key string, v int64) {
	if o.member(key) {
		o.w.int(v)
		o.w.comma()
	}
}

func (o *objectEncoder) addUint(key string, v uint64) {
	if o.member(key) {
		o.w.uint(v)
		o.w.comma()
	}
}

func (o *objectEncoder) AddFloat64(key string, v float64) { o.addFloat(key, v, 64) }
func (o *objectEncoder) AddFloat32(key string, v float32) { o.addFloat(key, float64(v), 32) }
func (o *objectEncoder) AddInt(key string, v int)         { o.addInt(key, int64(v)) }
func (o *objectEncoder) AddInt64(key string, v int64)     { o.addInt(key, v) }
func (o *objectEncoder) AddInt32(key string, v int32)     { o.addInt(key, int64(v)) }
func (o *objectEncoder) AddInt16(key string, v int16)     { o.addInt(key, int64(v)) }
func (o *objectEncoder) AddInt8(key string, v int8)       { o.addInt(key, int64(v)) }
func (o *objectEncoder) AddUint(key string, v uint)       { o.addUint(key, uint64(v)) }
func (o *objectEncoder) AddUint64(key string, v uint64)   { o.addUint(key, v) }
func (o *objectEncoder) AddUint32(key string, v uint32)   { o.addUint(key, uint64(v)) }
func (o *objectEncoder) AddUint16(key string, v uint16)   { o.addUint(key, uint64(v)) }
func (o *objectEncoder) AddUint8(key string, v uint8)     { o.addUint(key, uint64(v)) }
func (o *objectEncoder) AddUintptr(key string, v uintptr) { o.addUint(key, uint64(v)) }

func (o *objectEncoder) AddString(key, v string) {
	if o.member(key) {
		o.w.text(v)
		o.w.comma()
	}
}

func (o *objectEncoder) AddTime(key string, v time.Time) {
	if o.member(key) {
		o.w.time(v)
		o.w.comma()
	}
}

func (o *objectEncoder) AddReflected(key string, v any) error {
	if o.member(key) {
		o.w.any(v)
		o.w.comma()
	}
	return nil
}

func (o *objectEncoder) OpenNamespace(key string) {
	w := o.w
	if w.id != o.id || o.id == 0 {
		return
	}
	if w.depth+w.ns >= maxDepth || w.over() { // the members go where the namespace would stand
		w.st.truncated = true
		return
	}
	w.st.hide = w.frame.hide
	w.b, w.frame.hide = w.e.key(w.b, key, &w.st)
	w.b = append(w.b, '{')
	w.ns++
}

// arrayEncoder is objectEncoder for an array.
type arrayEncoder struct {
	w  *walker
	id int
}

func (a *arrayEncoder) element() bool {
	return a.w.id == a.id && a.id != 0 && a.w.element()
}

func (a *arrayEncoder) AppendArray(v zapcore.ArrayMarshaler) (err error) {
	if a.element() {
		err = a.w.array(v)
		a.w.comma()
	}
	return err
}

func (a *arrayEncoder) AppendObject(v zapcore.ObjectMarshaler) (err error) {
	if a.element() {
		err = a.w.object(v)
		a.w.comma()
	}
	return err
}

func (a *arrayEncoder) AppendReflected(v any) error {
	if a.element() {
		a.w.any(v)
		a.w.comma()
	}
	return nil
}

func (a *arrayEncoder) AppendBool(v bool) {
	if a.element() {
		a.w.bool(v)
		a.w.comma()
	}
}

func (a *arrayEncoder) AppendByteString(v []byte) {
	if a.element() {
		a.w.text(view(v))
		a.w.comma()
	}
}

func (a *arrayEncoder) AppendString(v string) {
	if a.element() {
		a.w.text(v)
		a.w.comma()
	}
}

func (a *arrayEncoder) AppendComplex128(v complex128) {
	if a.element() {
		a.w.masked(appendComplex(a.w.b, v, 64))
		a.w.comma()
	}
}

func (a *arrayEncoder) AppendComplex64(v complex64) {
	if a.element() {
		a.w.masked(appendComplex(a.w.b, complex128(v), 32))
		a.w.comma()
	}
}

func (a *arrayEncoder) AppendDuration(v time.Duration) {
	if a.element() {
		a.w.duration(v)
		a.w.comma()
	}
}

func (a *arrayEncoder) AppendTime(v time.Time) {
	if a.element() {
		a.w.time(v)
		a.w.comma()
	}
}

func (a *arrayEncoder) appendFloat(v float64, bits int) {
	if a.element() {
		a.w.float(v, bits)
		a.w.comma()
	}
}

func (a *arrayEncoder) appendInt(v int64) {
	if a.element() {
		a.w.int(v)
		a.w.comma()
	}
}

func (a *arrayEncoder) appendUint(v uint64) {
	if a.element() {
		a.w.uint(v)
		a.w.comma()
	}
}

func (a *arrayEncoder) AppendFloat64(v float64) { a.appendFloat(v, 64) }
func (a *arrayEncoder) AppendFloat32(v float32) { a.appendFloat(float64(v), 32) }
func (a *arrayEncoder) AppendInt(v int)         { a.appendInt(int64(v)) }
func (a *arrayEncoder) AppendInt64(v int64)     { a.appendInt(v) }
func (a *arrayEncoder) AppendInt32(v int32)     { a.appendInt(int64(v)) }
func (a *arrayEncoder) AppendInt16(v int16)     { a.appendInt(int64(v)) }
func (a *arrayEncoder) AppendInt8(v int8)       { a.appendInt(int64(v)) }
func (a *arrayEncoder) AppendUint(v uint)       { a.appendUint(uint64(v)) }
func (a *arrayEncoder) AppendUint64(v uint64)   { a.appendUint(v) }
func (a *arrayEncoder) AppendUint32(v uint32)   { a.appendUint(uint64(v)) }
func (a *arrayEncoder) AppendUint16(v uint16)   { a.appendUint(uint64(v)) }
func (a *arrayEncoder) AppendUint8(v uint8)     { a.appendUint(uint64(v)) }
func (a *arrayEncoder) AppendUintptr(v uintptr) { a.appendUint(uint64(v)) }
