package segment

import (
	"encoding/binary"
	"sort"
	"strings"

	"github.com/steplog/steplog/internal/line"
)

// Frame is a view of 1024 rows in a row.
type Frame struct {
	x                                      *Index
	head                                   []byte
	n                                      int
	minTime                                int64
	first                                  uint64
	minOwner                               uint32
	times, seqs, classes, owners           []byte
	timeWidth, seqWidth, classW, ownerBits int
}

// Frame returns frame i.
func (x *Index) Frame(i int) Frame {
	h := x.frames[i*frameBytes : (i+1)*frameBytes]
	f := Frame{x: x, head: h, n: min(FrameRows, x.rows-i*FrameRows), classW: x.classWidth,
		minTime: int64(binary.LittleEndian.Uint64(h)), first: binary.LittleEndian.Uint64(h[16:]),
		minOwner: binary.LittleEndian.Uint32(h[32:]), timeWidth: int(h[28]), seqWidth: int(h[29]), ownerBits: int(h[30])}
	f.times = x.values[binary.LittleEndian.Uint32(h[24:]):]
	f.seqs = f.times[packedSize(f.n, f.timeWidth):]
	f.classes = f.seqs[packedSize(f.n, f.seqWidth):]
	f.owners = f.classes[packedSize(f.n, f.classW):]
	return f
}

// Len returns the number of rows.
func (f *Frame) Len() int { return f.n }

// Times returns the smallest and the largest time, Unix nanoseconds.
func (f *Frame) Times() (first, last int64) {
	return f.minTime, int64(binary.LittleEndian.Uint64(f.head[8:]))
}

// First returns the seq of the first row.
func (f *Frame) First() uint64 { return f.first }

// Count returns how many rows have a level, by its index in line.Levels, and a
// kind.
func (f *Frame) Count(level int, kind line.Kind) int {
	return int(binary.LittleEndian.Uint16(f.head[40+2*(level*kindCount+int(kind)):]))
}

// Time returns the time of row i of the frame, Unix nanoseconds.
func (f *Frame) Time(i int) int64 { return f.minTime + int64(unpack(f.times, i, f.timeWidth)) }

// Seq returns its seq.
func (f *Frame) Seq(i int) uint64 { return f.first + uint64(i) + unpack(f.seqs, i, f.seqWidth) }

// Class returns its level, by the index in line.Levels, and its kind.
func (f *Frame) Class(i int) (level int, kind line.Kind) {
	c := int(unpack(f.classes, i, f.classW))
	if c >= len(f.x.classes) {
		return 0, 0
	}
	class := f.x.classes[c]
	return int(class / kindCount), line.Kind(class % kindCount)
}

// Owner returns its owner.
func (f *Frame) Owner(i int) uint32 {
	o := f.minOwner + uint32(unpack(f.owners, i, f.ownerBits))
	if int(o) >= f.x.meta.owners {
		return 0
	}
	return o
}

// Place returns where the line of a row lies in the text, with all that stands
// before the next record's.
func (x *Index) Place(row int) (offset int64, size int) {
	place := row
	if x.grouped {
		// The last row is the last in the text too.
		last := x.PlaceOf(x.rows - 1)
		switch place = x.PlaceOf(row); {
		case place == last:
			place = x.rows - 1
		case place > last:
			place--
		}
	}
	g := x.groups[place/groupLines*groupBytes:]
	at, shortest, width := binary.LittleEndian.Uint32(g[8:]), binary.LittleEndian.Uint32(g[12:]), int(g[16])
	offset = x.head + int64(binary.LittleEndian.Uint64(g))
	b := x.places[at:]
	for i := range place % groupLines {
		offset += int64(shortest) + int64(unpack(b, i, width))
	}
	size = int(shortest) + int(unpack(b, place%groupLines, width))
	if offset < 0 || offset > x.text || int64(size) > x.text-offset {
		return 0, 0
	}
	return offset, size
}

// PlaceOf returns a row's place in the order of scopes.
func (x *Index) PlaceOf(row int) int {
	f := x.Frame(row / FrameRows)
	from, to := x.ScopeRows(x.ScopeOf(f.Owner(row % FrameRows)))
	at := from + sort.Search(to-from, func(i int) bool { return x.RowAt(from+i) >= row })
	return min(at, x.rows-1)
}

