package line_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
)

func TestParse(t *testing.T) {
	t.Run("what is not a record", func(t *testing.T) {
		for _, s := range []string{
			``, ` `, `x`, `null`, `[]`, `1`, `"seq"`, `{}`, `{"message":"m"}`, `{"seq":1`, `{"seq":1,`, `{"seq":1,}`, `{"seq":1}x`, `{"seq":1}{}`,
			`{"seq":-1}`, `{"seq":1.5}`, `{"seq":1e3}`, `{"seq":"1"}`, `{"seq":null}`, `{"seq":18446744073709551616}`, `{"seq":01}`,
			`{"seq":1,"details":{"a":}}`, `{"seq":1,"details":{"a":1}`, `{"seq":1,"a":tru}`, `{"seq":1,"a":"` + "\n" + `"}`, `{"seq":1,"a":"\x"}`,
			`{"seq":1,"a":"\u12g4"}`, `{"seq":1,"a":-}`, `{"seq":1,"a":1.}`, `{"seq":1,"a":1e}`, `{"seq":1,"a":[1 2]}`, `{"seq":1,"a":[1}`,
			`{"seq":1,"a":{1:2}}`, `{"seq":1 "a":1}`, `{"seq":1,,"a":1}`, `{seq:1}`, "{\"seq\":1}\x00", `{"seq":1,"error":{"message":}}`,
			`{"seq":1,"a":{"b":1,}}`, `{"seq":1,"a":[1,]}`, `{"seq":1,"message":"torn`, `{"seq":1,"levels":{"info"}}`, strings.Repeat(`{"seq":`, 1000),
		} {
			var r line.Record
			require.ErrorIs(t, line.Parse([]byte(s), &r), line.ErrNotRecord, "%q", s)
			require.False(t, json.Valid([]byte(s)) && strings.HasPrefix(s, `{"seq":1,`), "%q is JSON", s)
		}
	})
	t.Run("foreign order, spaces and escapes", func(t *testing.T) {
		var r line.Record
		require.NoError(t, line.Parse([]byte(" {\t\"details\" : { \"a\" : [ 1 , { } ] } , \"mess\\u0061ge\":\"\\u0041\\/\\b\\f\\n\\r\\t\\\"\\\\\\ud83d\\ude00\\ud83d\",\r\n"+
			`"kind":"\u006cine","level":"\u0077arn","unknown":[[{"x":[]}]],"timestamp":"2026-11-21T03:03:04.5+01:00","seq": 18446744073709551615, `+
			`"error":{"other":1,"code":"C","message":"M"},"truncated":true,"attempt":3} `), &r))
		require.Equal(t, uint64(18446744073709551615), r.Seq)
		require.Equal(t, "A/\b\f\n\r\t\"\\😀\ufffd", r.Message)
		require.Equal(t, line.KindLine, r.Kind)
		require.Equal(t, zapcore.WarnLevel, r.Level)
		require.Equal(t, time.Date(2026, 11, 21, 2, 3, 4, 500000000, time.UTC), r.Time)
		require.Equal(t, `{ "a" : [ 1 , { } ] }`, string(r.Details))
		require.Equal(t, []string{"M", "C"}, []string{r.ErrorMessage, r.ErrorCode})
		require.Equal(t, 3, r.Attempt)
		require.True(t, r.Truncated)
	})
	t.Run("wrong types count as absent", func(t *testing.T) {
		var r line.Record
		require.NoError(t, line.Parse([]byte(`{"seq":1,"timestamp":5,"level":"loud","kind":[],"message":{"a":1},"attempt":"x","id":-1,"started":"x","duration_ns":1e99,`+
			`"levels":[1],"iteration":7,"truncated":1,"error":[],"details":"x","run":null,"inbound":"true","order":1.5}`), &r))
		require.Equal(t, line.Record{Seq: 1}, r)
	})
	t.Run("an error that is a text", func(t *testing.T) {
		var r line.Record
		require.NoError(t, line.Parse([]byte(`{"seq":1,"error":"boom"}`), &r))
		require.Equal(t, line.Record{Seq: 1, ErrorMessage: "boom"}, r)
	})
	t.Run("the last of two counts", func(t *testing.T) {
		var r line.Record
		require.NoError(t, line.Parse([]byte(`{"seq":1,"seq":2,"message":"a","message":"b","details":{"a":1},"details":{"b":2}}`), &r))
		require.Equal(t, line.Record{Seq: 2, Message: "b", Details: []byte(`{"b":2}`)}, r)
	})
	t.Run("a record that is used again forgets", func(t *testing.T) {
		var r line.Record
		require.NoError(t, line.Parse([]byte(`{"seq":1,"run":"r","message":"a","details":{"a":1},"kind":"run","phase":"end","id":4}`), &r))
		require.NoError(t, line.Parse([]byte(`{"seq":2,"run":"r"}`), &r))
		require.Equal(t, line.Record{Seq: 2, Identity: line.Identity{Run: "r"}}, r)
	})
	t.Run("texts outlive the line, details are part of it", func(t *testing.T) {
		for _, size := range []int{10, 10000} {
			raw := []byte(`{"seq":1,"run":"r","message":"` + strings.Repeat("m", size) + `","details":{"a":1}}`)
			var r line.Record
			require.NoError(t, line.Parse(raw, &r))
			i := bytes.Index(raw, []byte(`{"a"`))
			require.Same(t, &raw[i], &r.Details[0])
			require.Equal(t, len(r.Details), cap(r.Details))
			clear(raw)
			require.Equal(t, strings.Repeat("m", size), r.Message)
			require.Equal(t, "r", r.Run)
		}
	})
	t.Run("deep nesting", func(t *testing.T) {
		const depth = 1_000_000
		var r line.Record
		require.NoError(t, line.Parse([]byte(`{"seq":1,"x":`+strings.Repeat(`[{"a":`, depth)+`1`+strings.Repeat(`}]`, depth)+`}`), &r))
		require.ErrorIs(t, line.Parse([]byte(`{"seq":1,"x":`+strings.Repeat(`[{"a":`, depth)+`1`+strings.Repeat(`]}`, depth)+`}`), &r), line.ErrNotRecord)
	})
}

