package otlp

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
)

// attribute is a KeyValue. Its value is a string, bool, int64, float64, []any,
// []attribute for a map, or nil.
type attribute struct {
	key   string
	value any
}

// logRecord is a LogRecord before it is encoded.
type logRecord struct {
	time         uint64 // nanoseconds since the Unix epoch
	severity     int
	severityText string
	body         string
	attributes   []attribute
	trace, span  []byte // 16 and 8 bytes, or nil
}

// resource is what a group of records has in common.
type resource struct{ service, server string }

// unknownService is what the semantic conventions give a service without a
// name.
const unknownService = "unknown_service"

func (r resource) attributes() []attribute {
	a := []attribute{{"service.name", unknownService}}
	if r.service != "" {
		a[0].value = r.service
	}
	if r.server != "" {
		a = append(a, attribute{"service.instance.id", r.server})
	}
	return a
}

// makeRecord converts a record.
func makeRecord(r query.Record) (logRecord, error) {
	l := logRecord{
		time: nanoseconds(r.Time), severity: levels.OTel(r.Level), severityText: strings.ToUpper(levels.Name(r.Level)), body: r.Message,
	}
	l.add("log.record.uid", strconv.FormatUint(r.Seq, 10))
	l.add("exception.message", r.ErrorMessage)
	l.add("exception.stacktrace", r.Stack)
	for _, a := range [...]struct{ key, value string }{
		{"kind", string(r.Kind)}, {"file", r.File}, {"server_name", r.ServerName}, {"service_name", r.ServiceName},
		{"project", r.Project}, {"operation", r.Operation}, {"operation_name", r.OperationName},
		{"parent_operation", r.ParentOperation}, {"run", r.Run}, {"root_run", r.RootRun}, {"parent_run", r.ParentRun},
		{"parent_step", r.ParentStep}, {"step", r.Step}, {"action", r.Action}, {"action_name", r.ActionName},
		{"topic", r.Topic}, {"logger", r.Logger}, {"caller", r.Caller}, {"label", r.Label}, {"phase", r.Phase},
		{"error_code", r.ErrorCode},
	} {
		l.add("steplog."+a.key, a.value)
	}
	if r.Attempt != 0 {
		l.attributes = append(l.attributes, attribute{"steplog.attempt", int64(r.Attempt)})
	}
	if r.Truncated {
		l.attributes = append(l.attributes, attribute{"steplog.truncated", true})
	}
	l.trace, l.span = l.id("trace", r.Trace, 16), l.id("span", r.Span, 8)
	details, err := r.Details()
	if err != nil {
		return l, fmt.Errorf("otlp: %w", err)
	}
	if len(details) > 0 {
		l.attributes = append(l.attributes, attribute{"steplog.details", convert(details)})
	}
	return l, nil
}

// nanoseconds are 0, which is "unknown", for times before 1970 and after 2554.
func nanoseconds(t time.Time) uint64 {
	if t.Unix() < 0 || t.Unix() > 18_446_744_072 {
		return 0
	}
	return uint64(t.Unix())*1e9 + uint64(t.Nanosecond())
}

func (l *logRecord) add(key, value string) {
	if value != "" {
		l.attributes = append(l.attributes, attribute{key, strings.ToValidUTF8(value, "\uFFFD")})
	}
}

// id decodes a trace or span id. The host may have ids of another form: they
// become an attribute. An id of zeros is not valid.
func (l *logRecord) id(name, text string, size int) []byte {
	b, err := hex.DecodeString(text)
	if err == nil && len(b) == size && strings.Trim(text, "0") != "" {
		return b
	}
	l.add("steplog."+name, text)
	return nil
}

// convert makes values of decoded JSON. The keys of maps are sorted, so that
// equal records have equal bytes.
func convert(v any) any {
	switch v := v.(type) {
	case map[string]any:
		list := make([]attribute, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			list = append(list, attribute{key, convert(v[key])})
		}
		return list
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = convert(v[i])
		}
		return list
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return f
		}
		return v.String() // an integer beyond 64 bits keeps its digits
	default:
		return v
	}
}

// batch is the records of one request, in groups by resource.
type batch struct {
	groups []group
	index  map[resource]int
	count  int
	bytes  int // of the lines, as a measure
}

type group struct {
	resource resource
	records  []logRecord
}

func (b *batch) add(r query.Record) error {
	l, err := makeRecord(r)
	if err != nil {
		return err
	}
	key := resource{strings.ToValidUTF8(r.Service, "\uFFFD"), strings.ToValidUTF8(r.Server, "\uFFFD")}
	i, known := b.index[key]
	if !known {
		if b.index == nil {
			b.index = map[resource]int{}
		}
		i = len(b.groups)
		b.index[key] = i
		b.groups = append(b.groups, group{resource: key})
	}
	b.groups[i].records = append(b.groups[i].records, l)
	b.count++
	b.bytes += len(r.Raw)
	return nil
}

// scopeName is the name of the instrumentation scope.
const scopeName = "github.com/steplog/steplog"
