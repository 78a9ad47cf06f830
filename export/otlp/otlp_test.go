package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/export/otlp"
	"github.com/steplog/steplog/logger/loggertest"
	"github.com/steplog/steplog/query"
)

// some yields n records.
func some(n int) iter.Seq2[query.Record, error] {
	return func(yield func(query.Record, error) bool) {
		for i := range n {
			if !yield(query.Record{Seq: uint64(i + 1), Service: "s", Message: fmt.Sprint("m", i), Raw: []byte(`{"seq":1,"details":{"a":1}}`)}, nil) {
				return
			}
		}
	}
}

// receiver answers requests in turn, the last answer again and again.
type receiver struct {
	answers []reply
	asked   []*http.Request
	bodies  [][]byte
	at      []time.Time
}

type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

func (r *receiver) RoundTrip(q *http.Request) (*http.Response, error) {
	var body []byte
	if q.Body != nil {
		var err error
		if body, err = io.ReadAll(q.Body); err != nil {
			return nil, err
		}
	}
	r.asked, r.bodies, r.at = append(r.asked, q), append(r.bodies, body), append(r.at, time.Now())
	a := r.answers[min(len(r.asked), len(r.answers))-1]
	if a.err != nil {
		return nil, a.err
	}
	if a.header == nil {
		a.header = http.Header{}
	}
	return &http.Response{StatusCode: a.status, Status: fmt.Sprint(a.status), Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)), Request: q}, nil
}

func send(t *testing.T, r *receiver, n int, o otlp.Options) (int64, error) {
	t.Helper()
	o.Client = &http.Client{Transport: r}
	return otlp.Send(t.Context(), "http://collector:4318/v1/logs", some(n), &o)
}

func TestSend(t *testing.T) {
	t.Parallel()
	r := &receiver{answers: []reply{{status: 200}}}
	n, err := send(t, r, 25, otlp.Options{BatchRecords: 10, Header: http.Header{"Authorization": {"Bearer x"}}})
	require.NoError(t, err)
	require.EqualValues(t, 25, n)
	require.Len(t, r.asked, 3)
	for _, q := range r.asked {
		require.Equal(t, http.MethodPost, q.Method)
		require.Equal(t, "application/x-protobuf", q.Header.Get("Content-Type"))
		require.Equal(t, "gzip", q.Header.Get("Content-Encoding"))
		require.Equal(t, "Bearer x", q.Header.Get("Authorization"))
	}
	g, err := gzip.NewReader(bytes.NewReader(r.bodies[2]))
	require.NoError(t, err)
	text, err := io.ReadAll(g)
	require.NoError(t, err)
	require.Contains(t, string(text), "m24")

	r = &receiver{answers: []reply{{status: 200, body: `{}`}}}
	n, err = send(t, r, 3, otlp.Options{Encoding: otlp.JSON, Plain: true, BatchBytes: 1})
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	require.Len(t, r.asked, 3, "each is long enough")
	require.Equal(t, "application/json", r.asked[0].Header.Get("Content-Type"))
	require.Empty(t, r.asked[0].Header.Get("Content-Encoding"))
	require.True(t, json.Valid(r.bodies[0]))

	r = &receiver{answers: []reply{{status: 200}}}
	n, err = send(t, r, 0, otlp.Options{})
	require.NoError(t, err)
	require.Zero(t, n)
	require.Empty(t, r.asked)
}

func TestSendAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answers: []reply{{status: 503}, {err: errors.New("no route")}, {status: 429, header: http.Header{"Retry-After": {"7"}}},
			{status: 502, header: http.Header{"Retry-After": {time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)}}}, {status: 504}, {status: 200}}}
		n, err := send(t, r, 1, otlp.Options{})
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.Len(t, r.at, 6)
		pause := func(i int) time.Duration { return r.at[i+1].Sub(r.at[i]) }
		require.InDelta(t, 375*time.Millisecond, pause(0), float64(126*time.Millisecond))
		require.InDelta(t, 750*time.Millisecond, pause(1), float64(251*time.Millisecond), "twice as long")
		require.Equal(t, 7*time.Second, pause(2), "what it asks for")
		require.Greater(t, pause(3), 45*time.Second, "or at a time")
		require.Equal(t, r.bodies[0], r.bodies[5])
	})
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answers: []reply{{status: 503}}}
		began := time.Now()
		n, err := send(t, r, 1, otlp.Options{MaxElapsed: time.Minute})
		require.ErrorContains(t, err, "503")
		require.Zero(t, n)
		require.Greater(t, time.Since(began), 20*time.Second)
		require.LessOrEqual(t, time.Since(began), time.Minute)
	})
	synctest.Test(t, func(t *testing.T) {
		// It may ask for more than anybody waits.
		r := &receiver{answers: []reply{{status: 503}, {status: 503, header: http.Header{"Retry-After": {"Fri, 31 Dec 9999 23:59:59 GMT"}}}, {status: 400}}}
		began := time.Now()
		_, err := send(t, r, 1, otlp.Options{MaxElapsed: time.Minute})
		require.ErrorContains(t, err, "503")
		require.Len(t, r.at, 2)
		require.Less(t, time.Since(began), time.Minute)
	})
	for _, seconds := range []string{"600", "99999999999999999999"} {
		synctest.Test(t, func(t *testing.T) {
			// More than is waited by default, or than a Duration holds.
			r := &receiver{answers: []reply{{status: 429, header: http.Header{"Retry-After": {seconds}}}, {status: 200}}}
			n, err := send(t, r, 1, otlp.Options{MaxElapsed: time.Hour})
			if seconds == "600" {
				require.NoError(t, err)
				require.EqualValues(t, 1, n)
				require.Equal(t, 10*time.Minute, r.at[1].Sub(r.at[0]))
				return
			}
			require.ErrorContains(t, err, "429")
			require.Len(t, r.at, 1)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		client := &http.Client{Transport: &receiver{answers: []reply{{status: 503}}}}
		_, err := otlp.Send(ctx, "http://x/v1/logs", some(1), &otlp.Options{Client: client})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestEndpoint(t *testing.T) {
	for endpoint, says := range map[string]string{
		"":                           "otlp: endpoint: the scheme \"\"",
		"collector:4318/v1/logs":     "otlp: endpoint: the scheme \"collector\"",
		"127.0.0.1:4318":             "otlp: endpoint: first path segment",
		"user:sesame@127.0.0.1:4318": "otlp: endpoint: the scheme \"user\"",
		"ftp://collector/v1/logs":    "otlp: endpoint: the scheme \"ftp\"",
		"http:///v1/logs":            "otlp: endpoint: no host",
		"http://user:sesame@a:b/":    "otlp: endpoint: invalid port",
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			used := false
			seq := func(yield func(query.Record, error) bool) { used = true; some(1)(yield) }
			n, err := otlp.Send(t.Context(), endpoint, seq, nil)
			require.ErrorContains(t, err, says)
			require.NotContains(t, err.Error(), "sesame")
			require.Zero(t, n)
			require.False(t, used)
			require.Zero(t, time.Since(began), "it is not tried again")
		})
	}
}

func TestRejected(t *testing.T) {
	t.Parallel()
	// ExportLogsServiceResponse{partial_success: {rejected_log_records: 3, error_message: "too old"}}
	partial := "\x0a\x0b\x08\x03\x12\x07too old"
	require.EqualValues(t, len(partial)-2, partial[1])
	for _, test := range []struct {
		name    string
		reply   reply
		o       otlp.Options
		sent    int64
		records int64
		message string
	}{
		{"all of them", reply{status: 400, body: "no\x1b"}, otlp.Options{}, 0, 10, `"no\x1b"`},
		{"some, in protobuf", reply{status: 200, body: partial}, otlp.Options{}, 7, 3, `"too old"`},
		{"some, in JSON", reply{status: 200, body: `{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too old"}}`},
			otlp.Options{Encoding: otlp.JSON}, 7, 3, `"too old"`},
		{"more than there were, in protobuf", reply{status: 200, body: "\x0a\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"}, otlp.Options{}, 0, 10, ""},
		{"more than there were, in JSON", reply{status: 200, body: `{"partialSuccess":{"rejectedLogRecords":11,"errorMessage":"\u001b[2J"}}`},
			otlp.Options{Encoding: otlp.JSON}, 0, 10, `"\x1b[2J"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.o.BatchRecords = 10
			n, err := send(t, &receiver{answers: []reply{test.reply}}, 10, test.o)
			var rejected *otlp.RejectedError
			require.ErrorAs(t, err, &rejected)
			require.ErrorIs(t, err, otlp.ErrRejected)
			require.Equal(t, otlp.RejectedError{Records: test.records, Status: test.reply.status, Message: test.message}, *rejected)
			require.Equal(t, test.sent, n)
		})
	}
	for _, odd := range []string{"\x0a\xff", "x", "\x00", "\x0a\x02\x08", strings.Repeat("\xff", 20)} {
		_, err := send(t, &receiver{answers: []reply{{status: 200, body: odd}}}, 1, otlp.Options{})
		require.NoError(t, err, "an answer that cannot be read says nothing against its status")
	}
}

// TestRedirected: records are sent on to the same receiver only, and count as taken only
// where they were sent.
func TestRedirected(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		from      string
		redirects []string // status and location
		status    int      // of the error, 0 for none
		asked     int
	}{
		{"to a page to log in", "http://collector:4318/v1/logs", []string{"302 http://collector:4318/login"}, 302, 1},
		{"moved, the old way", "http://collector:4318/v1/logs", []string{"301 https://collector/v1/logs"}, 301, 1},
		{"moved", "http://collector:4318/v1/logs", []string{"308 https://collector/v1/logs", "307 /v2/logs"}, 0, 3},
		{"to somebody else", "https://collector/v1/logs", []string{"307 https://collector.example.com/v1/logs"}, 307, 1},
		{"to where everybody can read", "https://collector/v1/logs", []string{"308 http://collector/v1/logs"}, 308, 1},
		{"to where everybody can read, in two steps", "https://collector/v1/logs", []string{"308 /v2/logs", "308 http://collector/v1/logs"}, 308, 2},
		{"in a circle", "http://collector/v1/logs", slices.Repeat([]string{"307 /v1/logs"}, 20), 307, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := &receiver{}
			for _, text := range test.redirects {
				var status int
				var to string
				_, err := fmt.Sscan(text, &status, &to)
				require.NoError(t, err)
				r.answers = append(r.answers, reply{status: status, header: http.Header{"Location": {to}}})
			}
			r.answers = append(r.answers, reply{status: 200, body: "<html>"})
			n, err := otlp.Send(t.Context(), test.from, some(3), &otlp.Options{Client: &http.Client{Transport: r}})
			require.Len(t, r.asked, test.asked)
			if test.status == 0 {
				require.NoError(t, err)
				require.EqualValues(t, 3, n)
				require.Equal(t, r.bodies[0], r.bodies[test.asked-1])
				return
			}
			var rejected *otlp.RejectedError
			require.ErrorAs(t, err, &rejected)
			require.Equal(t, test.status, rejected.Status)
			require.EqualValues(t, 3, rejected.Records)
			require.Contains(t, rejected.Message, "redirected to ")
			require.Zero(t, n)
		})
	}
	// A client of the host's may follow, but what arrives there without records took none.
	r := &receiver{answers: []reply{{status: 302, header: http.Header{"Location": {"/login"}}}, {status: 200, body: "<html>"}}}
	n, err := otlp.Send(t.Context(), "http://collector/v1/logs", some(3),
		&otlp.Options{Client: &http.Client{Transport: r, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}})
	require.ErrorIs(t, err, otlp.ErrRejected)
	require.Zero(t, n)
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	sink := loggertest.New(t)
	sink.Server("edge-1").Service("orders").Error("no <answer>", zap.Error(errors.New("refused")), zap.Int64("big", 1<<60), zap.Float64("f", 1.5),
		zap.Bools("flags", []bool{true}), zap.Dict("at", zap.String("sku", "A-1")), zap.Reflect("nothing", nil))
	var out bytes.Buffer
	n, err := otlp.WriteJSON(&out, sink.Query().All(t.Context(), query.Filter{Service: "orders"}))
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	var got map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	logs := got["resourceLogs"].([]any)[0].(map[string]any)
	resource, err := json.Marshal(logs["resource"])
	require.NoError(t, err)
	require.JSONEq(t, `{"attributes":[{"key":"service.name","value":{"stringValue":"orders"}},{"key":"service.instance.id","value":{"stringValue":"edge-1"}}]}`, string(resource))
	record := logs["scopeLogs"].([]any)[0].(map[string]any)["logRecords"].([]any)[0].(map[string]any)
	require.EqualValues(t, 17, record["severityNumber"])
	require.Equal(t, "ERROR", record["severityText"])
	require.Equal(t, map[string]any{"stringValue": "no <answer>"}, record["body"])
	attributes := map[string]any{}
	for _, a := range record["attributes"].([]any) {
		attributes[a.(map[string]any)["key"].(string)] = a.(map[string]any)["value"]
	}
	require.Equal(t, map[string]any{"stringValue": "refused"}, attributes["exception.message"])
	require.Equal(t, map[string]any{"stringValue": "event"}, attributes["steplog.kind"])
	details, err := json.Marshal(attributes["steplog.details"])
	require.NoError(t, err)
	require.JSONEq(t, `{"kvlistValue":{"values":[
		{"key":"at","value":{"kvlistValue":{"values":[{"key":"sku","value":{"stringValue":"A-1"}}]}}},
		{"key":"big","value":{"intValue":"1152921504606846976"}},
		{"key":"f","value":{"doubleValue":1.5}},
		{"key":"flags","value":{"arrayValue":{"values":[{"boolValue":true}]}}},
		{"key":"nothing","value":{}}]}}`, string(details))

	out.Reset()
	n, err = otlp.WriteJSON(&out, some(1025))
	require.NoError(t, err)
	require.EqualValues(t, 1025, n)
	require.Equal(t, 3, strings.Count(out.String(), "\n"))
	out.Reset()
	broken := func(yield func(query.Record, error) bool) {
		some(2)(yield)
		yield(query.Record{}, query.ErrClosed)
	}
	n, err = otlp.WriteJSON(&out, broken)
	require.ErrorIs(t, err, query.ErrClosed)
	require.EqualValues(t, 2, n)
	require.Contains(t, out.String(), `"m1"`, "what came before an error is written")
	for _, n := range []int{1, 100_000} {
		_, err = otlp.WriteJSON(full{}, some(n))
		require.ErrorIs(t, err, errFull)
	}
	_, err = otlp.WriteJSON(&out, func(yield func(query.Record, error) bool) { yield(query.Record{Raw: []byte("{")}, nil) })
	require.Error(t, err)
}

var errFull = errors.New("full")

// full is a writer that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// FuzzAnswer: no answer of a receiver takes the process down.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x0a\x0b\x08\x03\x12\x07too old"), false)
	f.Add([]byte(`{"partialSuccess":{"rejectedLogRecords":"3"}}`), true)
	f.Add(binary.AppendUvarint(nil, 1<<63), false)
	f.Fuzz(func(t *testing.T, body []byte, asJSON bool) {
		o := otlp.Options{Client: &http.Client{Transport: &receiver{answers: []reply{{status: 200, body: string(body)}}}}}
		if asJSON {
			o.Encoding = otlp.JSON
		}
		_, err := otlp.Send(t.Context(), "http://x/v1/logs", some(1), &o)
		if err != nil {
			require.ErrorIs(t, err, otlp.ErrRejected)
		}
	})
}
