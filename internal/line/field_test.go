package line_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
)

type user struct {
	Name string `json:"name"`
	Age  int    `json:"age,omitempty"`
	note string
}

func (u user) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("name", u.Name)
	enc.AddInt("age", u.Age)
	return nil
}

type plainUser struct {
	Name   string            `json:"name"`
	Age    int               `json:"age,omitempty"`
	ID     int64             `json:"id,string"`
	Hidden string            `json:"-"`
	Tags   map[string]string `json:",omitempty"`
	Zero   time.Time         `json:"zero,omitzero"`
	*embedded
	Boxed any
}

type embedded struct {
	City string
	Name string // plainUser's own goes before it
}

type named string

func (n named) String() string { return "named " + string(n) }

type opaque struct{ n int }

func (o opaque) String() string { return "opaque" }

type money struct{}

func (m money) MarshalJSON() ([]byte, error) { return []byte(` { "cents" : 1999 } `), nil }

type weekday int

func (w weekday) MarshalText() ([]byte, error) { return []byte("Monday"), nil }

type byPointer struct{ N int }

func (p *byPointer) MarshalJSON() ([]byte, error) { return []byte(`"by pointer"`), nil }

func TestFields(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("X", 3600))
	seven, yes, text := 7, true, "text"
	tests := []struct {
		name  string
		field zap.Field
		want  string
	}{
		{"string", zap.String("k", "v"), `{"k":"v"}`},
		{"empty string", zap.String("k", ""), `{"k":""}`},
		{"bool", zap.Bool("k", true), `{"k":true}`},
		{"bool false", zap.Bool("k", false), `{"k":false}`},
		{"int", zap.Int("k", -42), `{"k":-42}`},
		{"int64 least", zap.Int64("k", math.MinInt64), `{"k":-9223372036854775808}`},
		{"int32", zap.Int32("k", 1<<30), `{"k":1073741824}`},
		{"int16", zap.Int16("k", -3), `{"k":-3}`},
		{"int8", zap.Int8("k", -128), `{"k":-128}`},
		{"uint64 most", zap.Uint64("k", math.MaxUint64), `{"k":18446744073709551615}`},
		{"uint32", zap.Uint32("k", math.MaxUint32), `{"k":4294967295}`},
		{"uint16", zap.Uint16("k", 65535), `{"k":65535}`},
		{"uint8", zap.Uint8("k", 255), `{"k":255}`},
		{"uintptr", zap.Uintptr("k", 10), `{"k":10}`},
		{"float64", zap.Float64("k", 12.5), `{"k":12.5}`},
		{"float64 whole", zap.Float64("k", 3), `{"k":3}`},
		{"float64 long", zap.Float64("k", math.Pi), `{"k":3.141592653589793}`},
		{"float64 large", zap.Float64("k", 1e300), `{"k":1e+300}`},
		{"float64 small", zap.Float64("k", -1e-9), `{"k":-1e-9}`},
		{"float32", zap.Float32("k", 0.1), `{"k":0.1}`},
		{"NaN", zap.Float64("k", math.NaN()), `{"k":"NaN"}`},
		{"Inf", zap.Float64("k", math.Inf(1)), `{"k":"+Inf"}`},
		{"-Inf", zap.Float32("k", float32(math.Inf(-1))), `{"k":"-Inf"}`},
		{"complex128", zap.Complex128("k", 1-2i), `{"k":"1-2i"}`},
		{"complex64", zap.Complex64("k", 1.5+2i), `{"k":"1.5+2i"}`},
		{"complex NaN", zap.Complex128("k", complex(math.NaN(), math.Inf(1))), `{"k":"NaN+Infi"}`},
		{"duration", zap.Duration("k", 1500*time.Millisecond), `{"k":1.5}`},
		{"duration nanosecond", zap.Duration("k", -1), `{"k":-0.000000001}`},
		{"duration whole", zap.Duration("k", time.Minute), `{"k":60}`},
		{"duration least", zap.Duration("k", math.MinInt64), `{"k":-9223372036.854775808}`},
		{"time", zap.Time("k", when), `{"k":"2026-01-02T02:04:05.000006000Z"}`},
		{"time before 1970", zap.Time("k", time.Unix(-1, 5)), `{"k":"1969-12-31T23:59:59.000000005Z"}`},
		{"time zero", zap.Time("k", time.Time{}), `{"k":"0001-01-01T00:00:00.000000000Z"}`},
		{"binary", zap.Binary("k", []byte{0, 255}), `{"k":"AP8="}`},
		{"byte string", zap.ByteString("k", []byte("a\nb")), `{"k":"a\nb"}`},
		{"stringer", zap.Stringer("k", named("x")), `{"k":"named x"}`},
		{"skip", zap.Skip(), ``},
		{"namespace", zap.Namespace("k"), `{"k":{}}`},
		{"object", zap.Object("k", user{Name: "n", Age: 3}), `{"k":{"name":"n","age":3}}`},
		{"inline", zap.Inline(user{Name: "n", Age: 3}), `{"name":"n","age":3}`},
		{"dict", zap.Dict("k", zap.Int("a", 1), zap.String("b", "c")), `{"k":{"a":1,"b":"c"}}`},
		{"dict without fields", zap.Dict("k"), `{"k":{}}`},
		{"array without elements", zap.Strings("k", nil), `{"k":[]}`},
		{"dict object", zap.Object("k", zap.DictObject(zap.Bool("a", true))), `{"k":{"a":true}}`},
		{"objects", zap.Objects("k", []user{{Name: "a"}, {Name: "b"}}), `{"k":[{"name":"a","age":0},{"name":"b","age":0}]}`},
		{"strings", zap.Strings("k", []string{"a", "b\""}), `{"k":["a","b\""]}`},
		{"no strings", zap.Strings("k", nil), `{"k":[]}`},
		{"ints", zap.Ints("k", []int{1, 2}), `{"k":[1,2]}`},
		{"floats", zap.Float64s("k", []float64{1.5, math.NaN()}), `{"k":[1.5,"NaN"]}`},
		{"byte strings", zap.ByteStrings("k", [][]byte{[]byte("a")}), `{"k":["a"]}`},
		{"bools", zap.Bools("k", []bool{true, false}), `{"k":[true,false]}`},
		{"durations", zap.Durations("k", []time.Duration{time.Second}), `{"k":[1]}`},
		{"times", zap.Times("k", []time.Time{when}), `{"k":["2026-01-02T02:04:05.000006000Z"]}`},
		{"complex128s", zap.Complex128s("k", []complex128{1i}), `{"k":["0+1i"]}`},
		{"complex64s", zap.Complex64s("k", []complex64{1i}), `{"k":["0+1i"]}`},
		{"uints", zap.Uints("k", []uint{1}), `{"k":[1]}`},
		{"stringers", zap.Stringers("k", []named{"a"}), `{"k":["named a"]}`},
		{"errors", zap.Errors("k", []error{errors.New("a")}), `{"k":[{"error":"a"}]}`},
		{"pointer", zap.Intp("k", &seven), `{"k":7}`},
		{"nil pointer", zap.Stringp("k", nil), `{"k":null}`},
		{"any pointer", zap.Any("k", &text), `{"k":"text"}`},
		{"any pointer bool", zap.Any("k", &yes), `{"k":true}`},
		{"any nil", zap.Any("k", nil), `{"k":null}`},
		{"any map", zap.Any("k", map[string]any{"b": 1, "a": []any{nil, true, "x", 2.5}}), `{"k":{"a":[null,true,"x",2.5],"b":1}}`},
		{"any int map", zap.Any("k", map[int]string{2: "b", 1: "a"}), `{"k":{"1":"a","2":"b"}}`},
		{"any text map", zap.Any("k", map[weekday]int{1: 1}), `{"k":{"Monday":1}}`},
		{"any struct map", zap.Any("k", map[struct{ A int }]int{{1}: 1}), `{"k":{"{1}":1}}`},
		{"any struct", zap.Any("k", plainUser{Name: "n", ID: 5, embedded: &embedded{City: "c", Name: "x"}, Boxed: uint8(3)}),
			`{"k":{"name":"n","id":"5","City":"c","Name":"x","Boxed":3}}`},
		{"any embedded nil", zap.Any("k", plainUser{Age: 1}), `{"k":{"name":"","age":1,"id":"0","Boxed":null}}`},
		{"any object", zap.Any("k", user{Name: "n", note: "-"}), `{"k":{"name":"n","age":0}}`},
		{"any objects in map", zap.Any("k", map[string]any{"u": user{Name: "n"}}), `{"k":{"u":{"name":"n","age":0}}}`},
		{"any bytes", zap.Any("k", []byte("ab")), `{"k":"YWI="}`},
		{"any byte array", zap.Any("k", [2]byte{1, 2}), `{"k":[1,2]}`},
		{"any duration in struct", zap.Any("k", struct{ D time.Duration }{time.Second}), `{"k":{"D":1}}`},
		{"any time in struct", zap.Any("k", struct{ T time.Time }{when}), `{"k":{"T":"2026-01-02T02:04:05.000006000Z"}}`},
		{"any time pointer in struct", zap.Any("k", struct{ T *time.Time }{&when}), `{"k":{"T":"2026-01-02T02:04:05.000006000Z"}}`},
		{"any error in map", zap.Any("k", map[string]any{"e": errors.New("boom")}), `{"k":{"e":{"message":"boom"}}}`},
		{"json marshaler", zap.Any("k", money{}), `{"k":{"cents":1999}}`},
		{"json marshaler by pointer", zap.Any("k", &struct{ P byPointer }{}), `{"k":{"P":"by pointer"}}`},
		{"json marshaler by pointer, of a copy", zap.Any("k", struct{ P byPointer }{}), `{"k":{"P":{"N":0}}}`},
		{"text marshaler", zap.Any("k", []weekday{1}), `{"k":["Monday"]}`},
		{"uuid", zap.Any("k", struct{ U uuid.UUID }{uuid.MustParse("01938f2a-7c1e-7d30-9a55-0c1f2e3d4b5a")}), `{"k":{"U":"01938f2a-7c1e-7d30-9a55-0c1f2e3d4b5a"}}`},
		{"address", zap.Any("k", []netip.Addr{netip.MustParseAddr("192.0.2.1")}), `{"k":["192.0.2.1"]}`},
		{"big", zap.Any("k", map[string]*big.Int{"n": big.NewInt(1 << 40)}), `{"k":{"n":1099511627776}}`},
		{"url", zap.Stringer("k", &url.URL{Scheme: "https", Host: "example.com"}), `{"k":"https://example.com"}`},
		{"struct of nothing but a String method", zap.Any("k", []opaque{{1}}), `{"k":["opaque"]}`},
		{"json.Number", zap.Any("k", []json.Number{"1.50", "x", ""}), `{"k":[1.50,"x",0]}`},
		{"json.RawMessage", zap.Any("k", json.RawMessage(` {"a" : [1 , "\u0041\n"], "b":1.0e3 } `)), `{"k":{"a":[1,"A\n"],"b":1.0e3}}`},
		{"json.RawMessage nil", zap.Any("k", json.RawMessage(nil)), `{"k":null}`},
		{"json.RawMessage broken", zap.Any("k", json.RawMessage(`{"a":`)), `{"k":"{\"a\":"}`},
		{"reflect", zap.Reflect("k", []int{1}), `{"k":[1]}`},
		{"array in array", zap.Any("k", [][]string{{"a"}, {}, nil}), `{"k":[["a"],[],null]}`},
		{"error of another key", zap.NamedError("cause", errors.New("x")), ``},
		{"nil error", zap.Error(nil), ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, details(t, tt.field))
		})
	}
}

