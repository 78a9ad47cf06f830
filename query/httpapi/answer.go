package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

// failure is an answer that is an error.
type failure struct {
	status  int
	message string
	param   string // the parameter that is wrong, "" for none
	retry   int    // seconds until it makes sense to ask again, 0 for nothing to say
}

// Error returns the message.
func (f *failure) Error() string { return f.message }

// bad is a parameter that is wrong.
func bad(param, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, param: param, message: fmt.Sprintf(format, args...)}
}

func notFound(message string) *failure {
	return &failure{status: http.StatusNotFound, message: message}
}

// fail writes a failure as JSON, in place of a file that has not begun.
func fail(w http.ResponseWriter, f *failure) {
	h := w.Header()
	h.Del("Content-Disposition")
	h.Del("Trailer")
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(f.retry))
	}
	body, _ := encode(struct { // strings always encode
		Status  string `json:"status"`
		Message string `json:"message"`
		Param   string `json:"param,omitempty"`
	}{"error", f.message, f.param})
	send(w, f.status, body)
}

// fail answers with an error, or ends the connection when an answer has begun or the
// request was given up: without an answer net/http would send an empty one with 200.
func (q *request) fail(err error) {
	f := q.failure(err)
	if q.wrote || f == nil {
		panic(http.ErrAbortHandler)
	}
	fail(q.w, f)
}

// problem tells of an error that a client is not told of.
func (q *request) problem(err error) *failure {
	q.options.OnProblem(fmt.Errorf("httpapi: %s %s: %w", q.r.Method, q.r.URL.Path, err))
	return &failure{status: http.StatusInternalServerError, message: "Something went wrong inside."}
}

// paramOf are the names of parameters for the fields that package query names.
// immutable.
var paramOf = map[string]string{
	"From": "startDate", "To": "endDate", "Files": "in", "Kinds": "kind", "Search": "search", "Where": "field.1",
	"Limit": "limit", "Offset": "offset", "Cursor": "cursor", "before": "before", "after": "after",
	"field": "field", "limit": "limit", "width": "interval", "Project": "project", "Projects": "", "IP": "ip",
	"Events": "action", "Modules": "module", "Verbs": "eventType",
}

// failure says how an error is answered; nil when the request was given up, by a client
// that has gone or a server that ends.
func (q *request) failure(err error) *failure {
	var f *failure
	var invalid *query.InvalidError
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{status: http.StatusServiceUnavailable, message: "The query took too long: narrow the time range."}
	case q.r.Context().Err() != nil:
		return nil
	case errors.As(err, &invalid):
		param, known := paramOf[invalid.Param]
		if !known {
			param = ""
		}
		return bad(param, "%s %s.", orWord(param, invalid.Param), invalid.Reason)
	case errors.Is(err, rotation.ErrNotFound):
		return notFound("There is no such file.")
	case errors.Is(err, query.ErrNotFound):
		return notFound("There is no record with this id.")
	case errors.Is(err, query.ErrChanging):
		return &failure{status: http.StatusServiceUnavailable, retry: 1, message: "Files were deleted while they were read; try again."}
	case errors.Is(err, query.ErrClosed), errors.Is(err, logger.ErrClosed), errors.Is(err, fs.ErrClosed):
		return &failure{status: http.StatusServiceUnavailable, message: "The log is closed."}
	case errors.Is(err, query.ErrUnsupported):
		return &failure{status: http.StatusNotImplemented, message: "The engine behind this API cannot answer that."}
	}
	return q.problem(err)
}

func orWord(param, word string) string {
	if param == "" {
		return word
	}
	return "'" + param + "'"
}

// success is the envelope that the API's document has.
type success struct {
	Status string `json:"status"`
	Data   any    `json:"data"`
}

// success answers with data in the envelope.
func (q *request) success(data any) error { return q.json(success{"success", data}) }

// json answers with a document.
func (q *request) json(v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	q.answer(body)
	return nil
}

// answer answers with what is JSON already. A page may be long, and who does not read it
// must not keep its place. A client that has gone hears nothing: ok is false then, and the
// server may still read body.
func (q *request) answer(body []byte) (ok bool) {
	q.wrote = true
	header(q.w, http.StatusOK, len(body))
	_, err := q.deadlined().Write(body)
	return err == nil
}

// encode leaves HTML's characters escaped: text that was logged may end up in
// a page.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func send(w http.ResponseWriter, status int, body []byte) {
	header(w, status, len(body))
	_, _ = w.Write(body) // a client that has gone hears nothing
}

// header begins an answer of size bytes of JSON.
func header(w http.ResponseWriter, status, size int) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(size))
	w.WriteHeader(status)
}
