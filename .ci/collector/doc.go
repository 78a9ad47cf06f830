// Package collector sends what export/otlp makes to an OpenTelemetry Collector:
// the Collector's own service, with its OTLP receiver and a pipeline from there.
package collector
