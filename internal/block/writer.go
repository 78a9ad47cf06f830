package block

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

var errClosed = errors.New("block: write after close")

// Writer compresses text into blocks. It is for one goroutine at a time.
type Writer struct {
	w     io.Writer
	enc   encoder
	buf   []byte // text of the block being filled
	spans []span
	at    int64 // bytes written to w
	err   error // sticks
	// grouped is to be said in the file
	grouped bool

	// of a parallel writer
	format Format
	most   int    // blocks at a time; 0 for one, in the caller's goroutine
	queue  []*job // on their way, oldest first
	idle   []encoder
	texts  [][]byte // buffers that are free
}

type encoder interface {
	encode(text []byte) ([]byte, error)
	tail(spans []span, at int64, grouped bool) []byte
}

// NewWriter returns a Writer that writes a file in format f to w. It returns
// ErrUnknownFormat for any other format than Gzip and Zstd.
func NewWriter(w io.Writer, f Format) (*Writer, error) {
	enc, err := newEncoder(f)
	if err != nil {
		return nil, err
	}
	return &Writer{w: w, enc: enc, buf: make([]byte, 0, Bytes)}, nil
}

func newEncoder(f Format) (encoder, error) {
	switch f {
	case Gzip:
		return newGzipEncoder()
	case Zstd:
		return newZstdEncoder()
	default:
		return nil, ErrUnknownFormat
	}
}

// Write adds text. Blocks end at the end of a line where there is one within
// [Bytes]; a longer line goes over several. After an error every further call
// returns it, and what was written to the underlying writer is of no use.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && w.err == nil {
		m := min(len(p), Bytes-len(w.buf))
		w.buf = append(w.buf, p[:m]...)
		p = p[m:]
		if len(w.buf) == Bytes {
			w.flush()
		}
	}
	return n - len(p), w.err
}

// flush writes the full lines of buf as a block.
func (w *Writer) flush() {
	cut := bytes.LastIndexByte(w.buf, '\n') + 1
	if cut == 0 {
		cut = len(w.buf)
	}
	var err error
	if w.most > 0 {
		err = w.start(cut)
	} else {
		var data []byte
		if data, err = w.enc.encode(w.buf[:cut]); err == nil {
			w.spans = append(w.spans, span{uint32(len(data)), uint32(cut)})
			err = w.put(data)
		}
		w.buf = w.buf[:copy(w.buf, w.buf[cut:])]
	}
	if err != nil {
		w.err = fmt.Errorf("write block %d: %w", len(w.spans), err)
	}
}

func (w *Writer) put(b []byte) error {
	n, err := w.w.Write(b)
	w.at += int64(n)
	return err
}

// Group notes in the file that its lines do not stand in the order in which they
// arrived; [Reader.Grouped] tells it. It is called before Close.
func (w *Writer) Group() { w.grouped = true }

// Close writes what is left and the index. The file is not complete without
// it. It does not close the underlying writer; a second Close does nothing.
func (w *Writer) Close() error {
	if errors.Is(w.err, errClosed) {
		return nil
	}
	for len(w.buf) > 0 && w.err == nil {
		w.flush()
	}
	for len(w.queue) > 0 && w.err == nil {
		if err := w.collect(); err != nil {
			w.err = fmt.Errorf("write block %d: %w", len(w.spans), err)
		}
	}
	if w.err != nil {
		return w.err
	}
	if err := w.put(w.enc.tail(w.spans, w.at, w.grouped)); err != nil {
		w.err = fmt.Errorf("write the index: %w", err)
		return w.err
	}
	w.err = errClosed
	return nil
}
