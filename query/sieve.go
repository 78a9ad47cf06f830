package query

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// sieve says of many lines that they cannot match, for a tenth of what it takes to
// parse them. It is for one goroutine at a time.
//
// In a line of ASCII alone, without a backslash or the escape character of terminals,
// every text of the record stands as it is, so that what is searched in a text must
// occur in the line. All other lines pass.
type sieve struct {
	// Of each clause one needle at least must be there.
	clauses [][]needle
	search  bool   // the clauses tell of messages alone, and all that is asked of them
	told    bool   // the message of the line looked at is known
	lower   []byte // of it, in lower case
	many    sifter
	gist    bool // a gist tells of a clause
	values  bool // one that it tells of has a value
}

// needle is what must be in a line, as it is or in lower case: anywhere, or in its
// message.
type needle struct {
	text           []byte
	lower, message bool
	whole          bool   // it is a value of the details, and no part of one
	hash           uint32 // of such a one
}

// value returns the needle for a value of a field.
func value(text string, lower bool) needle {
	return needle{[]byte(text), lower, false, true, hashOf([]byte(text))}
}

// newSieve returns nil where nothing can be told.
func newSieve(t *textMatcher) *sieve {
	if t == nil || t.access != nil {
		return nil
	}
	s := sieve{search: t.topic == "" && t.where == nil}
	if t.topic != "" {
		s.clauses = append(s.clauses, []needle{{text: []byte(t.topic)}})
	}
	for _, part := range t.parts {
		s.clauses = append(s.clauses, []needle{{text: []byte(part), lower: true, message: true}})
	}
	if t.where != nil {
		s.clauses = append(s.clauses, t.where.needles()...)
	}
	if len(s.clauses) == 0 {
		return nil
	}
	for _, clause := range s.clauses {
		if tells(clause) {
			s.gist = true
			s.values = s.values || slices.ContainsFunc(clause, func(n needle) bool { return n.whole })
		}
	}
	return &s
}

// needles returns the clauses that hold for the lines of all records that match.
func (t *test) needles() (clauses [][]needle) {
	switch t.Op {
	case OpAnd:
		for _, arg := range t.args {
			clauses = append(clauses, arg.needles()...)
		}
		return clauses
	case OpOr:
		var any []needle
		for _, arg := range t.args {
			of := arg.needles()
			if len(of) == 0 {
				return nil
			}
			any = append(any, of[0]...)
		}
		return [][]needle{any}
	case OpEq, OpPrefix, OpContains:
		switch {
		case t.value == "" || t.Key && t.Field != "message":
		case t.Op == OpEq && !t.Key:
			return [][]needle{{value(t.value, t.Fold)}}
		default:
			return [][]needle{{{text: []byte(t.value), lower: t.Fold, message: t.Key}}}
		}
	case OpIn:
		var any []needle
		for _, v := range t.values {
			if t.Key && t.Field != "message" || v == "" {
				return nil
			}
			n := value(v, t.Fold)
			n.message, n.whole = t.Key, !t.Key
			any = append(any, n)
		}
		return [][]needle{any}
	}
	return nil
}

// drops reports whether the record of a line surely does not match.
func (s *sieve) drops(line []byte) bool {
	if s.told = false; rough(line) {
		return false
	}
	message, _, told := messageOf(line)
	for _, clause := range s.clauses {
		if !s.has(line, message, clause) {
			return true
		}
	}
	s.told = told
	return false
}

// takes reports whether the record of a line that drops has passed surely matches.
func (s *sieve) takes() bool { return s.search && s.told }

func (s *sieve) has(line, message []byte, clause []needle) bool {
	for i := range clause {
		n := &clause[i]
		in := line
		if n.message {
			in = message
		}
		if n.lower {
			s.lower = appendLower(s.lower[:0], in)
			in = s.lower
		}
		if bytes.Contains(in, n.text) {
			return true
		}
	}
	return false
}

// messageName is the name of the message in a line.
const messageName = `"message"`

// indexMessage returns where messageName stands in a text, or -1. The byte that it looks
// for is in few lines before their message.
func indexMessage(text []byte) int {
	const rare = 6
	for from := 0; ; {
		k := bytes.IndexByte(text[from:], messageName[rare])
		if k < 0 {
			return -1
		}
		if at := from + k - rare; at >= 0 && bytes.HasPrefix(text[at:], []byte(messageName)) {
			return at
		}
		from += k + 1
	}
}

// messageOf returns the message of a line that is not rough, and where it begins. Where
// it is not told, because no member has that name, or a second one, of the error or the
// details, has it too, the text is one that holds it.
func messageOf(line []byte) (text []byte, begin int, told bool) {
	at := indexMessage(line)
	if at < 1 {
		return line, 0, false
	}
	begin = at + len(messageName) + len(`:"`)
	text, ok := bytes.CutPrefix(line[at+len(messageName):], []byte(`:"`))
	if !ok || indexMessage(text) >= 0 {
		return line, 0, false
	}
	end := bytes.IndexByte(text, '"')
	if end < 0 {
		return line, 0, false
	}
	return text[:end], begin, bytes.IndexByte(line[1:at], '{') < 0 // else it may be in an object
}

// rough reports whether a line has a backslash, an escape character or a byte that is
// not ASCII: what is searched may stand in it in another form.
func rough(line []byte) bool {
	return bytes.IndexByte(line, '\\') >= 0 || bytes.IndexByte(line, escape) >= 0 || !ascii(line)
}

// escape begins what tells a terminal of colours.
const escape = '\x1b'

// ascii reports whether a line is of ASCII alone.
func ascii(line []byte) bool {
	const tops = 0x8080808080808080
	for len(line) >= 32 {
		w := (*[32]byte)(line)
		if (binary.LittleEndian.Uint64(w[0:])|binary.LittleEndian.Uint64(w[8:])|
			binary.LittleEndian.Uint64(w[16:])|binary.LittleEndian.Uint64(w[24:]))&tops != 0 {
			return false
		}
		line = line[32:]
	}
	for _, b := range line {
		if b >= 0x80 {
			return false
		}
	}
	return true
}

// appendLower appends ASCII text in lower case, eight bytes at a time.
func appendLower(dst, text []byte) []byte {
	const (
		ones = 0x0101010101010101
		tops = 0x80 * ones
	)
	at := len(dst)
	dst = slices.Grow(dst, len(text)+8)[:at+len(text)]
	out := dst[at:cap(dst)]
	for len(text) > 0 {
		var w uint64
		if len(text) >= 8 {
			w = binary.LittleEndian.Uint64(text)
			text = text[8:]
		} else {
			var rest [8]byte
			copy(rest[:], text)
			w = binary.LittleEndian.Uint64(rest[:])
			text = nil
		}
		// The top bit of each byte that is at least 'A', and of each above 'Z'.
		from, above := w+(0x80-'A')*ones, w+(0x7f-'Z')*ones
		w |= bits.RotateLeft64(from&^above&tops, -2)
		binary.LittleEndian.PutUint64(out, w)
		out = out[8:]
	}
	return dst
}
