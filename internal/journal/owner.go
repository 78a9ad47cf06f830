package journal

import (
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
)

// Owner returns the owner of an identity: the same one for the same identity.
// Identifiers over [line.MaxID] are shortened as they are in the text.
func (j *Journal) Owner(id line.Identity) *runs.Owner {
	id.Shorten()
	return j.tables.Owner(&id)
}
