package httpapi

import (
	"bytes"
	"encoding/json"

	"github.com/steplog/steplog/query"
)

// A line is JSON that was checked when it was read. encoding/json would check it
// again, byte for byte, and take longer for a page than everything else does: so
// a document is encoded with holes, and the lines are put in there.

// hole stands in a document for a line. It can be told from everything else: a
// string cannot hold it, whose quotes are escaped, and no other object here has
// an empty key. immutable.
var hole = json.RawMessage(`{"":0}`)

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
	body, err := encode(success{"success", data})
	if err != nil {
		return err
	}
	return q.answer(fill(body, records))
}

// fill puts lines into the holes of a document.
func fill(document []byte, records []query.Record) []byte {
	size := len(document)
	for i := range records {
		size += len(records[i].Raw)
	}
	filled := make([]byte, 0, size+size/16)
	for i := range records {
		n := bytes.Index(document, hole)
		filled = appendLine(append(filled, document[:n]...), records[i].Raw)
		document = document[n+len(hole):]
	}
	return append(filled, document...)
}

// appendLine appends a line with the characters escaped that encode escapes.
// They can stand in its strings only.
func appendLine(dst, line []byte) []byte {
	plain := true
	for _, c := range [...]byte{'<', '>', '&', 0xe2} {
		plain = plain && bytes.IndexByte(line, c) < 0
	}
	if plain {
		return append(dst, line...)
	}
	const digits = "0123456789abcdef"
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '<' || c == '>' || c == '&':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		case c == 0xe2 && i+2 < len(line) && line[i+1] == 0x80 && line[i+2]&^1 == 0xa8: // U+2028 and U+2029 end lines in JavaScript
			dst = append(dst, '\\', 'u', '2', '0', '2', digits[line[i+2]&15])
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
