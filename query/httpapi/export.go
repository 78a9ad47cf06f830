package httpapi

import (
	"bytes"
	"io"
	"iter"
	"net/http"
	"strconv"

	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/export/otlp"
	"github.com/steplog/steplog/query"
)

// The trailers of an export.
const (
	trailerWhole   = "Steplog-Whole"   // "true": everything asked for is there
	trailerRecords = "Steplog-Records" // how many records were written
)

// export streams every record that a filter selects. What fails before the first byte
// has its status. What fails on the way ends the connection, because the status is out by
// then, and few clients look at a trailer.
func (q *request) export() error {
	p := q.params(append([]string{"format", "columns", "cells"}, filterParams...)...)
	format := p.oneOf("format", "ndjson", "csv", "otlp")
	options := export.CSVOptions{Columns: list(p.text("columns"))}
	if p.oneOf("cells", "safe", "plain") == "plain" {
		options.Cells = export.PlainCells
	}
	for _, name := range []string{"columns", "cells"} {
		if format != "csv" && p.has(name) {
			p.wrong(bad(name, "'%s' belongs to format=csv.", name))
		}
	}
	if _, err := export.CSV(io.Discard, none, &options); err != nil {
		p.wrong(bad("columns", "'columns' has a column that does not exist."))
	}
	f, err := q.filter(p)
	if err != nil {
		return err
	}

	var write func(*exported) (int64, error)
	switch format {
	case "csv":
		q.attachment("logs.csv", "text/csv; charset=utf-8")
		write = func(w *exported) (int64, error) { return export.CSV(w, w.records(f), &options) }
	case "otlp":
		q.attachment("logs.otlp.jsonl", "application/x-ndjson")
		write = func(w *exported) (int64, error) { return otlp.WriteJSON(w, w.records(f)) }
	default:
		q.attachment("logs.ndjson", "application/x-ndjson")
		write = func(w *exported) (int64, error) { return q.exportLines(w, f) }
	}
	h := q.w.Header()
	h.Set("Trailer", trailerWhole+", "+trailerRecords)
	if q.r.Method == http.MethodHead { // takes nothing, and is refused what GET is
		for _, err := range q.view.All(query.PartOf(q.ctx), f) {
			return err
		}
		return nil
	}
	n, err := write(&exported{q: q, w: q.deadlined()})
	if err != nil {
		return err
	}
	h.Set(trailerWhole, "true")
	h.Set(trailerRecords, strconv.FormatInt(n, 10))
	return nil
}

// exported writes the answer, which has begun with its first byte.
type exported struct {
	q       *request
	w       io.Writer
	refused error // what the records failed with before that byte
}

// records returns the records of an export. Where they fail at once, nothing is written
// any more: a table would have its head.
func (e *exported) records(f query.Filter) iter.Seq2[query.Record, error] {
	all := e.q.view.All(e.q.ctx, f)
	return func(yield func(query.Record, error) bool) {
		for r, err := range all {
			if err != nil && !e.q.wrote {
				e.refused = err
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Write writes whole.
func (e *exported) Write(p []byte) (int, error) {
	if e.refused != nil {
		return 0, e.refused
	}
	e.q.wrote = true
	return e.w.Write(p)
}

// exportLines writes lines. Those of who sees everything go out as they are
// stored; of who sees some projects, each is looked at once more.
func (q *request) exportLines(w *exported, f query.Filter) (int64, error) {
	if !q.who.AllProjects {
		return export.NDJSON(w, w.records(f))
	}
	lines := q.engine.Reader(q.ctx, f)
	defer lines.Close()
	counted := countLines{w: w}
	_, err := io.Copy(&counted, lines)
	return counted.n, err
}

// countLines counts the lines that were written.
type countLines struct {
	w io.Writer
	n int64
}

// Write writes whole and counts what was taken.
func (c *countLines) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(bytes.Count(p[:n], newline))
	return n, err
}

var newline = []byte{'\n'} // immutable

// none yields no record.
func none(func(query.Record, error) bool) {}
