package segment

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sort"

	"github.com/steplog/steplog/internal/line"
)

// FrameHead is what the header of a frame tells.
type FrameHead struct {
	x        *Index
	head     []byte
	first, n int // its rows: the number of the first, and how many
}

// FrameHead returns the header of frame i.
func (x *Index) FrameHead(i int) FrameHead {
	size := frameBytes(len(x.classes))
	return FrameHead{x, x.frames[i*size : (i+1)*size], i * FrameRows, min(FrameRows, x.rows-i*FrameRows)}
}

// First returns the row that the frame begins with.
func (f *FrameHead) First() int { return f.first }

// Frame is a view of 1024 rows in a row.
type Frame struct {
	FrameHead
	minOwner          uint32
	told              told
	times, seqs       series
	timeRest, seqRest []byte // the distances of the two
	classes, owners   []byte
	ownerBits         int
}

// Frame returns frame i.
func (x *Index) Frame(i int) Frame {
	head := x.FrameHead(i)
	h, n := head.head, head.n
	u64 := binary.LittleEndian.Uint64
	f := Frame{FrameHead: head, minOwner: binary.LittleEndian.Uint32(h[28:]), ownerBits: int(h[52]),
		told:  told(h[54]),
		times: series{base: told(h[54]).value(int64(u64(h))), low: int64(u64(h[32:])), anchorWidth: int(h[48]), width: int(h[49]), n: n},
		seqs:  series{base: u64(h[16:]), low: int64(u64(h[40:])), anchorWidth: int(h[50]), width: int(h[51]), n: n}}
	f.times.b = x.values[binary.LittleEndian.Uint32(h[24:]):]
	f.timeRest = f.times.b[f.times.rest():]
	f.seqs.b = f.timeRest[packedSize(n, f.times.width):]
	f.seqRest = f.seqs.b[f.seqs.rest():]
	f.classes = f.seqRest[packedSize(n, f.seqs.width):]
	f.owners = f.classes[packedSize(n, x.classWidth):]
	return f
}

// Index returns the sidecar that the frame is of.
func (f *FrameHead) Index() *Index { return f.x }

// Len returns the number of rows.
func (f *FrameHead) Len() int { return f.n }

// Times returns the smallest and the largest time, Unix nanoseconds.
func (f *FrameHead) Times() (first, last int64) {
	return int64(binary.LittleEndian.Uint64(f.head)), int64(binary.LittleEndian.Uint64(f.head[8:]))
}

// Ascending reports whether no row has a smaller time than the one before.
func (f *FrameHead) Ascending() bool { return f.head[53] == 1 }

// CountClass returns how many rows have a class, see [Index.Classes].
func (f *FrameHead) CountClass(class int) int {
	return int(binary.LittleEndian.Uint16(f.head[frameHead+2*class:]))
}

// Time tells the time of row i of the frame, Unix nanoseconds: rounded down to a
// multiple of [TimeStep], if not [Frame.Exact].
func (f *Frame) Time(i int) int64 { return f.told.time(f.times.atRest(i, f.timeRest)) }

// SearchTime returns the first row whose time, as Time tells it, is not before one, of
// a frame whose times ascend; Len when there is none.
func (f *Frame) SearchTime(at int64) int { return f.times.search(f.told.notBefore(at), f.timeRest) }

// Seq returns its seq.
func (f *Frame) Seq(i int) uint64 { return f.seqs.atRest(i, f.seqRest) }

// ClassOf returns its class, see [Index.Classes].
func (f *Frame) ClassOf(i int) int {
	return min(int(unpack(f.classes, i, f.x.classWidth)), len(f.x.classes)-1)
}

