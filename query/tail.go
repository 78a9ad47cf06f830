package query

import (
	"context"
	"iter"
)

// DefaultMaxLag is how far a tail may fall behind when [TailOptions.MaxLag] is
// 0, in records.
const DefaultMaxLag = 10_000

// TailOptions say where a tail begins and how far it may fall behind.
type TailOptions struct {
	// Backlog is how many of the newest matching records come first, at most
	// [MaxLimit]. It cannot be used with After.
	Backlog int
	// After, if not 0, begins with the record after this seq: the last one that
	// was seen before the connection broke.
	After uint64
	// MaxLag is how many records may wait for the reader: 0 means
	// [DefaultMaxLag], the most is 1,000,000. When there are more, the oldest
	// are passed over and counted in [Tailed.Missed].
	MaxLag int
}

// Tailed is one record of a tail.
type Tailed struct {
	Record Record
	// Missed is how many records were passed over right before this one because
	// the reader was slow. It counts what the filter's other conditions select:
	// Search, Topic and what of Where needs the line are not looked at for a
	// record that is passed over.
	Missed int64
}

// Tail returns the records that f selects, oldest first, as they arrive, from
// the moment of the call on; see [TailOptions] for earlier ones. Between
// records it waits. It ends without an error when ctx ends, and with
// [ErrClosed] when the store is closed.
//
// The sequence holds no goroutine and no buffer that grows: what a slow reader
// has not fetched stays where it is stored. An error that wraps [ErrInvalid] is
// the only element when the filter or the options are wrong, [ErrUnsupported]
// when the backend is no [Tailer].
func (e *Engine) Tail(ctx context.Context, f Filter, o TailOptions) iter.Seq2[Tailed, error] {
	f, err := f.complete()
	switch {
	case err != nil:
	case o.Backlog < 0:
		err = invalid("Backlog", "is negative")
	case o.Backlog > MaxLimit:
		err = invalid("Backlog", "is above %d", MaxLimit)
	case o.Backlog > 0 && o.After > 0:
		err = invalid("Backlog", "cannot be used with After")
	case o.MaxLag < 0:
		err = invalid("MaxLag", "is negative")
	case o.MaxLag > maxMaxLag:
		err = invalid("MaxLag", "is above %d", maxMaxLag)
	case o.MaxLag == 0:
		o.MaxLag = DefaultMaxLag
	}
	if err != nil {
		return fail[Tailed](err)
	}
	b, ok := e.backend.(Tailer)
	if !ok {
		return fail[Tailed](ErrUnsupported)
	}
	e.Tell(ctx, f.read("records", false))
	return b.Tail(ctx, f, o)
}

const maxMaxLag = 1_000_000

// fail returns a sequence of one error.
func fail[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		yield(zero, err)
	}
}
