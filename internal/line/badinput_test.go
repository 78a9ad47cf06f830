package line_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
)

type panics struct{ A int }

func (panics) String() string               { panic("String") }
func (panics) Error() string                { panic("Error") }
func (panics) MarshalJSON() ([]byte, error) { panic("MarshalJSON") }

type panicsWithItself struct{}

func (p panicsWithItself) Error() string { panic(p) }

type panicsText struct{ A int }

func (panicsText) MarshalText() ([]byte, error) { panic(errors.New("MarshalText")) }

type panicsInside struct{}

func (panicsInside) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("half", "done")
	enc.OpenNamespace("n")
	_ = enc.AddArray("list", zapcore.ArrayMarshalerFunc(func(a zapcore.ArrayEncoder) error {
		a.AppendInt(1)
		panic("inside")
	}))
	enc.AddInt("after", 1)
	panic("MarshalLogObject")
}

// nilPanics panics when it is nil, as most do.
type nilPanics struct{ s string }

func (p *nilPanics) String() string               { return p.s }
func (p *nilPanics) Error() string                { return p.s }
func (p *nilPanics) MarshalJSON() ([]byte, error) { return []byte(p.s), nil }
func (p *nilPanics) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("s", p.s)
	return nil
}

type node struct {
	Name        string
	Left, Right *node
}

type selfObject struct{}

func (s selfObject) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	return enc.AddObject("self", s)
}

type selfArray struct{}

func (s selfArray) MarshalLogArray(enc zapcore.ArrayEncoder) error { return enc.AppendArray(s) }

type selfReflected struct{}

func (s selfReflected) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	return enc.AddReflected("self", map[string]any{"m": s})
}

type selfNamespace struct{}

func (s selfNamespace) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for range 100_000 {
		enc.OpenNamespace("n")
	}
	return nil
}

// selfLogging logs itself when it is logged.
type selfLogging struct{ e *line.Encoder }

func (s selfLogging) MarshalJSON() ([]byte, error) {
	b := s.e.Append(line.AppendPrefix(nil, 1), &line.Entry{Time: testTime}, []zap.Field{zap.Any("self", s)})
	return b, nil
}

// selfError logs itself when it is asked for its text.
type selfError struct{ e *line.Encoder }

func (s selfError) Error() string {
	return string(s.e.Append(nil, &line.Entry{Time: testTime}, []zap.Field{zap.Error(s)})[:20])
}

// keeps keeps its encoder, and uses it when it must not.
type keeps struct{ kept *zapcore.ObjectEncoder }

func (k keeps) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	*k.kept = enc
	return enc.AddArray("list", zapcore.ArrayMarshalerFunc(func(a zapcore.ArrayEncoder) error {
		enc.AddString("not", "here")
		a.AppendString("x")
		return nil
	}))
}

type lies struct{}

func (lies) MarshalJSON() ([]byte, error) { return []byte(`{"a":1}}}`), nil }

type fails struct{}

func (fails) MarshalJSON() ([]byte, error)                 { return nil, errors.New("no JSON") }
func (fails) MarshalLogObject(zapcore.ObjectEncoder) error { return errors.New("no object") }

type panicKey struct{ A int }

func (panicKey) MarshalText() ([]byte, error) { panic("key") }

func bigMap(n int) map[string]int {
	m := map[string]int{}
	for i := range n {
		m[fmt.Sprint("key", i)] = i
	}
	return m
}

func nested(depth int) any {
	var v any = "bottom"
	for range depth {
		v = []any{v}
	}
	return v
}

func cyclic() *node {
	n := &node{Name: "a"}
	n.Left, n.Right = n, n
	return n
}

// ladder leads to its end on 2^depth ways, without a cycle.
func ladder(depth int) *node {
	n := &node{Name: "end"}
	for range depth {
		n = &node{Name: "step", Left: n, Right: n}
	}
	return n
}

func cyclicMap() map[string]any {
	m := map[string]any{}
	m["self"] = m
	s := []any{nil}
	s[0] = s
	m["slice"] = s
	return m
}

func chainOf(n int) any {
	var v any = 1
	for range n {
		w := v
		v = &w
	}
	return v
}

