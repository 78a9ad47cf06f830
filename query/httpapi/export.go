package httpapi

import (
	"io"
	"net/http"
	"strconv"

	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/export/otlp"
	"github.com/steplog/steplog/query"
)

// The trailers of an export.
const (
	trailerWhole   = "Steplog-Whole"   // "true" when everything asked for is there
	trailerRecords = "Steplog-Records" // how many records were written
)

// export streams every record that a filter selects. What fails on the way is
// said in the trailer, because the status is out by then.
func (q *request) export() error {
	p := q.params(append([]string{"format", "columns", "cells"}, filterParams...)...)
	format := p.oneOf("format", "ndjson", "csv", "otlp")
	options := export.CSVOptions{Columns: list(p.text("columns"))}
	if p.oneOf("cells", "safe", "plain") == "plain" {
		options.Cells = export.PlainCells
	}
	if format != "csv" && (p.has("columns") || p.has("cells")) {
		p.wrong(bad("columns", "'columns' and 'cells' belong to format=csv."))
	}
	if _, err := export.CSV(io.Discard, none, &options); err != nil {
		p.wrong(bad("columns", "'columns' has a column that does not exist."))
	}
	f, err := q.filter(p)
	if err != nil {
		return err
	}

	records := q.view.All(q.ctx, f)
	var write func(io.Writer) (int64, error)
	switch format {
	case "csv":
		q.attachment("logs.csv", "text/csv; charset=utf-8")
		write = func(w io.Writer) (int64, error) { return export.CSV(w, records, &options) }
	case "otlp":
		q.attachment("logs.otlp.jsonl", "application/x-ndjson")
		write = func(w io.Writer) (int64, error) { return otlp.WriteJSON(w, records) }
	default:
		q.attachment("logs.ndjson", "application/x-ndjson")
		write = func(w io.Writer) (int64, error) { return export.NDJSON(w, records) }
	}
	h := q.w.Header()
	h.Set("Trailer", trailerWhole+", "+trailerRecords)
	if q.r.Method == http.MethodHead {
		return nil
	}
	q.wrote = true
	n, err := write(q.deadlined())
	h.Set(trailerWhole, strconv.FormatBool(err == nil))
	h.Set(trailerRecords, strconv.FormatInt(n, 10))
	if err != nil && q.ctx.Err() == nil {
		q.failure(err) // it reports what nobody else will hear of
	}
	return nil
}

// none yields no record.
func none(func(query.Record, error) bool) {}
