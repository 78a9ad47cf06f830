package httpapi

import (
	"bytes"
	"encoding/json"
	"slices"

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
	return q.filled(success{"success", data}, len(records), size+size/16, func(dst []byte, n int) ([]byte, error) {
		return document.AppendHTML(dst, records[n].Raw), nil
	})
}

// filled answers with a document whose holes put fills, one by one, with size bytes
// or so in all.
func (q *request) filled(v any, holes, size int, put func(dst []byte, n int) ([]byte, error)) error {
	page, err := encode(v)
	if err != nil {
		return err
	}
	room, _ := q.rooms.Get().(*[]byte)
	if room == nil {
		room = new([]byte)
	}
	body, err := fill(slices.Grow((*room)[:0], len(page)+size), page, holes, put)
	if err != nil {
		return err
	}
	if q.answer(body) && cap(body) <= maxRoom {
		*room = body
		q.rooms.Put(room)
	}
	return nil
}

// maxRoom bounds the memory that is kept for the next page.
const maxRoom = 1 << 20

// fill appends a page to dst with what put appends in its holes.
func fill(dst, page []byte, holes int, put func(dst []byte, n int) ([]byte, error)) ([]byte, error) {
	for n := range holes {
		at := bytes.Index(page, hole)
		var err error
		if dst, err = put(append(dst, page[:at]...), n); err != nil {
			return nil, err
		}
		page = page[at+len(hole):]
	}
	return append(dst, page...), nil
}
