// Package otlp writes records in the form of OpenTelemetry's logs: to files as
// one JSON request a line ([WriteJSON]), which the Collector reads, and to a
// receiver over HTTP ([Send]), in protobuf or JSON.
//
// It needs no SDK: the messages are written by hand, after opentelemetry-proto
// 1.x, logs/v1/logs.proto and collector/logs/v1/logs_service.proto, and the JSON
// form after https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
//
// # What becomes of a record
//
//	resource           service.name, service.instance.id (the server)
//	time, observed     the record's time
//	severity           the number of levels.OTel, and the level's name in upper case
//	body               the message
//	trace_id, span_id  the record's, when they are 32 and 16 hexadecimal digits
//	log.record.uid     the record's seq
//	exception.message, exception.stacktrace  the record's error and stack
//	steplog.kind, steplog.run, steplog.step, …  its identifiers, as the line names them
//	steplog.details    the record's own fields, as a map
package otlp
