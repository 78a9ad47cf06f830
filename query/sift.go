package query

import (
	"bytes"
	"math"
	"slices"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/tables"
)

// Rows without an index lie one behind the other in a text. To find those that can
// match, the text is searched as a whole: line by line it takes more than twice as long.

// sifter looks for the needles of clauses in many lines at a time. The zero value is
// ready for use.
type sifter struct {
	anchors []anchor // of one clause, the one that is found least often, and of rough lines; nil until the first text
	can     []bool   // of the rows looked at last
}

// anchor is the byte of a needle that occurs least often in the text: it is looked for
// first.
type anchor struct {
	needle
	at           int  // where it stands in the needle
	lower, upper byte // the same where case counts, or has no meaning
}

// sampled is how many bytes of a text tell which are frequent in it.
const sampled = 4 << 10

// choose picks the clause that is found least often, and its anchors.
func (f *sifter) choose(clauses [][]needle, text []byte) {
	var count [256]int
	for _, b := range text[:min(len(text), sampled)] {
		count[b]++
	}
	least := math.MaxInt
	var found []anchor
	for _, clause := range clauses {
		anchors, sum := make([]anchor, 0, len(clause)), 0
		for _, n := range clause {
			a, times := anchor{needle: n}, math.MaxInt
			for at, b := range n.text {
				upper := b
				if n.lower && 'a' <= b && b <= 'z' {
					upper = b - 'a' + 'A'
				}
				here := count[b]
				if upper != b {
					here += count[upper]
				}
				if here < times {
					a.at, a.lower, a.upper, times = at, b, upper, here
				}
			}
			anchors, sum = append(anchors, a), sum+times
		}
		if sum < least {
			found, least = anchors, sum
		}
	}
	for _, b := range []byte{'\\', escape} { // a line that has one is rough
		found = append(found, anchor{needle{text: []byte{b}}, 0, b, b})
	}
	f.anchors = found
}

// sift reports which of some rows, whose lines lie in a text that begins at an offset
// of their file, can match. The answer is good until the next call.
func (f *sifter) sift(clauses [][]needle, text []byte, offset int64, rows []tables.Row) []bool {
	if f.anchors == nil {
		f.choose(clauses, text)
	}
	f.can = slices.Grow(f.can[:0], len(rows))[:len(rows)]
	for i := range rows {
		from := int64(rows[i].Offset) - offset
		f.can[i] = !ascii(text[from : from+int64(rows[i].Len)])
	}
	for i := range f.anchors {
		f.anchors[i].mark(text, offset, rows, f.can)
	}
	return f.can
}

// mark marks the rows in whose lines the needle stands, and no more than a row beside
// them.
func (a *anchor) mark(text []byte, offset int64, rows []tables.Row, marked []bool) {
	lower, upper := finder{text, a.lower, -1}, finder{text, a.upper, -1}
	row := 0
	for from := 0; from < len(text); {
		at := lower.next(from)
		if a.upper != a.lower {
			at = min(at, upper.next(from))
		}
		if at == len(text) {
			return
		}
		begin := at - a.at
		if begin < 0 || !a.stands(text[begin:]) {
			from = at + 1
			continue
		}
		for row < len(rows) && int64(rows[row].Offset)+int64(rows[row].Len)-offset <= int64(begin) {
			row++
		}
		if row == len(rows) {
			return
		}
		marked[row] = true
		from = max(at+1, int(int64(rows[row].Offset)+int64(rows[row].Len)-offset))
	}
}

// stands reports whether a text begins with the needle.
func (n *needle) stands(text []byte) bool {
	if len(text) < len(n.text) {
		return false
	}
	text = text[:len(n.text)]
	if !n.lower {
		return bytes.Equal(text, n.text)
	}
	for i, b := range n.text {
		have := text[i]
		if 'A' <= have && have <= 'Z' {
			have += 'a' - 'A'
		}
		if have != b {
			return false
		}
	}
	return true
}

// finder looks for a byte in a text from ever later positions on.
type finder struct {
	text  []byte
	of    byte
	found int // where it was found last
}

// next returns where the byte stands at a position or behind it, or the text's length.
func (f *finder) next(from int) int {
	if f.found >= from {
		return f.found
	}
	if f.found = bytes.IndexByte(f.text[from:], f.of); f.found < 0 {
		f.found = len(f.text)
	} else {
		f.found += from
	}
	return f.found
}

// sift looks at rows from one on, of a file without an index, and returns how many it
// looked at and the chance on each, as far as they and their text tell; nil where only
// each of them tells. The answer is good until the next call.
func (s *scan) sift(v *view, i int, rows []tables.Row) (chances []chance, n int) {
	if s.sieve == nil {
		return nil, len(rows)
	}
	// More than is read at a time need not be looked at.
	end := rows[0].Offset + journal.TextBytes
	for n = 1; n < len(rows) && rows[n].Offset < end; n++ {
	}
	rows = rows[:n]
	s.chances = slices.Grow(s.chances[:0], len(rows))[:len(rows)]
	wanted := 0
	for n := range rows {
		if s.chances[n] = surelyNot; s.match.row(&rows[n]) {
			s.chances[n] = maybe
			wanted++
		}
	}
	if wanted < len(rows)/8 { // few are read one by one in less time
		return s.chances, len(rows)
	}
	s.lookAt(v)
	text, offset := s.reader.Text(i)
	n = 0
	for n < len(rows) && liesIn(text, int64(rows[n].Offset)-offset, int64(rows[n].Len)) {
		n++
	}
	if n == 0 {
		return s.chances[:1], 1 // it is in the ring, or longer than what is read at a time, or not what it should be
	}
	for i, can := range s.sieve.many.sift(s.sieve.clauses, text, offset, rows[:n]) {
		if s.chances[i] == maybe && !can {
			s.chances[i] = surelyNot
			s.stats.Lines++
			s.stats.Bytes += int64(rows[i].Len)
			s.checked.Add(int64(rows[i].Len))
		}
	}
	return s.chances[:n], n
}

// liesIn reports whether a line lies in a text as it should.
func liesIn(text []byte, from, size int64) bool {
	return from >= 0 && from+size < int64(len(text)) && text[from] == '{' && text[from+size] == '\n'
}
