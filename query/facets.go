package query

import (
	"context"
	"strings"
)

// MaxFacetValues is how many distinct values are counted at most.
const MaxFacetValues = 100_000

// FacetValue is a distinct value and how many records have it.
type FacetValue struct {
	Value string
	Count int64
}

// Facets counts the distinct values that the records which f selects have in a
// field, the most frequent first, equal counts by value. limit is how many
// values are wanted: 0 means [DefaultLimit], the most is [MaxLimit].
//
// The field is one of level, kind, file, topic, server, server_name, service,
// service_name, project, operation, operation_name, parent_operation, run,
// root_run, parent_run, parent_step, step, action, action_name, trace, span,
// logger, caller, label, phase and error_code, or a path under the details. A
// path that begins with "details." is always one, without that prefix, so that
// a key which is called like a fixed field can be reached. Records without the
// field are not counted; one whose field is an array counts once for each
// distinct element.
//
// It returns [ErrTooMany] for a field with more than [MaxFacetValues] values,
// an error that wraps [ErrInvalid] for a wrong filter, field or limit, and
// [ErrUnsupported] when the backend is no [Faceter].
func (e *Engine) Facets(ctx context.Context, f Filter, field string, limit int) ([]FacetValue, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	switch {
	case field == "" || field == detailsPrefix:
		return nil, invalid("field", "is empty")
	case limit < 0:
		return nil, invalid("limit", "is negative")
	case limit > MaxLimit:
		return nil, invalid("limit", "is above %d", MaxLimit)
	case limit == 0:
		limit = DefaultLimit
	}
	b, ok := e.backend.(Faceter)
	if !ok {
		return nil, ErrUnsupported
	}
	return b.Facets(ctx, f, field, limit)
}

const detailsPrefix = "details."

// FacetField tells a backend what the field of [Engine.Facets] is: a fixed one,
// or a path under the details.
func FacetField(field string) (name string, fixed bool) {
	if path, ok := strings.CutPrefix(field, detailsPrefix); ok {
		return path, false
	}
	_, fixed = new(Record).Fixed(field)
	return field, fixed
}