// CountClasses adds to counts how many of the rows from one up to another have each
// class.
func (f *Frame) CountClasses(counts *[levelCount * kindCount]int, from, to int) {
	width := f.x.classWidth
	if width == 0 {
		counts[0] += to - from
		return
	}
	// Some values are compared with a class at once. Of each that differs, the
	// lowest bit becomes 1.
	together := 57 / width // that a word holds, wherever it begins
	lowest := uint64(0)
	for i := range together {
		lowest |= 1 << (i * width)
	}
	last := len(f.x.classes) - 1
	for i := from; i < to; i += together {
		n := min(together, to-i)
		low := lowest & (1<<(n*width) - 1)
		at := i * width
		word := binary.LittleEndian.Uint64(f.classes[at>>3:]) >> (at & 7)
		left := n
		for class := range last {
			other := word ^ low*uint64(class)
			differs := other
			for by := 1; by < width; by++ {
				differs |= other >> by
			}
			same := n - bits.OnesCount64(differs&low)
			counts[class] += same
			left -= same
		}
		counts[last] += left
	}
}

// Class returns its level, by the index in line.Levels, and its kind.
func (f *Frame) Class(i int) (level int, kind line.Kind) {
	class := f.x.classes[f.ClassOf(i)]
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

// TimeRows returns the rows whose times, as [Frame.Time] tells them, lie between two,
// both inclusive: from one up to another. The first is a multiple of [TimeStep], the
// last lies before one, or all frames are exact. ok is false for a file in which those
// rows are not all in a row.
func (x *Index) TimeRows(first, last int64) (from, to int, ok bool) {
	if !x.ascending {
		return 0, 0, false
	}
	if last == math.MaxInt64 {
		return x.rowAt(first), x.rows, true
	}
	return x.rowAt(first), x.rowAt(last + 1), true
}

// rowAt returns the first row whose time is not before one, as with TimeRows, of a file
// in which times ascend.
func (x *Index) rowAt(at int64) int {
	if at <= x.minTime {
		return 0
	}
	n := sort.Search(x.Frames(), func(i int) bool {
		head := x.FrameHead(i)
		_, last := head.Times()
		return last >= at
	})
	if n == x.Frames() {
		return x.rows
	}
	f := x.Frame(n)
	return n*FrameRows + f.SearchTime(at)
}

// CountRows returns how many of some rows, which ascend, have one of the classes that
// a bit is set for; see [Index.Classes].
func (x *Index) CountRows(rows []uint32, classes uint64) (count int) {
	var f Frame
	end := 0 // of the rows of the frame looked at
	for _, row := range rows {
		if int(row) >= end {
			n := int(row) / FrameRows
			f, end = x.Frame(n), (n+1)*FrameRows
		}
		count += int(classes >> f.ClassOf(int(row)%FrameRows) & 1)
	}
	return count
}

// Place returns where the line of a row lies in the text, with all that stands
// before the next record's.
func (x *Index) Place(row int) (offset int64, size int) {
	l := x.Lines()
	offset, size, _ = l.Line(row)
	return offset, size
}

// textPlace returns where a line lies among those of the text, by its place in the
// order of scopes: the last row is the last in the text too.
func (x *Index) textPlace(place int) int {
	switch {
	case place == x.lastPlace:
		return x.rows - 1
	case place > x.lastPlace:
		return place - 1
	}
	return place
}

// PlaceOf returns a row's place in the order of scopes.
func (x *Index) PlaceOf(row int) int {
	l := x.Lines()
	l.frame, l.framed = x.Frame(row/FrameRows), row/FrameRows+1
	return l.placeOf(row)
}

// scopeSeries returns the rows of a scope.
func (x *Index) scopeSeries(scope int) series {
	t := &x.scopes
	return series{b: x.order[t.at(scope, scopeOrder):], base: t.at(scope, scopeFirst), low: int64(t.at(scope, scopeLow)),
		anchorWidth: int(t.at(scope, scopeAnchorWidth)), width: int(t.at(scope, scopeWidth)), n: int(t.at(scope, scopeRows))}
}

// ScopePlace returns the first place of a scope in the order of scopes.
func (x *Index) ScopePlace(scope int) int { return int(x.scopes.at(scope, scopePlace)) }

// AppendScopeRows appends the rows of a scope from one up to another, ascending, to
// dst.
func (x *Index) AppendScopeRows(dst []uint32, scope, from, to int) []uint32 {
	s := x.scopeSeries(scope)
	if from <= 0 && to >= x.rows {
		dst = slices.Grow(dst, s.n)
	}
	return s.appendBetween(dst, uint64(max(from, 0)), uint64(min(max(to, 0), x.rows)))
}

// Scopes returns the number of scopes.
func (x *Index) Scopes() int { return x.meta.scopes }

// Owners returns the number of owners; every row's is below it.
func (x *Index) Owners() int { return x.meta.owners }

// ScopeOf returns the scope of an owner.
func (x *Index) ScopeOf(owner uint32) int { return int(x.owners.at(int(owner), ownerScope)) }

// ScopeLen returns how many rows a scope has.
func (x *Index) ScopeLen(scope int) int { return int(x.scopes.at(scope, scopeRows)) }

// ScopeTimes returns the smallest and the largest time of a scope's rows.
func (x *Index) ScopeTimes(scope int) (first, last int64) {
	return int64(x.scopes.at(scope, scopeMinTime)), int64(x.scopes.at(scope, scopeMaxTime))
}

// ScopeCounts returns how many rows of a scope have a level, by its index in
// line.Levels: those of kind line, and all others.
func (x *Index) ScopeCounts(scope, level int) (lines, others int) {
	return int(x.scopes.at(scope, scopeLines+level)), int(x.scopes.at(scope, scopeOthers+level))
}

// ScopeText returns the number of an identifier of a scope, as [Index.Text] has
// it.
func (x *Index) ScopeText(scope int, id ScopeID) uint32 {
	return uint32(x.scopes.at(scope, int(id)))
}

// AppendScopesWith appends the scopes whose identifier has a number, ascending, to
// dst.
func (x *Index) AppendScopesWith(dst []int, id ScopeID, text uint32) []int {
	x.scopes.each(int(id), uint64(text), func(scope int) { dst = append(dst, scope) })
	return dst
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
	scope := x.ScopeOf(owner)
	var ids [scopeIDs]string
	for i := range ids {
		ids[i] = x.TextOf(x.ScopeText(scope, ScopeID(i)))
	}
	setScope(id, ids)
	o := int(owner)
	id.Step = x.TextOf(uint32(x.owners.at(o, ownerStep)))
	id.Action = x.TextOf(uint32(x.owners.at(o, ownerAction)))
	id.ActionName = x.TextOf(uint32(x.owners.at(o, ownerActionName)))
	id.Attempt = int(int32(x.owners.at(o, ownerAttempt)))
}

// OwnerTexts returns the numbers of an owner's step, action and name of the action, as
// [Index.Text] has them.
func (x *Index) OwnerTexts(owner uint32) (step, action, actionName uint32) {
	o := int(owner)
	return uint32(x.owners.at(o, ownerStep)), uint32(x.owners.at(o, ownerAction)), uint32(x.owners.at(o, ownerActionName))
}

// CloneIdentity is Identity with texts of its own.
func (x *Index) CloneIdentity(owner uint32) line.Identity {
	var id line.Identity
	x.Identity(owner, &id)
	id.Detach()
	return id
}

// OwnerLen returns how many rows an owner has.
func (x *Index) OwnerLen(owner uint32) int { return int(x.owners.at(int(owner), ownerRows)) }

// OwnerCounts returns what an owner's rows are: how many, lines by level, and
// the bytes of lines and captures.
func (x *Index) OwnerCounts(owner uint32) (rows int, lines line.Levels, bytes int64) {
	o := int(owner)
	rows = int(x.owners.at(o, ownerRows))
	for i := range lines {
		lines[i] = int64(x.owners.at(o, ownerLines+i))
	}
	return rows, lines, int64(x.owners.at(o, ownerLogged))
}