func TestNamespaces(t *testing.T) {
	t.Run("hold what follows", func(t *testing.T) {
		require.Equal(t, `{"a":1,"n":{"b":2,"m":{"c":3}}}`,
			details(t, zap.Int("a", 1), zap.Namespace("n"), zap.Int("b", 2), zap.Namespace("m"), zap.Int("c", 3)))
	})
	t.Run("stay open when bound", func(t *testing.T) {
		e := line.NewEncoder(line.Options{})
		c := e.With(nil, []zap.Field{zap.Int("a", 1), zap.Namespace("n")})
		c2 := e.With(c, []zap.Field{zap.Int("b", 2)})
		_, r := encode(t, e, &line.Entry{Time: testTime, Kind: line.KindLine, Context: c2}, zap.Int("c", 3))
		require.Equal(t, `{"a":1,"n":{"b":2,"c":3}}`, string(r.Details))
		_, r = encode(t, e, &line.Entry{Time: testTime, Kind: line.KindLine, Context: c}, zap.Int("d", 4))
		require.Equal(t, `{"a":1,"n":{"d":4}}`, string(r.Details))
	})
	t.Run("of an object end with it", func(t *testing.T) {
		o := zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
			enc.OpenNamespace("n")
			enc.AddInt("a", 1)
			return nil
		})
		require.Equal(t, `{"o":{"n":{"a":1}},"b":2}`, details(t, zap.Object("o", o), zap.Int("b", 2)))
		require.Equal(t, `{"n":{"a":1,"b":2}}`, details(t, zap.Inline(o), zap.Int("b", 2)))
	})
}

