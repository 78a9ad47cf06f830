package line_test

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
)

// valid returns what JSON can hold of s: each byte that is not UTF-8 is replaced.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// What is encoded reads back, through Parse and through encoding/json alike.
func FuzzRoundTrip(f *testing.F) {
	f.Add("message", "key", "value", int64(42), 12.5, int64(1e18), []byte(`{"a":[1]}`), uint8(2))
	f.Add("\x1b[0m\xff\u2028", "", "\x00\"\\", int64(math.MinInt64), math.Inf(1), int64(-1), []byte(`[1,`), uint8(250))
	f.Add(strings.Repeat("x", 5000), "details", "é", int64(0), math.SmallestNonzeroFloat64, int64(math.MinInt64), []byte(nil), uint8(7))
	e := line.NewEncoder(line.Options{})
	f.Fuzz(func(t *testing.T, message, key, value string, n int64, x float64, ns int64, raw []byte, kind uint8) {
		en := line.Entry{Time: time.Unix(0, ns), Level: zapcore.Level(n), Kind: line.Kind(kind % 8), Message: message, Label: value, Trace: key,
			Lifecycle: &line.Lifecycle{Phase: value, ID: uint64(n), Processed: n, Counted: true, Reason: message, Iterated: true, IterationIndex: int(n)}}
		fields := []zap.Field{
			zap.String(key, value), zap.Int64("n", n), zap.Float64("x", x), zap.Time("at", time.Unix(0, ns)), zap.Duration("d", time.Duration(ns)),
			zap.Any("raw", json.RawMessage(raw)), zap.Binary("bin", raw), zap.Any("map", map[string]any{key: value, value: []any{n, x}}),
			zap.Float32("y", float32(x)), line.Code(value),
		}
		b, r := encode(t, e, &en, fields...)
		require.Equal(t, valid(message), r.Message)
		require.Equal(t, valid(value), r.Label)
		require.Equal(t, valid(key), r.Trace)
		require.Equal(t, time.Unix(0, ns).UTC(), r.Time)
		require.Equal(t, valid(value), r.ErrorCode)
		require.Equal(t, int(n), r.Lifecycle.IterationIndex)
		require.Equal(t, n, r.Lifecycle.Processed)
		require.Equal(t, uint64(n), r.Lifecycle.ID)
		require.Equal(t, line.Kind(kind%8), r.Kind)

		var m struct {
			Message string
			Details map[string]json.RawMessage
		}
		require.NoError(t, json.Unmarshal(b, &m))
		require.Equal(t, r.Message, m.Message)
		for k, v := range m.Details {
			line.Field([]byte(`{"only":`+string(v)+`}`), "only", func(s string) bool {
				if v[0] == '"' {
					var want string
					require.NoError(t, json.Unmarshal(v, &want))
					require.Equal(t, want, s, k)
				}
				return true
			})
		}
		if !math.IsNaN(x) && !math.IsInf(x, 0) && valid(key) != "x" {
			want, err := json.Marshal(x)
			require.NoError(t, err)
			back, err := strconv.ParseFloat(string(m.Details["x"]), 64)
			require.NoError(t, err)
			require.Equal(t, x, back)
			require.Equal(t, string(want), string(m.Details["x"]))
		}
		if valid(key) != "d" {
			back, err := time.ParseDuration(string(m.Details["d"]) + "s")
			if ns != math.MinInt64 {
				require.NoError(t, err)
				require.Equal(t, time.Duration(ns), back)
			}
		}
		if json.Valid(raw) && utf8.Valid(raw) && valid(key) != "raw" {
			requireSameJSON(t, raw, m.Details["raw"])
		}
	})
}

// requireSameJSON requires that two texts say the same, numbers to the letter.
func requireSameJSON(t *testing.T, want, got []byte) {
	t.Helper()
	if strings.Contains(string(got), `"$cut":`) {
		return
	}
	decode := func(b []byte) (v any) {
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.UseNumber()
		require.NoError(t, d.Decode(&v))
		return v
	}
	require.Equal(t, decode(want), decode(got))
}

