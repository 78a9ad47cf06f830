package block

import "io"

// NewParallelWriter is [NewWriter] with up to n blocks compressed at a time, on
// goroutines that end with their block. What it writes is the same, byte for
// byte. The Writer is still for one goroutine at a time.
func NewParallelWriter(w io.Writer, f Format, n int) (*Writer, error) {
	out, err := NewWriter(w, f)
	if err != nil || n < 2 {
		return out, err
	}
	out.format, out.most = f, n
	out.idle = append(out.idle, out.enc)
	return out, nil
}

// job is one block on its way.
type job struct {
	text []byte
	enc  encoder
	data []byte // enc's own, until its next use
	err  error
	done chan struct{}
}

// start compresses the first cut bytes of buf in the background, and takes them out of it.
func (w *Writer) start(cut int) error {
	if len(w.queue) == w.most {
		if err := w.collect(); err != nil {
			return err
		}
	}
	j := &job{done: make(chan struct{})}
	if n := len(w.idle); n > 0 {
		j.enc, w.idle = w.idle[n-1], w.idle[:n-1]
	} else {
		var err error
		if j.enc, err = newEncoder(w.format); err != nil {
			return err
		}
	}
	var next []byte
	if n := len(w.texts); n > 0 {
		next, w.texts = w.texts[n-1], w.texts[:n-1]
	} else {
		next = make([]byte, 0, Bytes)
	}
	j.text, w.buf = w.buf[:cut], append(next[:0], w.buf[cut:]...)
	w.queue = append(w.queue, j)
	go func() {
		defer close(j.done)
		j.data, j.err = j.enc.encode(j.text)
	}()
	return nil
}

// collect writes the oldest block that is on its way.
func (w *Writer) collect() error {
	j := w.queue[0]
	w.queue = w.queue[1:]
	<-j.done
	if j.err != nil {
		return j.err
	}
	w.spans = append(w.spans, span{uint32(len(j.data)), uint32(len(j.text))})
	err := w.put(j.data)
	w.idle, w.texts = append(w.idle, j.enc), append(w.texts, j.text)
	return err
}
