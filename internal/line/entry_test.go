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

var fullIdentity = line.Identity{
	Server: "edge-1", ServerName: "Edge 1", Service: "orders", ServiceName: "Orders", Project: "p-1",
	Operation: "sync-prices", OperationName: "Sync prices", ParentOperation: "nightly", Run: "r-2", RootRun: "r-1",
	ParentRun: "r-0", ParentStep: "s-0", Step: "s-1", Action: "read_data_from_erp", ActionName: "Read data", Attempt: 2,
}

func TestOrderOfKeys(t *testing.T) {
	e := line.NewEncoder(line.Options{})
	raw, r := encode(t, e, &line.Entry{
		Time: testTime, Level: zapcore.WarnLevel, Kind: line.KindStep, Identity: line.AppendIdentity(nil, &fullIdentity),
		Topic: "application", Trace: "t1", Span: "s1", Logger: "db", Caller: "a.go:1", Stack: "main.main", Label: "Test", Message: "done",
		Err: errors.New("boom"), Truncated: true,
		Lifecycle: &line.Lifecycle{
			Phase: line.PhaseEnd, ID: 5, Started: testTime.Add(-time.Second), Outcome: "failed", Reason: "why", Implied: true, Duration: time.Second,
			Processed: 1, Succeeded: 2, Failed: 3, Fragments: 4, Counted: true, Levels: line.Levels{1, 0, 3}, Bytes: 99,
			TriggeredBy: "test@example.com", Schedule: "@daily", Inbound: true, Order: 3, IterationIndex: 0,
			IterationValue: []byte(`{"a":1}`), Iterated: true, Archived: true,
		},
	}, zap.Int("rows", 42))
	require.Equal(t, `{"seq":7,"timestamp":"2026-11-21T02:03:04.123456789Z","level":"warn","kind":"step",`+
		`"server":"edge-1","server_name":"Edge 1","service":"orders","service_name":"Orders","project":"p-1",`+
		`"operation":"sync-prices","operation_name":"Sync prices","parent_operation":"nightly","run":"r-2","root_run":"r-1",`+
		`"parent_run":"r-0","parent_step":"s-0","step":"s-1","action":"read_data_from_erp","action_name":"Read data","attempt":2,`+
		`"topic":"application","trace":"t1","span":"s1","logger":"db","caller":"a.go:1","label":"Test",`+
		`"phase":"end","id":5,"started":"2026-11-21T02:03:03.123456789Z","outcome":"failed","reason":"why","implied":true,`+
		`"duration_ns":1000000000,"processed":1,"succeeded":2,"failed":3,"fragments":4,"levels":{"trace":1,"info":3},"bytes":99,`+
		`"triggered_by":"test@example.com","schedule":"@daily","inbound":true,"order":3,"iteration":{"index":0,"value":{"a":1}},"archived":true,`+
		`"message":"done","error":{"message":"boom"},"stack":"main.main","truncated":true,"details":{"rows":42}}`, string(raw))
	require.Equal(t, fullIdentity, r.Identity)
	require.Equal(t, "end", r.Phase)
	require.Equal(t, line.Lifecycle{
		Phase: line.PhaseEnd, ID: 5, Started: testTime.Add(-time.Second), Outcome: "failed", Reason: "why", Implied: true, Duration: time.Second,
		Processed: 1, Succeeded: 2, Failed: 3, Fragments: 4, Counted: true, Levels: line.Levels{1, 0, 3}, Bytes: 99,
		TriggeredBy: "test@example.com", Schedule: "@daily", Inbound: true, Order: 3, IterationValue: []byte(`{"a":1}`), Iterated: true, Archived: true,
	}, r.Lifecycle)
	require.Equal(t, []string{"application", "t1", "s1", "db", "a.go:1", "main.main", "Test", "done", "boom"},
		[]string{r.Topic, r.Trace, r.Span, r.Logger, r.Caller, r.Stack, r.Label, r.Message, r.ErrorMessage})
	require.True(t, r.Truncated)
	require.Equal(t, `{"message":"boom"}`, string(r.Error))
	require.Equal(t, `{"rows":42}`, string(r.Details))
}