// RowAt returns the row at a place in the order of scopes.
func (x *Index) RowAt(place int) int {
	return min(int(unpack(x.order, place, x.orderWidth)), x.rows-1)
}

// Scopes returns the number of scopes.
func (x *Index) Scopes() int { return x.meta.scopes }

// Owners returns the number of owners; every row's is below it.
func (x *Index) Owners() int { return x.meta.owners }

// ScopeOf returns the scope of an owner.
func (x *Index) ScopeOf(owner uint32) int {
	return int(binary.LittleEndian.Uint32(x.owners[int(owner)*ownerBytes:]))
}

// ScopeRows returns where the rows of a scope begin and end in the order of
// scopes; see [Index.RowAt].
func (x *Index) ScopeRows(scope int) (from, to int) {
	s := x.scopes[scope*scopeBytes:]
	from = int(binary.LittleEndian.Uint32(s[4*scopeIDs:]))
	return from, from + int(binary.LittleEndian.Uint32(s[4*scopeIDs+4:]))
}

// ScopeTimes returns the smallest and the largest time of a scope's rows.
func (x *Index) ScopeTimes(scope int) (first, last int64) {
	s := x.scopes[scope*scopeBytes+4*scopeIDs+8:]
	return int64(binary.LittleEndian.Uint64(s)), int64(binary.LittleEndian.Uint64(s[8:]))
}

// ScopeCounts returns how many rows of a scope have a level, by its index in
// line.Levels: those of kind line, and all others.
func (x *Index) ScopeCounts(scope, level int) (lines, others int) {
	s := x.scopes[scope*scopeBytes+4*scopeIDs+24+4*level:]
	return int(binary.LittleEndian.Uint32(s)), int(binary.LittleEndian.Uint32(s[4*levelCount:]))
}

// ScopeText returns the number of an identifier of a scope, as [Index.Text] has
// it.
func (x *Index) ScopeText(scope int, id ScopeID) uint32 {
	return binary.LittleEndian.Uint32(x.scopes[scope*scopeBytes+4*int(id):])
}

// ScopeID names an identifier of a scope.
type ScopeID int

// The identifiers of a scope. The numbers are part of the format.
const (
	Server ScopeID = iota
	ServerName
	Service
	ServiceName
	Project
	Operation
	OperationName
	ParentOperation
	Run
	RootRun
	ParentRun
	ParentStep
)

// Identity fills id with the identifiers of an owner. Its texts are parts of
// mapped memory: see the package comment.
func (x *Index) Identity(owner uint32, id *line.Identity) {
	o := x.owners[int(owner)*ownerBytes:]
	scope := int(binary.LittleEndian.Uint32(o))
	var ids [scopeIDs]string
	for i := range ids {
		ids[i] = x.textAt(x.ScopeText(scope, ScopeID(i)))
	}
	setScope(id, ids)
	id.Step = x.textAt(binary.LittleEndian.Uint32(o[4:]))
	id.Action = x.textAt(binary.LittleEndian.Uint32(o[8:]))
	id.ActionName = x.textAt(binary.LittleEndian.Uint32(o[12:]))
	id.Attempt = int(int32(binary.LittleEndian.Uint32(o[16:])))
}

// CloneIdentity is Identity with texts of its own.
func (x *Index) CloneIdentity(owner uint32) line.Identity {
	var id line.Identity
	x.Identity(owner, &id)
	for _, s := range []*string{&id.Server, &id.ServerName, &id.Service, &id.ServiceName, &id.Project,
		&id.Operation, &id.OperationName, &id.ParentOperation, &id.Run, &id.RootRun, &id.ParentRun, &id.ParentStep,
		&id.Step, &id.Action, &id.ActionName} {
		*s = strings.Clone(*s)
	}
	return id
}

// OwnerCounts returns what an owner's rows are: how many, lines by level, and
// the bytes of lines and captures.
func (x *Index) OwnerCounts(owner uint32) (rows int, lines line.Levels, bytes int64) {
	o := x.owners[int(owner)*ownerBytes:]
	rows = int(binary.LittleEndian.Uint32(o[20:]))
	for i := range lines {
		lines[i] = int64(binary.LittleEndian.Uint32(o[24+4*i:]))
	}
	return rows, lines, int64(binary.LittleEndian.Uint64(o[24+4*levelCount:]))
}
