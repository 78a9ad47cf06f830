package httpapi

import (
	"io"
	"net/http"
	"slices"
	"time"
)

// An answer is written in parts of at most maxPart bytes, and each may take as long
// as writeTimeout. A client that takes longer does not read.
const (
	writeTimeout = 30 * time.Second
	maxPart      = 128 << 10
)

// stream returns the control of an answer that is written piece by piece, for which the
// server's WriteTimeout does not hold.
//
// A deadline is there only while something is written: HTTP/2 ends a stream when its
// deadline passes, also while nobody writes. Where the server has none to set, its own
// holds.
func (q *request) stream() *http.ResponseController {
	q.control = http.NewResponseController(q.w)
	idle(q.control)
	return q.control
}

// writing gives the writes that follow their time.
func writing(c *http.ResponseController, d time.Duration) { _ = c.SetWriteDeadline(time.Now().Add(d)) }

// idle takes the deadline away until something is written again.
func idle(c *http.ResponseController) { _ = c.SetWriteDeadline(time.Time{}) }

// deadlined returns a writer to the client that gives each write a deadline of its
// own.
func (q *request) deadlined() io.Writer { return &deadlined{w: q.w, control: q.stream()} }

type deadlined struct {
	w       io.Writer
	control *http.ResponseController
}

// Write writes each part with a new deadline.
func (d *deadlined) Write(p []byte) (n int, err error) {
	defer idle(d.control)
	for part := range slices.Chunk(p, maxPart) {
		writing(d.control, writeTimeout)
		k, err := d.w.Write(part)
		if n += k; err != nil {
			return n, err
		}
	}
	return n, nil
}
