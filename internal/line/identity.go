package line

import "github.com/steplog/steplog/internal/mask"

// AppendIdentity appends the identifiers of id as members of a JSON object, each
// with a comma after it, so that an [Entry] can carry them ready-made. Registered
// secrets in the values are hidden with m, which may be nil.
func AppendIdentity(dst []byte, id *Identity, m *mask.Masker) []byte {
	if id == nil {
		return dst
	}
	e := &Encoder{mask: m}
	b := dst
	b = appendIdentityString(b, `"server":`, id.Server, e)
	b = appendIdentityString(b, `"server_name":`, id.ServerName, e)
	b = appendIdentityString(b, `"service":`, id.Service, e)
	b = appendIdentityString(b, `"service_name":`, id.ServiceName, e)
	b = appendIdentityString(b, `"project":`, id.Project, e)
	b = appendIdentityString(b, `"operation":`, id.Operation, e)
	b = appendIdentityString(b, `"operation_name":`, id.OperationName, e)
	b = appendIdentityString(b, `"parent_operation":`, id.ParentOperation, e)
	b = appendIdentityString(b, `"run":`, id.Run, e)
	b = appendIdentityString(b, `"root_run":`, id.RootRun, e)
	b = appendIdentityString(b, `"parent_run":`, id.ParentRun, e)
	b = appendIdentityString(b, `"parent_step":`, id.ParentStep, e)
	b = appendIdentityString(b, `"step":`, id.Step, e)
	b = appendIdentityString(b, `"action":`, id.Action, e)
	b = appendIdentityString(b, `"action_name":`, id.ActionName, e)
	if id.Attempt != 0 {
		b = append(b, `"attempt":`...)
		b = append(appendInt(b, int64(id.Attempt)), ',')
	}
	return b
}
