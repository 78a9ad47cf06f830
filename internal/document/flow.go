// Package document makes the JSON that the documents of the integrator's and
// the API's logs describe from what package query answers. It is the one place
// that knows their keys and formats; export and query/httpapi use it.
//
// Keys stand in the order of the documents' examples. What has no name is called
// by its id.
package document

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
)

// The values of log_type.
const (
	TypeMain = 1
	TypeSub  = 2
	TypeLine = 3
)

// Main is a main log: one run of a flow.
type Main struct {
	Created      stamp    `json:"created"` // Unix milliseconds, as text
	ID           uint64   `json:"id"`
	Group        string   `json:"process_group_id"` // the flow
	GroupName    string   `json:"process_group_name"`
	ParentGroup  optional `json:"parent_process_group_id"`
	OriginalUUID string   `json:"original_filename_uuid"` // the execution, as is filename_uuid
	UUID         string   `json:"filename_uuid"`
	State        int      `json:"state"`
	Status       int      `json:"status"`
	Finished     stamp    `json:"finished"`
	Fragments    count    `json:"fragment_count"`
	Processed    int64    `json:"process_count"`
	Succeeded    int64    `json:"success_count"`
	Failed       int64    `json:"fail_count"`
	Inbound      bool     `json:"in_bound"`
	Schedule     optional `json:"schedule"`
	Triggered    bool     `json:"is_triggered"`
	TriggeredBy  string   `json:"triggered_by"`
	Type         int      `json:"log_type"`
	Order        int      `json:"flow_order"`
	Archived     int      `json:"is_send_S3"`
	SubFlows     []Sub    `json:"sub_flows"`
}

// Sub is a sub log: one step of a run.
type Sub struct {
	Created      stamp    `json:"created"` // ISO 8601
	ID           uint64   `json:"id"`
	Group        string   `json:"process_group_id"` // the action
	GroupName    string   `json:"process_group_name"`
	ParentGroup  optional `json:"parent_process_group_id"` // the flow
	OriginalUUID string   `json:"original_filename_uuid"`  // the execution
	UUID         string   `json:"filename_uuid"`           // the step
	State        int      `json:"state"`
	Status       int      `json:"status"`
	Finished     stamp    `json:"finished"`
	Processed    int64    `json:"process_count"`
	Succeeded    int64    `json:"success_count"`
	Failed       int64    `json:"fail_count"`
	Inbound      bool     `json:"in_bound"`
	Schedule     optional `json:"schedule"`
	Triggered    bool     `json:"is_triggered"`
	TriggeredBy  string   `json:"triggered_by"`
	Type         int      `json:"log_type"`
	Order        int      `json:"flow_order"`
	Archived     int      `json:"is_send_S3"`
	Fragments    count    `json:"fragment_count"`
	Row          int      `json:"row_num"`
}

// Line is a line log: one entry in a run. Its process group is the action when
// it was logged inside a step, else the flow.
type Line struct {
	Created      stamp           `json:"created"` // ISO 8601
	ID           uint64          `json:"id"`
	Group        string          `json:"process_group_id"`
	GroupName    string          `json:"process_group_name"`
	ParentGroup  optional        `json:"parent_process_group_id"`
	OriginalUUID string          `json:"original_filename_uuid"` // the execution
	UUID         string          `json:"filename_uuid"`          // the step, else the execution
	Type         int             `json:"log_type"`
	Order        int             `json:"flow_order"`
	Row          int             `json:"row_num"`
	Level        string          `json:"level"` // upper case
	Label        string          `json:"label"`
	Message      string          `json:"message"`
	Fields       json.RawMessage `json:"fields"`          // an object
	Error        json.RawMessage `json:"error,omitempty"` // an object; no document has it, and an error must not get lost
}

// makeMain returns the document of a run, whose steps it puts behind room.
func makeMain(m *query.MainLog, room []Sub) Main {
	d := Main{
		Created: milliseconds(m.Started), ID: m.ID,
		Group: m.Operation, GroupName: cmp.Or(m.OperationName, m.Operation), ParentGroup: optional(m.ParentOperation),
		OriginalUUID: m.Run, UUID: m.Run,
		State: m.State, Status: m.Status,
		Fragments: count(m.Counts.Fragments), Processed: m.Counts.Processed, Succeeded: m.Counts.Succeeded, Failed: m.Counts.Failed,
		Inbound: m.Inbound, Schedule: optional(m.Schedule), Triggered: m.Triggered(), TriggeredBy: m.TriggeredBy,
		Type: TypeMain, Order: m.Order, Archived: number(m.Archived),
		SubFlows: slices.Grow(room, len(m.SubLogs)),
	}
	if !m.Ended.IsZero() {
		d.Finished = milliseconds(m.Ended)
	}
	for i := range m.SubLogs {
		d.SubFlows = append(d.SubFlows, makeSub(&m.SubLogs[i]))
	}
	return d
}

