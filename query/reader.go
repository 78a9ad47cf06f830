package query

import (
	"context"
	"io"
	"iter"
)

// What one step of reading on fetches: enough to make its overhead vanish, and
// an amount of memory that does not grow with what is read.
const (
	readRecords = 1000
	readBytes   = 1 << 20
)

// All returns every record that f selects, oldest first, up to the moment of
// the call: what arrives while the sequence is used is not in it, what is
// deleted meanwhile may be missing. It uses little memory however many there
// are, and may be used more than once. An error is the last element.
func (e *Engine) All(ctx context.Context, f Filter) iter.Seq2[Record, error] {
	next, err := e.readOn(ctx, f)
	if err != nil {
		return fail[Record](err)
	}
	return func(yield func(Record, error) bool) {
		var past uint64
		for {
			records, more, err := next(past)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
			if !more {
				return
			}
			past = records[len(records)-1].Seq
		}
	}
}

// fix completes a filter, and returns the seq of the newest record there is. Where that
// is 0 nothing is there, and nothing must be asked: an AsOf of 0 means what is there then.
func (e *Engine) fix(ctx context.Context, f Filter) (complete Filter, asOf uint64, err error) {
	if f, err = f.complete(); err != nil {
		return f, 0, err
	}
	now, err := e.backend.Find(ctx, Filter{}, Window{Limit: 1, Uncounted: true})
	if err != nil {
		return f, 0, err
	}
	e.Tell(ctx, f.read("records", true))
	return f, now.AsOf, nil
}

// readOn fixes the snapshot and returns the function that fetches the records
// after a seq, oldest first.
func (e *Engine) readOn(ctx context.Context, f Filter) (func(past uint64) ([]Record, bool, error), error) {
	f, asOf, err := e.fix(ctx, f)
	if err != nil {
		return nil, err
	}
	return func(past uint64) ([]Record, bool, error) {
		if asOf == 0 {
			return nil, false, nil
		}
		r, err := e.backend.Find(ctx, f, Window{Limit: readRecords, MaxBytes: readBytes, Past: past, AsOf: asOf,
			Oldest: true, Uncounted: true})
		return r.Items, r.More && len(r.Items) > 0, err
	}, nil
}

// Reader returns the lines of the records that f selects, oldest first, up to
// the moment of the call: NDJSON, byte for byte what is stored. It holds one
// small part of the answer in memory. Read returns what is wrong with f, and
// the error of ctx once that ends; after Close it returns [ErrClosed]. The
// reader is for one goroutine at a time, and an [io.WriterTo]: [io.Copy] makes
// few and large writes of it.
func (e *Engine) Reader(ctx context.Context, f Filter) io.ReadCloser {
	next, err := e.linesOn(ctx, f)
	return &reader{next: next, err: err}
}

// linesOn fixes the snapshot and returns the function that appends the lines
// after a seq, oldest first, to a buffer.
func (e *Engine) linesOn(ctx context.Context, f Filter) (func(past uint64, dst []byte) (Lines, error), error) {
	b, ok := e.backend.(Liner)
	if !ok {
		return e.linesOfRecords(ctx, f)
	}
	f, asOf, err := e.fix(ctx, f)
	if err != nil {
		return nil, err
	}
	return func(past uint64, dst []byte) (Lines, error) {
		if asOf == 0 {
			return Lines{Text: dst}, nil
		}
		return b.Lines(ctx, f, Window{Limit: maxLines, MaxBytes: readBytes, Past: past, AsOf: asOf, Oldest: true, Uncounted: true}, dst)
	}, nil
}

// maxLines is how many lines are fetched at a time, however short they are.
const maxLines = 1 << 16

// linesOfRecords is linesOn for a backend that gives out records only.
func (e *Engine) linesOfRecords(ctx context.Context, f Filter) (func(past uint64, dst []byte) (Lines, error), error) {
	next, err := e.readOn(ctx, f)
	if err != nil {
		return nil, err
	}
	return func(past uint64, dst []byte) (Lines, error) {
		records, more, err := next(past)
		l := Lines{Text: dst, Records: len(records), More: more}
		for _, r := range records {
			l.Text = append(append(l.Text, r.Raw...), '\n')
			l.Last = r.Seq
		}
		return l, err
	}, nil
}

// reader gives out lines part by part.
type reader struct {
	next func(past uint64, dst []byte) (Lines, error)
	past uint64
	part []byte // what was fetched last
	rest []byte // of it, what was not given out
	last bool   // there is nothing to fetch
	err  error  // what every further Read returns
}

// Read fills p with the next bytes of the lines.
func (r *reader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.rest) == 0 && !r.fetch() {
			if n > 0 {
				return n, nil
			}
			return 0, r.err
		}
		k := copy(p[n:], r.rest)
		r.rest = r.rest[k:]
		n += k
	}
	return n, nil
}

// WriteTo writes everything that was not read to w.
func (r *reader) WriteTo(w io.Writer) (n int64, err error) {
	for len(r.rest) > 0 || r.fetch() {
		k, err := w.Write(r.rest)
		r.rest = r.rest[k:]
		if n += int64(k); err != nil {
			return n, err
		}
	}
	if r.err == io.EOF {
		return n, nil
	}
	return n, r.err
}

// fetch gets the next part; it reports whether there is one and sets err when
// there is none.
func (r *reader) fetch() bool {
	if r.err != nil {
		return false
	}
	if r.last {
		r.err = io.EOF
		return false
	}
	l, err := r.next(r.past, r.part[:0])
	if err != nil {
		r.err = err
		return false
	}
	r.part, r.rest, r.last = l.Text, l.Text, !l.More
	if l.Records == 0 {
		r.err = io.EOF
		return false
	}
	r.past = l.Last
	return true
}

// Close gives up what was fetched. Closing twice is fine.
func (r *reader) Close() error {
	r.part, r.rest, r.err = nil, nil, ErrClosed
	return nil
}
