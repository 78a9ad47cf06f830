package line

import (
	"bytes"
	"cmp"
	"slices"
)

// cutRooms are the lengths to which values are cut, one after the other, until
// the line fits.
var cutRooms = [...]int{maxHead, 16 << 10, 4 << 10, 1 << 10, 256}

// part is a value of a line that may be cut: a member of the body, or one of a
// member that is an object itself.
type part struct {
	group      string // "", "error", "iteration" or "details"
	key, value []byte
	whole      []byte // the value before it was cut, nil if it was not
	size       int    // of what was cut, in bytes
	sum        string
}

// shrink rewrites the body at b[start:], which is too long for a line, with its
// longest values cut. It works on the text, so it does not matter where they came
// from.
func (e *Encoder) shrink(b []byte, start int) []byte {
	parts := split(b[start:])
	limit := e.maxBody - len(truncatedMember) - len(`"details":{},`)
	fits := e.cutParts(parts, limit)
	if !fits {
		parts = collapse(parts)
		e.cutParts(parts, limit)
	}
	out := join(parts)
	return append(b[:start], out...)
}

// split takes a body apart.
func split(body []byte) (parts []part) {
	s := scanner{b: body}
	take := func(s *scanner, group string) (part, bool) {
		s.peek()
		from := s.i
		if _, ok := s.str(); !ok {
			return part{}, false
		}
		key := s.b[from:s.i]
		s.take(':')
		value, ok := s.skip()
		return part{group: group, key: key, value: value}, ok
	}
	for {
		p, ok := take(&s, "")
		if !ok {
			return parts
		}
		group := string(bytes.Trim(p.key, `"`))
		switch {
		case p.value[0] == '{' && (group == "error" || group == "iteration" || group == "details"):
			inner := scanner{b: p.value, i: 1}
			for more := !inner.take('}'); more; {
				q, ok := take(&inner, group)
				if ok {
					parts = append(parts, q)
				}
				more = ok && inner.take(',')
			}
		case group != "truncated":
			parts = append(parts, p)
		}
		if !s.take(',') {
			return parts
		}
	}
}

// note returns the key under details that says what was cut from a text whose
// place must hold a text, or "".
func (p *part) note() string {
	switch p.group {
	case "":
		return noteKey(string(p.key) + ":")
	case "error":
		if string(p.key) == `"message"` {
			return noteKey("$error")
		}
	}
	return ""
}

func noteKey(key string) string {
	switch key {
	case `"message":`:
		return `"$message":`
	case `"stack":`:
		return `"$stack":`
	case `"label":`:
		return `"$label":`
	case `"reason":`:
		return `"$reason":`
	case "$error":
		return `"$error":`
	}
	return ""
}

// appendNote appends a note as a member, with a comma after it.
func appendNote(b []byte, key string, size int, sum string) []byte {
	if key == "" {
		return b
	}
	b = append(append(b, key...), cutOpen...)
	b = append(appendInt(b, int64(size)), cutSum...)
	return append(append(b, sum...), `"},`...)
}

const noteSize = len(`"$message":{"$cut":10485760,"sha256":""},`) + 64

// cutParts cuts the longest parts until the line has at most limit bytes, and
// reports whether it has.
func (e *Encoder) cutParts(parts []part, limit int) bool {
	total := 1
	order := make([]*part, len(parts))
	for i := range parts {
		order[i] = &parts[i]
		total += len(parts[i].key) + len(parts[i].value) + len(`:,`)
		if parts[i].whole != nil && parts[i].note() != "" {
			total += noteSize
		}
	}
	total += len(`"error":{},"iteration":{},`)
	slices.SortStableFunc(order, func(a, b *part) int { return cmp.Compare(len(b.value), len(a.value)) })
	for _, room := range cutRooms {
		for _, p := range order {
			if total <= limit {
				return true
			}
			if len(p.value) <= room {
				continue
			}
			total -= len(p.value)
			if p.whole == nil && p.note() != "" {
				total += noteSize
			}
			p.cut(room)
			total += len(p.value)
		}
	}
	return total <= limit
}

