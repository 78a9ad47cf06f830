package query

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// MaxAround is how many neighbours [Engine.Around] returns on each side at
// most.
const MaxAround = 1000

// Engine answers queries. It checks what it is asked, fills in defaults and
// asks its [Backend]. It is safe for concurrent use.
//
// Errors that wrap [ErrInvalid] say that the question is wrong; they are
// returned before anything is read. Every method that takes a context ends
// soon after it does, with its error, but for [Engine.Tail], which just ends.
type Engine struct {
	backend Backend
	onRead  atomic.Pointer[func(context.Context, Read)]
}

// New returns an Engine over a backend, such as a remote engine's.
func New(b Backend) *Engine { return &Engine{backend: b} }

// Close closes the backend. Of an engine that a logger.Store gave out it closes
// nothing: close the store.
func (e *Engine) Close() error { return e.backend.Close() }

// MainLogs returns the runs that f selects, newest first.
func (e *Engine) MainLogs(ctx context.Context, f RunFilter, p Paging) (Page[MainLog], error) {
	f, err := f.complete()
	if err != nil {
		return Page[MainLog]{}, err
	}
	found, err := ask(ctx, f, p, cursorRuns, e.backend.Runs, func(m MainLog) uint64 { return m.ID })
	return told(ctx, e, Read{What: "main logs", Project: f.Project, Operation: f.Operation, Run: f.Run}, found, err)
}

// SubLogs returns the steps that f selects, newest first.
func (e *Engine) SubLogs(ctx context.Context, f StepFilter, p Paging) (Page[SubLog], error) {
	f, err := f.complete()
	if err != nil {
		return Page[SubLog]{}, err
	}
	found, err := ask(ctx, f, p, cursorSteps, e.backend.Steps, func(s SubLog) uint64 { return s.ID })
	return told(ctx, e, Read{What: "sub logs", Project: f.Project, Operation: f.Operation, Run: f.Run}, found, err)
}

// LineLogs returns the records of kind line that f selects, newest first.
// Filter.Kinds must be empty or just that kind.
func (e *Engine) LineLogs(ctx context.Context, f Filter, p Paging) (Page[Record], error) {
	for _, k := range f.Kinds {
		if k != KindLine {
			return Page[Record]{}, invalid("Kinds", "asks line logs for the kind %q", string(k))
		}
	}
	f.Kinds = []Kind{KindLine}
	return e.records(ctx, f, p, "line logs")
}

// Records returns the records of every kind but audit that f selects, newest
// first.
func (e *Engine) Records(ctx context.Context, f Filter, p Paging) (Page[Record], error) {
	return e.records(ctx, f, p, "records")
}

func (e *Engine) records(ctx context.Context, f Filter, p Paging, what string) (Page[Record], error) {
	f, err := f.complete()
	if err != nil {
		return Page[Record]{}, err
	}
	found, err := ask(ctx, f, p, cursorRecords, e.backend.Find, seqOf)
	return told(ctx, e, f.read(what, false), found, err)
}

// Record returns the record with this seq, or [ErrNotFound].
func (e *Engine) Record(ctx context.Context, id uint64) (Record, error) {
	r, err := e.record(ctx, id)
	if err == nil {
		e.Tell(ctx, Read{What: "a record", Project: r.Project, Operation: r.Operation, Run: r.Run})
	}
	return r, err
}

func (e *Engine) record(ctx context.Context, id uint64) (Record, error) {
	if id == 0 {
		return Record{}, ErrNotFound
	}
	r, err := e.backend.Find(ctx, Filter{}, Window{Limit: 1, AsOf: id, Uncounted: true})
	if err != nil {
		return Record{}, err
	}
	if len(r.Items) == 0 || r.Items[0].Seq != id {
		return Record{}, ErrNotFound
	}
	return r.Items[0], nil
}

// Around returns the record with this seq among its neighbours, oldest first:
// up to before of them ahead of it and up to after behind it, each at most
// [MaxAround]. Neighbours of a record that belongs to a run are the records of
// that run, of whatever kind and in whichever file; those of any other record
// are the records in the same file. It returns [ErrNotFound] when there is no
// such record.
func (e *Engine) Around(ctx context.Context, id uint64, before, after int) ([]Record, error) {
	switch {
	case before < 0:
		return nil, invalid("before", "is negative")
	case before > MaxAround:
		return nil, invalid("before", "is above %d", MaxAround)
	case after < 0:
		return nil, invalid("after", "is negative")
	case after > MaxAround:
		return nil, invalid("after", "is above %d", MaxAround)
	}
	center, err := e.record(ctx, id)
	if err != nil {
		return nil, err
	}
	f := Filter{Run: center.Run}
	if center.Run == "" {
		f.Files = []string{center.File}
	}
	records := make([]Record, 0, before+1+after)
	if before > 0 {
		r, err := e.backend.Find(ctx, f, Window{Limit: before, Past: id, Uncounted: true})
		if err != nil {
			return nil, err
		}
		slices.Reverse(r.Items)
		records = append(records, r.Items...)
	}
	records = append(records, center)
	if after > 0 {
		r, err := e.backend.Find(ctx, f, Window{Limit: after, Past: id, Oldest: true, Uncounted: true})
		if err != nil {
			return nil, err
		}
		records = append(records, r.Items...)
	}
	e.Tell(ctx, f.read("records", false))
	return records, nil
}

func seqOf(r Record) uint64 { return r.Seq }

// ask checks the paging, asks a backend's method and makes the page.
func ask[F, T any](ctx context.Context, f F, p Paging, kind cursorKind,
	find func(context.Context, F, Window) (Result[T], error), seq func(T) uint64) (Page[T], error) {
	w, err := p.window(kind)
	if err != nil {
		return Page[T]{}, err
	}
	start := time.Now()
	r, err := find(ctx, f, w)
	if err != nil {
		return Page[T]{}, err
	}
	r.Stats.Elapsed = time.Since(start)
	return page(r, w, kind, seq), nil
}
