package journal

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/steplog/steplog/internal/block"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// LineReader reads lines of a segment, faster than [Segment.Read] where they lie
// together, as those of a run do. It holds no file open, and is for one goroutine
// at a time.
type LineReader struct {
	s     *Segment
	block []byte // of the text, kept by the cache or ahead; not to be changed
	from  int64  // where it begins
	buf   []byte
	lines sidecar.Lines // of a sealed file
	spans *block.Spans  // of its text

	// of a text that is not sealed
	next  int    // the row behind the one that was read last
	ahead []byte // room for what is read ahead of rows that are asked for one after the other
	ring  uint64 // where the frame behind the one that was read last lies
}

// AheadBytes is how much of a plain text is read at a time where one row is asked for
// after the other: all rows that have no index yet.
const AheadBytes = 64 << 10

// Lines returns a LineReader.
func (s *Segment) Lines() LineReader {
	r := LineReader{s: s}
	if s.Sealed() {
		r.lines, r.spans = s.Index().Lines(), s.Index().Held().Spans()
	}
	return r
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

// Ahead returns the text from row i on that is read at a time, and where it begins;
// nothing of a row that is sealed, or not yet in the text. It ends anywhere. It is
// good until the next call and must not be changed, and nobody has looked whether
// the lines are those that the rows tell of.
func (r *LineReader) Ahead(i int) (text []byte, offset int64) {
	if r.s.Sealed() {
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

// near returns a line that lies in one block; nil for any other, and for one that
// is not what was expected: Segment.Read says what is wrong.
func (r *LineReader) near(i int) []byte {
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
	line := r.block[at : at+size : at+size]
	if n := bytes.IndexByte(line, '\n'); n >= 0 {
		line = line[:n:n]
	}
	if got, ok := seqOf(line); !ok || got != seq {
		r.block = nil
		return nil
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
	size := int(min(r.s.TextEnd()-offset, AheadBytes))
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
	if x := rd.index; x == nil || blocks == nil || x != s.Index() && (x.DataSize() != s.Index().DataSize() || x.DataCRC() != s.Index().DataCRC()) {
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
