package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/query"
)

// Limits of live tails.
const (
	maxTails       = 64
	maxTailsOfOne  = 8
	maxBackfill    = 1000
	tailWaiting    = 16 // records between the one who reads the log and the one who writes to the client
	tailBuffer     = 32 << 10
	tailTimeout    = 10 * time.Second // for one write
	tailHeartbeat  = 15 * time.Second
	tailRetryMilli = 2000
)

// tails counts those that are open.
type tails struct {
	mu   sync.Mutex
	all  int
	each map[string]int // by principal
}

func (t *tails) open(principal string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.all >= maxTails:
		return &failure{status: http.StatusServiceUnavailable, retry: 10, message: "Too many tails are open."}
	case t.each[principal] >= maxTailsOfOne:
		return &failure{status: http.StatusTooManyRequests, retry: 10, message: "You have too many tails open."}
	}
	if t.each == nil {
		t.each = map[string]int{}
	}
	t.all++
	t.each[principal]++
	return nil
}

func (t *tails) close(principal string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all--
	if t.each[principal]--; t.each[principal] == 0 {
		delete(t.each, principal)
	}
}

// tail serves what arrives as server-sent events, until the client goes or the
// log is closed.
//
// The first event has no data and the id of the newest record there was: a
// client that loses its connection before anything arrived resumes there.
func (q *request) tail() error {
	p := q.params(append([]string{"backfill"}, filterParams...)...)
	backfill := p.number("backfill", 0, 0, maxBackfill)
	f, err := q.filter(p)
	if err != nil {
		return err
	}
	after := uint64(0)
	if last := q.r.Header.Get("Last-Event-ID"); last != "" {
		id, ok := parseID(last)
		if !ok {
			return bad("", "The header Last-Event-ID is not an id that a tail gave.")
		}
		after, backfill = id, 0
	}
	if q.r.Method == http.MethodHead { // takes nothing, and is refused what GET is
		if _, err := q.view.newest(q.ctx); err != nil {
			return err
		}
		q.w.Header().Set("Content-Type", "text/event-stream")
		return q.view.canTail(q.ctx, f, query.TailOptions{})
	}
	if err := q.tails.open(q.who.ID); err != nil {
		return err
	}
	defer q.tails.close(q.who.ID)
	return q.sendTail(f, after, backfill)
}

// sendTail sends what comes after a record; where that is 0, as many of the newest ones as
// backfill says, and what comes then.
func (q *request) sendTail(f query.Filter, after uint64, backfill int) error {
	ctx, cancel := context.WithCancel(q.ctx)
	defer cancel()
	s := sse{control: q.stream(), out: bufio.NewWriterSize(q.w, tailBuffer)}
	// What was there when the tail began, and what comes then, join at one number.
	snapshot, err := q.view.newest(ctx)
	if err != nil {
		return err
	}
	// No id here is that large yet: the client comes from a folder that was there before
	// this one, and all that is here is new to it.
	anew := after > snapshot
	if anew {
		after, backfill = 0, maxBackfill
	}
	earlier, err := q.earlier(ctx, f, backfill, snapshot)
	if err != nil {
		return err
	}
	options := query.TailOptions{After: after}
	if after == 0 {
		options.After = snapshot
	}
	if options.After == 0 {
		options.Backlog = maxBackfill // nothing was there a moment ago: whatever is there by now is new
	}
	if err := q.view.canTail(ctx, f, options); err != nil {
		return err
	}
	records := q.view.Tail(ctx, f, options)
	if err := s.begin(q); err != nil {
		return err
	}
	q.wrote = true
	s.comment(fmt.Sprintf("retry: %d\n\n", tailRetryMilli))
	for _, t := range earlier {
		if !anew {
			t.Missed = 0 // they were not asked for
		}
		s.record(t)
	}
	if after == 0 && snapshot > 0 {
		s.comment(fmt.Sprintf("id: %d\n\n", snapshot))
	}
	s.flush()
	if err := s.follow(ctx, cancel, records); err != nil {
		q.failure(err) // it reports what nobody else will hear of
	}
	return nil
}

