package line

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"go.uber.org/zap/zapcore"
)

// pointer is a reference on the way to a value, to find cycles.
type pointer struct {
	at  unsafe.Pointer
	len int
	typ reflect.Type
}

// any appends v, whatever it is.
func (w *walker) any(v any) {
	switch v := v.(type) {
	case nil:
		w.raw("null")
	case string:
		w.text(v)
	case bool:
		w.bool(v)
	case int:
		w.int(int64(v))
	case int64:
		w.int(v)
	case uint64:
		w.uint(v)
	case float64:
		w.float(v, 64)
	case time.Time:
		w.time(v)
	case time.Duration:
		w.duration(v)
	case []byte:
		w.binary(v)
	case json.RawMessage:
		w.json(v)
	case *encoded:
		w.b = append(w.b, v.json...)
		w.st.truncated = w.st.truncated || v.truncated
	default:
		w.reflect(reflect.ValueOf(v))
	}
}

// reflect appends v by its methods, if it has any that say how, else by its kind.
func (w *walker) reflect(v reflect.Value) {
	if !v.IsValid() {
		w.raw("null")
		return
	}
	info := w.e.typeInfo(v.Type())
	if info.method != byKind && v.CanInterface() {
		w.byMethod(v, info.method)
		return
	}
	if info.address != byKind && v.CanAddr() && v.Addr().CanInterface() {
		w.byMethod(v.Addr(), info.address)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		w.bool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		w.uint(v.Uint())
	case reflect.Float32:
		w.float(v.Float(), 32)
	case reflect.Float64:
		w.float(v.Float(), 64)
	case reflect.Complex64:
		w.masked(appendComplex(w.b, v.Complex(), 32))
	case reflect.Complex128:
		w.masked(appendComplex(w.b, v.Complex(), 64))
	case reflect.String:
		w.text(v.String())
	case reflect.Interface:
		w.reflect(v.Elem())
	case reflect.Pointer:
		w.follow(v, func() { w.reflect(v.Elem()) })
	case reflect.Map:
		w.follow(v, func() { w.mapping(v) })
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 && info.bytes {
			w.binary(v.Bytes())
			return
		}
		w.follow(v, func() { w.list(v) })
	case reflect.Array:
		w.list(v)
	case reflect.Struct:
		w.structure(v, info)
	default: // chan, func, unsafe pointer
		if v.IsNil() {
			w.raw("null")
		} else {
			w.text("<" + v.Type().String() + ">")
		}
	}
}

// follow calls write for what a reference leads to, unless it leads back.
func (w *walker) follow(v reflect.Value, write func()) {
	if v.IsNil() {
		w.raw("null")
		return
	}
	p := pointer{at: v.UnsafePointer(), typ: v.Type()}
	if v.Kind() == reflect.Slice {
		p.len = v.Len()
	}
	if len(w.path) > 4*maxDepth { // pointers to pointers, without a container between them
		w.cut(cutDepth)
		return
	}
	if slices.Contains(w.path, p) {
		w.cut(cutCycle)
		return
	}
	w.path = append(w.path, p)
	write()
	w.path = w.path[:len(w.path)-1]
}

func (w *walker) list(v reflect.Value) {
	outer, ok := w.open('[')
	if !ok {
		return
	}
	n := v.Len()
	for i := range n {
		if !w.element() {
			w.dropped = n - i
			break
		}
		w.reflect(v.Index(i))
		w.comma()
	}
	w.closeArray(outer)
}

