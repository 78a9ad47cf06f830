package block

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow is the memory that a zstd file of another writer may ask for:
// what the specification (RFC 8878, section 3.1.1.1.2) wants every decoder to
// support.
const maxZstdWindow = 8 << 20

// stream reads a compressed file that is not cut in blocks, as gzip and zstd
// make them: from the start on, and again from the start to go back.
type stream struct {
	r      io.ReaderAt
	size   int64
	format Format
	text   int64 // size of the text; immutable after openStream

	mu  sync.Mutex // guards the decoder and its place
	dec io.Reader  // nil before the first read and after an error
	pos int64
}

// openStream decodes the file once, to find damage and the size of the text.
func openStream(r io.ReaderAt, size int64, format Format) (*stream, error) {
	s := &stream{r: r, size: size, format: format}
	if err := s.restart(); err != nil {
		return nil, err
	}
	n, err := io.Copy(io.Discard, io.LimitReader(s.dec, maxText+1))
	if err == nil && n > maxText {
		err = errTooLarge
	}
	if err != nil {
		return nil, &CorruptError{0, err}
	}
	s.text, s.pos = n, n
	return s, nil
}

func (s *stream) restart() error {
	s.dec, s.pos = nil, 0
	in := bufio.NewReaderSize(io.NewSectionReader(s.r, 0, s.size), 64<<10)
	if s.format == Zstd {
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return &CorruptError{0, err}
		}
		s.dec = z
		return nil
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	s.dec = z
	return nil
}

func (s *stream) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.text {
		return 0, io.EOF
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dec == nil || off < s.pos {
		if err := s.restart(); err != nil {
			return 0, err
		}
	}
	n, err := io.CopyN(io.Discard, s.dec, off-s.pos)
	s.pos += n
	if err == nil {
		var m int
		m, err = io.ReadFull(s.dec, p[:min(int64(len(p)), s.text-off)])
		s.pos += int64(m)
		if err == nil && m < len(p) {
			err = io.EOF
		}
		if err == nil || errors.Is(err, io.EOF) && m > 0 {
			return m, err
		}
	}
	s.dec = nil
	return 0, &CorruptError{0, err}
}
