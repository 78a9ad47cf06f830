package otlp

import (
	"encoding/binary"
	"math"
)

// Wire types of protobuf,
// https://protobuf.dev/programming-guides/encoding/#structure.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
)

// appendProtobuf appends an ExportLogsServiceRequest.
func (b *batch) appendProtobuf(dst []byte) []byte {
	for i := range b.groups {
		g := &b.groups[i]
		dst = message(dst, 1, func(dst []byte) []byte { // resource_logs
			dst = message(dst, 1, func(dst []byte) []byte { return attributes(dst, 1, g.resource.attributes()) }) // resource
			return message(dst, 2, func(dst []byte) []byte {                                                      // scope_logs
				dst = message(dst, 1, func(dst []byte) []byte { return text(dst, 1, scopeName) }) // scope
				for i := range g.records {
					dst = message(dst, 2, g.records[i].appendProtobuf) // log_records
				}
				return dst
			})
		})
	}
	return dst
}

// appendProtobuf appends the fields of a LogRecord.
func (l *logRecord) appendProtobuf(dst []byte) []byte {
	dst = fixed64(dst, 1, l.time)                                                   // time_unix_nano
	dst = varint(dst, 2, uint64(l.severity))                                        // severity_number
	dst = text(dst, 3, l.severityText)                                              // severity_text
	dst = message(dst, 5, func(dst []byte) []byte { return anyValue(dst, l.body) }) // body
	dst = attributes(dst, 6, l.attributes)                                          // attributes
	if l.trace != nil {
		dst = text(dst, 9, string(l.trace)) // trace_id
	}
	if l.span != nil {
		dst = text(dst, 10, string(l.span)) // span_id
	}
	return fixed64(dst, 11, l.time) // observed_time_unix_nano
}

// attributes appends a repeated KeyValue.
func attributes(dst []byte, field int, list []attribute) []byte {
	for _, a := range list {
		dst = message(dst, field, func(dst []byte) []byte {
			dst = text(dst, 1, a.key)
			return message(dst, 2, func(dst []byte) []byte { return anyValue(dst, a.value) })
		})
	}
	return dst
}

// anyValue appends the one field of an AnyValue; nil has none.
func anyValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return text(dst, 1, v)
	case bool:
		n := uint64(0)
		if v {
			n = 1
		}
		return varint(dst, 2, n)
	case int64:
		return varint(dst, 3, uint64(v))
	case float64:
		return fixed64(dst, 4, math.Float64bits(v))
	case []any:
		return message(dst, 5, func(dst []byte) []byte {
			for _, element := range v {
				dst = message(dst, 1, func(dst []byte) []byte { return anyValue(dst, element) })
			}
			return dst
		})
	case []attribute:
		return message(dst, 6, func(dst []byte) []byte { return attributes(dst, 1, v) })
	}
	return dst
}

func tag(dst []byte, field, wire int) []byte {
	return binary.AppendUvarint(dst, uint64(field)<<3|uint64(wire))
}

func varint(dst []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(tag(dst, field, wireVarint), v)
}

func fixed64(dst []byte, field int, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(tag(dst, field, wireFixed64), v)
}

func text(dst []byte, field int, s string) []byte {
	dst = binary.AppendUvarint(tag(dst, field, wireBytes), uint64(len(s)))
	return append(dst, s...)
}

// message appends an embedded message: its length is known once it is there,
// and it moves up to make room.
func message(dst []byte, field int, fields func([]byte) []byte) []byte {
	dst = tag(dst, field, wireBytes)
	start := len(dst)
	dst = fields(dst)
	size := len(dst) - start
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(size))
	dst = append(dst, length[:n]...)
	copy(dst[start+n:], dst[start:start+size])
	copy(dst[start:], length[:n])
	return dst
}