func TestLifecycleRoundTrip(t *testing.T) {
	e := line.NewEncoder(line.Options{})
	for _, l := range []line.Lifecycle{
		{},
		{Phase: line.PhaseStart},
		{Phase: line.PhaseStart, TriggeredBy: "a", Order: 1, Iterated: true, IterationIndex: 5},
		{Phase: line.PhaseUpdate, ID: math.MaxUint64, Counted: true},
		{Phase: line.PhaseUpdate, ID: 1, Processed: math.MaxInt64, Failed: -1, Counted: true},
		{Phase: line.PhaseUpdate, ID: 1, Archived: true},
		{Phase: line.PhaseResume, ID: 1},
		{Phase: line.PhaseEnd, ID: 1, Outcome: "succeeded", Started: testTime},
		{Phase: line.PhaseEnd, ID: 1, Duration: math.MinInt64, Levels: line.Levels{1, 2, 3, 4, 5, 6}},
	} {
		for _, k := range []line.Kind{line.KindRun, line.KindStep} {
			_, r := encode(t, e, &line.Entry{Time: testTime, Kind: k, Lifecycle: &l})
			require.Equal(t, l, r.Lifecycle)
		}
	}
}

type coded struct {
	code  string
	cause error
}

func (c coded) Error() string { return "coded " + c.code }
func (c coded) Code() string  { return c.code }
func (c coded) Unwrap() error { return c.cause }

func TestErrors(t *testing.T) {
	base := errors.New("base")
	e := line.NewEncoder(line.Options{})
	f := func(name, want string, fields ...zap.Field) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			_, r := encode(t, e, &line.Entry{Time: testTime, Kind: line.KindLine, Message: "m"}, fields...)
			require.Equal(t, want, string(r.Error))
			var m struct{ Message, Code string }
			if r.Error != nil {
				require.NoError(t, json.Unmarshal(r.Error, &m))
			}
			require.Equal(t, m.Message, r.ErrorMessage)
			require.Equal(t, m.Code, r.ErrorCode)
		})
	}
	f("none", ``)
	f("plain", `{"message":"base"}`, zap.Error(base))
	f("by another key", `{"message":"base"}`, zap.NamedError("cause", base))
	f("wrapped", `{"message":"open: base","causes":["base"]}`, zap.Error(fmt.Errorf("open: %w", base)))
	f("joined", `{"message":"a\nb","causes":["a","b"]}`, zap.Error(errors.Join(errors.New("a"), errors.New("b"))))
	f("joined deep", `{"message":"x: a: base\nb","causes":["a: base\nb","a: base","base","b"]}`,
		zap.Error(fmt.Errorf("x: %w", errors.Join(fmt.Errorf("a: %w", base), errors.New("b")))))
	f("with its code", `{"message":"coded E1","code":"E1"}`, zap.Error(coded{code: "E1"}))
	f("with the first code of the chain", `{"message":"x: coded ","code":"E2","causes":["coded ","coded E2","coded E3"]}`,
		zap.Error(fmt.Errorf("x: %w", coded{cause: coded{code: "E2", cause: coded{code: "E3"}}})))
	f("with a given code", `{"message":"coded E1","code":"E9"}`, zap.Error(coded{code: "E1"}), line.Code("E9"))
	f("a code alone", `{"code":"E9"}`, line.Code("E9"))
	f("the last code", `{"code":"E9"}`, line.Code("E8"), line.Code("E9"))

	t.Run("many causes are bounded", func(t *testing.T) {
		err := base
		for range 100 {
			err = fmt.Errorf("%w", err)
		}
		_, r := encode(t, e, &line.Entry{Time: testTime}, zap.Error(err))
		var m struct{ Causes []string }
		require.NoError(t, json.Unmarshal(r.Error, &m))
		require.Len(t, m.Causes, 16)
	})
	t.Run("further ones stand under details", func(t *testing.T) {
		_, r := encode(t, e, &line.Entry{Time: testTime}, zap.Error(base), zap.NamedError("second", coded{code: "E2", cause: base}))
		require.Equal(t, `{"message":"base"}`, string(r.Error))
		require.Equal(t, `{"second":{"message":"coded E2","code":"E2","causes":["base"]}}`, string(r.Details))
	})
	t.Run("of the entry goes first", func(t *testing.T) {
		_, r := encode(t, e, &line.Entry{Time: testTime, Err: base}, zap.Error(errors.New("field")))
		require.Equal(t, `base`, r.ErrorMessage)
		require.Equal(t, `{"error":{"message":"field"}}`, string(r.Details))
	})
	t.Run("bound", func(t *testing.T) {
		c := e.With(nil, []zap.Field{zap.Error(coded{code: "E1", cause: base}), zap.Int("a", 1)})
		_, r := encode(t, e, &line.Entry{Time: testTime, Context: c}, zap.Error(errors.New("field")))
		require.Equal(t, `{"message":"coded E1","code":"E1","causes":["base"]}`, string(r.Error))
		require.Equal(t, `{"a":1,"error":{"message":"field"}}`, string(r.Details))
		_, r = encode(t, e, &line.Entry{Time: testTime, Context: c}, line.Code("E2"))
		require.Equal(t, `E2`, r.ErrorCode)
		c = e.With(c, []zap.Field{line.Code("E3")})
		_, r = encode(t, e, &line.Entry{Time: testTime, Context: c})
		require.Equal(t, `E3`, r.ErrorCode)
	})
}

