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
	// First and Last are the times of the first and the last line, zero where
	// a line does not tell.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Active is true for the file that is being written.
	Active bool `json:"active"`
	// Compressed is true for a file that Folder.Open decompresses.
	Compressed bool `json:"compressed"`
}

// timeWithin is how much of a line is searched for its time, which is its
// second key.
const timeWithin = 512

// recordTimes returns the times of the first and the last line of a text.
func recordTimes(r io.ReaderAt, size int64) (first, last time.Time, err error) {
	if size == 0 {
		return first, last, nil
	}
	var buf [timeWithin]byte
	n := min(size, timeWithin)
	if err := readFull(r, buf[:n], 0); err != nil {
		return first, last, err
	}
	first = lineTime(buf[:n])
	// The last line begins behind the newline before its own.
	start, err := lastLineEnd(r, size-1, maxTorn)
	if err != nil || start < 0 {
		return first, last, err
	}
	n = min(size-start, timeWithin)
	if err := readFull(r, buf[:n], start); err != nil {
		return first, last, err
	}
	return first, lineTime(buf[:n]), nil
}

// lineTime reads the time that a line begins with, zero when it does not.
func lineTime(line []byte) time.Time {
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
