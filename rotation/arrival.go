package rotation

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/steplog/steplog/internal/line"
)

// A compressed file may have its lines grouped by run instead of in the order
// in which they arrived. Each begins with its number, which tells that order:
//
//	{"seq":48213,
//
// A line that does not belongs to the one before it.

// unit is a line with a number and those without that follow it.
type unit struct {
	seq      uint64
	from, to int
}

// arrive has the text read in the order in which its lines arrived. A file that
// lies in another order is held in memory from then on.
func (t *Text) arrive() error {
	blocks := t.Blocks()
	if blocks == nil || !blocks.Grouped() || t.found > maxFileBytes {
		return nil
	}
	text := make([]byte, t.found)
	if err := readFull(t.ReaderAt, text, 0); err != nil {
		return err
	}
	t.ReaderAt = bytes.NewReader(arrived(text))
	return nil
}

// arrived returns a text with its lines in the order of their numbers.
func arrived(text []byte) []byte {
	var units []unit
	at := 0
	for {
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			break
		}
		if seq, ok := line.NumberOf(text[at : at+n]); ok {
			units = append(units, unit{seq: seq, from: at})
		}
		at += n + 1
		if len(units) > 0 {
			units[len(units)-1].to = at
		}
	}
	ordered := make([]byte, 0, len(text))
	if len(units) == 0 {
		return text
	}
	ordered = append(ordered, text[:units[0].from]...)
	slices.SortStableFunc(units, func(a, b unit) int { return cmp.Compare(a.seq, b.seq) })
	for _, u := range units {
		ordered = append(ordered, text[u.from:u.to]...)
	}
	return append(ordered, text[at:]...)
}