func TestCut(t *testing.T) {
	const size = 3 << 20
	text := strings.Repeat("é", size/2)
	t.Run("message", func(t *testing.T) {
		_, r := encode(t, line.NewEncoder(line.Options{}), &line.Entry{Time: testTime, Message: text}, zap.Int("a", 1))
		require.True(t, r.Truncated)
		require.True(t, strings.HasPrefix(text, r.Message))
		require.Greater(t, len(r.Message), 60<<10)
		require.Equal(t, `{"a":1,"$message":{"$cut":3145728,"sha256":"`+sum(text)+`"}}`, string(r.Details))
	})
	t.Run("text field", func(t *testing.T) {
		_, r := encode(t, line.NewEncoder(line.Options{}), &line.Entry{Time: testTime, Message: "m"}, zap.String("a", text), zap.Int("b", 1))
		require.True(t, r.Truncated)
		requireCut(t, r.Details, "a", text)
		require.Contains(t, string(r.Details), `,"b":1}`)
	})
	t.Run("only what does not fit", func(t *testing.T) {
		half := strings.Repeat("x", 700<<10)
		_, r := encode(t, line.NewEncoder(line.Options{}), &line.Entry{Time: testTime, Message: "m"}, zap.String("a", half), zap.String("b", half+"y"), zap.String("c", "z"))
		require.True(t, r.Truncated)
		requireCut(t, r.Details, "b", half+"y")
		require.Contains(t, string(r.Details), `{"a":"`+half+`","b":{"$cut":`)
	})
	t.Run("nothing that fits", func(t *testing.T) {
		_, r := encode(t, line.NewEncoder(line.Options{}), &line.Entry{Time: testTime, Message: text[:200<<10]}, zap.String("a", text[:800<<10]))
		require.False(t, r.Truncated)
		require.Equal(t, `{"a":"`+text[:800<<10]+`"}`, string(r.Details))
	})
	t.Run("objects, as their JSON", func(t *testing.T) {
		list := make([]string, 40_000)
		for i := range list {
			list[i] = fmt.Sprint("element number ", i, " of the list")
		}
		j, err := json.Marshal(list)
		require.NoError(t, err)
		_, r := encode(t, line.NewEncoder(line.Options{}), &line.Entry{Time: testTime, Message: "m"}, zap.Any("a", list))
		requireCut(t, r.Details, "a", string(j))
	})
	t.Run("a text cut twice keeps its size", func(t *testing.T) {
		_, r := encode(t, line.NewEncoder(line.Options{MaxLine: line.MinLine}), &line.Entry{Time: testTime, Message: text}, zap.String("a", text+"y"))
		requireCut(t, r.Details, "a", text+"y")
		require.Contains(t, string(r.Details), `"$message":{"$cut":3145728,"sha256":"`+sum(text)+`"}`)
	})
	t.Run("an error's message", func(t *testing.T) {
		_, r := encode(t, line.NewEncoder(line.Options{MaxLine: line.MinLine}), &line.Entry{Time: testTime, Message: "m", Err: errors.New(text[:30000])})
		require.True(t, strings.HasPrefix(text, r.ErrorMessage))
		require.Equal(t, `{"$error":{"$cut":30000,"sha256":"`+sum(text[:30000])+`"}}`, string(r.Details))
	})
	t.Run("bound fields", func(t *testing.T) {
		e := line.NewEncoder(line.Options{})
		var c *line.Context
		for range 40 {
			c = e.With(c, []zap.Field{zap.String("a", text[:90_000])})
		}
		_, r := encode(t, e, &line.Entry{Time: testTime, Context: c, Message: "m"})
		require.True(t, r.Truncated)
	})
	t.Run("ids stay different", func(t *testing.T) {
		a, b := line.CutID(text+"a"), line.CutID(text+"b")
		require.NotEqual(t, a, b)
		require.LessOrEqual(t, len(a), line.MaxID)
		require.Equal(t, a, line.CutID(a))
		id := line.Identity{Run: text + "a"}
		_, r := encode(t, line.NewEncoder(line.Options{}), &line.Entry{Time: testTime, Identity: line.AppendIdentity(nil, &id)})
		require.Equal(t, a, r.Run)
		id = line.Identity{Run: text + "a", Action: "b", Attempt: 1}
		id.Shorten()
		require.Equal(t, line.Identity{Run: a, Action: "b", Attempt: 1}, id)
	})
}