// Parse never panics, takes JSON and nothing else, and says what encoding/json
// says.
func FuzzParse(f *testing.F) {
	e := line.NewEncoder(line.Options{})
	f.Add(e.Append(line.AppendPrefix(nil, 1), &line.Entry{Time: testTime, Kind: line.KindRun, Message: "m\n",
		Identity:  line.AppendIdentity(nil, &fullIdentity),
		Lifecycle: &line.Lifecycle{Phase: line.PhaseEnd, ID: 1, Started: testTime, Counted: true, Iterated: true}}, []zap.Field{zap.Int("a", 1)}))
	f.Add([]byte(`{"seq":1,"error":{"message":"x","code":"y","causes":["z"]},"details":{"a.b":[1,{"c":"\ud800"}]}}`))
	f.Add([]byte(` { "details" : {} , "seq" : 0 } `))
	f.Add([]byte("{\"seq\":0,\"\x05b\":{}}")) // a control character that an escape's letter follows
	f.Add([]byte(`{"seq":1,"x":{"message":"m","details":{"a":1}},"message":"n","details":{"b":2}}`))
	f.Add([]byte(`{"seq":1,"details":{"a":1},"error":{"message":"e"},"message":"n","label":"l"}`))
	f.Add([]byte(`{"seq":1,"error":{"message":"e"},"details":{"a":1}}`))
	f.Add([]byte(`{"seq":1,"x":{"details":{"a":1}}}`))
	f.Add([]byte(`{"seq":1,"details":{"a":1},"details":{"b":"{}"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r line.Record
		err := line.Parse(raw, &r)
		line.Field(raw, "a.b", func(string) bool { return true })
		if err != nil {
			require.ErrorIs(t, err, line.ErrNotRecord)
			if _, _, err := line.Objects(raw); err != nil {
				require.ErrorIs(t, err, line.ErrNotRecord)
			}
			var m struct {
				Seq *uint64 `json:"seq"`
			}
			if json.Unmarshal(raw, &m) == nil && m.Seq != nil { // encoding/json takes SEQ too, and null after a number
				require.False(t, strings.Count(strings.ToLower(string(raw)), "seq") == 1 && strings.Contains(string(raw), `"seq"`))
			}
			return
		}
		require.True(t, json.Valid(raw))
		var m map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(raw, &m))
		text := func(key, got string) {
			var want string
			if json.Unmarshal(m[key], &want) == nil && strings.Count(string(raw), key) < 2 {
				require.Equal(t, want, got, key)
			}
		}
		text("message", r.Message)
		text("run", r.Run)
		text("label", r.Label)
		if r.Details != nil {
			require.Equal(t, byte('{'), r.Details[0])
			require.True(t, json.Valid(r.Details))
		}
		if r.Error != nil {
			require.True(t, json.Valid(r.Error))
		}
		failure, details, err := line.Objects(raw)
		require.NoError(t, err)
		require.Equal(t, r.Error, failure)
		require.Equal(t, r.Details, details)
		again := r
		require.NoError(t, line.Parse(raw, &again))
		require.Equal(t, r, again)
	})
}

// Two texts fold alike exactly when they are the same but for case.
func FuzzFold(f *testing.F) {
	f.Add("Straße", "STRASSE")
	f.Add("\u212a", "K")
	f.Add("\x1b[0mx", "X\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		if utf8.ValidString(a) && utf8.ValidString(b) {
			require.Equal(t, strings.EqualFold(a, b), line.Fold(a) == line.Fold(b))
		}
		require.Equal(t, line.Fold(a), line.Fold(line.Fold(a)))
		s := line.StripANSI(a)
		require.NotContains(t, s, "\x1b")
		require.LessOrEqual(t, len(s), len(a))
	})
}

func TestTimestamps(t *testing.T) {
	e := line.NewEncoder(line.Options{})
	at := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	for at.Year() < 10000 {
		raw, r := encode(t, e, &line.Entry{Time: at})
		require.Contains(t, string(raw), at.Format(`"timestamp":"2006-01-02T15:04:05.000000000Z"`))
		require.True(t, at.Equal(r.Time), "%s %s", at, r.Time)
		at = at.Add(333*24*time.Hour + 5*time.Hour + 59*time.Minute + 58*time.Second + 123456789)
	}
}

func TestNumbers(t *testing.T) {
	for shift := range 64 {
		for _, n := range []uint64{1 << shift, 1<<shift - 1, 1<<shift + 1} {
			require.Equal(t, `{"k":`+strconv.FormatUint(n, 10)+`}`, details(t, zap.Uint64("k", n)))
			require.Equal(t, `{"k":`+strconv.FormatInt(-int64(n), 10)+`}`, details(t, zap.Int64("k", -int64(n))))
		}
	}
	for n, i := uint64(1), 0; i < 20; n, i = n*10, i+1 {
		require.Equal(t, `{"k":`+strconv.FormatUint(n, 10)+`}`, details(t, zap.Uint64("k", n)))
		require.Equal(t, `{"k":`+strconv.FormatUint(n-1, 10)+`}`, details(t, zap.Uint64("k", n-1)))
	}
	for i := range 3_000 {
		for _, x := range []float64{float64(i) / 100, -float64(i) / 1000, float64(i) / 10000, float64(i) * 7919.13, float64(i) / 3} {
			want, err := json.Marshal(x)
			require.NoError(t, err)
			if got := details(t, zap.Float64("k", x)); got != `{"k":`+string(want)+`}` {
				require.Equal(t, string(want), got)
			}
		}
	}
}
