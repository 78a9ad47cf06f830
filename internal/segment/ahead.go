package segment

import "encoding/binary"

// Found is where the line of a row lies, see [Lines.Find].
type Found struct {
	Row    int
	Offset int64
	Size   int
	Seq    uint64
}

// MostFound is how many rows [Lines.Find] takes at a time.
const MostFound = 32

// Find fills in where the lines of some rows lie, at most MostFound, as [Lines.Line]
// tells it of one. Each step of the way is taken for all rows before the next one:
// what memory holds for a row does not wait for what it holds for the row before,
// which takes most of the time where rows lie far apart.
func (l *Lines) Find(found []Found) {
	x := l.x
	var scopes, places [MostFound]int
	heads := frameBytes(len(x.classes))
	for i := range found {
		head := x.frames[found[i].Row/FrameRows*heads:]
		l.touched += int(head[0]) + int(head[frameHead-1])
	}
	for i := range found {
		f := &found[i]
		l.look(f.Row)
		f.Seq = l.frame.Seq(f.Row % FrameRows)
		scopes[i] = int(l.frame.Owner(f.Row % FrameRows)) // of the owner, by now
		places[i] = f.Row
	}
	if x.grouped {
		l.findPlaces(found, &scopes, &places)
	}
	for i := range found {
		l.touched += int(x.groups[places[i]/groupLines*groupBytes])
	}
	for i := range found {
		g := x.groups[places[i]/groupLines*groupBytes:]
		l.touched += int(x.places[int(binary.LittleEndian.Uint32(g[8:]))+places[i]%groupLines*int(g[16])>>3])
	}
	for i := range found {
		found[i].Offset, found[i].Size = l.span(places[i])
	}
}

// findPlaces fills in the places of rows in the text, by their owners.
func (l *Lines) findPlaces(found []Found, scopes, places *[MostFound]int) {
	x := l.x
	for i := range found {
		scopes[i] = x.ScopeOf(uint32(scopes[i]))
	}
	for i := range found {
		if i > 0 && scopes[i] == scopes[i-1] || scopes[i]+1 == l.scope {
			continue
		}
		for field := scopePlace; field <= scopeWidth; field++ {
			f := &x.scopes.fields[field]
			l.touched += int(f.b[scopes[i]*f.width>>3])
		}
	}
	for i := range found {
		if i > 0 && scopes[i] == scopes[i-1] || scopes[i]+1 == l.scope {
			continue
		}
		s := x.scopeSeries(scopes[i])
		size := s.size()
		l.touched += int(s.b[0]) + int(s.b[size/2]) + int(s.b[size])
	}
	for i := range found {
		places[i] = x.textPlace(l.placeIn(scopes[i], found[i].Row))
	}
}
