package audit

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// request is a record on its way.
type request struct {
	body  []byte
	state atomic.Int32  // one of the states below
	done  chan struct{} // has room for the one word that it arrived, or failed
	// Set before done has its word.
	receipt Receipt
	err     error
}

// A request is given up by its caller, or taken by the writer; never both.
const (
	requestWaits int32 = iota
	requestTaken
	requestGivenUp
)

// maxKeptBody bounds the memory of a request that is used again.
const maxKeptBody = 8 << 10

// request returns one that nobody uses.
func (t *trail) request() *request {
	if r, ok := t.requests.Get().(*request); ok {
		return r
	}
	return &request{body: make([]byte, 0, 1024), done: make(chan struct{}, 1)}
}

// release keeps a request to be used again. The writer has let go of it.
func (t *trail) release(r *request) {
	r.state.Store(requestWaits)
	r.receipt, r.err = Receipt{}, nil
	if cap(r.body) <= maxKeptBody {
		t.requests.Put(r)
	}
}

// append makes the record of a request durable, and uses the request up. It
// returns when that is done, or gives up when the context ends or, where it has no
// deadline, when Options.Timeout is over.
func (t *trail) append(ctx context.Context, r *request) (Receipt, error) {
	_, limited := ctx.Deadline()
	now := time.Now()
	t.mu.Lock()
	if err := t.refusal(); err != nil {
		t.mu.Unlock()
		t.release(r)
		return Receipt{}, err
	}
	t.queue = append(t.queue, r)
	var over <-chan struct{}
	if !limited {
		over = t.limit(now).over
	}
	t.mu.Unlock()
	signal(t.wake)
	select {
	case <-r.done:
		receipt, err := r.receipt, r.err
		t.release(r)
		return receipt, err
	case <-ctx.Done():
		return t.giveUp(r, context.Cause(ctx))
	case <-over:
		return t.giveUp(r, context.DeadlineExceeded)
	}
}

// giveUp ends the wait for a request. The writer may still hold it. One that it has not
// taken leaves the queue: a disk may hang for hours, and others are given up all the time.
func (t *trail) giveUp(r *request, cause error) (Receipt, error) {
	if r.state.CompareAndSwap(requestWaits, requestGivenUp) {
		t.mu.Lock()
		if i := slices.Index(t.queue, r); i >= 0 {
			t.queue = slices.Delete(t.queue, i, i+1)
		}
		t.mu.Unlock()
		return Receipt{}, fmt.Errorf("%w: nothing was written: %w", ErrUnavailable, cause)
	}
	select {
	case <-r.done: // it was on its way, and arrived
		return r.receipt, r.err
	default:
		return Receipt{}, fmt.Errorf("%w: not known to be on the disk: %w", ErrUnavailable, cause)
	}
}
