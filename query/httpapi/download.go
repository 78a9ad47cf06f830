package httpapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/internal/document"
	"github.com/steplog/steplog/query"
)

// download serves one log with everything that belongs to it: a zip, as base64
// text. It is made whole before the status goes out, so that there is never
// half of one under a 200.
func (q *request) download() error {
	p := q.params("id", "projectId", "projectid", "flowId", "projectslug", "format")
	p.required("id")
	id := p.id("id")
	project := p.project("projectId", "projectid")
	if project == "" {
		p.wrong(bad("projectId", "'projectId' is required."))
	}
	flow, slug := p.required("flowId"), p.text("projectslug")
	format := p.oneOf("format", "base64", "zip")
	if err := p.done(); err != nil {
		return err
	}
	// To make the zip is a question, to send it is not.
	ctx, cancel := context.WithTimeout(q.ctx, q.options.Timeout)
	defer cancel()
	log, err := document.Find(ctx, q.engine, id)
	if errors.Is(err, query.ErrNotFound) || err == nil && (!q.view.sees(log.Project) || log.Project != project || log.Operation != flow) {
		return notFound("There is no log with this id in this flow and project.")
	}
	if err != nil {
		return err
	}

	out := q.deadlined()
	var whole spool
	defer whole.Close()
	name, kind := "log-"+strconv.FormatUint(id, 10)+".zip", "application/zip"
	if slug = fileName(slug); slug != "" {
		name = slug + "-" + name
	}
	into := io.Writer(&whole)
	finish := func() error { return nil }
	if format == "base64" {
		encoder := export.Base64(&whole)
		into, finish = encoder, encoder.Close
		name, kind = name+".b64", "text/plain; charset=us-ascii"
	}
	if q.r.Method == http.MethodHead {
		ctx = query.PartOf(ctx) // it takes nothing, and is not told of
	}
	if err := export.Zip(ctx, into, q.engine, id); err != nil {
		return err
	}
	if err := finish(); err != nil {
		return err
	}
	text, err := whole.Reader()
	if err != nil {
		return err
	}
	q.attachment(name, kind)
	q.w.Header().Set("Content-Length", strconv.FormatInt(whole.Size(), 10))
	q.w.WriteHeader(http.StatusOK)
	q.wrote = true
	_, err = io.Copy(out, text)
	return err
}

// attachment sets the headers of something to be kept in a file.
func (q *request) attachment(name, kind string) {
	h := q.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
}

// fileName makes a part of a file's name of any text.
func fileName(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		default:
			return '-'
		}
	}, text)
	return strings.Trim(text[:min(len(text), 64)], "-")
}
