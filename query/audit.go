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
	// Verbs are the types of events wanted. The host adds events of its own, but
	// no verbs: an unknown one is an error.
	Verbs []audit.Verb
	// Events are the names of events, and Modules the parts of the system. The
	// host adds its own: what is not there finds nothing.
	Events  []string
	Modules []string
	// Outcomes are how the acts ended. An unknown one is an error.
	Outcomes []audit.Outcome
	// User is the id or the e-mail address of who acted, or on whose behalf.
	User string
	// FlowID and Project say what the record is about.
	FlowID, Project string
	// TargetType and TargetID are of the thing that something was done to.
	TargetType, TargetID string
	// Topic is "security" or "audit". Another one is an error.
	Topic string
	// Search is one or more keywords, quoted phrases among them; see "Keywords"
	// in the package comment. Each must occur in the title, the event's name, the
	// flow's id, or an id or name of the target or of who acted. At most 63
	// different ones, and [MaxSearchBytes], in UTF-8.
	Search string
}

// What the records of a trail may say, whatever events the host adds. immutable.
var (
	verbs    = []audit.Verb{audit.VerbCreate, audit.VerbUpdate, audit.VerbDelete, audit.VerbQuery, audit.VerbOther}
	outcomes = []audit.Outcome{audit.Intent, audit.Success, audit.Failure, audit.Denied, audit.Panic}
	topics   = []string{"", "security", "audit"}
)

// complete checks f and makes its lists its own.
func (f AuditFilter) complete() (AuditFilter, error) {
	if err := checkTimes(f.From, f.To); err != nil {
		return f, err
	}
	f.Verbs, f.Events = slices.Clone(f.Verbs), slices.Clone(f.Events)
	f.Modules, f.Outcomes = slices.Clone(f.Modules), slices.Clone(f.Outcomes)
	if len(f.Events) > MaxFilterValues {
		return f, invalid("Events", "has more than %d values", MaxFilterValues)
	}
	if len(f.Modules) > MaxFilterValues {
		return f, invalid("Modules", "has more than %d values", MaxFilterValues)
	}
	if err := checkValues("Verbs", f.Verbs, verbs); err != nil {
		return f, err
	}
	if err := checkValues("Outcomes", f.Outcomes, outcomes); err != nil {
		return f, err
	}
	if err := checkValues("Topic", []string{f.Topic}, topics); err != nil {
		return f, err
	}
	return f, checkSearch(f.Search)
}

// checkValues refuses too many values, and those that no record can have.
func checkValues[T ~string](field string, values, known []T) error {
	if len(values) > MaxFilterValues {
		return invalid(field, "has more than %d values", MaxFilterValues)
	}
	for _, v := range values {
		if !slices.Contains(known, v) {
			return invalid(field, "has the unknown value %.40q", string(v))
		}
	}
	return nil
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
