package otlp

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"io"
	"iter"
	"math"
	"strconv"

	"github.com/steplog/steplog/query"
)

// The messages in JSON: 64-bit integers are strings, ids are hexadecimal, keys
// are in lowerCamelCase.
type (
	jsonRequest struct {
		ResourceLogs []jsonResourceLogs `json:"resourceLogs"`
	}
	jsonResourceLogs struct {
		Resource  jsonResource    `json:"resource"`
		ScopeLogs []jsonScopeLogs `json:"scopeLogs"`
	}
	jsonResource struct {
		Attributes []jsonAttribute `json:"attributes"`
	}
	jsonScopeLogs struct {
		Scope      jsonScope    `json:"scope"`
		LogRecords []jsonRecord `json:"logRecords"`
	}
	jsonScope struct {
		Name string `json:"name"`
	}
	jsonRecord struct {
		Time       string          `json:"timeUnixNano"`
		Observed   string          `json:"observedTimeUnixNano"`
		Severity   int             `json:"severityNumber"`
		Text       string          `json:"severityText"`
		Body       any             `json:"body"`
		Attributes []jsonAttribute `json:"attributes"`
		Trace      string          `json:"traceId,omitempty"`
		Span       string          `json:"spanId,omitempty"`
	}
	jsonAttribute struct {
		Key   string `json:"key"`
		Value any    `json:"value"`
	}
)

// appendJSON appends an ExportLogsServiceRequest.
func (b *batch) appendJSON(dst []byte) ([]byte, error) {
	request := jsonRequest{ResourceLogs: make([]jsonResourceLogs, 0, len(b.groups))}
	for i := range b.groups {
		g := &b.groups[i]
		logs := jsonScopeLogs{Scope: jsonScope{scopeName}, LogRecords: make([]jsonRecord, 0, len(g.records))}
		for _, l := range g.records {
			at := strconv.FormatUint(l.time, 10)
			logs.LogRecords = append(logs.LogRecords, jsonRecord{Time: at, Observed: at, Severity: l.severity, Text: l.severityText,
				Body: jsonValue(l.body), Attributes: jsonAttributes(l.attributes),
				Trace: hex.EncodeToString(l.trace), Span: hex.EncodeToString(l.span)})
		}
		request.ResourceLogs = append(request.ResourceLogs, jsonResourceLogs{
			Resource: jsonResource{jsonAttributes(g.resource.attributes())}, ScopeLogs: []jsonScopeLogs{logs}})
	}
	text, err := json.Marshal(request)
	return append(dst, text...), err
}

func jsonAttributes(list []attribute) []jsonAttribute {
	out := make([]jsonAttribute, 0, len(list))
	for _, a := range list {
		out = append(out, jsonAttribute{a.key, jsonValue(a.value)})
	}
	return out
}

// jsonValue returns an AnyValue.
func jsonValue(v any) any {
	switch v := v.(type) {
	case string:
		return map[string]string{"stringValue": v}
	case bool:
		return map[string]bool{"boolValue": v}
	case int64:
		return map[string]string{"intValue": strconv.FormatInt(v, 10)}
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return map[string]string{"doubleValue": strconv.FormatFloat(v, 'g', -1, 64)}
		}
		return map[string]float64{"doubleValue": v}
	case []any:
		values := make([]any, 0, len(v))
		for _, element := range v {
			values = append(values, jsonValue(element))
		}
		return map[string]any{"arrayValue": map[string]any{"values": values}}
	case []attribute:
		return map[string]any{"kvlistValue": map[string]any{"values": jsonAttributes(v)}}
	}
	return struct{}{}
}

// WriteJSON writes the records that seq yields to w as requests in JSON, one a
// line, each of at most 512 records: the form of the Collector's file exporter,
// which its otlpjsonfile receiver reads. It returns how many records it wrote
// and the first error, of seq or of w.
func WriteJSON(w io.Writer, seq iter.Seq2[query.Record, error]) (int64, error) {
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	n, err := batches(seq, defaultBatchRecords, defaultBatchBytes, func(b *batch) error {
		var err error
		if line, err = b.appendJSON(line[:0]); err != nil {
			return err
		}
		line = append(line, '\n')
		_, err = out.Write(line)
		return err
	})
	if ended := out.Flush(); err == nil {
		err = ended
	}
	return n, err
}

// batches gathers records and hands them on; it returns how many were handed on
// without an error.
func batches(seq iter.Seq2[query.Record, error], records, bytes int, send func(*batch) error) (sent int64, err error) {
	var b batch
	flush := func() error {
		if b.count == 0 {
			return nil
		}
		if err := send(&b); err != nil {
			return err
		}
		sent += int64(b.count)
		b = batch{}
		return nil
	}
	for r, err := range seq {
		if err != nil {
			_ = flush() // the error of seq is the first
			return sent, err
		}
		if err := b.add(r); err != nil {
			return sent, err
		}
		if b.count >= records || b.bytes >= bytes {
			if err := flush(); err != nil {
				return sent, err
			}
		}
	}
	return sent, flush()
}
