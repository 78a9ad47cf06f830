package httpapi

import (
	"io"
	"net/http"
	"slices"
	"time"
)

// A stream is written in parts of at most maxPart bytes, and each may take as long
// as writeTimeout. A client that takes longer does not read.
const (
	writeTimeout = 30 * time.Second
	maxPart      = 128 << 10
)

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

// Write writes each part with a new deadline. Where the server has none to set,
// its own holds.
func (d *deadlined) Write(p []byte) (n int, err error) {
	for part := range slices.Chunk(p, maxPart) {
		_ = d.control.SetWriteDeadline(time.Now().Add(writeTimeout))
		k, err := d.w.Write(part)
		if n += k; err != nil {
			return n, err
		}
	}
	return n, nil
}
