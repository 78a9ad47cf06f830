package rotation

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// What one call of Head, Tail or Lines returns at most. A view in a browser
// needs far less; who needs more uses Open.
const (
	maxLines     = 10_000
	maxLineBytes = 1 << 20 // of one line: what steplog writes at most
	maxViewBytes = 16 << 20
)

// ErrRange is returned by Head, Tail and Lines for a count below 0 or over
// 10,000, and for a first line below 1.
var ErrRange = errors.New("rotation: lines out of range")

// Head returns the first n lines of a file of the list, without their
// newlines; see [Folder.Lines].
func (f *Folder) Head(file string, n int) ([]string, error) { return f.Lines(file, 1, n) }

// Lines returns n lines of a file of the list from line first on, counted from
// 1, without their newlines; fewer at the end of the file, and none behind it.
// A line over 1 MiB is cut there, and a call ends with the line that brings it
// to 16 MiB. The cost is that of reading the file up to those lines, or all of a
// compressed one that has its lines in another order, see [Folder.Open].
//
// It returns an error that wraps [ErrRange] for numbers out of range, n over
// 10,000 among them, and one that wraps [ErrNotFound] for a name that is not
// in the list.
func (f *Folder) Lines(file string, first, n int) ([]string, error) {
	if first < 1 || n < 0 || n > maxLines {
		return nil, fmt.Errorf("%w: %d from line %d on, where 0 to %d from line 1 on may be asked for", ErrRange, n, first, maxLines)
	}
	t, size, err := f.openLines(file)
	if err != nil {
		return nil, err
	}
	defer t.Close() // only read
	lines, err := linesFrom(io.NewSectionReader(t, 0, size), first, n)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", file, err)
	}
	return lines, nil
}

func linesFrom(r io.Reader, first, n int) ([]string, error) {
	var c collector
	buf := make([]byte, 64<<10)
	for number := 1; len(c.lines) < n && c.bytes < maxViewBytes; {
		m, err := r.Read(buf)
		for chunk := buf[:m]; len(chunk) > 0 && len(c.lines) < n && c.bytes < maxViewBytes; {
			end := bytes.IndexByte(chunk, '\n')
			if number >= first {
				c.add(chunk, end)
			}
			if end < 0 {
				break
			}
			chunk = chunk[end+1:]
			number++
		}
		if errors.Is(err, io.EOF) {
			if len(c.lines) < n {
				c.rest()
			}
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return c.lines, nil
}

// collector puts lines together from parts.
type collector struct {
	lines []string
	bytes int
	line  []byte // begun
}

// add takes chunk up to end, where the line ends, or all of it when end < 0.
func (c *collector) add(chunk []byte, end int) {
	part := chunk
	if end >= 0 {
		part = chunk[:end]
	}
	c.line = append(c.line, part[:min(len(part), max(0, maxLineBytes+utf8.UTFMax-len(c.line)))]...)
	if end >= 0 {
		c.finish()
	}
}

func (c *collector) finish() {
	c.lines = append(c.lines, cutLine(c.line))
	c.bytes += len(c.lines[len(c.lines)-1])
	c.line = c.line[:0]
}

// rest takes a last line that has no newline.
func (c *collector) rest() {
	if len(c.line) > 0 {
		c.finish()
	}
}

// cutLine makes a line a string, cut at the end of a character where it is too
// long.
func cutLine(line []byte) string {
	if len(line) > maxLineBytes {
		cut := maxLineBytes
		for cut > maxLineBytes-utf8.UTFMax && !utf8.RuneStart(line[cut]) {
			cut--
		}
		line = line[:cut]
	}
	return string(line)
}

// Tail returns the last n lines of a file of the list, oldest first, without
// their newlines. It reads from the end, only as much as those lines take, but
// all of a compressed file that has its lines in another order, see [Folder.Open].
// Limits and errors are those of [Folder.Lines].
func (f *Folder) Tail(file string, n int) ([]string, error) {
	if n < 0 || n > maxLines {
		return nil, fmt.Errorf("%w: %d", ErrRange, n)
	}
	t, size, err := f.openLines(file)
	if err != nil {
		return nil, err
	}
	defer t.Close() // only read
	lines, err := linesBefore(t, size, n)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", file, err)
	}
	return lines, nil
}

// linesBefore finds where the lines begin, from the end on, and reads each
// from there: a line is never in memory but for its first megabyte.
func linesBefore(r io.ReaderAt, size int64, n int) ([]string, error) {
	var lines []string
	total := 0
	buf := make([]byte, 64<<10)
	lineEnd := size // behind the text of the line being looked for
	for pos := size; pos > 0 && len(lines) < n && total < maxViewBytes; {
		m := min(pos, int64(len(buf)))
		chunk := buf[:m]
		if err := readFull(r, chunk, pos-m); err != nil {
			return nil, err
		}
		if pos == size && chunk[m-1] == '\n' {
			lineEnd = size - 1
			chunk = chunk[:m-1]
		}
		for len(lines) < n && total < maxViewBytes {
			i := bytes.LastIndexByte(chunk, '\n')
			if i < 0 {
				break
			}
			start := pos - m + int64(i) + 1
			line, err := readLine(r, start, lineEnd, buf[:m], pos-m)
			if err != nil {
				return nil, err
			}
			lines, total = append(lines, line), total+len(line)
			lineEnd = start - 1
			chunk = chunk[:i]
		}
		pos -= m
		if pos == 0 && len(lines) < n && total < maxViewBytes {
			line, err := readLine(r, 0, lineEnd, buf[:m], 0)
			if err != nil {
				return nil, err
			}
			lines = append(lines, line)
		}
	}
	slices.Reverse(lines)
	return lines, nil
}

// readLine returns the text from start to end, out of buf, which was read from
// offset at, where it lies in it.
func readLine(r io.ReaderAt, start, end int64, buf []byte, at int64) (string, error) {
	if end <= at+int64(len(buf)) {
		return cutLine(buf[start-at : end-at]), nil
	}
	line := make([]byte, min(end-start, maxLineBytes+utf8.UTFMax))
	if err := readFull(r, line, start); err != nil {
		return "", err
	}
	return cutLine(line), nil
}
