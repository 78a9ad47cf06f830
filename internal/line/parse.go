package line

import (
	"encoding/json"
	"errors"
	"time"
)

// ErrNotRecord is returned by [Parse] for what is not a JSON object with a seq.
var ErrNotRecord = errors.New("line: not a record")

// Parse takes a line apart.
func Parse(raw []byte, r *Record) error {
	*r = Record{}
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return ErrNotRecord
	}
	if m["seq"] == nil || json.Unmarshal(m["seq"], &r.Seq) != nil {
		return ErrNotRecord
	}
	str := func(k string) (s string) { _ = json.Unmarshal(m[k], &s); return s }
	num := func(k string) (n int64) { _ = json.Unmarshal(m[k], &n); return n }
	r.Time, _ = parseTimestamp([]byte(str("timestamp")))
	r.Level, _ = parseLevel([]byte(str("level")))
	r.Kind, _ = ParseKind(str("kind"))
	for k, p := range map[string]*string{"server": &r.Server, "server_name": &r.ServerName, "service": &r.Service, "service_name": &r.ServiceName,
		"project": &r.Project, "operation": &r.Operation, "operation_name": &r.OperationName, "parent_operation": &r.ParentOperation,
		"run": &r.Run, "root_run": &r.RootRun, "parent_run": &r.ParentRun, "parent_step": &r.ParentStep, "step": &r.Step,
		"action": &r.Action, "action_name": &r.ActionName, "topic": &r.Topic, "trace": &r.Trace, "span": &r.Span, "logger": &r.Logger,
		"caller": &r.Caller, "stack": &r.Stack, "label": &r.Label, "message": &r.Message, "phase": &r.Phase,
		"outcome": &r.Lifecycle.Outcome, "reason": &r.Lifecycle.Reason, "triggered_by": &r.Lifecycle.TriggeredBy, "schedule": &r.Lifecycle.Schedule} {
		*p = str(k)
	}
	r.Attempt = int(num("attempt"))
	l := &r.Lifecycle
	if r.Kind == KindRun || r.Kind == KindStep {
		l.Phase = r.Phase
	}
	l.ID = uint64(num("id"))
	l.Started, _ = parseTimestamp([]byte(str("started")))
	if m["started"] == nil {
		l.Started = time.Time{}
	}
	l.Implied = string(m["implied"]) == "true"
	l.Inbound = string(m["inbound"]) == "true"
	l.Archived = string(m["archived"]) == "true"
	l.Duration = time.Duration(num("duration_ns"))
	l.Processed, l.Succeeded, l.Failed, l.Fragments = num("processed"), num("succeeded"), num("failed"), num("fragments")
	l.Counted = m["processed"] != nil
	l.Bytes, l.Order = num("bytes"), int(num("order"))
	var lv map[string]int64
	_ = json.Unmarshal(m["levels"], &lv)
	for i, n := range levelNames {
		l.Levels[i] = lv[n]
	}
	if m["iteration"] != nil {
		var it struct {
			Index int
			Value json.RawMessage
		}
		_ = json.Unmarshal(m["iteration"], &it)
		l.Iterated, l.IterationIndex, l.IterationValue = true, it.Index, it.Value
	}
	r.Truncated = string(m["truncated"]) == "true"
	r.Error, r.Details = m["error"], m["details"]
	var er struct{ Message, Code string }
	_ = json.Unmarshal(r.Error, &er)
	r.ErrorMessage, r.ErrorCode = er.Message, er.Code
	return nil
}
