package query

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/steplog/steplog/audit"
)

// AuditFilter chooses audit records. Its conditions are combined with and; a
// field left at its zero value is no condition.
type AuditFilter struct {
	// From and To are the times wanted, both inclusive.
	From, To time.Time
	// Verbs are the types of events wanted, Events their names, and Modules the
	// parts of the system.
	Verbs   []audit.Verb
	Events  []string
	Modules []string
	// Outcomes are how the acts ended.
	Outcomes []audit.Outcome
	// User is the id or the e-mail address of who acted, or on whose behalf.
	User string
	// FlowID and Project say what the record is about.
	FlowID, Project string
	// TargetType and TargetID are of the thing that something was done to.
	TargetType, TargetID string
	// Topic is "security" or "audit".
	Topic string
	// Search is one or more keywords, quoted phrases among them; see "Keywords"
	// in the package comment. Each must occur in the title, the event's name, the
	// flow's id, or an id or name of the target or of who acted.
	Search string
}

// complete checks f and makes its lists its own.
func (f AuditFilter) complete() (AuditFilter, error) {
	if err := checkTimes(f.From, f.To); err != nil {
		return f, err
	}
	for name, n := range map[string]int{"Verbs": len(f.Verbs), "Events": len(f.Events), "Modules": len(f.Modules), "Outcomes": len(f.Outcomes)} {
		if n > MaxFilterValues {
			return f, invalid(name, "has more than %d values", MaxFilterValues)
		}
	}
	f.Verbs, f.Events = slices.Clone(f.Verbs), slices.Clone(f.Events)
	f.Modules, f.Outcomes = slices.Clone(f.Modules), slices.Clone(f.Outcomes)
	return f, checkSearch(f.Search)
}

func checkSearch(search string) error {
	if len(search) > MaxSearchBytes {
		return invalid("Search", "is longer than %d bytes", MaxSearchBytes)
	}
	if !utf8.ValidString(search) {
		return invalid("Search", "is not UTF-8")
	}
	if len(folded(search)) > maxParts {
		return invalid("Search", "has more than %d keywords", maxParts)
	}
	return nil
}

// Auditor is a [Backend] that has an audit trail.
type Auditor interface {
	// Audit returns audit records by their place in the trail, which is seq + 1:
	// so do Past and AsOf of the window and AsOf of the result.
	Audit(ctx context.Context, f AuditFilter, w Window) (Result[audit.Record], error)
}

// Audit returns the audit records that f selects, newest first. A folder without
// a trail has none. The trail counts its own numbers, from 0: [Page.AsOf] is how
// many records it had, and so is [Paging.AsOf].
//
// It returns [ErrUnsupported] when the backend is no [Auditor].
func (e *Engine) Audit(ctx context.Context, f AuditFilter, p Paging) (Page[audit.Record], error) {
	f, err := f.complete()
	if err != nil {
		return Page[audit.Record]{}, err
	}
	b, ok := e.backend.(Auditor)
	if !ok {
		return Page[audit.Record]{}, ErrUnsupported
	}
	found, err := ask(ctx, f, p, cursorAudit, b.Audit, func(r audit.Record) uint64 { return r.Seq + 1 })
	return told(ctx, e, Read{What: "audit records", Project: f.Project, Operation: f.FlowID}, found, err)
}
