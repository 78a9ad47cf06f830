package audit

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lineReader reads the lines of a text.
type lineReader struct {
	r   *bufio.Reader
	buf []byte
}

func newLineReader(t text, buffer int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(io.NewSectionReader(t, 0, t.Size()), buffer)}
}

// next returns a line without its newline, valid until the next call. A last
// line without a newline is none.
func (r *lineReader) next() ([]byte, error) {
	r.buf = r.buf[:0]
	for {
		part, err := r.r.ReadSlice('\n')
		if err == nil && len(r.buf) == 0 {
			return part[:len(part)-1], nil
		}
		if r.buf = append(r.buf, part...); err == nil {
			return bytes.TrimSuffix(r.buf, []byte("\n")), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(r.buf) > maxCommit {
			return nil, ErrLine
		}
	}
}

// lastLine is where the last line of a text without its newline begins.
func lastLine(text []byte) int { return bytes.LastIndexByte(text, '\n') + 1 }
