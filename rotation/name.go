package rotation

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrName is returned for a name that is not one of a log's files. Log names
// are 1 to 64 of a-z, 0-9, _ and -, and begin with a letter or a digit.
var ErrName = errors.New("rotation: not the name of a log file")

// Endings of file names; see FORMAT.md.
const (
	logExt     = ".log"
	gzipExt    = ".gz"
	zstdExt    = ".zst"
	indexExt   = ".idx"    // the sidecar of a closed file; it goes with its data
	nextExt    = ".next"   // the next active file, made ahead
	tempExt    = ".tmp"    // a compressed file being written
	brokenExt  = ".broken" // what recovery put aside
	timeLayout = "2006-01-02T15-04-05.000"
)

// maxLogName is how long a log's name may be: with the time and all endings
// the file's name stays far below the 255 bytes that file systems allow.
const maxLogName = 64

// name is a file name taken apart. Upper-case T in the time keeps active and
// closed names apart, since log names have no upper case.
type name struct {
	log  string    // "user"
	at   time.Time // when it was closed; zero for the active file
	ext  string    // "", ".gz" or ".zst"
	base string    // the name without ext: what the plain file is called
}

func (n name) active() bool { return n.at.IsZero() }

// parseName takes the name of a log's active or closed file apart. ok is false
// for every other name.
func parseName(file string) (n name, ok bool) {
	n.base = file
	for _, ext := range []string{gzipExt, zstdExt} {
		if base, found := strings.CutSuffix(file, ext); found {
			n.base, n.ext = base, ext
			break
		}
	}
	stem, ok := strings.CutSuffix(n.base, logExt)
	if !ok {
		return name{}, false
	}
	if ValidName(stem) {
		n.log = stem
		return n, n.ext == "" // an active file is never compressed
	}
	cut := len(stem) - len(timeLayout) - 1
	if cut < 1 || stem[cut] != '-' || !ValidName(stem[:cut]) {
		return name{}, false
	}
	at, err := time.Parse(timeLayout, stem[cut+1:])
	if err != nil || at.IsZero() || at.Format(timeLayout) != stem[cut+1:] {
		return name{}, false
	}
	n.log, n.at = stem[:cut], at
	return n, true
}

// LogOf returns the log that a file belongs to, by the file's name: "user" for
// user.log and for user-2026-11-21T02-03-04.000.log.gz. ok is false for a name
// that no log's file has.
func LogOf(file string) (log string, ok bool) {
	n, ok := parseName(file)
	return n.log, ok
}

// PlainName returns the name that a file had before it was compressed:
// user-2026-11-21T02-03-04.000.log for that with .gz or .zst behind it. Hooks call
// files by it. Any other name is returned as it is.
func PlainName(file string) string {
	for _, ext := range []string{gzipExt, zstdExt} {
		if base, found := strings.CutSuffix(file, ext); found {
			return base
		}
	}
	return file
}

// ValidName reports whether s can be the name of a log:
// ^[a-z0-9][a-z0-9_-]{0,63}$.
func ValidName(s string) bool {
	if s == "" || len(s) > maxLogName || s[0] == '_' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// closedName is the plain name of a file of log that is closed at a time.
func closedName(log string, at time.Time) string {
	return log + "-" + at.UTC().Format(timeLayout) + logExt
}

// lastTime is the largest time that a name can hold.
var lastTime = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC) // immutable

// nextTime returns the time for the name of a file closed now: now, or the
// millisecond after the newest name there is.
func nextTime(now, newest time.Time) (time.Time, error) {
	at := now.UTC().Truncate(time.Millisecond)
	if !at.After(newest) {
		at = newest.Add(time.Millisecond)
	}
	if at.Year() < 1 { // a clock that is off; the name must still parse
		at = time.Unix(0, 0).UTC()
	}
	if at.After(lastTime) {
		return at, fmt.Errorf("rotation: no name left after %s", newest.Format(timeLayout))
	}
	return at, nil
}
