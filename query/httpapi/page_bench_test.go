package httpapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// What does a page cost over HTTP, beside the engine's own time for it? Engine,
// handler and a connection over loopback are asked in turns, so that a busy
// machine slows all of them; "over" is what the last two add, in milliseconds, by
// their medians. "empty" is what a request takes over that connection that nothing is
// looked for.
func BenchmarkPage(b *testing.B) {
	s := serve(b, nil)
	flow := s.Server("edge-1").Service("orders").Operation("flow-1")
	for n := range 100 {
		ctx, run := flow.Start(b.Context(), logger.Project("p-1"), logger.ID(fmt.Sprint("run-", n)))
		ctx, step := logger.StartStep(ctx, "fetch")
		for i := range 100 {
			logger.FromContext(ctx).Info("fetched 12 rows of <prices> from the ERP", zap.String("sku", fmt.Sprint("SKU-", i)), zap.Int("duration_ms", i),
				zap.Int("status", 200), zap.String("email", "user1@example.com"))
		}
		step.End(nil, nil)
		run.End(nil)
	}
	l := live(b, s)
	lines := []query.Kind{query.KindLine}
	ordinary := []query.Kind{query.KindLine, query.KindCapture, query.KindRun, query.KindStep, query.KindEvent}
	records := func(f query.Filter) func() error {
		return func() error {
			page, err := s.Query().Records(b.Context(), f, query.Paging{Limit: 50})
			if err == nil && len(page.Items) != 50 {
				err = fmt.Errorf("%d items", len(page.Items))
			}
			return err
		}
	}
	for _, page := range []struct {
		name, target string
		engine       func() error
	}{
		{"entries", "/entries?limit=50&runId=run-7", records(query.Filter{Run: "run-7", Kinds: ordinary})},
		{"api", "/logs?limit=50&service=orders", records(query.Filter{Service: "orders", Kinds: []query.Kind{query.KindLine, query.KindEvent}})},
		{"lines", "/logs?limit=50&log_type=3&flowId=flow-1&projectid=p-1&original_filename_uuid=run-7",
			records(query.Filter{Run: "run-7", Project: "p-1", Operation: "flow-1", Kinds: lines})},
		{"main", "/logs?limit=50&log_type=1&flowId=flow-1&projectid=p-1", func() error {
			_, err := s.Query().MainLogs(b.Context(), query.RunFilter{Project: "p-1", Operation: "flow-1"}, query.Paging{Limit: 50})
			return err
		}},
	} {
		b.Run(page.name, func(b *testing.B) {
			var engine, handler, loopback, empty []time.Duration
			timed := func(times *[]time.Duration, f func()) {
				began := time.Now()
				f()
				*times = append(*times, time.Since(began))
			}
			b.ReportAllocs()
			for b.Loop() {
				timed(&engine, func() { require.NoError(b, page.engine()) })
				timed(&handler, func() {
					w := httptest.NewRecorder()
					s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, page.target, nil))
					require.Equal(b, http.StatusOK, w.Code)
				})
				timed(&loopback, func() { get(b, l.URL+page.target) })
				timed(&empty, func() { get(b, l.URL+"/healthz") })
			}
			median := func(times []time.Duration) float64 {
				slices.Sort(times)
				return float64(times[len(times)/2]) / 1e6
			}
			b.ReportMetric(median(engine), "engine-ms")
			b.ReportMetric(median(handler)-median(engine), "over-ms-handler")
			b.ReportMetric(median(loopback)-median(engine), "over-ms-loopback")
			b.ReportMetric(median(empty), "empty-ms")
		})
	}
}

func get(b *testing.B, url string) {
	answer, err := http.Get(url)
	require.NoError(b, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(b, err)
	require.NoError(b, answer.Body.Close())
}
