package line

import (
	"strings"
	"unicode/utf8"
)

// AppendIdentity appends the identifiers of id as members of a JSON object, each
// with a comma after it, so that an [Entry] can carry them ready-made. They stand as
// they are: no secret is hidden in them, for records are found by them.
func AppendIdentity(dst []byte, id *Identity) []byte {
	if id == nil {
		return dst
	}
	b := dst
	b = appendID(b, `"server":`, id.Server)
	b = appendID(b, `"server_name":`, id.ServerName)
	b = appendID(b, `"service":`, id.Service)
	b = appendID(b, `"service_name":`, id.ServiceName)
	b = appendID(b, `"project":`, id.Project)
	b = appendID(b, `"operation":`, id.Operation)
	b = appendID(b, `"operation_name":`, id.OperationName)
	b = appendID(b, `"parent_operation":`, id.ParentOperation)
	b = appendID(b, `"run":`, id.Run)
	b = appendID(b, `"root_run":`, id.RootRun)
	b = appendID(b, `"parent_run":`, id.ParentRun)
	b = appendID(b, `"parent_step":`, id.ParentStep)
	b = appendID(b, `"step":`, id.Step)
	b = appendID(b, `"action":`, id.Action)
	b = appendID(b, `"action_name":`, id.ActionName)
	if id.Attempt != 0 {
		b = append(b, `"attempt":`...)
		b = append(appendInt(b, int64(id.Attempt)), ',')
	}
	return b
}

// Shorten has identifiers as they stand in a line, by [CutID]. What is kept in memory
// then equals what is read back.
func (id *Identity) Shorten() {
	for _, s := range id.texts() {
		*s = CutID(*s)
	}
}

// Detach gives id texts of its own: those that it has may be parts of a line.
func (id *Identity) Detach() {
	for _, s := range id.texts() {
		*s = strings.Clone(*s)
	}
}

// texts returns the identifiers but the attempt, in the order in which lines are written.
func (id *Identity) texts() [len(identifierKeys)]*string {
	return [...]*string{&id.Server, &id.ServerName, &id.Service, &id.ServiceName, &id.Project,
		&id.Operation, &id.OperationName, &id.ParentOperation, &id.Run, &id.RootRun, &id.ParentRun, &id.ParentStep,
		&id.Step, &id.Action, &id.ActionName}
}

// Root returns the run at the top: one that nothing started is its own.
func (id *Identity) Root() string {
	if id.RootRun != "" {
		return id.RootRun
	}
	return id.Run
}

func appendID(b []byte, key, id string) []byte {
	if id == "" {
		return b
	}
	return append(appendQuoted(append(b, key...), CutID(id)), ',')
}

// MaxID is the longest identifier, in bytes. Longer ones are shortened by
// [CutID] wherever they are written or compared.
const MaxID = 1024

// CutID returns id as it stands in a line: as [Valid] has it, and, if that has more than
// [MaxID] bytes, its beginning and a hash of the whole, so that different ids stay
// different.
func CutID(id string) string {
	if id = Valid(id); len(id) <= MaxID {
		return id
	}
	return cutText(id, MaxID-70) + "…" + sumOf(id)
}

// Valid returns a text as it is read back from a line: each byte that is not UTF-8 is
// U+FFFD.
func Valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
