package line

import "unsafe"

// maxShared is the longest text that shares an allocation with others, so that a
// label does not keep a megabyte alive.
const maxShared = 512

// lend returns the text of l, as a part of the line if it is short and stands
// there as it is. A copier replaces what was lent when the line has been read.
func (s *scanner) lend(l literal) string {
	if l.escaped || l.wide || l.to-l.from > maxShared {
		return s.get(l)
	}
	s.lent += l.to - l.from
	return view(s.b[l.from:l.to])
}

// copier replaces texts that are parts of a line by copies that share one
// allocation.
type copier struct {
	from string
	to   []byte // has room for all of them
}

func (c *copier) text(s *string) {
	at := uintptr(unsafe.Pointer(unsafe.StringData(*s)))
	line := uintptr(unsafe.Pointer(unsafe.StringData(c.from)))
	if *s == "" || at < line || at >= line+uintptr(len(c.from)) {
		return
	}
	n := len(c.to)
	c.to = append(c.to, *s...)
	*s = view(c.to[n:])
}

// record replaces all texts of r.
func (c *copier) record(r *Record) {
	for _, s := range r.Identity.texts() {
		c.text(s)
	}
	c.text(&r.Topic)
	c.text(&r.Trace)
	c.text(&r.Span)
	c.text(&r.Logger)
	c.text(&r.Caller)
	c.text(&r.Stack)
	c.text(&r.Label)
	c.text(&r.Message)
	c.text(&r.Phase)
	c.text(&r.ErrorMessage)
	c.text(&r.ErrorCode)
	c.text(&r.Lifecycle.Outcome)
	c.text(&r.Lifecycle.Reason)
	c.text(&r.Lifecycle.TriggeredBy)
	c.text(&r.Lifecycle.Schedule)
}