// mapping appends a map, sorted by its keys. Of one with too many entries, which
// of them are left out is not said.
func (w *walker) mapping(v reflect.Value) {
	outer, ok := w.open('{')
	if !ok {
		return
	}
	type entry struct {
		key   string
		value reflect.Value
	}
	entries := make([]entry, 0, min(v.Len(), maxMapKeys))
	for it := v.MapRange(); len(entries) < maxMapKeys && it.Next(); {
		entries = append(entries, entry{w.keyText(it.Key()), it.Value()})
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	for _, x := range entries {
		if w.dataMember(x.key) {
			w.reflect(x.value)
			w.comma()
		}
	}
	if more := v.Len() - len(entries); more > 0 {
		w.dropped += more
		w.st.truncated = true
	}
	w.closeObject(outer)
}

// keyText returns the text of a map's key.
func (w *walker) keyText(k reflect.Value) (text string) {
	for k.Kind() == reflect.Interface && !k.IsNil() {
		k = k.Elem()
	}
	if k.Kind() == reflect.String {
		return k.String()
	}
	var v any
	if k.CanInterface() {
		v = k.Interface()
	}
	failure := w.try(v, func() {
		if m, ok := v.(encoding.TextMarshaler); ok && !isNil(m) {
			if b, err := m.MarshalText(); err == nil {
				text = string(b)
				return
			}
		}
		switch k.Kind() {
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			text = strconv.FormatInt(k.Int(), 10)
		case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
			text = strconv.FormatUint(k.Uint(), 10)
		default:
			text = fmt.Sprint(v)
		}
	})
	if failure != "" {
		return failure
	}
	return text
}

func (w *walker) structure(v reflect.Value, info *typeInfo) {
	if len(info.fields) == 0 && info.stringer && v.CanInterface() {
		w.stringer(v.Interface().(fmt.Stringer))
		return
	}
	outer, ok := w.open('{')
	if !ok {
		return
	}
	for i := range info.fields {
		f := &info.fields[i]
		x, ok := f.of(v)
		if !ok || f.omitEmpty && isEmpty(x) || f.omitZero && isZero(x) {
			continue
		}
		if !w.member(f.name) {
			continue
		}
		if f.quoted {
			w.quoted(x)
		} else {
			w.reflect(x)
		}
		w.comma()
	}
	w.closeObject(outer)
}

// quoted appends a number or a truth as a string, for the tag option "string".
func (w *walker) quoted(v reflect.Value) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr, reflect.Float32, reflect.Float64:
		start := len(w.b)
		w.reflect(v)
		if w.b[start] != '"' {
			s := string(w.b[start:])
			w.b = w.b[:start]
			w.text(s)
		}
	default:
		w.reflect(v)
	}
}

// byMethod appends what the method of v says. The method may be called for a
// value whose methods cannot stand nil: then it is null.
func (w *walker) byMethod(v reflect.Value, method method) {
	if k := v.Kind(); (k == reflect.Pointer || k == reflect.Interface || k == reflect.Map || k == reflect.Slice || k == reflect.Func || k == reflect.Chan) && v.IsNil() {
		w.raw("null")
		return
	}
	x := v.Interface()
	switch method {
	case byTime:
		w.time(x.(time.Time))
	case byDuration:
		w.duration(x.(time.Duration))
	case byNumber:
		w.number(string(x.(json.Number)))
	case byRaw:
		w.json(x.(json.RawMessage))
	case byObject:
		if err := w.object(x.(zapcore.ObjectMarshaler)); err != nil {
			w.st.truncated = true
		}
	case byArray:
		if err := w.array(x.(zapcore.ArrayMarshaler)); err != nil {
			w.st.truncated = true
		}
	case byJSON:
		w.marshaled(x, x.(json.Marshaler).MarshalJSON, w.json)
	case byText:
		w.marshaled(x, x.(encoding.TextMarshaler).MarshalText, func(b []byte) { w.text(string(b)) })
	case byError:
		w.b = w.e.appendError(w.b, x.(error), &w.st)
	}
}

func (w *walker) marshaled(v any, marshal func() ([]byte, error), write func([]byte)) {
	if w.depth >= maxDepth {
		w.cut(cutDepth)
		return
	}
	var out []byte
	var err error
	failure := w.try(v, func() { out, err = marshal() })
	switch {
	case failure != "":
		w.text(failure)
	case err != nil:
		w.text("<error: " + w.e.errorText(err) + ">")
	default:
		write(out)
	}
}

// number appends a json.Number: a number if it is one.
func (w *walker) number(s string) {
	if s == "" {
		s = "0" // as encoding/json has it
	}
	if numberLen([]byte(s)) == len(s) {
		w.masked(append(w.b, s...))
	} else {
		w.text(s)
	}
}

func isNil(v any) bool {
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan, reflect.Interface:
		return rv.IsNil()
	}
	return false
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// isZero is the tag option "omitzero", which asks a method IsZero first.
func isZero(v reflect.Value) (zero bool) {
	if v.CanInterface() {
		if z, ok := v.Interface().(interface{ IsZero() bool }); ok && !isNil(z) {
			defer func() {
				if recover() != nil {
					zero = false
				}
			}()
			return z.IsZero()
		}
	}
	return v.IsZero()
}
