package query

import "github.com/steplog/steplog/levels"

// Fixed returns the text that the record has under a fixed key of its line, and
// whether the key is one of those that [Engine.Facets] counts; see there for the
// list. What it returns for any other key is "" and false.
func (r *Record) Fixed(key string) (string, bool) {
	switch key {
	case "level":
		return levels.Name(r.Level), true
	case "kind":
		return string(r.Kind), true
	case "file":
		return r.File, true
	case "topic":
		return r.Topic, true
	case "server":
		return r.Server, true
	case "server_name":
		return r.ServerName, true
	case "service":
		return r.Service, true
	case "service_name":
		return r.ServiceName, true
	case "project":
		return r.Project, true
	case "operation":
		return r.Operation, true
	case "operation_name":
		return r.OperationName, true
	case "parent_operation":
		return r.ParentOperation, true
	case "run":
		return r.Run, true
	case "root_run":
		return r.RootRun, true
	case "parent_run":
		return r.ParentRun, true
	case "parent_step":
		return r.ParentStep, true
	case "step":
		return r.Step, true
	case "action":
		return r.Action, true
	case "action_name":
		return r.ActionName, true
	case "trace":
		return r.Trace, true
	case "span":
		return r.Span, true
	case "logger":
		return r.Logger, true
	case "caller":
		return r.Caller, true
	case "label":
		return r.Label, true
	case "phase":
		return r.Phase, true
	case "error_code":
		return r.ErrorCode, true
	default:
		return "", false
	}
}
