package access

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/steplog/steplog/audit"
)

// Middleware returns a handler that records each request once next has handled
// it. When next panics, that is recorded and the panic goes on. The context that
// next gets knows the request's origin, so that audit records made in it do, and
// takes [SetAccount] and [SetMemo]. Of a nil Recorder it is next itself.
func (r *Recorder) Middleware(next http.Handler) http.Handler {
	if r == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		x := &exchange{Context: req.Context(), ResponseWriter: w, recorder: r}
		r.begin(&x.record, req)
		start := x.record.Time
		defer func() {
			if x.returned {
				return
			}
			p := recover()
			// A panic that says "break off the answer" is no accident; net/http takes no
			// other error for it either.
			if p == http.ErrAbortHandler {
				x.record.Aborted = true
			} else {
				x.record.Panic = true
				if !x.wrote {
					x.record.Status = http.StatusInternalServerError
				}
			}
			r.end(x, start)
			if p != nil {
				panic(p)
			}
		}()
		next.ServeHTTP(x, req.WithContext(x))
		x.returned = true
		r.end(x, start)
	})
}

// end records a request that was handled.
func (r *Recorder) end(x *exchange, start time.Time) {
	x.mu.Lock()
	x.ended = true
	x.mu.Unlock()
	rec := &x.record // nobody else's any more
	rec.Duration = r.since(start)
	if rec.Status == 0 {
		rec.Status = http.StatusOK
	}
	if rec.Method == http.MethodHead {
		rec.Bytes = 0 // the server sends nothing of what it takes
	}
	if x.Context.Err() != nil || x.short() {
		rec.Aborted = true
	}
	rec.Origin = r.attribute(rec.IP)
	r.record(*rec)
}

// since is how long ago a moment was. The system's clock tells that quicker than
// the time.
func (r *Recorder) since(start time.Time) time.Duration {
	if r.opts.Clock == nil {
		return time.Since(start)
	}
	return r.now().Sub(start)
}

// exchange is one request while it is handled: the writer of its answer and its
// context at once, so that both cost one allocation.
type exchange struct {
	context.Context
	http.ResponseWriter
	recorder *Recorder
	wrote    bool // the status is out
	returned bool
	length   int64      // that the answer's body is to have, as far as the handler said; else 0
	mu       sync.Mutex // guards ended, and what other goroutines may set before
	ended    bool
	record   Record
}

type exchangeKey struct{}

// Value has the exchange found in the contexts made from it.
func (x *exchange) Value(key any) any {
	switch key {
	case exchangeKey{}:
		return x
	case audit.OriginKey:
		return audit.Origin{IP: x.record.IP, From: x.record.IPFrom, Request: x.record.RequestID}
	}
	return x.Context.Value(key)
}

// SetAccount says who the request of a context comes from: their account and the
// name of their company. It is for handlers that find that out further in than
// the middleware, and may be called from any goroutine until the request has
// ended. Outside of the middleware it does nothing.
func SetAccount(ctx context.Context, account, tenant string) {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		account, tenant = x.recorder.clip(account, maxText), x.recorder.clip(tenant, maxText)
		x.set(func(rec *Record) { rec.Account, rec.Tenant = account, tenant })
	}
}

// SetMemo adds a remark to the record of a context's request, as [SetAccount]
// does.
func SetMemo(ctx context.Context, memo string) {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		memo = x.recorder.clip(memo, maxPath)
		x.set(func(rec *Record) { rec.Memo = memo })
	}
}

// set changes the record until the request has ended.
func (x *exchange) set(change func(*Record)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.ended {
		change(&x.record)
	}
}

// Unwrap lets http.ResponseController find what the server's writer can do.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader notes the status. Informational ones come before the answer.
func (x *exchange) WriteHeader(status int) {
	final := !x.wrote && (status >= 200 || status == http.StatusSwitchingProtocols)
	if final {
		x.announced()
	}
	x.ResponseWriter.WriteHeader(status) // panics for what is no status
	if final {
		x.wrote, x.record.Status = true, status
	}
}

// announced notes how long the answer's body is to be, before the header is out: of a
// server's writer it makes a copy later.
func (x *exchange) announced() {
	if v := x.Header()["Content-Length"]; len(v) == 1 && x.record.Method != http.MethodHead {
		x.length, _ = strconv.ParseInt(v[0], 10, 64)
	}
}

// short reports whether the answer's body ended before its announced length. A server that
// sends a file past its own buffers tells nobody else that the other end went away.
func (x *exchange) short() bool {
	rec := &x.record
	return rec.Bytes < x.length && !rec.Panic && !rec.Hijacked &&
		rec.Status >= 200 && rec.Status != http.StatusNoContent && rec.Status != http.StatusNotModified
}

// Write counts the bytes of the answer.
func (x *exchange) Write(p []byte) (int, error) {
	x.implied()
	n, err := x.ResponseWriter.Write(p)
	x.record.Bytes += int64(n)
	return n, err
}

// WriteString is Write without a copy where the server can.
func (x *exchange) WriteString(s string) (int, error) {
	x.implied()
	n, err := io.WriteString(x.ResponseWriter, s)
	x.record.Bytes += int64(n)
	return n, err
}

// implied notes the status that a body without one has.
func (x *exchange) implied() {
	if !x.wrote {
		x.announced()
		x.wrote, x.record.Status = true, http.StatusOK
	}
}

// ReadFrom lets the server send a file without copying it.
func (x *exchange) ReadFrom(src io.Reader) (int64, error) {
	to, ok := x.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{x}, src)
	}
	wrote := x.wrote
	x.implied()
	n, err := to.ReadFrom(src)
	x.record.Bytes += n
	if n == 0 && !wrote { // nothing is out: the handler may still say what became of it
		x.wrote, x.record.Status, x.length = false, 0, 0
	}
	return n, err
}

// Flush sends what was written so far.
func (x *exchange) Flush() { _ = x.FlushError() }

// FlushError is Flush for those who want to know.
func (x *exchange) FlushError() error {
	err := http.NewResponseController(x.ResponseWriter).Flush()
	if !errors.Is(err, http.ErrNotSupported) { // else nothing is out
		x.implied()
	}
	return err
}

// Hijack hands the connection over.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err == nil {
		x.record.Hijacked = true
		if !x.wrote {
			x.wrote, x.record.Status = true, http.StatusSwitchingProtocols
		}
	}
	return conn, rw, err
}

// CloseNotify tells when whoever asked went away, as a server's writer does for those who
// still ask it and not the context; some take it for granted that they can.
func (x *exchange) CloseNotify() <-chan bool {
	if w, ok := x.ResponseWriter.(interface{ CloseNotify() <-chan bool }); ok {
		return w.CloseNotify()
	}
	gone := make(chan bool, 1)
	context.AfterFunc(x.Context, func() { gone <- true })
	return gone
}

// Push sends what will be asked for next, where the connection can.
func (x *exchange) Push(target string, o *http.PushOptions) error {
	if w, ok := x.ResponseWriter.(http.Pusher); ok {
		return w.Push(target, o)
	}
	return http.ErrNotSupported
}

// unescape undoes a query's escapes, as far as they are any.
func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
