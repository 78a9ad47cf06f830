package segment

import "encoding/binary"

// Lines finds lines as [Index.Place] does, faster for rows of one run that are
// looked at one after the other, in either order. It is for one goroutine at a
// time.
type Lines struct {
	x      *Index
	frame  Frame
	framed int // its number, and 1

	scope int // of the last row, and 1
	rows  series
	rest  []byte
	first int // its first place
	at    int // of the last row among its rows

	place  int // of the line that follows, with its place and size, and 1
	offset int64
	size   int

	touched int // keeps what only touches memory
}

// Lines returns a Lines.
func (x *Index) Lines() Lines { return Lines{x: x} }

// Line is [Index.Place], and the seq of the row.
func (l *Lines) Line(row int) (offset int64, size int, seq uint64) {
	x := l.x
	l.look(row)
	seq = l.frame.Seq(row % FrameRows)
	place := row
	if x.grouped {
		place = x.textPlace(l.placeOf(row))
	}
	offset, size = l.span(place)
	return offset, size, seq
}

// look makes the frame of a row the one looked at.
func (l *Lines) look(row int) {
	if n := row / FrameRows; l.framed != n+1 {
		l.frame, l.framed = l.x.Frame(n), n+1
	}
}

// span returns where a line lies by its place in the text.
func (l *Lines) span(place int) (offset int64, size int) {
	x := l.x
	g := x.groups[place/groupLines*groupBytes:]
	shortest, width := int(binary.LittleEndian.Uint32(g[12:])), int(g[16])
	b := x.places[binary.LittleEndian.Uint32(g[8:]):]
	size = shortest + int(unpack(b, place%groupLines, width))
	switch {
	case l.place == place+2:
		offset = l.offset - int64(size)
	case l.place == place && l.place != 0:
		offset = l.offset + int64(l.size)
	case place%groupLines > groupLines/2 && len(x.groups) >= (place/groupLines+2)*groupBytes:
		// It lies nearer to where the next group begins.
		offset = x.head + int64(binary.LittleEndian.Uint64(g[groupBytes:])) - int64(groupLines-place%groupLines)*int64(shortest)
		for i := place % groupLines; i < groupLines; i++ {
			offset -= int64(unpack(b, i, width))
		}
	default:
		offset = x.head + int64(binary.LittleEndian.Uint64(g)) + int64(place%groupLines)*int64(shortest)
		for i := range place % groupLines {
			offset += int64(unpack(b, i, width))
		}
	}
	if offset < 0 || offset > x.text || int64(size) > x.text-offset {
		l.place = 0
		return 0, 0
	}
	l.place, l.offset, l.size = place+1, offset, size
	return offset, size
}

// placeOf returns a row's place in the order of scopes; its frame is looked at.
func (l *Lines) placeOf(row int) int {
	if l.scope == 0 || !l.beside(row) {
		l.search(l.x.ScopeOf(l.frame.Owner(row%FrameRows)), row)
	}
	return min(l.first+l.at, l.x.rows-1)
}

// placeIn is placeOf for a row of a scope.
func (l *Lines) placeIn(scope, row int) int {
	if l.scope != scope+1 || !l.beside(row) {
		l.search(scope, row)
	}
	return min(l.first+l.at, l.x.rows-1)
}

// beside goes to a row if that is the one before or behind the last row in its scope: no
// other scope has it.
func (l *Lines) beside(row int) bool {
	if next := l.at - 1; next >= 0 && l.rows.atRest(next, l.rest) == uint64(row) {
		l.at = next
	} else if next := l.at + 1; next < l.rows.n && l.rows.atRest(next, l.rest) == uint64(row) {
		l.at = next
	} else {
		return false
	}
	return true
}

// search goes to a row of a scope.
func (l *Lines) search(scope, row int) {
	if l.scope != scope+1 {
		l.scope, l.rows, l.first = scope+1, l.x.scopeSeries(scope), l.x.ScopePlace(scope)
		l.rest = l.rows.b[l.rows.rest():]
	}
	l.at = l.rows.search(int64(row), l.rest)
}
