package segment

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/steplog/steplog/internal/line"
)

// What counts as a record is for package journal to say; these limits are its.
const (
	maxLine = 2 << 20
	maxSeq  = 1 << 53
)

// cutText is a text cut in units: a record's line and what stands between it
// and the next, which are lines that are no records.
//
//	head | unit | unit | … | tail
//
// The head is what stands before the first record, the tail what comes after
// the last newline.
type cutText struct {
	units []unit // as they lie in the text
	head  int64
	tail  int // offset
	// arrival has the unit of each row; nil when that is the row itself.
	arrival []uint32
	// backward says that a line has a smaller seq than a record before it.
	backward bool
}

type unit struct {
	at, size uint32
	length   uint32 // of the record's line, without its newline
	seq      uint64
}

// unit returns that of a row.
func (c *cutText) unit(row int) *unit {
	if c.arrival == nil {
		return &c.units[row]
	}
	return &c.units[c.arrival[row]]
}

// cutArrival cuts a text that lies in the order of arrival, and calls each with
// its records: a line is one when its seq is larger than that of all before.
func cutArrival(text []byte, p *line.Parser, each func(rec *line.Record, u unit) error) (*cutText, error) {
	var last uint64
	backward := false
	c, err := cut(text, p, func(rec *line.Record, u unit) (bool, error) {
		if rec.Seq <= last {
			backward = backward || rec.Seq < last
			return false, nil
		}
		last = rec.Seq
		return true, each(rec, u)
	})
	if c != nil {
		c.backward = backward
	}
	return c, err
}

// cutGrouped cuts a text that is grouped, and gives it back the order of
// arrival.
func cutGrouped(text []byte) (*cutText, error) {
	c, err := cut(text, new(line.Parser), func(*line.Record, unit) (bool, error) { return true, nil })
	if err != nil {
		return nil, err
	}
	order := make([]uint32, len(c.units))
	for i := range order {
		order[i] = uint32(i)
	}
	bySeq := func(a, b uint32) int { return cmp.Compare(c.units[a].seq, c.units[b].seq) }
	slices.SortStableFunc(order, bySeq)
	// Of two lines with one seq the first is the record.
	again := map[uint32]bool{}
	for i := 1; i < len(order); i++ {
		if bySeq(order[i-1], order[i]) == 0 {
			again[order[i]] = true
		}
	}
	if len(again) == 0 {
		c.arrival = order
		return c, nil
	}
	moved := make([]uint32, len(c.units)) // to where units move
	kept := c.units[:0]
	for i, u := range c.units {
		if again[uint32(i)] {
			kept[len(kept)-1].size += u.size // never the first: what repeats has one before it in the text
			continue
		}
		moved[i] = uint32(len(kept))
		kept = append(kept, u)
	}
	c.units = kept
	for _, n := range order {
		if !again[n] {
			c.arrival = append(c.arrival, moved[n])
		}
	}
	return c, nil
}

// Grouped reports whether a text lies grouped, and not in the order of arrival. A
// compressed file says so itself; one that somebody decompressed, or compressed with
// another program, does not say it any more. Somebody may also have removed lines of it:
// it lies no more just as [Seal] groups what is left, but those of a scope still stand
// together, in their order. The last line of a text may stand apart.
func Grouped(text []byte) bool {
	if len(text) > maxText || !backward(text) {
		return false
	}
	c, err := cutGrouped(text)
	if err != nil {
		return false
	}
	p, parser := newPeople(), line.Parser{Many: true, Lend: true}
	var rec line.Record
	var newest []uint64 // by scope
	var now uint32      // the scope that the lines are of
	for i, u := range c.units {
		if parser.Parse(text[u.at:u.at+u.length], &rec) != nil {
			return false // it was one a moment ago
		}
		scope := p.owners[p.owner(&rec.Identity)].scope
		switch {
		case int(scope) == len(newest):
			newest = append(newest, 0)
			now = scope
		case scope != now && i < len(c.units)-1 || u.seq < newest[scope]:
			return false
		}
		newest[scope] = u.seq
	}
	return true
}

// backward reports whether a line has a smaller number than one before it.
func backward(text []byte) bool {
	var last uint64
	for raw := range bytes.Lines(text) {
		if len(raw) > maxLine+1 {
			continue
		}
		if seq, ok := line.NumberOf(raw); ok {
			if seq < last {
				return true
			}
			last = seq
		}
	}
	return false
}

// lies reports whether a text that was cut as a grouped one lies as rows in this order of
// scopes do.
func (c *cutText) lies(order []uint32) bool {
	for i, row := range laid(order) {
		if c.arrival[row] != uint32(i) {
			return false
		}
	}
	return true
}

// Records calls yield for each record of a grouped text, in the order of
// arrival, with the place of its line. rec is valid during the call only. It
// returns how many bytes are no records.
func Records(text []byte, yield func(rec *line.Record, offset, length uint32)) (foreign int64, err error) {
	if len(text) > maxText {
		return 0, ErrTooLarge
	}
	c, err := cutGrouped(text)
	if err != nil {
		return 0, err
	}
	var rec line.Record
	foreign = int64(len(text))
	for row := range c.units {
		u := c.unit(row)
		if err := line.Parse(text[u.at:u.at+u.length], &rec); err != nil {
			return 0, err // it was one a moment ago
		}
		foreign -= int64(u.length) + 1
		yield(&rec, u.at, u.length)
	}
	return foreign, nil
}

// cut cuts a text; keep says of each line that could be a record whether it is.
func cut(text []byte, p *line.Parser, keep func(rec *line.Record, u unit) (bool, error)) (*cutText, error) {
	c := &cutText{units: make([]unit, 0, aboutRows(text))}
	var rec line.Record
	at := 0
	for at < len(text) {
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			break
		}
		u := unit{at: uint32(at), size: uint32(n + 1), length: uint32(n)}
		at += n + 1
		is := false
		if n <= maxLine && p.Parse(text[u.at:int(u.at)+n], &rec) == nil && rec.Seq > 0 && rec.Seq <= maxSeq {
			u.seq = rec.Seq
			var err error
			if is, err = keep(&rec, u); err != nil {
				return nil, err
			}
		}
		switch {
		case is && len(c.units) == maxRows:
			return nil, ErrTooLarge
		case is:
			c.units = append(c.units, u)
		case len(c.units) > 0:
			c.units[len(c.units)-1].size += u.size
		default:
			c.head += int64(u.size)
		}
	}
	c.tail = at
	return c, nil
}
