package httpapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/rotation"
)

// auditFile is the log that nobody deletes from here.
const auditFile = "audit"

// maxView is how many lines one view has at most.
const maxView = 5000

// files lists the files of all logs.
func (q *request) files() error {
	if err := q.params().done(); err != nil {
		return err
	}
	infos, err := q.store.Files().List()
	if err != nil {
		return err
	}
	return q.success(struct {
		Files []rotation.Info `json:"files"`
	}{infos})
}

// fileAllowed checks that a file is in the list and may be read: what access
// and audit records need, their files need too.
func (q *request) fileAllowed(name string) error {
	log, ok := rotation.LogOf(name)
	if !ok {
		return notFound("There is no such file.")
	}
	for special, permission := range map[string]Permission{auditFile: AuditRead, logger.FileAccessLog: AccessRead} {
		if log != special {
			continue
		}
		if err := q.further(permission); err != nil {
			return err
		}
	}
	return nil
}

// viewFile serves some lines of a file: its last, its first, or those from a
// place on.
func (q *request) viewFile() error {
	p := q.params("tail", "head", "offset", "limit")
	ways := 0
	for _, way := range []string{"tail", "head", "offset"} {
		if p.has(way) {
			ways++
		}
		if ways > 1 {
			p.wrong(bad(way, "'tail', 'head' and 'offset' exclude each other."))
		}
	}
	if p.has("limit") && !p.has("offset") {
		p.wrong(bad("limit", "'limit' belongs to 'offset'."))
	}
	tail, head := p.number("tail", 200, 1, maxView), p.number("head", 0, 1, maxView)
	offset, limit := p.number("offset", 0, 0, maxPosition), p.number("limit", 200, 1, maxView)
	if err := p.done(); err != nil {
		return err
	}
	name := q.r.PathValue("name")
	if err := q.fileAllowed(name); err != nil {
		return err
	}
	var text []string
	var err error
	switch folder := q.store.Files(); {
	case p.has("head"):
		text, err = folder.Head(name, head)
	case p.has("offset"):
		text, err = folder.Lines(name, offset+1, limit)
	default:
		text, err = folder.Tail(name, tail)
	}
	if err != nil {
		return err
	}
	q.store.Files().Viewed(q.ctx, name)
	return q.lines(name, text)
}

// lines answers with lines of a file. They may be megabytes, and several times as many
// as one document of JSON: each is encoded when it is sent.
func (q *request) lines(name string, text []string) error {
	page, err := encode(success{"success", struct {
		Name  string            `json:"name"`
		Lines []json.RawMessage `json:"lines"`
	}{name, []json.RawMessage{hole}}})
	if err != nil {
		return err
	}
	begin, end, _ := bytes.Cut(page, hole)
	q.w.Header().Set("Content-Type", "application/json")
	q.wrote = true
	out := bufio.NewWriterSize(q.deadlined(), maxPart)
	line := json.NewEncoder(out)
	_, _ = out.Write(begin) // Flush returns the first error
	for i, s := range text {
		if i > 0 {
			_ = out.WriteByte(',')
		}
		_ = line.Encode(s)
	}
	_, _ = out.Write(end)
	return out.Flush()
}

// fileContent serves a file as it is stored: a compressed one stays compressed.
func (q *request) fileContent() error {
	if err := q.params().done(); err != nil {
		return err
	}
	name := q.r.PathValue("name")
	if err := q.fileAllowed(name); err != nil {
		return err
	}
	open := func() (io.ReadSeekCloser, error) { return q.store.Files().DownloadStored(q.ctx, name) }
	if q.r.Method == http.MethodHead { // takes nothing
		open = func() (io.ReadSeekCloser, error) { return q.store.Files().OpenStored(name) }
	}
	file, err := open()
	if err != nil {
		return err
	}
	defer file.Close() // only read
	kind := "application/x-ndjson"
	switch {
	case strings.HasSuffix(name, ".gz"):
		kind = "application/gzip"
	case strings.HasSuffix(name, ".zst"):
		kind = "application/zstd"
	}
	q.attachment(name, kind)
	q.wrote = true
	r := q.r.Clone(q.ctx)
	r.Header.Del("If-Match") // files have no ETag that a condition could name
	r.Header.Del("If-None-Match")
	setRange(r.Header)
	http.ServeContent(&contentWriter{ResponseWriter: q.w, body: q.deadlined()}, r, "", time.Time{}, file)
	return nil
}

// setRange leaves a range of bytes, whatever the case of the word, and takes away what
// counts in anything else: an unknown unit is to be ignored (RFC 9110 §14.2), and net/http
// refuses it.
func setRange(h http.Header) {
	unit, ranges, _ := strings.Cut(h.Get("Range"), "=")
	h.Del("Range")
	if strings.EqualFold(unit, "bytes") {
		h.Set("Range", "bytes="+ranges)
	}
}