// requireCut requires that the member key of details stands for whole, cut.
func requireCut(t *testing.T, details []byte, key, whole string) {
	t.Helper()
	var m map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(details, &m))
	var c struct {
		Cut    int `json:"$cut"`
		SHA256 string
		Head   string
	}
	require.NoError(t, json.Unmarshal(m[key], &c), "%.200s", m[key])
	require.Equal(t, len(whole), c.Cut)
	require.Equal(t, sum(whole), c.SHA256)
	require.NotEmpty(t, c.Head)
	require.True(t, strings.HasPrefix(whole, c.Head))
}

func TestAppendValue(t *testing.T) {
	e := line.NewEncoder(line.Options{Mask: masker(t, "hunter22")})
	f := func(name string, v any, max int, want string, cut bool) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			out, truncated := e.AppendValue([]byte("before"), "value", v, max)
			require.Equal(t, "before"+want, string(out))
			require.Equal(t, cut, truncated)
		})
	}
	f("nil", nil, 0, `null`, false)
	f("text", "a hunter22 b", 0, `"a *** b"`, false)
	f("map", map[string]any{"password": "x", "n": 1}, 0, `{"n":1,"password":"***"}`, false)
	f("long text", strings.Repeat("x", 300), 256,
		`{"$cut":300,"sha256":"`+sum(strings.Repeat("x", 300))+`","head":"`+strings.Repeat("x", 256-14-75-9)+`"}`, true)
	t.Run("the size is that of the whole, texts in it included that no line could hold", func(t *testing.T) {
		long := strings.Repeat("x", 3<<20)
		for _, v := range []any{map[string]any{"a": long, "b": 1}, []string{long, long, "y"}, struct{ S, T string }{long, `{"$cut":7}`},
			map[string]any{"$cut": 5, "in": []any{map[string]any{"deep": long}}}, make([]int, 1000)} {
			whole, err := json.Marshal(v)
			require.NoError(t, err)
			out, truncated := e.AppendValue(nil, "value", v, 256)
			require.True(t, truncated)
			var cut struct {
				Size int `json:"$cut"`
			}
			require.NoError(t, json.Unmarshal(out, &cut))
			require.Equal(t, len(whole), cut.Size)
		}
	})
	t.Run("of a secret key", func(t *testing.T) {
		out, truncated := e.AppendValue(nil, "api_key", map[string]int{"a": 1}, 0)
		require.Equal(t, `"***"`, string(out))
		require.False(t, truncated)
	})
	t.Run("never longer than the limit", func(t *testing.T) {
		for _, text := range []string{strings.Repeat("\x1b", 1000), strings.Repeat("é\"", 1000), strings.Repeat("\u202e", 500)} {
			for n := range 300 {
				out, truncated := e.AppendValue(nil, "v", text, 256+n)
				require.True(t, truncated)
				require.True(t, json.Valid(out))
				require.LessOrEqual(t, len(out), 256+n)
				require.Greater(t, len(out), 256+n-14)
			}
		}
	})
	t.Run("as a field", func(t *testing.T) {
		_, r := encode(t, e, &line.Entry{Time: testTime}, e.Value("input", strings.Repeat("x", 300), 256), zap.Int("a", 1))
		require.True(t, r.Truncated)
		requireCut(t, r.Details, "input", strings.Repeat("x", 300))
		_, r = encode(t, e, &line.Entry{Time: testTime}, e.Value("input", []int{1}, 256))
		require.False(t, r.Truncated)
		require.Equal(t, `{"input":[1]}`, string(r.Details))
	})
}