func TestKeys(t *testing.T) {
	t.Run("that imitate fixed ones stand under details", func(t *testing.T) {
		raw, r := encode(t, line.NewEncoder(line.Options{}), &line.Entry{Time: testTime, Kind: line.KindLine, Message: "m"},
			zap.Int("seq", 99), zap.String("run", "forged"), zap.String("level", "fatal"), zap.String("timestamp", "x"),
			zap.String("message", "y"), zap.String("details", "z"))
		require.Equal(t, uint64(7), r.Seq)
		require.Empty(t, r.Run)
		require.Equal(t, "m", r.Message)
		require.Equal(t, `{"seq":99,"run":"forged","level":"fatal","timestamp":"x","message":"y","details":"z"}`, string(r.Details))
		require.Contains(t, string(raw), `,"message":"m","details":{`)
	})
	t.Run("that come twice are kept", func(t *testing.T) {
		require.Equal(t, `{"a":1,"a":2}`, details(t, zap.Int("a", 1), zap.Int("a", 2)))
	})
	t.Run("are escaped, and may be empty", func(t *testing.T) {
		require.Equal(t, `{"":1,"a\"\n":2}`, details(t, zap.Int("", 1), zap.Int("a\"\n", 2)))
	})
	t.Run("of all lengths are told apart", func(t *testing.T) {
		e := line.NewEncoder(line.Options{})
		for range 3 {
			for n := range 90 {
				for _, c := range []string{"x", "y"} {
					key := c + string(make([]byte, n)) + c
					b := e.Append([]byte(`{"seq":1,`), &line.Entry{Time: testTime}, []zap.Field{zap.String(key, key)})
					var m struct{ Details map[string]string }
					require.NoError(t, json.Unmarshal(b, &m))
					require.Equal(t, map[string]string{key: key}, m.Details)
				}
			}
		}
	})
}