// earlier returns the newest n records up to a snapshot, oldest first, and with the first
// how many there are before it.
func (q *request) earlier(ctx context.Context, f query.Filter, n int, snapshot uint64) ([]query.Tailed, error) {
	if n == 0 || snapshot == 0 {
		return nil, nil
	}
	page, err := q.view.Records(query.PartOf(ctx), f, query.Paging{Limit: n, AsOf: snapshot})
	all := make([]query.Tailed, 0, len(page.Items))
	missed := page.Total.N - int64(len(page.Items))
	for _, r := range slices.Backward(page.Items) {
		all = append(all, query.Tailed{Record: r, Missed: missed})
		missed = 0
	}
	return all, err
}

// sse writes server-sent events; after an error it writes no more.
type sse struct {
	control *http.ResponseController
	out     *bufio.Writer
	err     error
}

// begin sends the headers. Something between server and handler that cannot
// flush would keep every event back: that is said while it can be.
func (s *sse) begin(q *request) error {
	s.deadline()
	h := q.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	if err := s.control.Flush(); errors.Is(err, http.ErrNotSupported) {
		h.Del("X-Accel-Buffering")
		return &failure{status: http.StatusInternalServerError,
			message: "Live tail is not possible: something in front of this handler, such as a middleware, cannot flush."}
	} else if err != nil {
		s.err = err
	}
	return nil
}

// follow writes records as they come until there are no more, and returns what ended
// them.
func (s *sse) follow(ctx context.Context, cancel context.CancelFunc, records func(func(query.Tailed, error) bool)) error {
	arrived := make(chan query.Tailed, tailWaiting)
	var end error // read after arrived is closed
	go func() {
		defer close(arrived)
		defer func() {
			if cause := recover(); cause != nil { // no server would survive it here
				end = fmt.Errorf("panic: %s", line.PanicText(cause))
			}
		}()
		for t, err := range records {
			if err != nil {
				end = err
				return
			}
			select {
			case arrived <- t:
			case <-ctx.Done():
				return
			}
		}
	}()
	beat := time.NewTicker(tailHeartbeat)
	defer beat.Stop()
	for s.err == nil {
		select {
		case t, more := <-arrived:
			if !more {
				s.end(end)
				return end
			}
			s.record(t)
			if len(arrived) == 0 {
				s.flush()
			}
		case <-beat.C:
			s.comment(":\n\n")
			s.flush()
		}
	}
	cancel()
	for range arrived { // until the goroutine has ended
	}
	return end
}

// end says why there is nothing more.
func (s *sse) end(err error) {
	reason := "closing"
	switch {
	case errors.Is(err, query.ErrClosed):
		reason = "closed"
	case err != nil:
		reason = "failed"
	}
	s.comment("event: end\ndata: {\"reason\":\"" + reason + "\"}\n\n")
	s.flush()
}

// record writes one line, and what was missed before it.
func (s *sse) record(t query.Tailed) {
	if t.Missed > 0 {
		s.comment(fmt.Sprintf("event: gap\ndata: {\"missed\":%d}\n\n", t.Missed))
	}
	s.deadline()
	_, err := fmt.Fprintf(s.out, "id: %d\nevent: line\ndata: ", t.Record.Seq)
	if err == nil {
		_, err = s.out.Write(t.Record.Raw) // one line: it has no newline
	}
	if err == nil {
		_, err = s.out.WriteString("\n\n")
	}
	s.keep(err)
}

func (s *sse) comment(text string) {
	if s.err == nil {
		s.deadline()
		_, err := s.out.WriteString(text)
		s.keep(err)
	}
}

// deadline gives what is written until the next flush its time.
func (s *sse) deadline() { writing(s.control, tailTimeout) }

func (s *sse) flush() {
	if s.err != nil {
		return
	}
	s.deadline()
	s.keep(s.out.Flush())
	s.keep(s.control.Flush())
	idle(s.control)
}

func (s *sse) keep(err error) {
	if s.err == nil {
		s.err = err
	}
}
