package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/mod/sumdb/note"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/rotation"
)

// chunkBytes is how much text is looked at by one goroutine at a time.
const chunkBytes = 512 << 10

// chunk is a piece of a file's text and what was found in it. It begins and ends
// anywhere: the first line, which may have begun before, and what stands behind
// the last newline are left out of what was looked at.
type chunk struct {
	offset, to int64 // in the file's text
	text       []byte
	found
	err   error // why it could not be read
	ready chan struct{}
}

// lineScan reads lines of a trail. Goroutines read and decompress the text, hash
// the lines and check the signatures; what they found is given out in order.
type lineScan struct {
	text    text
	from    int64 // where a line begins: the first that is looked at
	trusted note.Verifiers
	blocks  *block.Reader // of a compressed text, else nil
}

func newLineScan(t text, trusted note.Verifiers) *lineScan {
	s := &lineScan{text: t, trusted: trusted}
	if r, ok := t.(*rotation.Text); ok {
		s.blocks, _ = r.ReaderAt.(*block.Reader)
	}
	return s
}

// workers is how many goroutines work on the text. A compressed file that is not
// cut in blocks, because another program made it, can only be read in order.
func (s *lineScan) workers() int {
	if s.blocks != nil && s.blocks.Blocks() == 0 {
		return 1
	}
	pieces := (s.text.Size()-s.from)/chunkBytes + 1
	return int(min(int64(runtime.GOMAXPROCS(0)), pieces))
}

// each calls use for what was found, in order; it is valid during the call. Bytes
// behind the last newline are no line: each returns where they begin.
func (s *lineScan) each(ctx context.Context, use func(*found) error) (end int64, err error) {
	workers := s.workers()
	ahead := 2 * workers
	jobs := make(chan *chunk, ahead) // never full, so that sending does not wait
	finished := make(chan struct{}, workers)
	for range workers {
		go func() {
			defer func() { finished <- struct{}{} }()
			w := lineWorker{trusted: s.trusted}
			for c := range jobs {
				s.look(c, &w)
				close(c.ready)
			}
		}()
	}
	defer func() {
		close(jobs)
		for range workers {
			<-finished
		}
	}()
	size := s.text.Size()
	var waiting, free []*chunk
	torn := tornLine{worker: lineWorker{trusted: s.trusted}, offset: s.from}
	for at := s.from; at < size || len(waiting) > 0; {
		for at < size && len(waiting) < ahead {
			c := &chunk{}
			if n := len(free); n > 0 {
				c, free = free[n-1], free[:n-1]
			}
			c.offset, c.to, c.ready = at, s.cut(at), make(chan struct{})
			at = c.to
			waiting = append(waiting, c)
			jobs <- c
		}
		c := waiting[0]
		waiting = waiting[1:]
		<-c.ready
		if ctx.Err() != nil {
			return torn.offset, context.Cause(ctx)
		}
		if c.err != nil {
			return c.offset, c.err
		}
		if err := torn.take(c, use); err != nil {
			return torn.offset, err
		}
		if len(torn.text) > chunkBytes {
			return torn.offset, nil // longer than any line of ours
		}
		free = append(free, c)
	}
	return torn.offset, nil
}

// cut is where a chunk ends: with a block, so that none is decompressed twice.
func (s *lineScan) cut(at int64) int64 {
	to := min(at+chunkBytes, s.text.Size())
	if s.blocks != nil && s.blocks.Blocks() > 0 {
		_, to = s.blocks.Span(s.blocks.Find(to - 1))
	}
	return to
}

// look reads a chunk and looks at its whole lines.
func (s *lineScan) look(c *chunk, w *lineWorker) {
	n := int(c.to - c.offset)
	if cap(c.text) < n {
		c.text = make([]byte, n)
	}
	c.reset()
	if c.text, c.err = s.read(c.text[:n], c.offset); c.err != nil {
		return
	}
	first, last := bytes.IndexByte(c.text, '\n')+1, bytes.LastIndexByte(c.text, '\n')+1
	w.look(&c.found, c.text[first:max(first, last)], c.offset+int64(first))
}

// read fills p with the text at an offset. Of a compressed text p is whole blocks,
// or all of it.
func (s *lineScan) read(p []byte, at int64) ([]byte, error) {
	if s.blocks == nil || s.blocks.Blocks() == 0 {
		if n, err := s.text.ReadAt(p, at); n < len(p) {
			return p, fmt.Errorf("audit: read at byte %d: %w", at, noEOF(err))
		}
		return p, nil
	}
	for n, b := 0, s.blocks.Find(at); n < len(p); b++ {
		text, err := s.blocks.Decode(p[n:n:len(p)], b)
		if err != nil {
			return p, fmt.Errorf("audit: read at byte %d: %w", at, err)
		}
		n += len(text)
	}
	return p, nil
}

// tornLine is a line that began in one chunk and ends in another.
type tornLine struct {
	text   []byte
	offset int64 // where it begins; where the next line begins when text is empty
	worker lineWorker
	found  found
}

// take hands on what was found in a chunk, with the line before it.
func (l *tornLine) take(c *chunk, use func(*found) error) error {
	n := bytes.IndexByte(c.text, '\n') + 1
	if n == 0 {
		l.text = append(l.text, c.text...)
		return nil
	}
	l.text = append(l.text, c.text[:n]...)
	l.found.reset()
	l.worker.look(&l.found, l.text, l.offset)
	if err := use(&l.found); err != nil {
		return err
	}
	if err := use(&c.found); err != nil {
		return err
	}
	n = bytes.LastIndexByte(c.text, '\n') + 1
	l.text, l.offset = append(l.text[:0], c.text[n:]...), c.offset+int64(n)
	return nil
}

func noEOF(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
