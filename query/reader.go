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

// readOn fixes the snapshot and returns the function that fetches the records
// after a seq, oldest first.
func (e *Engine) readOn(ctx context.Context, f Filter) (func(past uint64) ([]Record, bool, error), error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	now, err := e.backend.Find(ctx, Filter{}, Window{Limit: 1, Uncounted: true})
	if err != nil {
		return nil, err
	}
	e.Tell(ctx, f.read("records", true))
	return func(past uint64) ([]Record, bool, error) {
		if now.AsOf == 0 {
			return nil, false, nil // nothing was there; an AsOf of 0 would mean what is there now
		}
		r, err := e.backend.Find(ctx, f, Window{Limit: readRecords, MaxBytes: readBytes, Past: past, AsOf: now.AsOf,
			Oldest: true, Uncounted: true})
		return r.Items, r.More && len(r.Items) > 0, err
	}, nil
}

// Reader returns the lines of the records that f selects, oldest first, up to
// the moment of the call: NDJSON, byte for byte what is stored. It holds one
// small part of the answer in memory. Read returns what is wrong with f, and
// the error of ctx once that ends; after Close it returns [ErrClosed]. The
// reader is for one goroutine at a time.
func (e *Engine) Reader(ctx context.Context, f Filter) io.ReadCloser {
	next, err := e.readOn(ctx, f)
	return &reader{next: next, err: err}
}

// reader turns pages of records into their lines.
type reader struct {
	next    func(past uint64) ([]Record, bool, error)
	past    uint64
	records []Record // fetched and not begun
	line    []byte   // the rest of the line that was begun
	last    bool     // there is nothing to fetch
	err     error    // what every further Read returns
}

// Read fills p with the next bytes of the lines.
func (r *reader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.line) == 0 && !r.begin() {
			if n > 0 {
				return n, nil
			}
			return 0, r.err
		}
		k := copy(p[n:], r.line)
		r.line = r.line[k:]
		n += k
	}
	return n, nil
}

// begin makes the next line the current one; it reports whether there is one
// and sets err when there is none.
func (r *reader) begin() bool {
	if r.err != nil {
		return false
	}
	if len(r.records) == 0 {
		if r.last {
			r.err = io.EOF
			return false
		}
		records, more, err := r.next(r.past)
		if err != nil {
			r.err = err
			return false
		}
		r.records, r.last = records, !more
		if len(records) == 0 {
			r.err = io.EOF
			return false
		}
		r.past = records[len(records)-1].Seq
	}
	r.line = append(r.records[0].Raw, '\n')
	r.records = r.records[1:]
	return true
}

// Close gives up what was fetched. Closing twice is fine.
func (r *reader) Close() error {
	r.records, r.line, r.err = nil, nil, ErrClosed
	return nil
}