// Each gives one valid line that reads back: no panic, no lost record, and the
// field beside it untouched.
func TestBadInput(t *testing.T) {
	var typedNil *nilPanics
	var nilFunc func()
	var kept zapcore.ObjectEncoder
	self := selfLogging{line.NewEncoder(line.Options{})}
	tests := []struct {
		name  string
		field zap.Field
		want  string // somewhere in the line
	}{
		{"String panics", zap.Stringer("k", panics{}), `"k":"<panic: String>"`},
		{"Error panics", zap.NamedError("k", panics{}), `"error":{"message":"<panic: Error>"}`},
		{"MarshalJSON panics", zap.Reflect("k", panics{}), `"k":"<panic: MarshalJSON>"`},
		{"MarshalText panics", zap.Any("k", []panicsText{{1}}), `"k":["<panic: MarshalText>"]`},
		{"MarshalLogObject panics", zap.Object("k", panicsInside{}), `"k":"<panic: MarshalLogObject>"`},
		{"inline panics", zap.Inline(panicsInside{}), `"inlineError":"<panic: MarshalLogObject>"`},
		{"MarshalLogArray panics", zap.Array("k", zapcore.ArrayMarshalerFunc(func(zapcore.ArrayEncoder) error { panic("array") })), `"k":"<panic: array>"`},
		{"map key panics", zap.Any("k", map[panicKey]int{{1}: 2}), `"k":{"<panic: key>":2}`},
		{"panic with a value that panics", zap.Array("k", zapcore.ArrayMarshalerFunc(func(zapcore.ArrayEncoder) error { panic(panics{}) })), `"k":"<panic: `},
		{"Error panics with itself", zap.NamedError("k", panicsWithItself{}), `"error":{"message":"<panic: a line_test.panicsWithItself>"}`},
		{"value panics with itself", zap.Any("k", []any{panicsWithItself{}}), `"k":[{"message":"<panic: a line_test.panicsWithItself>"}]`},
		{"panic with nil", zap.Array("k", zapcore.ArrayMarshalerFunc(func(zapcore.ArrayEncoder) error { panic(nil) })), `"k":"<panic: `},
		{"marshaler fails", zap.Any("k", []any{fails{}}), `"k":[{}]`},
		{"object fails", zap.Object("k", fails{}), `"k":{},"kError":"no object"`},
		{"marshaler lies", zap.Any("k", lies{}), `"k":"{\"a\":1}}}"`},
		{"nil", zap.Any("k", nil), `"k":null`},
		{"typed nil", zap.Any("k", (*panics)(nil)), `"error":{"message":"<nil>"}`},
		{"typed nil Stringer", zap.Stringer("k", typedNil), `"k":"<nil>"`},
		{"typed nil error", zap.NamedError("k", typedNil), `"error":{"message":"<nil>"}`},
		{"typed nil object", zap.Object("k", typedNil), `"k":null`},
		{"typed nil reflected", zap.Reflect("k", typedNil), `"k":null`},
		{"nil Stringer", zap.Field{Key: "k", Type: zapcore.StringerType}, `"k":`},
		{"nil object", zap.Object("k", nil), `"k":null`},
		{"nil array", zap.Array("k", nil), `"k":null`},
		{"nil Stringer", zap.Stringer("k", nil), `"k":null`},
		{"nil array", zap.Array("k", nil), `"k":`},
		{"nil inline", zap.Inline(nil), `"after":1`},
		{"nil error field", zap.Field{Key: "k", Type: zapcore.ErrorType}, `"k":`},
		{"nil func", zap.Any("k", nilFunc), `"k":null`},
		{"field of no type", zap.Field{Key: "k"}, `"k":"<unknown field type 0>"`},
		{"field of an unknown type", zap.Field{Key: "k", Type: 200, Interface: 5}, `"k":5`},
		{"field whose type lies", zap.Field{Key: "k", Type: zapcore.TimeFullType, Interface: "x"}, `"k":"x"`},
		{"binary field that holds none", zap.Field{Key: "k", Type: zapcore.BinaryType, Interface: 1}, `"k":1`},
		{"object field that holds none", zap.Field{Key: "k", Type: zapcore.ObjectMarshalerType, Interface: 1}, `"k":1`},
		{"NaN", zap.Float64("k", math.NaN()), `"k":"NaN"`},
		{"Inf in a map", zap.Any("k", map[string]any{"a": math.Inf(1), "b": []float32{float32(math.Inf(-1))}}), `"k":{"a":"+Inf","b":["-Inf"]}`},
		{"NaN as map key", zap.Any("k", map[float64]int{math.NaN(): 1}), `"k":{"NaN":1}`},
		{"channel", zap.Any("k", make(chan int)), `"k":"<chan int>"`},
		{"function", zap.Any("k", struct{ F func() }{func() {}}), `"k":{"F":"<func()>"}`},
		{"cycle of pointers", zap.Any("k", cyclic()), `"k":{"Name":"a","Left":{"$cut":"cycle"},"Right":{"$cut":"cycle"}}`},
		{"cycle of maps and slices", zap.Any("k", cyclicMap()), `"k":{"self":{"$cut":"cycle"},"slice":[{"$cut":"cycle"}]}`},
		{"ladder of pointers", zap.Any("k", ladder(60)), `"k":{"$cut":`},
		{"chain of pointers", zap.Any("k", chainOf(100_000)), `"k":{"$cut":"depth"}`},
		{"nesting to 100,000", zap.Any("k", nested(100_000)), `[[[{"$cut":"depth"}]]]`},
		{"nesting to 100,000 in JSON", zap.Any("k", json.RawMessage(strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000))), `[[[{"$cut":"depth"}]]]`},
		{"nesting to 100,000, not closed", zap.Any("k", json.RawMessage(strings.Repeat("[", 100_000))), `"k":"[[[`},
		{"map of 100,000 keys", zap.Any("k", bigMap(100_000)), `"$cut":99000}`},
		{"object of 100,000 keys in JSON", zap.Any("k", json.RawMessage(`{`+strings.Repeat(`"a":1,`, 99_999)+`"z":2}`)), `"$cut":99000}`},
		{"slice of a billion nothings", zap.Any("k", make([]struct{}, 1_000_000_000)), `"k":{"$cut":`},
		{"array without end", zap.Array("k", zapcore.ArrayMarshalerFunc(func(a zapcore.ArrayEncoder) error {
			for i := range 10_000_000 {
				a.AppendInt(i)
			}
			return nil
		})), `"k":{"$cut":`},
		{"10 MB string", zap.String("k", strings.Repeat("x", 10<<20)), `"k":{"$cut":10485760,"sha256":"`},
		{"10 MB of runes", zap.String("k", strings.Repeat("é", 5<<20)), `"k":{"$cut":10485760,"sha256":"`},
		{"10 MB binary", zap.Binary("k", make([]byte, 10<<20)), `"k":{"$cut":13981016,"sha256":"`},
		{"10 MB key", zap.Int(strings.Repeat("k", 10<<20), 1), `…":1`},
		{"10 MB error", zap.NamedError("k", errors.New(strings.Repeat("x", 10<<20))), `"$error":{"$cut":10485760,"sha256":"`},
		{"10 MB code", line.Code(strings.Repeat("x", 10<<20)), `"truncated":true`},
		{"10 MB topic", line.Topic(strings.Repeat("x", 10<<20)), `"truncated":true`},
		{"invalid UTF-8", zap.String("k\xff", "a\xffb\xc3"), `"k\ufffd":"a\ufffdb\ufffd"`},
		{"half a surrogate pair", zap.String("k", "\xed\xa0\x80"), `"k":"\ufffd\ufffd\ufffd"`},
		{"control characters", zap.String("k", "\x00\a\b\t\n\v\f\r\x1b\x7f"), `"k":"\u0000\u0007\u0008\t\n\u000b\u000c\r\u001b\u007f"`},
		{"C1", zap.String("k", "a\u0080\u009fb\u00a0"), "\"k\":\"a\\u0080\\u009fb\u00a0\""},
		{"line separators", zap.String("k", "\u2028\u2029"), `"k":"\u2028\u2029"`},
		{"bidi", zap.String("k", "\u202a\u202e\u2066\u2069\u200e\u200f\u061c\ufeff"), `"k":"\u202a\u202e\u2066\u2069\u200e\u200f\u061c\ufeff"`},
		{"ANSI", zap.String("k", "\x1b[31mred\x1b[0m"), `"k":"\u001b[31mred\u001b[0m"`},
		{"HTML", zap.String("k", "<a href='x'>&</a>"), `"k":"<a href='x'>&</a>"`},
		{"keys that imitate fixed ones", zap.Inline(zap.DictObject(zap.Int("seq", 1), zap.String("timestamp", "x"))), `"details":{"before":1,"seq":1,"timestamp":"x","after":1}`},
		{"year 10000", zap.Time("k", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), `"k":"10000-01-01T00:00:00.000000000Z"`},
		{"time far off", zap.Time("k", time.Unix(1<<62, 0)), `"k":"`},
		{"time far back", zap.Any("k", []time.Time{time.Unix(-1<<62, 0)}), `"k":["`},
		{"year -1", zap.Time("k", time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)), `"k":"-0001-01-01T00:00:00.000000000Z"`},
		{"object of itself", zap.Object("k", selfObject{}), `{"self":{"$cut":"depth"}}`},
		{"array of itself", zap.Array("k", selfArray{}), `[[[{"$cut":"depth"}]]]`},
		{"reflected object of itself", zap.Object("k", selfReflected{}), `{"$cut":"depth"}`},
		{"namespaces without end", zap.Object("k", selfNamespace{}), `{"n":{}}`},
		{"marshaler that logs itself", zap.Any("k", self), `"k":{"seq":1`},
		{"error that logs itself", zap.NamedError("k", selfError(self)), `"error":{"message":"\"timestamp\":`},
		{"encoder that is kept", zap.Object("k", keeps{&kept}), `"k":{"list":["x"]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := line.NewEncoder(line.Options{Mask: masker(t, "a secret that is nowhere")})
			raw, r := encode(t, e, &line.Entry{Time: testTime, Kind: line.KindLine, Message: "m"},
				zap.Int("before", 1), tt.field, zap.Int("after", 1))
			require.Equal(t, "m", r.Message)
			require.Contains(t, string(raw), tt.want)
			require.Contains(t, string(r.Details), `"before":1`)
			require.Contains(t, string(r.Details), `"after":1`)

			c := e.With(nil, []zap.Field{tt.field}) // bound, it is as harmless
			_, r = encode(t, e, &line.Entry{Time: testTime, Kind: line.KindLine, Message: "m", Context: c}, zap.Int("after", 1))
			require.Equal(t, "m", r.Message)

			var out []byte
			out, _ = e.AppendValue(out, "k", tt.field.Interface, 0) // and as a captured value
			require.True(t, json.Valid(out), "%.200s", out)
			require.LessOrEqual(t, len(out), 64<<10)
		})
	}
	require.NotPanics(t, func() { kept.AddString("late", "x") })
}

func TestBadEntry(t *testing.T) {
	e := line.NewEncoder(line.Options{})
	huge := strings.Repeat("\x1b", 10<<20)
	t.Run("every text huge", func(t *testing.T) {
		id := line.Identity{Server: huge, ServerName: huge, Service: huge, ServiceName: huge, Project: huge, Operation: huge,
			OperationName: huge, ParentOperation: huge, Run: huge, RootRun: huge, ParentRun: huge, ParentStep: huge,
			Step: huge, Action: huge, ActionName: huge, Attempt: math.MaxInt}
		for _, max := range []int{line.MinLine, line.MaxLine} {
			e := line.NewEncoder(line.Options{MaxLine: max})
			raw, r := encode(t, e, &line.Entry{Time: testTime, Kind: line.KindRun, Identity: line.AppendIdentity(nil, &id),
				Topic: huge, Trace: huge, Span: huge, Logger: huge, Caller: huge, Label: huge, Message: huge, Stack: huge, Err: errors.New(huge),
				Lifecycle: &line.Lifecycle{Phase: huge, Outcome: huge, Reason: huge, TriggeredBy: huge, Schedule: huge,
					Iterated: true, IterationValue: []byte(`"` + strings.Repeat("x", 1<<20) + `"`), Counted: true}},
				zap.String("a", huge), zap.String("b", huge))
			require.LessOrEqual(t, len(raw), max)
			require.True(t, r.Truncated)
			require.Equal(t, testTime, r.Time)
			require.NotEmpty(t, r.Message)
			require.NotEmpty(t, r.Run)
			require.Contains(t, string(r.Details), `"$message":{"$cut":10485760,"sha256":"`)
		}
	})
	t.Run("more fields than fit", func(t *testing.T) {
		var fields []zap.Field
		for i := range 200_000 {
			fields = append(fields, zap.Int(fmt.Sprint("k", i), i))
		}
		_, r := encode(t, e, &line.Entry{Time: testTime, Message: "m"}, fields...)
		require.True(t, r.Truncated)
		require.Regexp(t, `^\{"\$cut":\d+,"sha256":"[0-9a-f]{64}","head":"\{\\"k0\\":0,`, string(r.Details))
	})
	t.Run("many large values", func(t *testing.T) {
		var fields []zap.Field
		for range 50 {
			fields = append(fields, zap.String("s", huge[:900_000]), zap.Binary("b", []byte(huge[:500_000])), zap.Any("a", []string{huge[:500_000], "x"}))
		}
		dst := e.Append(nil, &line.Entry{Time: testTime, Message: "m"}, fields)
		require.Less(t, cap(dst), 32<<20, "the room that a record takes is bounded")
		_, r := encode(t, e, &line.Entry{Time: testTime, Message: "m"}, fields...)
		require.True(t, r.Truncated)
		require.Contains(t, string(r.Details), `"s":{"$cut":900000,"sha256":"`)
	})
	t.Run("more namespaces than fit", func(t *testing.T) {
		var fields []zap.Field
		for range 200_000 {
			fields = append(fields, zap.Namespace("n"))
		}
		encode(t, e, &line.Entry{Time: testTime, Message: "m"}, fields...)
	})
	t.Run("times that RFC 3339 cannot say", func(t *testing.T) {
		for at, want := range map[time.Time]string{
			time.Unix(1<<62, 0):                              "9999-12-31T23:59:59.999999999Z",
			time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC):     "9999-12-31T23:59:59.999999999Z",
			time.Date(-1, 12, 31, 23, 59, 59, 9, time.UTC):   "0000-01-01T00:00:00.000000000Z",
			time.Date(0, 1, 1, 0, 0, 0, 1, time.UTC):         "0000-01-01T00:00:00.000000001Z",
			time.Date(0, 2, 29, 1, 0, 0, 1, time.UTC):        "0000-02-29T01:00:00.000000001Z",
			time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC): "9999-12-31T23:59:59.000000000Z",
		} {
			raw, r := encode(t, e, &line.Entry{Time: at, Message: "m"})
			require.Contains(t, string(raw), want)
			require.Equal(t, want, r.Time.Format("2006-01-02T15:04:05.000000000Z"))
		}
	})
	t.Run("levels and kinds that are none", func(t *testing.T) {
		for l := -128; l < 128; l++ {
			_, r := encode(t, e, &line.Entry{Time: testTime, Level: zapcore.Level(l), Kind: line.Kind(l)})
			require.Equal(t, line.LevelIndex(zapcore.Level(l)), line.LevelIndex(r.Level))
		}
	})
	t.Run("error chains without end", func(t *testing.T) {
		_, r := encode(t, e, &line.Entry{Time: testTime, Message: "m", Err: endless{}})
		require.Equal(t, "endless", r.ErrorMessage)
		_, r = encode(t, e, &line.Entry{Time: testTime, Message: "m", Err: wide{}})
		require.Equal(t, "wide", r.ErrorMessage)
		_, r = encode(t, e, &line.Entry{Time: testTime, Message: "m", Err: badChain{}})
		require.Equal(t, "bad chain", r.ErrorMessage)
		require.Empty(t, r.ErrorCode)
	})
}

type endless struct{}

func (endless) Error() string { return "endless" }
func (endless) Unwrap() error { return endless{} }

type wide struct{}

func (wide) Error() string   { return "wide" }
func (wide) Unwrap() []error { return []error{wide{}, nil, wide{}, wide{}} }

type badChain struct{}

func (badChain) Error() string { return "bad chain" }
func (badChain) Unwrap() error { panic("unwrap") }
func (badChain) Code() string  { panic("code") }
