package httpapi

import (
	"bytes"
	"encoding/json"

	"github.com/steplog/steplog/internal/document"
	"github.com/steplog/steplog/query"
)

// A line is JSON that was checked when it was read. encoding/json would check it
// again, byte for byte, and take longer for a page than everything else does: so
// a document is encoded with holes, and the lines are put in there.

// hole stands in a document for a line. It can be told from everything else: a
// string cannot hold it, whose quotes are escaped, and no other object here has
// an empty key. immutable.
var hole = json.RawMessage(`{"":0}`)

// A list of documents is put in as a whole, for the same reason: there encoding/json
// would look at the type of every value.

// holes returns as many as there are records, and never nil.
func holes(records []query.Record) []json.RawMessage {
	all := make([]json.RawMessage, len(records))
	for i := range all {
		all[i] = hole
	}
	return all
}

// successWith is success with lines in the holes of data.
func (q *request) successWith(data any, records []query.Record) error {
	size := 0
	for i := range records {
		size += len(records[i].Raw)
	}
	return q.filled(success{"success", data}, len(records), size+size/16, func(dst []byte, n int) []byte {
		return document.AppendHTML(dst, records[n].Raw)
	})
}

// filled answers with a document whose holes put fills, one by one, with size bytes
// or so in all.
func (q *request) filled(v any, holes, size int, put func(dst []byte, n int) []byte) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	return q.answer(fill(body, holes, size, put))
}

// fill puts what put appends into the holes of a page.
func fill(page []byte, holes, size int, put func(dst []byte, n int) []byte) []byte {
	filled := make([]byte, 0, len(page)+size)
	for n := range holes {
		at := bytes.Index(page, hole)
		filled = put(append(filled, page[:at]...), n)
		page = page[at+len(hole):]
	}
	return append(filled, page...)
}
