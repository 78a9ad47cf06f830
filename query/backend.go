package query

import (
	"context"
	"iter"
	"time"
)

// Backend holds records and answers for an [Engine]. What it is given was
// checked and completed by the Engine; filters and windows belong to the
// Engine and must not be changed.
//
// A Backend must be safe for concurrent use, order by seq, and stop soon after
// the context ends with the context's error. It answers what it cannot do with
// [ErrUnsupported], and anything after Close with [ErrClosed].
//
// Backends may also implement [Histogrammer], [Faceter], [Tailer], [Liner],
// [Auditor] and [Accessor]. The suite that shows that one is right is in query/querytest.
type Backend interface {
	// Find returns records of every kind but audit. Each Raw is a copy of the
	// caller's own.
	Find(ctx context.Context, f Filter, w Window) (Result[Record], error)
	// Runs returns main logs, by ID.
	Runs(ctx context.Context, f RunFilter, w Window) (Result[MainLog], error)
	// Steps returns sub logs, by ID.
	Steps(ctx context.Context, f StepFilter, w Window) (Result[SubLog], error)
	// Close gives up what the backend holds. Closing twice is fine.
	Close() error
}

// Histogrammer is a [Backend] that can count records over time.
type Histogrammer interface {
	// Histogram does what [Engine.Histogram] says; width is above 0.
	Histogram(ctx context.Context, f Filter, width time.Duration) ([]Bucket, error)
}

// Faceter is a [Backend] that can count distinct values.
type Faceter interface {
	// Facets does what [Engine.Facets] says; limit is at least 1.
	Facets(ctx context.Context, f Filter, field string, limit int) ([]FacetValue, error)
}

// Tailer is a [Backend] that can follow what arrives.
type Tailer interface {
	// Tail does what [Engine.Tail] says; the options have their defaults. The
	// position is that of the call, not of the first use of the sequence.
	Tail(ctx context.Context, f Filter, o TailOptions) iter.Seq2[Tailed, error]
}
