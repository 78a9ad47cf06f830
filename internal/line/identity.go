package line

import "github.com/steplog/steplog/internal/mask"

// AppendIdentity appends the identifiers of id as members of a JSON object, each
// with a comma after it, so that an [Entry] can carry them ready-made. Registered
// secrets in the values are hidden with m, which may be nil.
func AppendIdentity(dst []byte, id *Identity, m *mask.Masker) []byte {
	if id == nil {
		return dst
	}
	b := dst
	b = appendID(b, `"server":`, id.Server, m)
	b = appendID(b, `"server_name":`, id.ServerName, m)
	b = appendID(b, `"service":`, id.Service, m)
	b = appendID(b, `"service_name":`, id.ServiceName, m)
	b = appendID(b, `"project":`, id.Project, m)
	b = appendID(b, `"operation":`, id.Operation, m)
	b = appendID(b, `"operation_name":`, id.OperationName, m)
	b = appendID(b, `"parent_operation":`, id.ParentOperation, m)
	b = appendID(b, `"run":`, id.Run, m)
	b = appendID(b, `"root_run":`, id.RootRun, m)
	b = appendID(b, `"parent_run":`, id.ParentRun, m)
	b = appendID(b, `"parent_step":`, id.ParentStep, m)
	b = appendID(b, `"step":`, id.Step, m)
	b = appendID(b, `"action":`, id.Action, m)
	b = appendID(b, `"action_name":`, id.ActionName, m)
	if id.Attempt != 0 {
		b = append(b, `"attempt":`...)
		b = append(appendInt(b, int64(id.Attempt)), ',')
	}
	return b
}

// Normalize gives the identifiers the form that they have in the text: registered
// secrets hidden with m, which may be nil, and long ones shortened by [CutID].
// What is kept in memory then equals what is read back.
func (id *Identity) Normalize(m *mask.Masker) {
	for _, s := range [...]*string{
		&id.Server, &id.ServerName, &id.Service, &id.ServiceName, &id.Project, &id.Operation, &id.OperationName, &id.ParentOperation,
		&id.Run, &id.RootRun, &id.ParentRun, &id.ParentStep, &id.Step, &id.Action, &id.ActionName,
	} {
		*s, _ = m.Mask(*s)
		*s = CutID(*s)
	}
}

func appendID(b []byte, key, id string, m *mask.Masker) []byte {
	if id == "" {
		return b
	}
	id, _ = m.Mask(id)
	return append(appendQuoted(append(b, key...), CutID(id)), ',')
}

// MaxID is the longest identifier, in bytes. Longer ones are shortened by
// [CutID] wherever they are written or compared.
const MaxID = 1024

// CutID returns id, or, if it has more than [MaxID] bytes, its beginning and a
// hash of the whole, so that different ids stay different.
func CutID(id string) string {
	if len(id) <= MaxID {
		return id
	}
	return cutText(id, MaxID-70) + "…" + sumOf(id)
}
