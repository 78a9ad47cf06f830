package logger

import (
	"bytes"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/steplog/steplog/internal/line"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// maxWritten is how long a line given to a [Logger.Writer] may be before it is
// cut, in bytes.
const maxWritten = 64 << 10

// writtenMore is how much of such a line is kept beyond that, so that a secret which
// begins before the cut is known as one: more than keys and certificates have.
const writtenMore = 16 << 10

// Writer returns a writer that logs each line written to it at a level: for the
// output of a subprocess. A line ends with a newline, before which a carriage
// return is removed; terminal escape sequences stay. A line over 64 KiB is cut,
// marked as truncated, and has its length in bytes under details.bytes. Close
// logs a last line that has no newline.
//
// The writer is safe for concurrent use, but lines of several writers of it mix
// where they are written in parts. Write always takes everything and returns no
// error before Close, and [ErrClosed] after it.
func (l *Logger) Writer(level zapcore.Level) io.WriteCloser {
	return &writer{l: l.orSilent(), level: six(level)}
}

type writer struct {
	l     *Logger
	level zapcore.Level

	mu      sync.Mutex // guards the rest
	partial []byte     // the beginning of the line under way, at most maxWritten+writtenMore bytes
	size    int64      // the whole length of that line so far
	last    byte       // of that line so far
	closed  bool
}

// Write logs the lines that p completes.
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, ErrClosed
	}
	for rest := p; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			w.keep(rest)
			break
		}
		w.keep(rest[:i])
		w.log()
		rest = rest[i+1:]
	}
	return len(p), nil
}

// keep adds to the line under way as much as will be logged.
func (w *writer) keep(p []byte) {
	if room := maxWritten + writtenMore - len(w.partial); room > 0 {
		w.partial = append(w.partial, p[:min(room, len(p))]...)
	}
	if w.size += int64(len(p)); len(p) > 0 {
		w.last = p[len(p)-1]
	}
}

// log logs the line under way and starts the next one.
func (w *writer) log() {
	text, size := w.partial, w.size
	if size > 0 && w.last == '\r' {
		size--
		text = text[:min(int64(len(text)), size)]
	}
	w.partial, w.size = w.partial[:0], 0
	l := w.l
	if !l.Enabled(w.level) {
		return
	}
	e := line.Entry{
		Time: l.store.now(), Level: w.level, Kind: l.kind, Context: l.bound, Trace: l.trace, Span: l.span,
	}
	var fields []zap.Field
	e.Message = string(text)
	if size > maxWritten {
		e.Message = l.store.head(e.Message, maxWritten)
		e.Truncated = true
		fields = []zap.Field{zap.Int64("bytes", size)}
	}
	l.write(&e, fields)
}

// head is the beginning of a text, of at most n bytes, that ends between runes. The
// secrets in it are hidden first: of one that was cut nobody could tell any more what it
// is.
func (s *Store) head(text string, n int) string {
	text = s.masker.Head(text, n)
	for i := len(text) - 1; i >= 0 && i > len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRuneInString(text[i:]) {
				text = text[:i]
			}
			break
		}
	}
	return text
}

// Close logs what was written after the last newline.
func (w *writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	if w.size > 0 {
		w.log()
	}
	w.partial = nil
	return nil
}
