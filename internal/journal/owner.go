package journal

import (
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

// Owner returns the owner of an identity: the same one for the same identity.
// Identifiers over [line.MaxID] are shortened as they are in the text.
func (j *Journal) Owner(id line.Identity) *runs.Owner {
	for _, s := range identityTexts(&id) {
		*s = line.CutID(*s)
	}
	return j.tables.Owner(&id)
}

// identityTexts returns where the texts of an identity stand.
func identityTexts(id *line.Identity) [15]*string {
	return [...]*string{&id.Server, &id.ServerName, &id.Service, &id.ServiceName, &id.Project,
		&id.Operation, &id.OperationName, &id.ParentOperation, &id.Run, &id.RootRun, &id.ParentRun, &id.ParentStep,
		&id.Step, &id.Action, &id.ActionName}
}
