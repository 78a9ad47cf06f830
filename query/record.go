package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
)

// Kind says what a record is.
type Kind string

// The kinds of records.
const (
	// KindLine is one log statement inside a run or step, or to user.log.
	KindLine Kind = "line"
	// KindCapture is the captured input or output of a run or step.
	KindCapture Kind = "capture"
	// KindRun is the start, an update or the end of a run.
	KindRun Kind = "run"
	// KindStep is the start, an update or the end of a step.
	KindStep Kind = "step"
	// KindEvent is what servers and services log outside a run, to whichever file
	// but user.log, and what is logged to application.log.
	KindEvent Kind = "event"
	// KindAccess is one request.
	KindAccess Kind = "access"
	// KindAudit is an audit record.
	KindAudit Kind = "audit"
)

func (k Kind) known() bool {
	switch k {
	case KindLine, KindCapture, KindRun, KindStep, KindEvent, KindAccess, KindAudit:
		return true
	default:
		return false
	}
}

// Record is one stored record. Text that the record does not have is "".
type Record struct {
	// Seq is the record's id. It grows in the order of arrival, with gaps.
	Seq uint64
	// Time is when it was logged, UTC.
	Time time.Time
	// Level is its level; see package levels for names.
	Level zapcore.Level
	// Kind is "" for a kind that this version does not know.
	Kind Kind
	// File is the name of the log that holds it, such as "user".
	File string

	Server, ServerName    string
	Service, ServiceName  string
	Project               string
	Operation             string // the flow's id
	OperationName         string
	ParentOperation       string
	Run, RootRun          string // RootRun is "" for a run that nothing started
	ParentRun, ParentStep string
	Step                  string
	Action, ActionName    string
	Attempt               int // from 1; 0 outside steps
	Topic                 string
	Trace, Span           string
	Logger, Caller, Stack string
	Label                 string
	Phase                 string // of run, step and capture records
	Message               string
	ErrorMessage          string
	ErrorCode             string
	Truncated             bool   // a value was cut
	Raw                   []byte // the line, without its newline

	parts parts // of Raw
}

// parts is where objects stand in a line that was read.
type parts struct {
	of              *byte // the first byte of the line
	size            int
	failure, detail line.Span
}

// Objects returns the error and the details of the record, JSON objects and parts of
// Raw, nil where it has none, without reading the line again. It is for the other
// packages of this module: what it returns must not be changed.
func (r *Record) Objects() (failure, details []byte, err error) {
	if p := &r.parts; p.of != nil && len(r.Raw) == p.size && &r.Raw[0] == p.of {
		return p.failure.In(r.Raw), p.detail.In(r.Raw), nil
	}
	if failure, details, err = line.Objects(r.Raw); err != nil {
		err = fmt.Errorf("query: record %d: %w", r.Seq, err)
	}
	return failure, details, err
}

// Details returns the record's own fields, decoded, or an empty map when it has
// none. Numbers are [json.Number], so that none loses digits. Each call decodes
// anew, and the map is the caller's.
func (r Record) Details() (map[string]any, error) {
	var line struct {
		Details map[string]any `json:"details"`
	}
	d := json.NewDecoder(bytes.NewReader(r.Raw))
	d.UseNumber()
	if err := d.Decode(&line); err != nil {
		return nil, fmt.Errorf("query: details of record %d: %w", r.Seq, err)
	}
	if line.Details == nil {
		line.Details = map[string]any{}
	}
	return line.Details, nil
}

// Field returns the value at a path under the details, decoded as
// [Record.Details] does, and whether there is one; see "Field paths" in the
// package comment. Below an array it returns the first element's value.
func (r Record) Field(path string) (any, bool) {
	details, err := r.Details()
	if err != nil {
		return nil, false
	}
	if v, ok := details[path]; ok {
		return v, true
	}
	return walk(details, strings.Split(path, "."))
}

func walk(v any, path []string) (any, bool) {
	if len(path) == 0 {
		return v, true
	}
	switch v := v.(type) {
	case map[string]any:
		if below, ok := v[path[0]]; ok {
			return walk(below, path[1:])
		}
	case []any:
		for _, element := range v {
			if found, ok := walk(element, path); ok {
				return found, true
			}
		}
	}
	return nil, false
}

// makeRecord makes a query's record from a parsed line, without its text.
func makeRecord(rec *line.Record, file string) (r Record) {
	var o line.Outline
	rec.Outline(nil, &o)
	fillRecord(&r, &o, file, nil)
	return r
}

// fillRecord makes an empty record one, field by field: it is large, and a second one
// would be copied as a whole.
func fillRecord(to *Record, o *line.Outline, file string, raw []byte) {
	to.Seq, to.Time, to.Level, to.Kind, to.File, to.Raw = o.Seq, o.Time, o.Level, Kind(o.Kind.String()), file, raw
	id := o.Identity
	to.Server, to.ServerName, to.Service, to.ServiceName, to.Project = id.Server, id.ServerName, id.Service, id.ServiceName, id.Project
	to.Operation, to.OperationName, to.ParentOperation = id.Operation, id.OperationName, id.ParentOperation
	to.Run, to.RootRun, to.ParentRun, to.ParentStep = id.Run, id.RootRun, id.ParentRun, id.ParentStep
	to.Step, to.Action, to.ActionName, to.Attempt = id.Step, id.Action, id.ActionName, id.Attempt
	to.Topic, to.Trace, to.Span, to.Logger, to.Caller, to.Stack = o.Topic, o.Trace, o.Span, o.Logger, o.Caller, o.Stack
	to.Label, to.Phase, to.Message = o.Label, o.Phase, o.Message
	to.ErrorMessage, to.ErrorCode, to.Truncated = o.ErrorMessage, o.ErrorCode, o.Truncated
	if len(raw) > 0 {
		to.parts = parts{&raw[0], len(raw), o.Error, o.Details}
	}
}
