package block

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"
)

// cached is how many decoded blocks a Reader keeps: enough for a page whose
// lines lie together and for two callers at different places, and small
// beside the index of a large file.
const cached = 4

// Reader gives the text of a file of blocks. It is safe for concurrent use.
type Reader struct {
	stream *stream // of a file without blocks, else nil; immutable after Open

	r      io.ReaderAt
	size   int64 // of the file; immutable
	format Format
	// grouped is what Writer.Group said; immutable after Open.
	grouped bool
	// first byte of each block in the file, and the end: immutable after Open, as are
	// its spans.
	data  []int64
	spans *Spans

	mu    sync.Mutex
	cache []decoded // most recently used first
	spare [][]byte  // buffers to decode into
	idle  []decoder
}

type decoded struct {
	block int
	text  []byte
}

type decoder interface {
	// decode fills text from one block of the file.
	decode(text, data []byte) error
}

// Open reads the index of a file of size bytes and tells its format by its
// first bytes. It returns ErrFormat for a file in another format and a
// *CorruptError for a damaged one; damage inside a block shows when it is
// read. The Reader uses r until it is no longer needed and does not close it.
//
// A gzip or zstd file that is not cut in blocks, because another program made
// it, is read as well, but slowly: it is decoded whole by Open, and up to the
// place that is read by ReadAt.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	b, err := OpenDamaged(r, size)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// OpenDamaged is [Open] for a file that may have lost its end, or be damaged between
// its blocks. Beside the *CorruptError it returns a Reader of the blocks before the
// damage, nil where it cannot tell them. Whether lines are grouped may be unknown.
func OpenDamaged(r io.ReaderAt, size int64) (*Reader, error) {
	var head [4]byte
	if size < int64(len(head)) {
		return nil, ErrFormat
	}
	if err := readFull(r, head[:], 0); err != nil {
		return nil, err
	}
	b := &Reader{r: r, size: size}
	var spans []span
	var err error
	switch magic := binary.LittleEndian.Uint32(head[:]); {
	case magic == zstdMagic || magic == skippableMagic:
		b.format = Zstd
		spans, b.grouped, err = zstdSpans(r, size)
	case magic&0xffff == 0x8b1f:
		b.format = Gzip
		spans, b.grouped, err = gzipSpans(r, size)
	default:
		err = ErrFormat
	}
	if errors.Is(err, errNoBlocks) {
		b.stream, err = openStream(r, size, b.format)
	}
	var damage *CorruptError
	if err != nil && (!errors.As(err, &damage) || len(spans) == 0) {
		return nil, err
	}
	b.data, b.spans = make([]int64, 1, len(spans)+1), &Spans{make([]int64, 1, len(spans)+1)}
	var data, text int64
	for _, s := range spans {
		data, text = data+int64(s.data), text+int64(s.text)
		b.data, b.spans.text = append(b.data, data), append(b.spans.text, text)
	}
	return b, err
}

// Size returns how many bytes of text the file holds.
func (r *Reader) Size() int64 {
	if r.stream != nil {
		return r.stream.text
	}
	return r.spans.end()
}

// Grouped reports whether the writer said that the lines do not stand in the
// order in which they arrived; see [Writer.Group].
func (r *Reader) Grouped() bool { return r.grouped }

// Format returns how the blocks are compressed.
func (r *Reader) Format() Format { return r.format }

// Blocks returns how many blocks the file has, 0 for one that is not cut.
func (r *Reader) Blocks() int { return r.spans.Blocks() }

// ReadAt reads text as [io.ReaderAt] says. It decodes the blocks that p lies
// in and no other: one, or two where p crosses from one to the next. The last
// few are kept. Damage is a *CorruptError.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("block: negative offset")
	}
	if r.stream != nil {
		return r.stream.ReadAt(p, off)
	}
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at >= r.Size() {
			return n, io.EOF
		}
		// The first block whose text ends behind at: empty ones are passed over.
		block := r.Find(at)
		m, err := r.readBlock(p[n:], block, at-r.spans.text[block])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readBlock copies what one block holds from off on.
func (r *Reader) readBlock(p []byte, block int, off int64) (int, error) {
	r.mu.Lock()
	for i, c := range r.cache {
		if c.block == block {
			copy(r.cache[1:], r.cache[:i])
			r.cache[0] = c
			n := copy(p, c.text[off:])
			r.mu.Unlock()
			return n, nil
		}
	}
	dec, buf := r.take()
	r.mu.Unlock()

	text, err := r.decode(dec, buf, block)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = append(r.idle, dec)
	if err != nil {
		r.spare = append(r.spare, buf)
		return 0, err
	}
	n := copy(p, text[off:])
	r.keep(decoded{block, text})
	return n, nil
}

// take returns a decoder and a buffer; the caller holds mu.
func (r *Reader) take() (decoder, []byte) {
	var buf []byte
	if n := len(r.spare); n > 0 {
		buf, r.spare = r.spare[n-1], r.spare[:n-1]
	}
	if n := len(r.idle); n > 0 {
		dec := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return dec, buf
	}
	return r.newDecoder(), buf
}

// keep puts a block first in the cache; the caller holds mu. Text is copied
// out under mu only, so the buffer of a block that leaves can be used again.
func (r *Reader) keep(d decoded) {
	if i := slices.IndexFunc(r.cache, func(c decoded) bool { return c.block == d.block }); i >= 0 {
		r.spare = append(r.spare, d.text) // another caller was faster
		return
	}
	if len(r.cache) < cached {
		r.cache = append(r.cache, decoded{})
	} else if last := r.cache[cached-1]; len(r.spare) < cached {
		r.spare = append(r.spare, last.text)
	}
	copy(r.cache[1:], r.cache)
	r.cache[0] = d
}

func (r *Reader) decode(dec decoder, buf []byte, block int) ([]byte, error) {
	at := r.data[block]
	data := make([]byte, r.data[block+1]-at)
	if err := readFull(r.r, data, at); err != nil {
		return nil, err
	}
	size := int(r.spans.text[block+1] - r.spans.text[block])
	text := slices.Grow(buf[:0], size)[:size]
	if err := dec.decode(text, data); err != nil {
		return nil, &CorruptError{at, err}
	}
	return text, nil
}

// readFull fills p from off. A file that ends before is damaged: the caller
// asks for what must be there.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return &CorruptError{off, errCut}
	}
	return err
}

// Spans returns where the blocks lie in the text: it does not hold the Reader.
func (r *Reader) Spans() *Spans { return r.spans }

// Find is [Spans.Find].
func (r *Reader) Find(off int64) int { return r.spans.Find(off) }

// Span is [Spans.Span].
func (r *Reader) Span(block int) (from, to int64) { return r.spans.Span(block) }

// Decode decodes one block into buf's memory, if it is large enough, and returns
// its text. Unlike ReadAt it keeps nothing: it is for callers that have a cache
// of their own. Damage is a *CorruptError.
func (r *Reader) Decode(buf []byte, block int) ([]byte, error) {
	r.mu.Lock()
	var dec decoder
	if n := len(r.idle); n > 0 {
		dec = r.idle[n-1]
		r.idle = r.idle[:n-1]
	} else {
		dec = r.newDecoder()
	}
	r.mu.Unlock()
	text, err := r.decode(dec, buf, block)
	r.mu.Lock()
	r.idle = append(r.idle, dec)
	r.mu.Unlock()
	return text, err
}

func (r *Reader) newDecoder() decoder {
	if r.format == Zstd {
		return &zstdDecoder{}
	}
	return &gzipDecoder{}
}
