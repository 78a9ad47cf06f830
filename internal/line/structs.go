package line

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"
)

// method says how a type wants to be written.
type method uint8

const (
	byKind method = iota
	byTime
	byDuration
	byNumber
	byRaw
	byObject
	byArray
	byJSON
	byText
	byError
)

// typeInfo is what is found out about a type once. It is immutable.
type typeInfo struct {
	method   method // of the type
	address  method // of a pointer to it, where the type itself has none
	stringer bool
	bytes    bool // a slice of bytes that have no methods
	fields   []structField
}

// structField is a field that is written, possibly one of an embedded struct.
type structField struct {
	name                        string
	index                       []int
	tagged                      bool
	omitEmpty, omitZero, quoted bool
}

// of returns the field of v; it has none if an embedded pointer is nil.
func (f *structField) of(v reflect.Value) (reflect.Value, bool) {
	for _, i := range f.index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, true
}

var (
	objectMarshaler = reflect.TypeFor[zapcore.ObjectMarshaler]()
	arrayMarshaler  = reflect.TypeFor[zapcore.ArrayMarshaler]()
	jsonMarshaler   = reflect.TypeFor[json.Marshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	errorType       = reflect.TypeFor[error]()
	stringerType    = reflect.TypeFor[fmt.Stringer]()
)

func (e *Encoder) typeInfo(t reflect.Type) *typeInfo {
	if v, ok := e.types.Load(t); ok {
		return v.(*typeInfo)
	}
	info := &typeInfo{method: methodOf(t), stringer: t.Implements(stringerType)}
	switch t.Kind() {
	case reflect.Slice:
		elem := t.Elem()
		info.bytes = elem.Kind() == reflect.Uint8 && methodOf(elem) == byKind && methodOf(reflect.PointerTo(elem)) == byKind
	case reflect.Struct:
		if info.method == byKind {
			info.fields = structFields(t)
		}
	}
	if info.method == byKind && t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
		info.address = methodOf(reflect.PointerTo(t))
	}
	e.types.Store(t, info)
	return info
}

func methodOf(t reflect.Type) method {
	switch t {
	case reflect.TypeFor[time.Time]():
		return byTime
	case reflect.TypeFor[time.Duration]():
		return byDuration
	case reflect.TypeFor[json.Number]():
		return byNumber
	case reflect.TypeFor[json.RawMessage]():
		return byRaw
	case reflect.TypeFor[*time.Time](), reflect.TypeFor[*json.RawMessage]():
		return byKind // what it points to has its own way
	}
	if t.Kind() == reflect.Interface {
		return byKind // what it holds decides
	}
	switch {
	case t.Implements(objectMarshaler):
		return byObject
	case t.Implements(arrayMarshaler):
		return byArray
	case t.Implements(jsonMarshaler):
		return byJSON
	case t.Implements(textMarshaler):
		return byText
	case t.Implements(errorType):
		return byError
	}
	return byKind
}

// structFields returns the fields that encoding/json writes, by its rules: of
// fields with one name the least deeply embedded stands, then the tagged one; if
// that leaves several there is none.
func structFields(t reflect.Type) []structField {
	var all []structField
	collect(t, nil, map[reflect.Type]bool{}, &all)
	byName := map[string][]structField{}
	for _, f := range all {
		byName[f.name] = append(byName[f.name], f)
	}
	var fields []structField
	for _, same := range byName {
		slices.SortStableFunc(same, func(a, b structField) int {
			if c := cmp.Compare(len(a.index), len(b.index)); c != 0 {
				return c
			}
			switch {
			case a.tagged == b.tagged:
				return 0
			case a.tagged:
				return -1
			}
			return 1
		})
		if len(same) > 1 && len(same[0].index) == len(same[1].index) && same[0].tagged == same[1].tagged {
			continue
		}
		fields = append(fields, same[0])
	}
	slices.SortFunc(fields, func(a, b structField) int { return slices.Compare(a.index, b.index) })
	return fields
}

func collect(t reflect.Type, index []int, on map[reflect.Type]bool, all *[]structField) {
	if on[t] {
		return
	}
	on[t] = true
	defer delete(on, t)
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		at := append(slices.Clone(index), i)
		if f.Anonymous {
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if !f.IsExported() && inner.Kind() != reflect.Struct {
				continue
			}
			if name == "" && inner.Kind() == reflect.Struct {
				collect(inner, at, on, all)
				continue
			}
		}
		if !f.IsExported() {
			continue
		}
		x := structField{name: name, index: at, tagged: name != ""}
		if name == "" {
			x.name = f.Name
		}
		for _, o := range strings.Split(options, ",") {
			switch o {
			case "omitempty":
				x.omitEmpty = true
			case "omitzero":
				x.omitZero = true
			case "string":
				x.quoted = true
			}
		}
		*all = append(*all, x)
	}
}
