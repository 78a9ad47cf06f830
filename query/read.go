package query

import "context"

// Read is what was read of the logs, as the audit trail of a folder says it.
type Read struct {
	// Export is true for what was taken out as a whole: by [Engine.All],
	// [Engine.Reader] or package export. The rest was looked at.
	Export bool
	// What was read: "line logs", "main logs", "audit records" and the like.
	What string
	// Project, Operation and Run are those that were asked for.
	Project, Operation, Run string
}

// OnRead sets a function that hears of each read of records, runs and steps
// that did not fail, with the caller's context, before the caller has the
// answer. It is for the other packages of this module.
func (e *Engine) OnRead(hook func(ctx context.Context, r Read)) { e.onRead.Store(&hook) }

// Tell tells the function of [Engine.OnRead] of a read. It is for the other
// packages of this module, where several reads are one.
func (e *Engine) Tell(ctx context.Context, r Read) {
	hook := e.onRead.Load()
	if hook == nil || *hook == nil || ctx.Value(partKey{}) != nil {
		return
	}
	(*hook)(ctx, r)
}

// partKey marks a context in a way that no other package can.
type partKey struct{}

// PartOf returns a context whose reads are parts of one that is told as such,
// see [Engine.Tell]. It is for the other packages of this module.
func PartOf(ctx context.Context) context.Context { return context.WithValue(ctx, partKey{}, true) }

// told tells of a page and returns it.
func told[T any](ctx context.Context, e *Engine, r Read, p Page[T], err error) (Page[T], error) {
	if err == nil {
		e.Tell(ctx, r)
	}
	return p, err
}

// read is what f asks for.
func (f *Filter) read(what string, export bool) Read {
	return Read{Export: export, What: what, Project: f.Project, Operation: f.Operation, Run: f.Run}
}