func TestMasking(t *testing.T) {
	const secret = "hunter2/&<é\"x"
	m := masker(t, secret, "48213377", "-12.5")
	e := line.NewEncoder(line.Options{Mask: m})
	c := e.Label(e.With(nil, []zap.Field{zap.String("bound", secret), zap.NamedError("e", errors.New("bound "+secret))}), "label "+secret)
	raw, r := encode(t, e, &line.Entry{
		Time: testTime, Kind: line.KindLine, Context: c, Message: "m " + secret + " m",
		Topic: secret, Trace: secret, Span: secret, Logger: secret, Caller: secret, Stack: "at " + secret,
	},
		zap.String("text", secret), zap.String("key "+secret, "v"), zap.Int("number", 48213377), zap.Float64("float", -12.5),
		zap.Any("any", map[string]any{"a": []string{secret}, secret: 1, "n": 48213377, "Token": 5, "r": json.RawMessage(`{"x":"` + "hunter2/\\u0026<é\\\"x" + `","pwd":[1]}`)}),
		zap.Any("struct", struct {
			Password string
			S        string `json:"s"`
		}{"p", secret}),
		zap.Object("object", zap.DictObject(zap.String("db_password", "p"), zap.ByteString("s", []byte(secret)), zap.Int("n", 48213377))),
		zap.Binary("binary", []byte("x"+secret+"x")), zap.ByteString("bytes", []byte(secret)),
		zap.Error(fmt.Errorf("wrap: %w", errors.New("second "+secret))), zap.Stringer("stringer", named(secret)),
		zap.String("API-Key", "k"), zap.Object("credentials", user{Name: "n"}), zap.Error(coded{code: secret}),
		zap.Strings("strings", []string{secret}), zap.Array("panics", zapcore.ArrayMarshalerFunc(func(zapcore.ArrayEncoder) error { panic(secret) })),
		zap.Namespace("secrets"), zap.Int("hidden", 1), zap.Inline(user{Name: "hidden"}),
	)
	for _, hidden := range []string{"hunter2", "48213377", "12.5", "eGh1bnRlcjI"} {
		require.NotContains(t, string(raw), hidden)
	}
	require.Equal(t, "m *** m", r.Message)
	require.Equal(t, "label ***", r.Label)
	require.Equal(t, "bound ***", r.ErrorMessage)
	require.Equal(t, `{"bound":"***","text":"***","key ***":"v","number":"***","float":"***",`+
		`"any":{"Token":"***","a":["***"],"***":1,"n":"***","r":{"x":"***","pwd":"***"}},"struct":{"Password":"***","s":"***"},`+
		`"object":{"db_password":"***","s":"***","n":"***"},"binary":"eCoqKng=","bytes":"***",`+
		`"error":{"message":"wrap: second ***","causes":["second ***"]},"stringer":"named ***","API-Key":"***","credentials":"***",`+
		`"error":{"message":"coded ***","code":"***"},"strings":["***"],"panics":"<panic: ***>",`+
		`"secrets":{"hidden":"***","name":"***","age":"***"}}`, string(r.Details))

	t.Run("hides what stands in a time and in a complex number", func(t *testing.T) {
		e := line.NewEncoder(line.Options{Mask: masker(t, "1980-05-17", "48213377")})
		birth, n := time.Date(1980, 5, 17, 0, 0, 0, 0, time.UTC), complex(48213377, 1)
		_, r := encode(t, e, &line.Entry{Time: testTime}, zap.Time("t", birth), zap.Complex128("c", n), zap.Complex64("c", complex64(n)),
			zap.Any("any", []any{birth, n}), zap.Time("far", birth.AddDate(-1e5, 0, 0)),
			zap.Object("o", zapcore.ObjectMarshalerFunc(func(o zapcore.ObjectEncoder) error {
				o.AddTime("t", birth)
				o.AddComplex128("c", n)
				return o.AddArray("a", zapcore.ArrayMarshalerFunc(func(a zapcore.ArrayEncoder) error {
					a.AppendTime(birth)
					a.AppendComplex64(complex64(n))
					return nil
				}))
			})))
		require.Equal(t, `{"t":"***T00:00:00.000000000Z","c":"***+1i","c":"48213376+1i","any":["***T00:00:00.000000000Z","***+1i"],`+
			`"far":"-98020-05-17T00:00:00.000000000Z","o":{"t":"***T00:00:00.000000000Z","c":"***+1i","a":["***T00:00:00.000000000Z","48213376+1i"]}}`,
			string(r.Details))
	})
	t.Run("leaves identifiers, which records are found by", func(t *testing.T) {
		id := line.Identity{Server: "edge " + secret}
		_, r := encode(t, e, &line.Entry{Time: testTime, Identity: line.AppendIdentity(nil, &id)})
		require.Equal(t, id.Server, r.Server)
	})
	t.Run("reaches keys that were written before", func(t *testing.T) {
		m := masker(t)
		e := line.NewEncoder(line.Options{Mask: m})
		encode(t, e, &line.Entry{Time: testTime}, zap.Int("hunter22", 1))
		require.NoError(t, m.AddSecret("hunter22"))
		_, r := encode(t, e, &line.Entry{Time: testTime}, zap.Int("hunter22", 1))
		require.Equal(t, `{"***":1}`, string(r.Details))
	})
}
