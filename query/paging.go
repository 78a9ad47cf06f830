package query

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"time"
)

// Limits of a page.
const (
	// DefaultLimit is how many items a page has when [Paging.Limit] is 0.
	DefaultLimit = 100
	// MaxLimit is how many it may have at most.
	MaxLimit = 10_000
	// MaxPageBytes is how long the lines of a page may be together, 64 MiB: the
	// one that goes beyond is its last, whatever the limit, and [Page.Next] goes
	// on behind it.
	MaxPageBytes = 64 << 20
)

// Paging says which part of an answer is wanted. The zero value is the newest
// [DefaultLimit] items.
type Paging struct {
	// Limit is how many items a page has at most: 0 means [DefaultLimit], the
	// most is [MaxLimit]. A page of very long lines ends before: see
	// [MaxPageBytes].
	Limit int
	// Offset is how many items to pass over. It cannot be used with Cursor.
	Offset int
	// Cursor is [Page.Next] of the page before; "" starts at the beginning. It
	// carries the order and the snapshot of that page, so Oldest and AsOf may
	// be left out, and must not contradict it. The filter must be the same, which
	// is not checked.
	Cursor string
	// AsOf leaves out every record with a greater seq: with [Page.AsOf] of the
	// first page, offsets do not shift while records arrive. 0 means now, and so
	// does a number that no record has reached yet.
	AsOf uint64
	// Oldest orders by seq ascending instead of descending.
	Oldest bool
}

// Page is one part of an answer.
type Page[T any] struct {
	// Items are in the order asked for; never nil.
	Items []T
	// Total is how many there are in all, whatever the limit, offset or cursor.
	Total Total
	// Next is the cursor of the next page, "" when this is the last.
	Next string
	// AsOf is the newest seq that could be in this page: its snapshot.
	AsOf uint64
	// Stats says what the page cost.
	Stats Stats
}

// Total is how many items match.
type Total struct {
	N int64
	// Exact is true when N is the number, false when it is a lower bound.
	Exact bool
	// Reason says why N is not exact; "" when it is.
	Reason string
}

// Stats says what a query cost, so that one can see why it was slow.
type Stats struct {
	// Segments is how many files were looked at.
	Segments int
	// Damaged is how many of the files in question are known to have lost data: what
	// cannot be read any more is not found, and not counted. See "Damage" in the package
	// comment.
	Damaged int
	// Rows is how many records were looked at in memory.
	Rows int64
	// Lines is how many lines were read, and Bytes how long they were together.
	Lines, Bytes int64
	// Elapsed is how long the query took.
	Elapsed time.Duration
}

// Window is what a [Backend] is asked for: a [Paging] that was checked, with
// its defaults filled in and its cursor taken apart.
type Window struct {
	// Limit is how many items are wanted, at least 1.
	Limit int
	// Offset is how many of those that Past leaves to pass over.
	Offset int
	// Past, if not 0, leaves out the items up to and with this seq, in the
	// window's order: those at or above it newest first, those at or below it
	// oldest first. The total still counts them.
	Past uint64
	// AsOf, if not 0, leaves out items with a greater seq; the total does not
	// count them.
	AsOf uint64
	// Oldest orders by seq ascending instead of descending.
	Oldest bool
	// Uncounted says that the total will not be looked at.
	Uncounted bool
	// MaxBytes, if not 0, allows a backend to end the items early, with More,
	// once their lines are this long together.
	MaxBytes int
}

// reaches reports whether an item with this seq lies past w.Past.
func (w *Window) reaches(seq uint64) bool {
	switch {
	case w.Past == 0:
		return true
	case w.Oldest:
		return seq > w.Past
	default:
		return seq < w.Past
	}
}

// Result is what a [Backend] answers: the items of a [Window].
type Result[T any] struct {
	Items []T
	Total Total
	// More reports whether there are items after the last one.
	More bool
	// AsOf is the newest seq that could be in Items: the window's, or a smaller
	// one when nothing has reached that yet.
	AsOf  uint64
	Stats Stats
}

// cursorKind tells the cursors of different lists apart.
type cursorKind byte

