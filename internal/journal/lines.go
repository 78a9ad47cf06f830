package journal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/line"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// LineReader reads lines of a segment, faster than [Segment.Read] where they lie
// together, as those of a run do. The zero value reads of no segment until
// [LineReader.Reset] says which. It holds no file open, and is for one goroutine at a
// time.
type LineReader struct {
	s     *Segment
	block []byte // of the text, kept by the cache or ahead; not to be changed
	from  int64  // where it begins
	buf   []byte
	lines sidecar.Lines // of a sealed file
	spans *block.Spans  // of its text
	found []foundLine   // of it, which are asked for next
	at    int           // the first of them that was not asked for yet
	seen  int           // keeps what only touches memory

	// of a text that is not sealed
	next  int    // the row behind the one that was read last
	ahead []byte // room for what is read ahead of rows that are asked for one after the other
	ring  uint64 // where the frame behind the one that was read last lies
}

// foundLine is where a line of a sealed file lies that will be asked for.
type foundLine struct {
	sidecar.Found
	text []byte // with what follows it; nil where no kept block has all of it
}

// TextBytes is how much of a plain text is read at a time where one row is asked for
// after the other: all rows that have no index yet.
const TextBytes = 64 << 10

// End gives up the segment, but keeps memory for the next one.
func (r *LineReader) End() {
	clear(r.found[:cap(r.found)])
	*r = LineReader{buf: r.buf, ahead: r.ahead, found: r.found[:0]}
	if cap(r.buf) > TextBytes {
		r.buf = nil
	}
}

// Reset has r read lines of a segment.
func (r *LineReader) Reset(s *Segment) {
	*r = LineReader{s: s, buf: r.buf, ahead: r.ahead, found: r.found[:0]}
	if s.Sealed() {
		r.lines, r.spans = s.Index().Lines(), s.Index().Held().Spans()
	}
}

// Segment returns the segment that it reads, nil for the zero LineReader.
func (r *LineReader) Segment() *Segment { return r.s }

// Read returns the line of row i, without its newline, or an error as
// Segment.Read does. The line is good until the next call and must not be changed.
func (r *LineReader) Read(i int) ([]byte, error) {
	if line := r.near(i); line != nil {
		return line, nil
	}
	var err error
	r.buf, err = r.s.read(i, r.buf[:0], &r.ring)
	return r.buf, err
}

// Text returns the text from row i on that is read at a time, and where it begins;
// nothing of a row that is sealed, or not yet in the text, or where lines do not stand in
// the order of their rows. It ends anywhere. It is good until the next call and must not
// be changed, and nobody has looked whether the lines are those that the rows tell of.
func (r *LineReader) Text(i int) (text []byte, offset int64) {
	if r.s.Sealed() || r.s.Segment.Unindexable.Load() {
		return nil, 0
	}
	row := r.s.TextRow(i)
	if row.Seq > r.s.Segment.InText.Load() {
		return nil, 0
	}
	offset = int64(row.Offset)
	if offset < r.from || offset+int64(row.Len) >= r.from+int64(len(r.block)) {
		block, from, err := r.readAhead(offset)
		if err != nil {
			return nil, 0
		}
		r.block, r.from = block, from
	}
	r.next = i
	return r.block[offset-r.from:], offset
}

// MostAhead is how many rows [LineReader.Ahead] takes at a time.
const MostAhead = sidecar.MostFound

// Ahead says which rows of a sealed file will be asked for next, in this order, at most
// MostAhead: to find them together takes less time than one after the other. Any others
// may be asked for as well.
func (r *LineReader) Ahead(rows []uint32) {
	r.found, r.at = r.found[:0], 0
	if r.spans == nil || len(rows) < 2 {
		return
	}
	var found [MostAhead]sidecar.Found
	for i, row := range rows {
		found[i].Row = int(row)
	}
	r.lines.Find(found[:len(rows)])
	r.found = slices.Grow(r.found, MostAhead)
	var text []byte
	from, last := int64(0), -1
	for i := range rows {
		f := foundLine{Found: found[i]}
		if n := r.spans.Find(f.Offset); n != last && n < r.spans.Blocks() {
			text, _ = r.s.Index().Held().Kept(n)
			from, _ = r.spans.Span(n)
			last = n
		}
		if at := f.Offset - from; at >= 0 && at+int64(f.Size) <= int64(len(text)) {
			f.text = text[at : at+int64(f.Size)]
			for k := 0; k < len(f.text); k += cacheLine {
				r.seen += int(f.text[k])
			}
		}
		r.found = append(r.found, f)
	}
}

