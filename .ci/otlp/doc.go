// Package otlp holds what export/otlp writes against the Collector's own
// decoder.
package otlp
