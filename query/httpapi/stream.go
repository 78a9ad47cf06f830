package httpapi

import (
	"io"
	"net/http"
	"time"
)

// writeTimeout is how long one part of a stream may take to be written. A
// client that takes longer does not read.
const writeTimeout = 30 * time.Second

// deadlined returns a writer to the client that gives each write a deadline of
// its own in place of the server's WriteTimeout, which is meant for short
// answers.
func (q *request) deadlined() io.Writer {
	return &deadlined{w: q.w, control: http.NewResponseController(q.w)}
}

type deadlined struct {
	w       io.Writer
	control *http.ResponseController
}

// Write writes with a new deadline. Where the server has none to set, its own
// holds.
func (d *deadlined) Write(p []byte) (int, error) {
	_ = d.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	return d.w.Write(p)
}