// cacheLine is how many bytes are fetched from memory together.
const cacheLine = 64

// Expects reports whether a row of a segment is the next of those that Ahead was told.
func (r *LineReader) Expects(s *Segment, row int) bool {
	return r.s == s && r.at < len(r.found) && r.found[r.at].Row == row
}

// foundAhead returns the line of a row that was found ahead, nil for any other.
func (r *LineReader) foundAhead(i int) []byte {
	if r.at == len(r.found) || r.found[r.at].Row != i {
		return nil
	}
	f := &r.found[r.at]
	r.at++
	return lineOf(f.text, f.Seq)
}

// lineOf returns the line that a part of a text begins with, nil when that is not the
// record with this seq.
func lineOf(text []byte, seq uint64) []byte {
	raw := text[:len(text):len(text)]
	if n := bytes.IndexByte(raw, '\n'); n >= 0 {
		raw = raw[:n:n]
	}
	if got, ok := line.NumberOf(raw); !ok || got != seq {
		return nil
	}
	return raw
}

// near returns a line that lies in one block; nil for any other, and for one that
// is not what was expected: Segment.Read says what is wrong.
func (r *LineReader) near(i int) []byte {
	if line := r.foundAhead(i); line != nil {
		r.next = i + 1
		return line
	}
	var offset int64
	var size int
	var seq uint64
	sealed, follows := r.s.Sealed(), i == r.next
	r.next = i + 1
	if sealed {
		offset, size, seq = r.lines.Line(i)
	} else {
		row := r.s.TextRow(i)
		if row.Seq > r.s.Segment.InText.Load() {
			return nil
		}
		offset, size, seq = int64(row.Offset), int(row.Len), row.Seq
	}
	if offset < r.from || offset+int64(size) > r.from+int64(len(r.block)) {
		find := r.s.textBlock
		if sealed {
			find = r.sealedBlock
		} else if follows {
			find = r.readAhead
		}
		block, from, err := find(offset)
		if err != nil || offset+int64(size) > from+int64(len(block)) {
			return nil
		}
		r.block, r.from = block, from
	}
	at := int(offset - r.from)
	line := lineOf(r.block[at:at+size], seq)
	if line == nil {
		r.block = nil
	}
	return line
}

// readAhead reads the plain text from an offset on, past the cache: it would hold
// nothing else after a scan.
func (r *LineReader) readAhead(offset int64) ([]byte, int64, error) {
	rd, err := r.s.from.readerOf(r.s.Segment)
	if err != nil {
		return nil, 0, err
	}
	defer r.s.from.readers.release(rd)
	size := int(min(r.s.TextEnd()-offset, TextBytes))
	if size <= 0 || !rd.plain || rd.index != nil {
		return nil, 0, errTextEnd
	}
	if cap(r.ahead) < size {
		r.ahead = make([]byte, size)
	}
	r.block, r.ahead = nil, r.ahead[:size] // block may be the same memory
	n, err := rd.text.ReadAt(r.ahead, offset)
	if n < size {
		return nil, 0, errors.Join(errTextEnd, err)
	}
	return r.ahead, offset, nil
}

// sealedBlock returns the block of a sealed text that holds an offset, and where
// it begins. The file is looked for when a block is not kept decoded.
func (r *LineReader) sealedBlock(offset int64) ([]byte, int64, error) {
	if r.spans != nil {
		n := r.spans.Find(offset)
		if n == r.spans.Blocks() {
			return nil, 0, errTextEnd
		}
		if block, ok := r.s.Index().Held().Kept(n); ok {
			from, _ := r.spans.Span(n)
			return block, from, nil
		}
	}
	s := r.s
	rd, err := s.from.readerOf(s.Segment)
	if err != nil {
		return nil, 0, err
	}
	defer s.from.readers.release(rd)
	blocks := rd.text.Blocks()
	if x := rd.index; x == nil || blocks == nil || !x.SameData(s.Index()) {
		return nil, 0, fmt.Errorf("%w: %s has another form now", ErrGone, s.Name())
	}
	n := blocks.Find(offset)
	if n == blocks.Blocks() {
		return nil, 0, errTextEnd
	}
	from, _ := blocks.Span(n)
	block, err := rd.index.Held().Block(n, func() ([]byte, error) { return blocks.Decode(nil, n) })
	if rd.index == s.Index() {
		r.spans = blocks.Spans()
		s.Index().Held().SetSpans(r.spans)
	}
	return block, from, err
}
