package line

import (
	"fmt"
	"reflect"
	"runtime"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// What stands for a value that was left out because of where it is.
const (
	cutDepth = `{"$cut":"depth"}` // nested deeper than 64
	cutCycle = `{"$cut":"cycle"}` // refers to a value that it is part of
	cutSize  = `{"$cut":"size"}`  // the record was far over its limit already
	hidden   = `"***"`
)

// walker writes one value that is more than a number or a text. It calls methods
// of the host's, so it does not trust anything to return, or to return to it
// once only.
type walker struct {
	e     *Encoder
	b     []byte
	st    state
	limit int // containers end when b is longer
	frame
	frames int       // the last frame's number
	path   []pointer // the pointers that lead to the value
}

// frame is the container being written.
type frame struct {
	id      int // what an encoder handed out must have to write, 0 once all is done
	depth   int
	members int
	dropped int // members over maxMapKeys
	ns      int // namespaces open in it
	hide    bool
}

func (e *Encoder) newWalker(b []byte, st *state) *walker {
	return &walker{e: e, b: b, st: *st, limit: st.start + 2*e.maxBody, frame: frame{hide: st.hide}}
}

// release takes the result, and cuts off encoders that the host may have kept.
func (w *walker) release(st *state) []byte {
	b := w.b
	st.truncated = w.st.truncated
	w.b, w.frame.id = nil, 0
	return b
}

// walkField appends the value of a field.
func (e *Encoder) walkField(b []byte, f *zap.Field, st *state) []byte {
	w := e.newWalker(b, st)
	var err error
	switch v := f.Interface.(type) {
	case zapcore.ObjectMarshaler:
		if f.Type == zapcore.ObjectMarshalerType {
			err = w.object(v)
			return w.withError(f.Key, err, st)
		}
	case zapcore.ArrayMarshaler:
		if f.Type == zapcore.ArrayMarshalerType {
			err = w.array(v)
			return w.withError(f.Key, err, st)
		}
	}
	switch f.Type {
	case zapcore.StringerType:
		if s, ok := f.Interface.(fmt.Stringer); ok {
			w.stringer(s)
			return w.release(st)
		}
	case zapcore.ReflectType:
		w.any(f.Interface)
		return w.release(st)
	}
	switch {
	case f.Interface != nil: // the field's type does not say what it holds
		w.any(f.Interface)
	case holdsAny(f.Type):
		w.raw("null")
	default:
		w.text(fmt.Sprintf("<unknown field type %d>", f.Type))
	}
	return w.release(st)
}

// holdsAny reports whether fields of a type hold an interface, which may be nil.
func holdsAny(t zapcore.FieldType) bool {
	return t == zapcore.ArrayMarshalerType || t == zapcore.ObjectMarshalerType || t == zapcore.StringerType || t == zapcore.ErrorType
}

// withError adds what a marshaler returned as a member beside its value, as zap
// does.
func (w *walker) withError(key string, err error, st *state) []byte {
	if err != nil {
		w.b = append(w.b, ',')
		w.b, _ = w.e.key(w.b, key+"Error", &w.st)
		w.text(w.e.errorText(err))
	}
	return w.release(st)
}

// inline appends the members of an object without braces. Namespaces that it
// opens stay open.
func (e *Encoder) inline(b []byte, f *zap.Field, st *state) []byte {
	w := e.newWalker(b, st)
	o, ok := f.Interface.(zapcore.ObjectMarshaler)
	if !ok {
		return b
	}
	w.frames++
	w.id = w.frames
	var err error
	enc := &objectEncoder{w: w, id: w.id}
	if failure := w.try(o, func() { err = o.MarshalLogObject(enc) }); failure != "" || err != nil {
		if failure == "" {
			failure = e.errorText(err)
		}
		w.b, _ = w.e.key(w.b, f.Key+"inlineError", &w.st)
		w.text(failure)
		w.b = append(w.b, ',')
	}
	w.endMembers()
	st.ns += w.ns
	st.hide = w.hide
	return w.release(st)
}

// A method that logs the value it belongs to would not end. From manyCalls calls
// under way on the stack is looked at, and from maxFrames frames on methods of
// values are no longer called.
const (
	manyCalls = 64
	maxFrames = 4000
)

// try calls write, which calls a method of v. If that panics, what it wrote is
// taken back, and the panic's text returned.
func (w *walker) try(v any, write func()) (failure string) {
	size, at, depth := len(w.b), w.frame, len(w.path)
	defer func() {
		if r := recover(); r != nil {
			w.b, w.frame, w.path = w.b[:size], at, w.path[:depth]
			failure = w.e.panicText(v, r)
		}
	}()
	leave, ok := w.e.EnterForeign()
	defer leave()
	if !ok {
		return TooNested
	}
	write()
	return ""
}

// TooNested stands for what a method would have returned that is not called.
const TooNested = "<too many nested calls>"

// EnterForeign is called before a method of a logged value, and what it returns
// after it. The method must not be called if ok is false.
func (e *Encoder) EnterForeign() (leave func(), ok bool) {
	calls := e.foreign.Add(1)
	return func() { e.foreign.Add(-1) }, calls < manyCalls || !deepStack()
}

func deepStack() bool {
	return runtime.Callers(0, make([]uintptr, maxFrames)) == maxFrames
}

func (w *walker) text(s string)     { w.b = w.e.value(w.b, s, &w.st) }
func (w *walker) raw(s string)      { w.b = append(w.b, s...) }
func (w *walker) comma()            { w.b = append(w.b, ',') }
func (w *walker) over() bool        { return len(w.b) > w.limit }
func (w *walker) cut(marker string) { w.raw(marker); w.st.truncated = true }

func (w *walker) binary(p []byte)           { w.b = w.e.binary(w.b, p, &w.st) }
func (w *walker) time(t time.Time)          { w.masked(appendTime(w.b, t)) }
func (w *walker) float(f float64, bits int) { w.masked(appendFloat(w.b, f, bits)) }
func (w *walker) int(n int64)               { w.masked(appendInt(w.b, n)) }
func (w *walker) uint(n uint64)             { w.masked(appendUint(w.b, n)) }
func (w *walker) duration(d time.Duration)  { w.masked(appendDuration(w.b, d)) }

func (w *walker) bool(v bool) {
	if v {
		w.raw("true")
	} else {
		w.raw("false")
	}
}

// masked takes b, which is w.b and a number, or a time, after it.
func (w *walker) masked(b []byte) { w.b = w.e.masked(b, len(w.b), &w.st) }

// open begins a container, if it may be nested deeper. The frame that it returns
// is for close.
func (w *walker) open(brace byte) (outer frame, ok bool) {
	if w.depth >= maxDepth {
		w.cut(cutDepth)
		return outer, false
	}
	if w.over() {
		w.cut(cutSize)
		return outer, false
	}
	outer = w.frame
	w.b = append(w.b, brace)
	w.frames++
	w.frame = frame{id: w.frames, depth: outer.depth + 1}
	return outer, true
}

func (w *walker) closeObject(outer frame) {
	w.endMembers()
	for ; w.ns > 0; w.ns-- {
		w.b = append(closeObject(w.b), ',')
	}
	w.b = closeObject(w.b)
	w.frame = outer
}

func (w *walker) closeArray(outer frame) {
	if w.dropped > 0 {
		w.raw(cutOpen)
		w.b = append(appendInt(w.b, int64(w.dropped)), '}', ',')
	}
	w.b = closeArray(w.b)
	w.frame = outer
}

// endMembers says how many members were left out.
func (w *walker) endMembers() {
	if w.dropped > 0 {
		w.raw(`"$cut":`)
		w.b = append(appendInt(w.b, int64(w.dropped)), ',')
	}
}

// member begins a member of the open object: it appends the key. It returns false
// if no value is wanted, because it is secret, or because there are too many.
func (w *walker) member(key string) bool { return w.begin(key, false) }

// dataMember is member for a key that is data.
func (w *walker) dataMember(key string) bool { return w.begin(key, true) }

func (w *walker) begin(key string, data bool) bool {
	if w.members >= maxMapKeys || w.over() {
		w.dropped++
		w.st.truncated = true
		return false
	}
	w.members++
	w.st.hide = w.frame.hide
	var secret bool
	if data {
		w.b, secret = w.e.onceKey(w.b, key, &w.st)
	} else {
		w.b, secret = w.e.key(w.b, key, &w.st)
	}
	if secret {
		w.raw(hidden + ",")
	}
	return !secret
}

// element reports whether the open array takes another element.
func (w *walker) element() bool {
	if w.over() {
		w.dropped++
		w.st.truncated = true
		return false
	}
	return true
}

// object appends what o marshals as an object, and returns its error. A nil map or slice,
// such as zap.Dict without fields is, has methods that can stand it.
func (w *walker) object(o zapcore.ObjectMarshaler) (err error) {
	if k := reflect.ValueOf(o).Kind(); k != reflect.Map && k != reflect.Slice && isNil(o) {
		w.raw("null")
		return nil
	}
	failure := w.try(o, func() {
		outer, ok := w.open('{')
		if !ok {
			return
		}
		err = o.MarshalLogObject(&objectEncoder{w: w, id: w.id})
		w.closeObject(outer)
	})
	if failure != "" {
		w.text(failure)
	}
	return err
}

// array appends what a marshals as an array, and returns its error.
func (w *walker) array(a zapcore.ArrayMarshaler) (err error) {
	failure := w.try(a, func() {
		outer, ok := w.open('[')
		if !ok {
			return
		}
		err = a.MarshalLogArray(&arrayEncoder{w: w, id: w.id})
		w.closeArray(outer)
	})
	if failure != "" {
		w.text(failure)
	}
	return err
}

func (w *walker) stringer(s fmt.Stringer) {
	var text string
	failure := w.try(s, func() { text = s.String() })
	if failure != "" {
		text = failure
	}
	w.text(text)
}