func TestKinds(t *testing.T) {
	for k := line.KindLine; k <= line.KindAudit; k++ {
		parsed, ok := line.ParseKind(k.String())
		require.True(t, ok)
		require.Equal(t, k, parsed)
	}
	require.Empty(t, line.KindNone.String())
	require.Empty(t, line.Kind(99).String())
	for _, s := range []string{"", "Line", "lines"} {
		_, ok := line.ParseKind(s)
		require.False(t, ok)
	}
}

func TestField(t *testing.T) {
	details := []byte(`{ "a.b":"literal", "a":{"b":"descended","c":[1,{"d":[true,null,"x"]},{"d":2.50}]}, "n":1.0, "e\u0061":"esc\n",
		"twice":1,"twice":[2], "o":{}, "":{"":"empty"}, "ä":1, "deep":[[["v"]]], "a.c.d":{"x":1} }`)
	f := func(path string, want ...string) {
		t.Helper()
		var got []string
		line.Field(details, path, func(s string) bool { got = append(got, s); return true })
		require.Equal(t, want, got, path)
	}
	f("a.b", "literal")
	f("a.c", "1")
	f("a.c.d") // a key of its own, though it holds no scalar
	f("n", "1.0")
	f("ea", "esc\n")
	f("twice", "2")
	f("o")
	f("o.x")
	f("n.x")
	f(".", "empty")
	f("ä", "1")
	f("deep", "v")
	f("absent")
	f("absent.too")
	f("")
	details = []byte(`{"a":{"c":[1,{"d":[true,null,"x"]},{"d":2.50}]}}`)
	f("a.c.d", "true", "null", "x", "2.50")
	t.Run("stops when told", func(t *testing.T) {
		n := 0
		line.Field(details, "a.c.d", func(string) bool { n++; return n < 2 })
		require.Equal(t, 2, n)
	})
	for _, bad := range []string{``, `{`, `[]`, `x`, `{"a":`, `{"a"}`, `{"a":[1,`, `null`} {
		line.Field([]byte(bad), "a", func(string) bool { return true })
		line.Field([]byte(bad), "a.b", func(string) bool { return true })
	}
	line.Field(nil, "a", func(string) bool { t.Fatal("of nothing"); return true })
	t.Run("several at once", func(t *testing.T) {
		paths := []string{"a", "b", "a.b", "c", "d.e", "x"}
		for _, details := range []string{`{"a":1,"b":[1,"2",[3]],"a":{"b":"in","c":2},"c":null}`, `{"a.b":7,"a":{"b":8},"d":[{"e":1},{"e":true}]}`,
			`{"a":1,"b"`, `{"a":1,"b":2`, `{}`, ``, `[1]`, `{"\u0061":"escaped","b":"\u0062"}`} {
			got, want := map[string][]string{}, map[string][]string{}
			p := line.Parser{Paths: paths}
			if p.Parse([]byte(`{"seq":1,"details":`+details+`}`), new(line.Record)) != nil || details == `[1]` {
				p.Field(0, func(string) bool { t.Fatal("of nothing"); return true })
				continue
			}
			for n, path := range paths {
				p.Field(n, func(s string) bool {
					got[path] = append(got[path], s)
					return true
				})
			}
			for _, p := range paths {
				line.Field([]byte(details), p, func(s string) bool {
					want[p] = append(want[p], s)
					return true
				})
			}
			require.Equal(t, want, got, details)
		}
	})
}