// makeSub returns the document of a step.
func makeSub(s *query.SubLog) Sub {
	d := Sub{
		Created: iso(s.Started), ID: s.ID,
		Group: s.Action, GroupName: cmp.Or(s.ActionName, s.Action), ParentGroup: optional(s.Operation),
		OriginalUUID: s.Run, UUID: s.Step,
		State: s.State, Status: s.Status,
		Processed: s.Counts.Processed, Succeeded: s.Counts.Succeeded, Failed: s.Counts.Failed,
		Inbound: s.Inbound, Schedule: optional(s.Schedule), Triggered: s.Triggered(), TriggeredBy: s.TriggeredBy,
		Type: TypeSub, Order: s.Order, Archived: number(s.Archived), Fragments: count(s.Counts.Fragments), Row: s.RowNum,
	}
	if !s.Ended.IsZero() {
		d.Finished = iso(s.Ended)
	}
	return d
}

// places finds what lines repeat of the steps that they were logged in.
type places struct {
	ctx    context.Context
	engine *query.Engine
	known  map[stepKey]place
	last   stepKey // of the record before, and its place: lines of a step follow each other
	place  place
}

func newPlaces(ctx context.Context, e *query.Engine) *places {
	return &places{ctx: query.PartOf(ctx), engine: e, known: make(map[stepKey]place)}
}

// of asks for the step of a record, each once. Lines outside a step, and those
// whose step's history has expired, have 1 for both.
func (p *places) of(r *query.Record) (place, error) {
	if r.Step == "" {
		return outside, nil
	}
	key := stepKey{r.Run, r.Step}
	if key == p.last {
		return p.place, nil
	}
	known, ok := p.known[key]
	if !ok {
		page, err := p.engine.SubLogs(p.ctx, query.StepFilter{Run: r.Run, Step: r.Step}, query.Paging{Limit: 1})
		if err != nil {
			return place{}, err
		}
		known = outside
		if len(page.Items) > 0 {
			known = placeOf(&page.Items[0])
		}
		p.known[key] = known
	}
	p.last, p.place = key, known
	return known, nil
}

// stepKey names a step: hosts may give steps of two runs one id.
type stepKey struct{ run, step string }

// place is what a line repeats of its step.
type place struct{ order, row int }

// outside is the place of a line that was logged outside a step.
var outside = place{order: 1, row: 1}

func placeOf(s *query.SubLog) place { return place{s.Order, s.RowNum} }

func makeLine(r *query.Record, p place) (Line, error) {
	failure, details, err := r.Objects()
	if err != nil {
		return Line{}, fmt.Errorf("document: %w", err)
	}
	d := Line{
		Created: iso(r.Time), ID: r.Seq,
		Group: r.Operation, GroupName: cmp.Or(r.OperationName, r.Operation), ParentGroup: optional(r.ParentOperation),
		OriginalUUID: r.Run, UUID: r.Run,
		Type: TypeLine, Order: p.order, Row: p.row,
		Level: levelName(r), Label: r.Label, Message: r.Message,
		Fields: details, Error: failure,
	}
	if r.Step != "" {
		d.Group, d.GroupName, d.ParentGroup = r.Action, cmp.Or(r.ActionName, r.Action), optional(r.Operation)
		d.UUID = r.Step
	}
	if d.Fields == nil {
		d.Fields = json.RawMessage("{}")
	}
	return d, nil
}

// parse takes the line of a record apart.
func parse(r *query.Record) (line.Record, error) {
	var parsed line.Record
	if err := line.Parse(r.Raw, &parsed); err != nil {
		return parsed, fmt.Errorf("document: record %d: %w", r.Seq, err)
	}
	return parsed, nil
}

// levelName returns the level as both documents print it.
func levelName(r *query.Record) string {
	if name, known := upper[r.Level]; known {
		return name
	}
	return strings.ToUpper(levels.Name(r.Level))
}

// upper are the names of the levels in the documents. immutable.
var upper = map[zapcore.Level]string{levels.Trace: "TRACE", levels.Debug: "DEBUG", levels.Info: "INFO", levels.Warn: "WARN",
	levels.Error: "ERROR", levels.Fatal: "FATAL"}

// optional is a text that is null when it is empty.
type optional string

// MarshalJSON implements [json.Marshaler].
func (o optional) MarshalJSON() ([]byte, error) {
	if o == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(o))
}

// count is null for a host that does not count.
type count int64

// MarshalJSON implements [json.Marshaler].
func (c count) MarshalJSON() ([]byte, error) {
	if c == 0 {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, int64(c), 10), nil
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