// cut shortens the value to at most room bytes.
func (p *part) cut(room int) {
	if p.whole == nil {
		p.whole = p.value
	}
	text := string(p.whole)
	isText := p.whole[0] == '"'
	if isText {
		text = unquote(p.whole[1 : len(p.whole)-1])
	}
	if size, sum, head, ok := parseCut(p.whole); ok {
		p.size, p.sum, text = size, sum, head
	} else if p.sum == "" {
		p.size, p.sum = len(text), sumOf(text)
		if !isText {
			p.size = wholeSize(p.whole)
		}
	}
	if isText && p.group != "details" && p.group != "iteration" {
		p.value = appendQuoted(nil, escapedHead(text, room-2))
		return
	}
	p.value = appendCutSum(nil, p.size, p.sum, text, room)
}

// wholeSize returns how long the JSON of a value was before texts in it were cut, but for
// their escapes. What begins like a cut text is no part of a string, whose quotes are
// escaped.
func wholeSize(v []byte) int {
	size := len(v)
	s := scanner{b: v}
	for {
		i := bytes.Index(v[s.i:], []byte(cutOpen))
		if i < 0 {
			return size
		}
		s.i += i
		from := s.i
		if !s.container() {
			return size
		}
		if was, _, _, ok := parseCut(v[from:s.i]); ok {
			size += was + len(`""`) - (s.i - from)
		} else {
			s.i = from + len(cutOpen) // one of the host's: there may be some in it
		}
	}
}

// parseCut reads what appendCut writes.
func parseCut(v []byte) (size int, sum, head string, ok bool) {
	rest, ok := bytes.CutPrefix(v, []byte(cutOpen))
	if !ok {
		return 0, "", "", false
	}
	n := numberLen(rest)
	size64, fits := digits(rest[:n])
	rest, ok = bytes.CutPrefix(rest[n:], []byte(cutSum))
	if !ok || !fits || len(rest) < 64 {
		return 0, "", "", false
	}
	sum = string(rest[:64])
	rest, ok = bytes.CutPrefix(rest[64:], []byte(cutHead))
	if !ok || len(rest) < 2 {
		return 0, "", "", false
	}
	return int(size64), sum, unquote(rest[:len(rest)-2]), true
}

// collapse puts one part in the place of all details, which are too many.
func collapse(parts []part) []part {
	var text []byte
	var kept []part
	for _, p := range parts {
		if p.group != "details" || p.isNote() {
			kept = append(kept, p)
			continue
		}
		whole := p.whole
		if whole == nil {
			whole = p.value
		}
		text = append(append(append(append(text, p.key...), ':'), whole...), ',')
	}
	if text == nil {
		return kept
	}
	text = closeObject(append([]byte{'{'}, text...))
	return append(kept, part{key: []byte(`"details"`), value: text})
}

func (p *part) isNote() bool {
	switch string(p.key) {
	case `"$message"`, `"$stack"`, `"$label"`, `"$reason"`, `"$error"`:
		return bytes.HasPrefix(p.value, []byte(cutOpen)) && len(p.value) <= noteSize
	}
	return false
}

// noted reports whether details say already what was cut from a text: it was cut
// before, and what was cut now is not all of it.
func noted(parts []part, key string) bool {
	for i := range parts {
		if p := &parts[i]; p.group == "details" && string(p.key) == key[:len(key)-1] && bytes.HasPrefix(p.value, []byte(cutOpen)) {
			return true
		}
	}
	return false
}

// join puts the parts together again, and says what was cut.
func join(parts []part) (b []byte) {
	group := ""
	leave := func() {
		if group != "" {
			b = append(closeObject(b), ',')
		}
		group = ""
	}
	enter := func(g string) {
		if g == group {
			return
		}
		leave()
		if group = g; g != "" {
			b = append(append(append(b, '"'), g...), `":{`...)
		}
	}
	var notes []byte
	for i := range parts {
		p := &parts[i]
		if p.group == "details" || string(p.key) == `"details"` {
			continue
		}
		enter(p.group)
		b = append(append(append(append(b, p.key...), ':'), p.value...), ',')
		if key := p.note(); p.whole != nil && key != "" && !noted(parts, key) {
			notes = appendNote(notes, key, p.size, p.sum)
		}
	}
	leave()
	b = append(b, truncatedMember...)
	for i := range parts {
		p := &parts[i]
		switch {
		case p.group == "details":
			enter("details")
			b = append(append(append(append(b, p.key...), ':'), p.value...), ',')
		case string(p.key) == `"details"` && p.group == "":
			enter("details")
			b = append(append(b, p.value[1:len(p.value)-1]...), ',')
		}
	}
	if notes != nil {
		enter("details")
		b = append(b, notes...)
	}
	leave()
	return closeObject(b)
}