func TestSearchText(t *testing.T) {
	strip := func(in, want string) { t.Helper(); require.Equal(t, want, line.StripANSI(in), "%q", in) }
	strip("plain", "plain")
	strip("", "")
	strip("\x1b[31mred\x1b[0m", "red")
	strip("a\x1b[1;38;5;4mb\x1b[Kc\x1b[?25lx", "abcx")
	strip("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "alink")
	strip("\x1b]never ends", "]never ends")
	strip("\x1b[31", "[31")
	strip("\x1b", "")
	strip("a\x1b\x1b[0mb", "ab")
	strip("\x1b(Ba\x1b=b\x1b#8c", "abc")
	strip("\x1b\u00e9", "\u00e9")
	strip("\x1b[31\nm", "[31\nm")

	same := func(a, b string) { t.Helper(); require.Equal(t, line.Fold(a), line.Fold(b)) }
	same("HELLO wörld", "hello WÖRLD")
	same("\u212a", "k") // the sign for kelvin
	same("ſ", "S")
	same("ΣΑΣ", "σας")
	same("ǅ", "ǆ")
	require.NotEqual(t, line.Fold("ß"), line.Fold("ss"))
	require.NotEqual(t, line.Fold("İ"), line.Fold("i"))
	require.Equal(t, "hello wörld", line.Fold("Hello WÖRLD"))
	require.Equal(t, "a\xffb", line.Fold("A\xffB"))
	s := "already folded"
	require.Zero(t, testing.AllocsPerRun(10, func() { line.Fold(s); line.StripANSI(s) }))
}

func TestANSIReadsBack(t *testing.T) {
	const text = "\x1b[31merror\x1b[0m\nsecond line\tx"
	_, r := encode(t, line.NewEncoder(line.Options{}), &line.Entry{Time: testTime, Message: text}, zap.String("out", text))
	require.Equal(t, text, r.Message)
	line.Field(r.Details, "out", func(s string) bool { require.Equal(t, text, s); return true })
}
