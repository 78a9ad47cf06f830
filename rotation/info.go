package rotation

import (
	"bytes"
	"io"
	"time"
)

// Info describes a file of a log.
type Info struct {
	// Name is the file's name in the folder.
	Name string `json:"name"`
	// Log is the log's: "user" for user.log and all that was closed of it.
	Log string `json:"log"`
	// Bytes is the size of the file as it is stored.
	Bytes int64 `json:"bytes"`
	// First and Last are the times of the first and the last line that tell one,
	// zero where none does near the beginning or the end.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Active is true for NAME.log, whether or not somebody writes it now.
	Active bool `json:"active"`
	// Compressed is true for a file that Folder.Open decompresses.
	Compressed bool `json:"compressed"`
}

const (
	// timeWithin is how much of a line is searched for its time, which is its
	// second key.
	timeWithin = 512
	// headWithin is how much of a text is searched for the first line with a time,
	// and lastLines how many lines from its end for the last: between the records
	// of an audit trail stand checkpoints, which have none.
	headWithin = 8 << 10
	lastLines  = 3
)

// recordTimes returns the times of the first and the last line of a text that
// have one.
func recordTimes(r io.ReaderAt, size int64) (first, last time.Time, err error) {
	if size == 0 {
		return first, last, nil
	}
	var buf [headWithin]byte
	head := buf[:min(size, headWithin)]
	if err := readFull(r, head, 0); err != nil {
		return first, last, err
	}
	for line := range bytes.Lines(head) {
		if first = lineTime(line); !first.IsZero() {
			break
		}
	}
	end := size
	for range lastLines {
		// A line begins behind the newline before its own.
		start, err := lastLineEnd(r, end-1)
		if err != nil || start < 0 {
			return first, last, err
		}
		line := buf[:min(end-start, timeWithin)]
		if err := readFull(r, line, start); err != nil {
			return first, last, err
		}
		if last = lineTime(line); !last.IsZero() || start == 0 {
			break
		}
		end = start
	}
	return first, last, nil
}

// lineTime reads the time that a line begins with, zero when it does not.
func lineTime(line []byte) time.Time {
	line = line[:min(len(line), timeWithin)]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	_, rest, found := bytes.Cut(line, []byte(`"timestamp":"`))
	if !found {
		return time.Time{}
	}
	value, _, found := bytes.Cut(rest, []byte{'"'})
	if !found {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, string(value))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
