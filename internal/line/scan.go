package line

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON from left to right. It never allocates for values that it
// only skips, and has no limit of depth.
type scanner struct {
	b []byte
	i int

	lent int // bytes of the texts that are still parts of b
}

// peek returns the next byte that is not white space without taking it, 0 at the
// end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// take takes c if it is next.
func (s *scanner) take(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return s.takeFar(c)
}

// takeFar takes c after white space.
func (s *scanner) takeFar(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] > ' ' || s.peek() != c || s.i == len(s.b) {
		return false
	}
	s.i++
	return true
}

// literal is a string found in the text: what lies between its quotes.
type literal struct {
	from, to int
	escaped  bool // has a backslash
	wide     bool // has bytes outside ASCII
}

// str takes a string.
func (s *scanner) str() (l literal, ok bool) {
	b, i := s.b, s.i
	if i < len(b) && b[i] == '"' {
		i++
	} else if s.takeFar('"') {
		i = s.i
	} else {
		return l, false
	}
	l.from = i
	var high uint64
next:
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^ones*'"', x^ones*'\\'
		stop := ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*0x20)&^x) & highs
		if stop == 0 {
			high |= x
			i += 8
			continue
		}
		n := bits.TrailingZeros64(stop)
		high |= x & (1<<uint(n&63) - 1) // the bytes before it
		i += n >> 3
		goto found
	}
	for ; i < len(b); i++ {
		c := b[i]
		if c < 0x20 || c == '"' || c == '\\' {
			goto found
		}
		high |= uint64(c)
	}
	return l, false
found:
	if b[i] == '"' {
		l.to, l.wide = i, high&highs != 0
		s.i = i + 1
		return l, true
	}
	if n := escapeLen(b[i:]); n > 0 {
		l.escaped = true
		i += n
		goto next
	}
	return l, false
}

// escapeLen returns the length of the escape that b begins with, 0 if it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 || b[0] != '\\' { // a control character stands for itself
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads \uXXXX.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// get returns the text of l.
func (s *scanner) get(l literal) string {
	if l.escaped || l.wide && !utf8.Valid(s.b[l.from:l.to]) {
		return unquote(s.b[l.from:l.to])
	}
	return string(s.b[l.from:l.to])
}

// name is get for a text that is only compared: it is valid while the scanner is.
func (s *scanner) name(l literal) string {
	if l.escaped || l.wide {
		return s.get(l)
	}
	return view(s.b[l.from:l.to])
}

// unquote returns the text between the quotes of a JSON string that was found
// valid. Halves of surrogate pairs and bytes that are not UTF-8 become U+FFFD.
func unquote(b []byte) string {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case c == '\\':
			if b[i+1] != 'u' {
				out = append(out, unescape(b[i+1]))
				i += 2
				continue
			}
			r, _ := hex4(b[i:])
			i += 6
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if i+1 < len(b) && b[i] == '\\' && b[i+1] == 'u' {
					low, ok = hex4(b[i:])
				}
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	return view(out)
}

func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// is reports whether the text of l is key.
func (s *scanner) is(l literal, key string) bool {
	return s.name(l) == key
}

// skip takes one value of any kind and returns its bytes.
func (s *scanner) skip() (v []byte, ok bool) {
	c := s.peek()
	from := s.i
	switch c {
	case '"':
		_, ok = s.str()
	case '{', '[':
		ok = s.container()
	default:
		ok = s.scalar()
	}
	return s.b[from:s.i:s.i], ok
}

// scalar takes a number, true, false or null.
func (s *scanner) scalar() bool {
	rest := s.b[s.i:]
	switch s.peek() {
	case 't':
		return s.word(rest, "true")
	case 'f':
		return s.word(rest, "false")
	case 'n':
		return s.word(rest, "null")
	}
	n := numberLen(rest)
	s.i += n
	return n > 0
}

func (s *scanner) word(rest []byte, w string) bool {
	if len(rest) < len(w) || string(rest[:len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

// numberLen returns the length of the number that b begins with, 0 if it is none.
func numberLen(b []byte) int {
	i := 0
	digits := func() bool {
		from := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return 0
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return 0
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return 0
		}
	}
	return i
}

// container takes an object or an array, whatever its depth: which of the two
// each open one is stands in a stack of bits.
func (s *scanner) container() bool {
	var first [4]uint64
	stack := first[:]
	depth := 0
	object := false
	for {
		// A value is wanted.
		switch c := s.peek(); c {
		case '{', '[':
			s.i++
			if depth>>6 == len(stack) {
				stack = append(stack, 0)
			}
			bit := uint64(1) << (depth & 63)
			depth++
			object = c == '{'
			if object {
				stack[(depth-1)>>6] |= bit
				if !s.take('}') {
					if !s.member() {
						return false
					}
					continue
				}
			} else {
				stack[(depth-1)>>6] &^= bit
				if !s.take(']') {
					continue
				}
			}
			depth--
		case '"':
			if _, ok := s.str(); !ok {
				return false
			}
		default:
			if !s.scalar() {
				return false
			}
		}
		// A value, or a container, has ended.
		for {
			if depth == 0 {
				return true
			}
			object = stack[(depth-1)>>6]>>((depth-1)&63)&1 != 0
			if s.take(',') {
				if object && !s.member() {
					return false
				}
				break
			}
			if object && !s.take('}') || !object && !s.take(']') {
				return false
			}
			depth--
		}
	}
}

// member takes the key of a member and its colon.
func (s *scanner) member() bool {
	_, ok := s.str()
	return ok && s.take(':')
}

// integer takes a value and returns it if it is a whole number that fits.
func (s *scanner) integer() (n int64, fits, ok bool) {
	v, ok := s.skip()
	if !ok {
		return 0, false, false
	}
	negative := v[0] == '-'
	if negative {
		v = v[1:]
	}
	u, fits := digits(v)
	if negative {
		return -int64(u), fits && u <= 1<<63, true
	}
	return int64(u), fits && u < 1<<63, true
}

// digits returns the number that b, digits alone, says.
func digits(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	for i, c := range b {
		c -= '0'
		if c > 9 || i == 19 && (n > 1844674407370955161 || n == 1844674407370955161 && c > 5) {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return n, true
}
