package line

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
	hexes = "0123456789abcdef"
)

// special returns a word that is not zero if one of the eight bytes of x cannot
// stand in a JSON string as it is: below 0x20, '"', '\\', 0x7f or above. Which one
// it is the word does not say: what the lowest one borrows or carries may mark
// others above it.
func special(x uint64) uint64 {
	return ((x + ones) | (x - ones*0x20) | ((x ^ ones*'"') - ones) | ((x ^ ones*'\\') - ones)) & highs
}

func load8(s string, i int) uint64 {
	_ = s[i+7]
	return uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
		uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
}

func load4(s string, i int) uint32 {
	_ = s[i+3]
	return uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16 | uint32(s[i+3])<<24
}

// plain reports whether s can stand between quotes as it is.
func plain(s string) bool {
	if len(s) < 8 {
		for i := 0; i < len(s); i++ {
			if !safe[s[i]] {
				return false
			}
		}
		return true
	}
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if special(load8(s, i)) != 0 {
			return false
		}
	}
	return special(load8(s, len(s)-8)) == 0
}

// safe says which bytes stand in a JSON string as they are.
var safe = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendQuoted appends s as a JSON string.
func appendQuoted(b []byte, s string) []byte {
	n, size := len(b), len(s)
	if size > maxInline || cap(b)-n < size+2 {
		return quote(b, s)
	}
	// Short texts are looked at and copied in one go.
	p := b[n : n+size+2]
	p[0], p[size+1] = '"', '"'
	d := p[1:][:len(s)]
	var bad uint64
	switch {
	case size >= 8:
		for i := 0; i < len(s)-8; i += 8 {
			x := load8(s, i)
			bad |= special(x)
			binary.LittleEndian.PutUint64(d[i:i+8], x)
		}
		x := load8(s, size-8)
		bad |= special(x)
		binary.LittleEndian.PutUint64(d[size-8:], x)
	case size >= 4:
		x, y := load4(s, 0), load4(s, size-4)
		bad = special(uint64(x) | uint64(y)<<32)
		binary.LittleEndian.PutUint32(d, x)
		binary.LittleEndian.PutUint32(d[size-4:], y)
	default:
		for i := range len(s) {
			if d[i] = s[i]; !safe[s[i]] {
				bad = 1
			}
		}
	}
	if bad != 0 {
		return quote(b, s)
	}
	return b[:n+size+2]
}

// maxInline is the length from which on a text is copied faster by the runtime.
const maxInline = 128

func quote(b []byte, s string) []byte {
	b = append(b, '"')
	if plain(s) {
		b = append(b, s...)
	} else {
		b = appendEscaped(b, s)
	}
	return append(b, '"')
}

// appendEscaped appends s, which need not be UTF-8, as the inside of a JSON
// string: control characters, DEL, C1, the line and paragraph separators, and
// the characters that change the direction of text are escaped, each byte that is
// not UTF-8 becomes U+FFFD.
func appendEscaped(b []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if safe[c] {
				i++
				continue
			}
			b = append(b, s[from:i]...)
			b = appendEscape(b, rune(c))
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || hazardous(r) {
			b = append(b, s[from:i]...)
			b = appendEscape(b, r)
			from = i + n
		}
		i += n
	}
	return append(b, s[from:]...)
}

// hazardous reports whether a rune outside ASCII would change how a terminal or
// an editor shows the line.
func hazardous(r rune) bool {
	switch {
	case r < 0xa0, // C1 controls
		r == 0x061c, r == 0x200e, r == 0x200f, // direction marks
		r >= 0x2028 && r <= 0x202e, // separators, direction overrides
		r >= 0x2066 && r <= 0x2069, // direction isolates
		r == 0xfeff:                // byte order mark
		return true
	}
	return false
}

func appendEscape(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', hexes[r>>12&15], hexes[r>>8&15], hexes[r>>4&15], hexes[r&15])
}

// view returns the text of b without copying. It is valid until b changes.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// cutText returns the longest beginning of s that has at most max bytes and ends
// between runes.
func cutText(s string, max int) string {
	if len(s) <= max {
		return s
	}
	max = min(max, len(s))
	for i := max; i > 0 && i > max-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:max]
}

// escapedHead returns the longest beginning of s, ending between runes, whose
// escaped form has at most max bytes.
func escapedHead(s string, max int) string {
	s = cutText(s, max)
	if plain(s) {
		return s
	}
	size := 0
	for i, r := range s {
		n := utf8.RuneLen(r)
		switch {
		case r == utf8.RuneError, r >= utf8.RuneSelf && hazardous(r):
			n = 6
		case r >= utf8.RuneSelf || safe[byte(r)]:
		case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t':
			n = 2
		default:
			n = 6
		}
		if size += n; size > max {
			return s[:i]
		}
	}
	return s
}

// appendCut appends what stands for a text that was cut: its size in bytes, its
// SHA-256, and as much of its beginning as makes at most max bytes.
func appendCut(b []byte, s string, max int) []byte {
	return appendCutSum(b, len(s), sumOf(s), s, max)
}

func appendCutSum(b []byte, size int, sum, head string, limit int) []byte {
	start := len(b)
	b = append(b, cutOpen...)
	b = strconv.AppendInt(b, int64(size), 10)
	b = append(b, cutSum...)
	b = append(b, sum...)
	b = append(b, cutHead...)
	room := limit - (len(b) - start) - 2
	b = appendEscaped(b, escapedHead(head, max(room, 0)))
	return append(b, '"', '}')
}

const (
	cutOpen = `{"$cut":`
	cutSum  = `,"sha256":"`
	cutHead = `","head":"`
)