// contentWriter writes the body with deadlines, and what net/http says of a range
// in the form of all errors.
type contentWriter struct {
	http.ResponseWriter
	body    io.Writer
	refused bool
}

// WriteHeader begins the answer.
func (c *contentWriter) WriteHeader(status int) {
	if status != http.StatusRequestedRangeNotSatisfiable {
		c.ResponseWriter.WriteHeader(status)
		return
	}
	c.refused = true
	c.Header().Set("Cache-Control", "no-store") // http.Error took it away
	fail(c.ResponseWriter, &failure{status: status, message: "The range is not in the file."})
}

// Write writes a part of the body.
func (c *contentWriter) Write(p []byte) (int, error) {
	if c.refused {
		return len(p), nil
	}
	return c.body.Write(p)
}

// downloadFiles serves text files as a zip: those named, or all that may be
// read.
func (q *request) downloadFiles() error {
	p := q.params("name", "name...")
	if err := p.done(); err != nil {
		return err
	}
	names := p.values["name"]
	if len(names) > maxView {
		return bad("name", "There are too many files.")
	}
	folder := q.store.Files()
	infos, err := folder.List()
	if err != nil {
		return err
	}
	write := func(w io.Writer) error { return export.Files(q.ctx, w, folder, names...) }
	if len(names) == 0 {
		logs, err := q.readable(infos)
		if err != nil {
			return err
		}
		if len(logs) == 0 {
			return notFound("There are no files.")
		}
		write = func(w io.Writer) error {
			return export.FilesOf(q.ctx, w, folder, func(log string) bool { return logs[log] })
		}
	}
	for _, name := range names {
		if err := q.fileAllowed(name); err != nil {
			return err
		}
		if !slices.ContainsFunc(infos, func(i rotation.Info) bool { return rotation.PlainName(i.Name) == rotation.PlainName(name) }) {
			return notFound("There is no such file.")
		}
	}
	q.attachment("logs.zip", "application/zip")
	if q.r.Method == http.MethodHead {
		return nil
	}
	q.wrote = true
	// A failure on the way ends the connection: the zip has no end then.
	return write(q.deadlined())
}

// readable returns the logs of a list whose files may be read.
func (q *request) readable(infos []rotation.Info) (map[string]bool, error) {
	logs, asked := map[string]bool{}, ""
	for _, info := range infos {
		if info.Log == asked {
			continue // files of a log stand together
		}
		asked = info.Log
		err := q.fileAllowed(info.Name)
		switch {
		case err == nil:
			logs[info.Log] = true
		case !errors.Is(err, errForbidden):
			return nil, err
		}
	}
	return logs, nil
}

// deleteFile deletes a closed file, or what is in the active one now.
func (q *request) deleteFile() error {
	p := q.params("rotate")
	rotate := p.oneOf("rotate", "0", "1") == "1"
	if err := p.done(); err != nil {
		return err
	}
	name := q.r.PathValue("name")
	log, ok := rotation.LogOf(name)
	if !ok {
		return notFound("There is no such file.")
	}
	if log == auditFile {
		return &failure{status: http.StatusForbidden, message: "The audit trail cannot be deleted here."}
	}
	folder := q.store.Files()
	there, err := filesOf(folder, log)
	switch {
	case err != nil:
	case !there[rotation.PlainName(name)]:
		err = rotation.ErrNotFound
	case name == log+".log" && rotate:
		err = q.deleteActive(folder, log, there)
	default:
		err = folder.Delete(q.ctx, name)
	}
	switch {
	case errors.Is(err, rotation.ErrActive):
		return &failure{status: http.StatusConflict, message: "The file is being written; rotate=1 closes it first."}
	case err != nil:
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteActive closes the active file of a log and deletes what was in it. A
// file that is closed by somebody else at the same time goes too: it was active
// when the request came.
func (q *request) deleteActive(folder *rotation.Folder, log string, before map[string]bool) error {
	if err := q.store.Rotate(q.ctx, log); err != nil {
		return err
	}
	after, err := filesOf(folder, log)
	if err != nil {
		return err
	}
	for name := range after {
		if before[name] {
			continue
		}
		if err := folder.Delete(q.ctx, name); err != nil && !errors.Is(err, rotation.ErrNotFound) {
			return err
		}
	}
	return nil
}

// filesOf returns the files of a log, the active one too, by their names
// before compression.
func filesOf(folder *rotation.Folder, log string) (map[string]bool, error) {
	infos, err := folder.List()
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, info := range infos {
		if info.Log == log {
			names[rotation.PlainName(info.Name)] = true
		}
	}
	return names, nil
}
