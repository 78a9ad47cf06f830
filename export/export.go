// Package export writes records and files elsewhere, in forms that other
// programs read: lines as NDJSON ([NDJSON]), tables as CSV ([CSV]), the text
// files themselves as a zip ([Files]), requests as CSV ([AccessCSV]; the forms of
// web servers are in package access), and a main, sub or line log with all its
// details as a zip of one JSON file ([Zip]), or all runs that a filter selects as
// a zip of one for each ([ZipRuns]), in base64 when it has to pass as text
// ([Base64]).
//
// Everything is streamed: memory does not grow with what is written, but for
// [Files], which holds the text of a compressed file whose lines are grouped, one at
// a time. A function that returns an error has written a part; what it wrote to is
// then of no use, and the caller discards it.
package export

import (
	"bufio"
	"encoding/base64"
	"io"
	"iter"

	"github.com/steplog/steplog/query"
)

// bufferBytes is how much is gathered before a write.
const bufferBytes = 64 << 10

// NDJSON writes the lines of the records that seq yields, byte for byte as they
// are stored, each with a newline. It returns how many records it wrote whole
// and the first error, of seq or of w. Where nobody looks at the records on the
// way, [io.Copy] from [query.Engine.Reader] writes the same, and several times as
// fast: it does not take lines apart.
func NDJSON(w io.Writer, seq iter.Seq2[query.Record, error]) (int64, error) {
	out := bufio.NewWriterSize(w, bufferBytes)
	return each(seq, out.Flush, func(r query.Record) error {
		_, _ = out.Write(r.Raw) // the writer keeps the error for the next call
		return out.WriteByte('\n')
	})
}

// each writes every record of seq and flushes. After an error of seq, what came
// before it is flushed too.
func each[T any](seq iter.Seq2[T, error], flush func() error, write func(T) error) (n int64, err error) {
	for r, err := range seq {
		if err != nil {
			_ = flush() // the error of seq is the first
			return n, err
		}
		if err := write(r); err != nil {
			return n, err
		}
		n++
	}
	return n, flush()
}

// Base64 returns a writer that writes what it is given to w as base64 text: the
// standard alphabet of RFC 4648 §4 with padding, on one line. Close writes the
// last characters and leaves w open; without it the text is not complete.
func Base64(w io.Writer) io.WriteCloser {
	return base64.NewEncoder(base64.StdEncoding, w)
}
