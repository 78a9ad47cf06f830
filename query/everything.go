package query

import (
	"context"
	"iter"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/access"
)

// AllAudit returns every audit record that f selects, oldest first, up to the
// moment of the call, as [Engine.All] does for the other kinds. An error is the
// last element: [ErrUnsupported] when the backend is no [Auditor].
func (e *Engine) AllAudit(ctx context.Context, f AuditFilter) iter.Seq2[audit.Record, error] {
	f, err := f.complete()
	if err != nil {
		return fail[audit.Record](err)
	}
	b, ok := e.backend.(Auditor)
	if !ok {
		return fail[audit.Record](ErrUnsupported)
	}
	r := Read{Export: true, What: "audit records", Project: f.Project, Operation: f.FlowID}
	return everything(ctx, e, r, f, b.Audit, func(r audit.Record) uint64 { return r.Seq + 1 })
}

// AllAccess returns every access record that f selects, oldest first, up to the
// moment of the call, as [Engine.All] does: for access.NCSA, access.W3C and
// export.AccessCSV. An error is the last element: [ErrUnsupported] when the
// backend is no [Accessor].
func (e *Engine) AllAccess(ctx context.Context, f AccessFilter) iter.Seq2[access.Record, error] {
	f, err := f.complete()
	if err != nil {
		return fail[access.Record](err)
	}
	b, ok := e.backend.(Accessor)
	if !ok {
		return fail[access.Record](ErrUnsupported)
	}
	r := Read{Export: true, What: "access records"}
	return everything(ctx, e, r, f, b.Access, func(r access.Record) uint64 { return r.Seq })
}

// everything fixes the snapshot and yields what a backend's method finds in it,
// some at a time.
func everything[F, T any](ctx context.Context, e *Engine, r Read, f F,
	find func(context.Context, F, Window) (Result[T], error), place func(T) uint64) iter.Seq2[T, error] {
	now, err := find(ctx, f, Window{Limit: 1, Uncounted: true})
	if err != nil {
		return fail[T](err)
	}
	e.Tell(ctx, r)
	return func(yield func(T, error) bool) {
		if now.AsOf == 0 {
			return // nothing was there; an AsOf of 0 would mean what is there now
		}
		for past, more := uint64(0), true; more; {
			found, err := find(ctx, f, Window{Limit: readRecords, MaxBytes: readBytes, Past: past, AsOf: now.AsOf,
				Oldest: true, Uncounted: true})
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range found.Items {
				if !yield(item, nil) {
					return
				}
				past = place(item)
			}
			more = found.More && len(found.Items) > 0
		}
	}
}
