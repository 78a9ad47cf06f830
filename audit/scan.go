package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	// MaxLine is how long the line of a record may be, in bytes: what an entry of
	// a C2SP tlog-tiles bundle can hold.
	MaxLine = 65_535

	recordOpen = `{"seq":`
	// maxPoint bounds a checkpoint's line: notes are a few hundred bytes, a
	// frontier has at most 63 hashes.
	maxPoint = 64 << 10
	// chunkBytes is how much text is looked at by one goroutine at a time.
	chunkBytes = 512 << 10
)

// item is one line of a trail, looked at by itself.
type item struct {
	offset int64 // in the file's text
	length int   // with its newline
	err    error // what is wrong with it; nil otherwise

	point bool // it is a checkpoint
	seq   int64
	leaf  tlog.Hash

	checkpoint Checkpoint
	frontier   *frontier
	deleted    *deletion // the record says that retention deletes a segment
}

// chunk is a number of whole lines and what was found in them.
type chunk struct {
	offset int64
	text   []byte
	items  []item
	ready  chan struct{}
}

// lineScan reads lines of a trail. Goroutines hash the lines and check the
// signatures; what they found is given out in order.
type lineScan struct {
	text    io.ReaderAt
	from    int64 // where to begin, in bytes
	size    int64 // where to end
	trusted note.Verifiers
}

// each calls use for each chunk, in order. Bytes behind the last newline are no
// line; it returns where they begin. A chunk is valid during the call.
func (s *lineScan) each(ctx context.Context, use func(*chunk) error) (end int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	workers := max(1, runtime.GOMAXPROCS(0))
	jobs := make(chan *chunk)
	ordered := make(chan *chunk, workers)
	free := make(chan *chunk, 2*workers+2)
	for range cap(free) {
		free <- &chunk{}
	}
	finished := make(chan struct{}, workers+1)
	for range workers {
		go func() {
			defer func() { finished <- struct{}{} }()
			w := lineWorker{trusted: s.trusted}
			for c := range jobs {
				w.look(c)
				close(c.ready)
			}
		}()
	}
	var readErr error
	end = s.from
	go func() {
		defer func() { finished <- struct{}{} }()
		defer close(ordered)
		defer close(jobs)
		end, readErr = s.read(ctx, free, jobs, ordered)
	}()
	for c := range ordered {
		<-c.ready
		if err == nil {
			if err = use(c); err != nil {
				cancel()
			}
		}
		select {
		case free <- c:
		default:
		}
	}
	for range workers + 1 {
		<-finished
	}
	cancel()
	if err == nil {
		err = readErr
	}
	return end, err
}

// read cuts the text in chunks of whole lines.
func (s *lineScan) read(ctx context.Context, free <-chan *chunk, jobs, ordered chan<- *chunk) (int64, error) {
	for at := s.from; ; {
		if at >= s.size {
			return at, nil
		}
		var c *chunk
		select {
		case c = <-free:
		case <-ctx.Done():
			return at, context.Cause(ctx)
		}
		n := int(min(chunkBytes, s.size-at))
		if cap(c.text) < n {
			c.text = make([]byte, n)
		}
		c.text = c.text[:n]
		if m, err := s.text.ReadAt(c.text, at); m < n {
			return at, fmt.Errorf("audit: read at byte %d: %w", at, noEOF(err))
		}
		cut := bytes.LastIndexByte(c.text, '\n') + 1
		if cut == 0 {
			return at, nil // a torn line, or one that is longer than any of ours
		}
		c.text, c.offset, c.items, c.ready = c.text[:cut], at, c.items[:0], make(chan struct{})
		select {
		case ordered <- c:
		case <-ctx.Done():
			return at, context.Cause(ctx)
		}
		jobs <- c
		at += int64(cut)
	}
}

func noEOF(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// lineWorker looks at lines by themselves. It is for one goroutine.
type lineWorker struct {
	trusted note.Verifiers
	hasher  leafHasher
}

func (w *lineWorker) look(c *chunk) {
	at := c.offset
	for rest := c.text; len(rest) > 0; {
		n := bytes.IndexByte(rest, '\n') + 1
		line := rest[:n-1]
		rest = rest[n:]
		it := item{offset: at, length: n}
		w.line(&it, line)
		c.items = append(c.items, it)
		at += int64(n)
	}
}

func (w *lineWorker) line(it *item, line []byte) {
	switch {
	case bytes.HasPrefix(line, []byte(pointOpen)) && len(line) <= maxPoint:
		it.point = true
		it.checkpoint, it.frontier, it.err = parsePoint(line, w.trusted)
	case len(line) <= MaxLine:
		seq, ok := seqOf(line)
		if !ok {
			it.err = fmt.Errorf("%w: neither a record nor a checkpoint", ErrLine)
			return
		}
		it.seq, it.leaf = seq, w.hasher.hash(line)
		it.deleted = deletionOf(line)
	default:
		it.err = fmt.Errorf("%w: too long", ErrLine)
	}
}

// seqOf reads the number of a record's line.
func seqOf(line []byte) (int64, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(recordOpen))
	if !ok || !bytes.HasSuffix(rest, []byte("}")) {
		return 0, false
	}
	n := bytes.IndexByte(rest, ',')
	if n < 1 || n > 19 || rest[0] == '0' && n > 1 {
		return 0, false
	}
	seq, err := strconv.ParseInt(string(rest[:n]), 10, 64)
	return seq, err == nil && rest[0] != '-' && rest[0] != '+'
}
