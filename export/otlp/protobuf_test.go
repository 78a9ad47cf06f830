package otlp_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/export/otlp"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
)

// protoField is a field of a message: its name in JSON, and a kind of value or another
// message.
type protoField struct {
	name, of string
	repeated bool
}

// schema is that part of opentelemetry-proto 1.x which the package writes.
var schema = map[string]map[uint64]protoField{
	"request":      {1: {"resourceLogs", "resourceLogs", true}},
	"resourceLogs": {1: {"resource", "resource", false}, 2: {"scopeLogs", "scopeLogs", true}},
	"resource":     {1: {"attributes", "keyValue", true}},
	"scopeLogs":    {1: {"scope", "scope", false}, 2: {"logRecords", "logRecord", true}},
	"scope":        {1: {"name", "string", false}},
	"logRecord": {1: {"timeUnixNano", "fixed64", false}, 2: {"severityNumber", "enum", false}, 3: {"severityText", "string", false},
		5: {"body", "anyValue", false}, 6: {"attributes", "keyValue", true}, 9: {"traceId", "bytes", false},
		10: {"spanId", "bytes", false}, 11: {"observedTimeUnixNano", "fixed64", false}},
	"keyValue": {1: {"key", "string", false}, 2: {"value", "anyValue", false}},
	"anyValue": {1: {"stringValue", "string", false}, 2: {"boolValue", "bool", false}, 3: {"intValue", "int64", false},
		4: {"doubleValue", "double", false}, 5: {"arrayValue", "array", false}, 6: {"kvlistValue", "kvlist", false}},
	"array":  {1: {"values", "anyValue", true}},
	"kvlist": {1: {"values", "keyValue", true}},
}

// decode returns a message in the form that JSON has of it.
func decode(t *testing.T, of string, b []byte) map[string]any {
	t.Helper()
	message := map[string]any{}
	for _, f := range schema[of] {
		if f.repeated {
			message[f.name] = []any{}
		}
	}
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		require.Positive(t, n)
		b = b[n:]
		f, known := schema[of][tag>>3]
		require.True(t, known, "field %d of %s", tag>>3, of)
		var number uint64
		var part []byte
		switch tag & 7 {
		case 0:
			number, n = binary.Uvarint(b)
			require.Positive(t, n)
			b = b[n:]
		case 1:
			number, b = binary.LittleEndian.Uint64(b), b[8:]
		case 2:
			size, n := binary.Uvarint(b)
			require.Positive(t, n)
			b = b[n:]
			part, b = b[:size], b[size:]
		default:
			require.Fail(t, "wire type", "%d", tag&7)
		}
		v := value(t, f.of, tag&7, number, part)
		if f.repeated {
			v = append(message[f.name].([]any), v)
		}
		message[f.name] = v
	}
	return message
}

func value(t *testing.T, of string, wire, number uint64, part []byte) any {
	t.Helper()
	want := uint64(2)
	switch of {
	case "enum", "bool", "int64":
		want = 0
	case "fixed64", "double":
		want = 1
	}
	require.Equal(t, want, wire, of)
	switch of {
	case "enum":
		return float64(number)
	case "bool":
		return number == 1
	case "int64":
		return strconv.FormatInt(int64(number), 10)
	case "fixed64":
		return strconv.FormatUint(number, 10)
	case "double":
		return math.Float64frombits(number)
	case "bytes":
		return hex.EncodeToString(part)
	case "string":
		return string(part)
	}
	return decode(t, of, part)
}

// sent returns the one request that has the records.
func sent(t *testing.T, seq iter.Seq2[query.Record, error], encoding otlp.Encoding) []byte {
	r := &receiver{answers: []reply{{status: 200}}}
	_, err := otlp.Send(t.Context(), "http://collector:4318/v1/logs", seq, &otlp.Options{
		Encoding: encoding, Plain: true, Client: &http.Client{Transport: r}})
	require.NoError(t, err)
	require.Len(t, r.bodies, 1)
	return r.bodies[0]
}

// Both forms say the same, and what a record does not have is in neither.
func TestProtobuf(t *testing.T) {
	t.Parallel()
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	at := time.Date(2026, 11, 21, 2, 3, 4, 5, time.UTC)
	details := `{"details":{"sku":"A-1","yes":true,"no":false,"n":-5,"f":1.5,"big":18446744073709551616,"list":[1,"a",[],{}],"at":{"x":null}}}`
	list := []query.Record{
		{Seq: 1, Time: at, Level: levels.Error, Kind: query.KindLine, Server: "edge-1", Service: "orders", Run: "r-1", Attempt: 2,
			Message: "no <answer>", ErrorMessage: "refused", Stack: "main.go:7", Truncated: true, Trace: trace, Span: span, Raw: []byte(details)},
		{Seq: 2, Time: at, Level: levels.Info, Server: "edge-1", Service: "orders", Trace: "of another form", Span: "0000000000000000", Raw: []byte(`{}`)},
		{Seq: 300, Time: at, Level: levels.Info, Message: string(make([]byte, 20_000)), Raw: []byte(`{}`)},
	}
	all := func(yield func(query.Record, error) bool) {
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}
	var want map[string]any
	require.NoError(t, json.Unmarshal(sent(t, all, otlp.JSON), &want))
	got := decode(t, "request", sent(t, all, otlp.Protobuf))
	require.Equal(t, want, got)

	groups := got["resourceLogs"].([]any)
	require.Len(t, groups, 2)
	text := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return string(b)
	}
	records := func(group int) []any {
		return groups[group].(map[string]any)["scopeLogs"].([]any)[0].(map[string]any)["logRecords"].([]any)
	}
	first, second := records(0)[0].(map[string]any), records(0)[1].(map[string]any)
	require.Equal(t, []any{trace, span, fmt.Sprint(at.UnixNano()), float64(17)}, []any{first["traceId"], first["spanId"], first["timeUnixNano"], first["severityNumber"]})
	require.Len(t, records(0), 2, "those of one service and server")
	require.Len(t, records(1), 1)
	require.Contains(t, text(first), `{"key":"big","value":{"stringValue":"18446744073709551616"}}`)
	for key, value := range map[string]any{
		"exception.message": map[string]any{"stringValue": "refused"}, "exception.stacktrace": map[string]any{"stringValue": "main.go:7"},
		"steplog.attempt": map[string]any{"intValue": "2"}, "steplog.truncated": map[string]any{"boolValue": true},
	} {
		require.Contains(t, first["attributes"], map[string]any{"key": key, "value": value})
	}
	require.NotContains(t, second, "traceId")
	require.JSONEq(t, `[{"key":"log.record.uid","value":{"stringValue":"2"}},
		{"key":"steplog.trace","value":{"stringValue":"of another form"}},
		{"key":"steplog.span","value":{"stringValue":"0000000000000000"}}]`, text(second["attributes"]))
	require.JSONEq(t, `{"attributes":[{"key":"service.name","value":{"stringValue":"unknown_service"}}]}`, text(groups[1].(map[string]any)["resource"]))
}
