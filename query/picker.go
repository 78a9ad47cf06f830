package query

import "slices"

// picker chooses the items of a page from matches in their order.
type picker struct {
	skip, limit, bytes int
	full               bool
	more               bool
	items              []Record
}

func newPicker(w Window) *picker {
	p := &picker{skip: w.Offset, limit: w.Limit, bytes: w.MaxBytes}
	if p.bytes == 0 {
		p.bytes = -1
	}
	return p
}

// take says whether the next match is an item; a match after the last item
// sets more.
func (p *picker) take() bool {
	switch {
	case p.skip > 0:
		p.skip--
		return false
	case p.full:
		p.more = true
		return false
	default:
		return true
	}
}

// next returns the room for the next item, and added takes it in.
func (p *picker) next() *Record {
	n := len(p.items)
	p.items = slices.Grow(p.items, 1)[:n+1] // what lies behind the items is zero
	return &p.items[n]
}

func (p *picker) added() {
	if p.bytes > 0 {
		p.bytes = max(0, p.bytes-len(p.items[len(p.items)-1].Raw))
	}
	p.full = len(p.items) == p.limit || p.bytes == 0
}