func TestSpecialFields(t *testing.T) {
	e := line.NewEncoder(line.Options{})
	t.Run("a topic goes to its key", func(t *testing.T) {
		c := e.With(nil, []zap.Field{line.Topic("security")})
		_, r := encode(t, e, &line.Entry{Time: testTime, Topic: "application"}, line.Topic("performance"), zap.Int("a", 1))
		require.Equal(t, "performance", r.Topic)
		require.Equal(t, `{"a":1}`, string(r.Details))
		_, r = encode(t, e, &line.Entry{Time: testTime, Topic: "application", Context: c})
		require.Equal(t, "security", r.Topic)
		require.Nil(t, r.Details)
		_, r = encode(t, e, &line.Entry{Time: testTime, Topic: "application"})
		require.Equal(t, "application", r.Topic)
	})
	t.Run("a label is bound or given", func(t *testing.T) {
		c := e.Label(nil, "bound")
		_, r := encode(t, e, &line.Entry{Time: testTime, Context: c})
		require.Equal(t, "bound", r.Label)
		_, r = encode(t, e, &line.Entry{Time: testTime, Context: c, Label: "given"})
		require.Equal(t, "given", r.Label)
	})
	t.Run("another encoder shows code and topic as texts", func(t *testing.T) {
		m := zapcore.NewMapObjectEncoder()
		line.Code("E1").AddTo(m)
		line.Topic("security").AddTo(m)
		require.Equal(t, map[string]any{"code": "E1", "topic": "security"}, m.Fields)
	})
	t.Run("a string that is no mark stays", func(t *testing.T) {
		require.Equal(t, `{"code":"E1"}`, details(t, zap.String("code", "E1")))
	})
}
