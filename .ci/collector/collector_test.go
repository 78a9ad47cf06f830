package collector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry"
	"go.uber.org/zap"

	"github.com/steplog/steplog/export/otlp"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// keep is an exporter that keeps what it is given.
type keep struct {
	component.StartFunc
	component.ShutdownFunc
	consumer.Logs
}

// configuration is what a person would write for a Collector that receives OTLP
// over HTTP.
const configuration = `yaml:
receivers:
  otlp:
    protocols:
      http:
        endpoint: %s
exporters:
  keep:
service:
  pipelines:
    logs:
      receivers: [otlp]
      exporters: [keep]
`

// collector runs a Collector until the test ends, and returns where it receives
// logs and what it exports.
func collector(t *testing.T) (url string, exported *consumertest.LogsSink) {
	t.Helper()
	for {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address := free.Addr().String()
		require.NoError(t, free.Close())
		exported, err := start(t, address)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue // somebody took the port meanwhile
		}
		require.NoError(t, err)
		return "http://" + address + "/v1/logs", exported
	}
}

// start runs a Collector that receives logs at an address, until the test ends.
func start(t *testing.T, address string) (*consumertest.LogsSink, error) {
	t.Helper()
	exported := new(consumertest.LogsSink)
	name := component.MustNewType("keep")
	none := func() component.Config { return &struct{}{} }
	in := otlpreceiver.NewFactory()
	out := exporter.NewFactory(name, none, exporter.WithLogs(func(context.Context, exporter.Settings, component.Config) (exporter.Logs, error) {
		return keep{Logs: exported}, nil
	}, component.StabilityLevelStable))
	c, err := otelcol.NewCollector(otelcol.CollectorSettings{
		BuildInfo: component.NewDefaultBuildInfo(),
		Factories: func() (otelcol.Factories, error) {
			return otelcol.Factories{
				Receivers: map[component.Type]receiver.Factory{in.Type(): in},
				Exporters: map[component.Type]exporter.Factory{name: out},
				Telemetry: telemetry.NewFactory(none),
			}, nil
		},
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs:              []string{fmt.Sprintf(configuration, address)},
			ProviderFactories: []confmap.ProviderFactory{yamlprovider.NewFactory()},
		}},
	})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(context.Background()) }()
	var failed error
	require.Eventually(t, func() bool {
		select {
		case failed = <-ended:
			return true
		default:
			return c.GetState() == otelcol.StateRunning
		}
	}, time.Minute, 5*time.Millisecond)
	if failed != nil {
		return nil, failed
	}
	t.Cleanup(func() {
		c.Shutdown()
		require.NoError(t, <-ended)
	})
	return exported, nil
}

// TestReceived: a Collector takes everything once, in both encodings, compressed
// and as it is.
func TestReceived(t *testing.T) {
	store := logger.OpenMemory(&logger.Options{TraceIDs: func(context.Context) (string, string) {
		return "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	}})
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	ctx, run := store.Server("edge-1").Service("orders").Operation("sync").Start(t.Context(), logger.Project("p-1"), logger.Input(1))
	for i := range 1500 {
		actx, step := logger.StartStep(ctx, "fetch", logger.Iteration(i, i))
		logger.FromContext(actx).Warn("fetched \x1b[1m<ü>", zap.Int("n", i))
		step.End(nil, fmt.Errorf("attempt %d", i))
	}
	run.End(nil)
	want := map[string]query.Record{}
	for r, err := range store.Query().All(t.Context(), query.Filter{}) {
		require.NoError(t, err)
		want[strconv.FormatUint(r.Seq, 10)] = r
	}
	require.Greater(t, len(want), 4500)

	for name, o := range map[string]otlp.Options{"protobuf": {}, "JSON": {Encoding: otlp.JSON},
		"protobuf, not compressed": {Plain: true}, "JSON, not compressed": {Encoding: otlp.JSON, Plain: true}} {
		t.Run(name, func(t *testing.T) {
			url, exported := collector(t)
			n, err := otlp.Send(t.Context(), url, store.Query().All(t.Context(), query.Filter{}), &o)
			require.NoError(t, err)
			require.EqualValues(t, len(want), n)
			require.Equal(t, len(want), exported.LogRecordCount())
			seen := map[string]bool{}
			for _, logs := range exported.AllLogs() {
				for _, resource := range logs.ResourceLogs().All() {
					for _, scope := range resource.ScopeLogs().All() {
						for _, l := range scope.LogRecords().All() {
							id, there := l.Attributes().Get("log.record.uid")
							require.True(t, there)
							require.False(t, seen[id.Str()], "each once")
							seen[id.Str()] = true
							same(t, want[id.Str()], l)
						}
					}
				}
			}
		})
	}
}

// same compares a record with what came out of a Collector.
func same(t *testing.T, want query.Record, got plog.LogRecord) {
	t.Helper()
	require.Equal(t, want.Message, got.Body().Str())
	require.True(t, want.Time.Equal(got.Timestamp().AsTime()))
	require.Equal(t, want.Trace, got.TraceID().String())
	require.Equal(t, want.Span, got.SpanID().String())
	run, _ := got.Attributes().Get("steplog.run")
	require.Equal(t, want.Run, run.Str())
}
