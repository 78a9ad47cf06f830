package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.uber.org/zap"

	"github.com/steplog/steplog/export/otlp"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// store has records of every kind and shape.
func store(t *testing.T) *logger.Store {
	t.Helper()
	s := logger.OpenMemory(&logger.Options{TraceIDs: func(context.Context) (string, string) {
		return "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	}})
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	ctx, run := s.Server("edge-1").Service("orders").Operation("sync", logger.DisplayName("Sync")).Start(t.Context(), logger.Project("p-1"), logger.Input(1))
	for i := range 700 {
		actx, step := logger.StartStep(ctx, "fetch", logger.Iteration(i, i))
		logger.FromContext(actx).Info(fmt.Sprintf("fetched %d \x1b[1m<ü>", i), zap.Int64("n", math.MaxInt64-int64(i)), zap.Uint64("beyond", math.MaxUint64),
			zap.Float64("f", float64(i)/7), zap.Bool("b", i%2 == 0), zap.Reflect("deep", map[string]any{"a": []any{1, "x", nil, map[string]any{"b": 2.5}}}))
		step.End(nil, fmt.Errorf("attempt %d", i))
	}
	run.End(nil)
	s.Server("edge-2").Warn("outside")
	return s
}

// value is an attribute's value as text, "" without one.
func value(l plog.LogRecord, key string) string {
	if v, ok := l.Attributes().Get(key); ok {
		return v.AsString()
	}
	return ""
}

// check compares what a decoder read with the records.
func check(t *testing.T, records []query.Record, requests []plog.Logs) {
	t.Helper()
	found := map[string]plog.LogRecord{}
	services := map[string]string{}
	for _, logs := range requests {
		for _, r := range logs.ResourceLogs().All() {
			for _, s := range r.ScopeLogs().All() {
				require.Equal(t, "github.com/steplog/steplog", s.Scope().Name())
				for _, l := range s.LogRecords().All() {
					uid := value(l, "log.record.uid")
					require.NotContains(t, found, uid, "each once")
					found[uid] = l
					name, _ := r.Resource().Attributes().Get("service.name")
					services[uid] = name.AsString() + "@"
					if instance, ok := r.Resource().Attributes().Get("service.instance.id"); ok {
						services[uid] += instance.AsString()
					}
				}
			}
		}
	}
	require.Len(t, found, len(records))
	for _, r := range records {
		uid := strconv.FormatUint(r.Seq, 10)
		l := found[uid]
		require.Equal(t, r.Message, l.Body().AsString())
		require.True(t, r.Time.Equal(l.Timestamp().AsTime()))
		require.Equal(t, l.Timestamp(), l.ObservedTimestamp())
		require.Equal(t, map[string]int{"DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17}[l.SeverityText()], int(l.SeverityNumber()))
		require.Equal(t, r.Trace, l.TraceID().String())
		require.Equal(t, r.Span, l.SpanID().String())
		require.Equal(t, r.Run, value(l, "steplog.run"))
		require.Equal(t, r.Step, value(l, "steplog.step"))
		require.Equal(t, string(r.Kind), value(l, "steplog.kind"))
		require.Equal(t, r.ErrorMessage, value(l, "exception.message"))
		service := r.Service
		if service == "" {
			service = "unknown_service"
		}
		require.Equal(t, service+"@"+r.Server, services[uid])
		details, err := r.Details()
		require.NoError(t, err)
		if n, there := details["n"]; there {
			v, ok := l.Attributes().Get("steplog.details")
			require.True(t, ok)
			got, _ := v.Map().Get("n")
			require.Equal(t, fmt.Sprint(n), strconv.FormatInt(got.Int(), 10))
			beyond, _ := v.Map().Get("beyond")
			require.Equal(t, "18446744073709551615", beyond.Str())
			deep, _ := v.Map().Get("deep")
			require.Equal(t, map[string]any{"a": []any{int64(1), "x", nil, map[string]any{"b": 2.5}}}, deep.Map().AsRaw())
		}
	}
}

func all(t *testing.T, s *logger.Store) []query.Record {
	t.Helper()
	var records []query.Record
	for r, err := range s.Query().All(t.Context(), query.Filter{}) {
		require.NoError(t, err)
		records = append(records, r)
	}
	return records
}

// TestDecoded: the Collector's decoder reads what was meant, in both encodings.
func TestDecoded(t *testing.T) {
	s := store(t)
	records := all(t, s)
	for name, o := range map[string]otlp.Options{"protobuf": {}, "JSON": {Encoding: otlp.JSON}} {
		t.Run(name, func(t *testing.T) {
			var bodies [][]byte // looked at when the server is done: a test ends in its own goroutine only
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				g, err := gzip.NewReader(r.Body)
				if err != nil {
					w.WriteHeader(http.StatusBadRequest)
					return
				}
				body, err := io.ReadAll(g)
				if err != nil {
					w.WriteHeader(http.StatusBadRequest)
					return
				}
				bodies = append(bodies, body)
			}))
			n, err := otlp.Send(t.Context(), server.URL, s.Query().All(t.Context(), query.Filter{}), &o)
			server.Close()
			require.NoError(t, err)
			var requests []plog.Logs
			for _, body := range bodies {
				request := plogotlp.NewExportRequest()
				if o.Encoding == otlp.JSON {
					require.NoError(t, request.UnmarshalJSON(body))
				} else {
					require.NoError(t, request.UnmarshalProto(body))
					again, err := request.MarshalProto()
					require.NoError(t, err)
					require.GreaterOrEqual(t, len(again), len(body), "nothing that the decoder does not know; it writes empty ids, too")
				}
				requests = append(requests, request.Logs())
			}
			require.EqualValues(t, len(records), n)
			check(t, records, requests)
		})
	}
	t.Run("file", func(t *testing.T) {
		var out bytes.Buffer
		_, err := otlp.WriteJSON(&out, s.Query().All(t.Context(), query.Filter{}))
		require.NoError(t, err)
		var requests []plog.Logs
		for line := range bytes.Lines(out.Bytes()) {
			logs, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(line)
			require.NoError(t, err)
			requests = append(requests, logs)
		}
		check(t, records, requests)
	})
}
