// Package segment seals closed log files: it gives the text of one file its
// final, compressed form, grouped by run, and makes the sidecar beside it that
// queries are answered from. FORMAT.md has the bytes.
//
// The text is the truth. A sidecar is derived from it, byte for byte the same
// each time, and may be deleted at any time: [Rebuild] makes it again.
//
// # Rows
//
// A row is a record's number in its file, in the order of arrival, from 0. The
// place of its line in the text is another one where the text is grouped by
// run; [Index.Place] tells it.
//
// # Memory
//
// An [Index] reads its file in place, mapped where the system can. What its
// methods return is valid as long as the Index is reachable; who holds on to
// mapped memory calls [runtime.KeepAlive] on it afterwards. A disk that fails
// shows as a fault when mapped memory is read: callers on the way of a query
// run under [debug.SetPanicOnFault] and recover.
package segment

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// Ext is the ending of a sidecar's name, after the plain name of its text.
const Ext = ".idx"

// Errors of sidecars that cannot be used. All of them are mended by [Rebuild].
var (
	// ErrFormat is returned for a file that is no sidecar.
	ErrFormat = errors.New("segment: not a sidecar")
	// ErrVersion is returned for a sidecar that a newer version of this package
	// wrote. It is not damaged and should be left alone.
	ErrVersion = errors.New("segment: the sidecar was written by a newer version")
	// ErrStale is returned for a sidecar of other data than what lies beside it.
	ErrStale = errors.New("segment: the sidecar belongs to other data")
	// ErrTooLarge is returned for a text that cannot be sealed: over 4 GiB, or
	// 2^28 records. Rebuild does not mend that.
	ErrTooLarge = errors.New("segment: the text is too large")
	// ErrOrder is returned for a text that is [Grouped] but does not lie just as Seal
	// groups it: a sidecar has no way to say where its lines are. Rebuild does not
	// mend that.
	ErrOrder = errors.New("segment: the text is grouped in another way")
)

// CorruptError says that a sidecar is damaged.
type CorruptError struct {
	// Offset is where the damaged part begins, in bytes.
	Offset int64
	// Err is what is wrong there.
	Err error
}

// Error names the place and the cause.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("segment: the sidecar is damaged at byte %d: %v", e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

// Causes inside a CorruptError.
var (
	errCut      = errors.New("it ends too early")
	errChecksum = errors.New("the checksum does not match")
	errTable    = errors.New("the table of contents contradicts itself")
	errContent  = errors.New("a section contradicts itself")
	errMissing  = errors.New("a section is missing")
)

// Levels and kinds that rows tell apart, in the orders of line.Levels and
// line.Kind. They are part of the format.
const (
	levelCount = 6
	kindCount  = 8
)

// Counts are numbers of rows by level and kind.
type Counts [levelCount][kindCount]uint32

var castagnoli = crc32.MakeTable(crc32.Castagnoli) // immutable

// Limits of what is sealed and read. They are part of the format.
const (
	maxRows = 1 << 28
	maxText = min(1<<32-1, math.MaxInt) // a text is one slice
	// FrameRows is how many rows a frame has: few enough that the rows at the
	// two ends of a time range are looked at one by one, many enough that a
	// frame's header costs a small part of a byte a row.
	FrameRows = 1024
	// groupLines is how many lines share one stored offset.
	groupLines = 64
)
