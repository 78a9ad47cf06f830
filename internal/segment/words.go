package segment

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/steplog/steplog/internal/line"
)

// maxMessage is how much of a message is indexed, in bytes; rows with a longer
// one are listed as unindexed.
const maxMessage = 8 << 10

// A message is searched in the form that line.StripANSI and line.Fold give it.
// Its terms are the longest runs of bytes that are an ASCII letter or digit or
// not ASCII at all: a substring without any other byte lies within one term.

// wordByte has, for each ASCII letter and digit, its lower case, 0 for the
// other ASCII bytes, and itself for the rest.
var wordByte = func() (t [256]byte) { // immutable
	for c := range t {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c >= utf8.RuneSelf:
			t[c] = byte(c)
		case c >= 'A' && c <= 'Z':
			t[c] = byte(c) - 'A' + 'a'
		}
	}
	return t
}()

// simple reports whether a message needs nothing but the lower case of ASCII.
func simple(b []byte) bool {
	const ones, escapes = ^uint64(0) / 0xff, 0x1b * (^uint64(0) / 0xff)
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		if e := x ^ escapes; (x|(e-ones)&^e)&(0x80*ones) != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf || c == 0x1b {
			return false
		}
	}
	return true
}

// searched returns the form in which a message is searched.
func searched(message string) string { return line.Fold(line.StripANSI(message)) }

// addMessage adds the terms of a message.
func (t *termTable) addMessage(message []byte, row uint32) {
	if len(message) > maxMessage {
		t.skip(row)
		return
	}
	if !simple(message) {
		message = []byte(searched(string(message)))
	}
	var word [maxTerm + 1]byte
	n := 0
	for i := range len(message) {
		if c := wordByte[message[i]]; c != 0 {
			if n < len(word) {
				word[n] = c
				n++
			}
			continue
		}
		if n > 0 {
			t.add(word[:n], row)
			n = 0
		}
	}
	if n > 0 {
		t.add(word[:n], row)
	}
}

// Words splits a folded text at the bytes that no term has. open and shut say
// whether the first and the last word may be part of a longer one, because the
// text begins or ends with it.
func Words(folded string) (words []string, open, shut bool) {
	isWord := func(r rune) bool { return r >= utf8.RuneSelf || wordByte[byte(r)] != 0 }
	words = strings.FieldsFunc(folded, func(r rune) bool { return !isWord(r) })
	if len(words) > 0 {
		open = wordByte[folded[0]] != 0
		shut = wordByte[folded[len(folded)-1]] != 0
	}
	return words, open, shut
}