const (
	cursorRecords cursorKind = 1
	cursorRuns    cursorKind = 2
	cursorSteps   cursorKind = 3
	cursorAudit   cursorKind = 4
	cursorAccess  cursorKind = 5
)

// cursor is the place where a page ended.
//
// Its text is base64 (RFC 4648 §5, no padding) of: the version, 1; the kind;
// the order, 0 newest first or 1 oldest first; past and asOf as uvarints; the
// CRC-32C of all that, big endian. The checksum is against mangled text, not
// against forgery: a cursor gives access to nothing.
type cursor struct {
	kind   cursorKind
	oldest bool
	past   uint64
	asOf   uint64
}

const (
	cursorVersion = 1
	// maxCursorText is the longest text that encode writes: 3 + 2×10 + 4 bytes.
	maxCursorText = 36
)

func (c cursor) encode() string {
	b := make([]byte, 0, 27)
	b = append(b, cursorVersion, byte(c.kind), 0)
	if c.oldest {
		b[2] = 1
	}
	b = binary.AppendUvarint(b, c.past)
	b = binary.AppendUvarint(b, c.asOf)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor undoes encode; it accepts nothing that encode does not write.
func parseCursor(text string, kind cursorKind) (cursor, error) {
	bad := func(reason string) (cursor, error) {
		return cursor{}, &InvalidError{Param: "Cursor", Reason: reason, Err: ErrCursor}
	}
	if len(text) > maxCursorText {
		return bad("is too long")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 9 {
		return bad("was not given by a page")
	}
	if b[0] != cursorVersion {
		return bad("is of another version")
	}
	c := cursor{kind: cursorKind(b[1]), oldest: b[2] == 1}
	past, n := binary.Uvarint(b[3:])
	if n <= 0 {
		return bad("was not given by a page")
	}
	asOf, m := binary.Uvarint(b[3+n:])
	if m <= 0 {
		return bad("was not given by a page")
	}
	c.past, c.asOf = past, asOf
	// One text for one cursor: checks the checksum, the length, the order's
	// byte and needlessly long numbers at once.
	if c.encode() != text || c.past == 0 {
		return bad("was not given by a page")
	}
	if c.kind != kind {
		return bad("is of another list")
	}
	return c, nil
}

// window checks p and takes it apart.
func (p Paging) window(kind cursorKind) (Window, error) {
	w := Window{Limit: p.Limit, Offset: p.Offset, AsOf: p.AsOf, Oldest: p.Oldest, MaxBytes: MaxPageBytes}
	switch {
	case p.Limit == 0:
		w.Limit = DefaultLimit
	case p.Limit < 0:
		return w, invalid("Limit", "is negative")
	case p.Limit > MaxLimit:
		return w, invalid("Limit", "is above %d", MaxLimit)
	}
	if p.Offset < 0 {
		return w, invalid("Offset", "is negative")
	}
	if p.Cursor == "" {
		return w, nil
	}
	if p.Offset != 0 {
		return w, invalid("Offset", "cannot be used with Cursor")
	}
	c, err := parseCursor(p.Cursor, kind)
	if err != nil {
		return w, err
	}
	if p.Oldest && !c.oldest {
		return w, &InvalidError{Param: "Cursor", Reason: "goes newest first, and the other order is asked for", Err: ErrCursor}
	}
	if p.AsOf != 0 && p.AsOf != c.asOf {
		return w, &InvalidError{Param: "Cursor", Reason: "is of another snapshot than AsOf", Err: ErrCursor}
	}
	w.Past, w.AsOf, w.Oldest = c.past, c.asOf, c.oldest
	return w, nil
}

// page makes the answer to a caller from that of a backend.
func page[T any](r Result[T], w Window, kind cursorKind, seq func(T) uint64) Page[T] {
	p := Page[T]{Items: r.Items, Total: r.Total, AsOf: r.AsOf, Stats: r.Stats}
	if p.Items == nil {
		p.Items = []T{}
	}
	if n := len(p.Items); r.More && n > 0 {
		p.Next = cursor{kind: kind, oldest: w.Oldest, past: seq(p.Items[n-1]), asOf: r.AsOf}.encode()
	}
	return p
}
