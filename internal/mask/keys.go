package mask

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// defaultKeys are the keys whose values are hidden without being told. Longer
// names that end with one, such as access_token, proxy-authorization, set-cookie
// and client_secret, need no entry of their own. Plurals that name a number of
// things, such as tokens, are left alone.
var defaultKeys = []string{
	"password", "passwords", "passwd", "pwd", "passphrase",
	"secret", "secrets", "token", "jwt", "bearer",
	"api_key", "access_key", "secret_key", "private_key", "signing_key", "encryption_key", "shared_key",
	"authorization", "cookie", "cookies", "credential", "credentials",
	"session_id", "connection_string",
}

const (
	maxName  = 128 // letters of a name that are looked at, from its end
	freeWord = 5   // keys with fewer letters must stand apart in the name
)

// keySet finds out whether a name ends with one of some words. Most names are
// turned away by their last three letters alone.
type keySet struct {
	words   map[string]bool // lower case, without separators
	lengths []int           // of the words, longest first
	tails   [512]uint64     // a bit for each three last letters that a word has
}

// class gives each byte of a name five bits: letters regardless of case, digits,
// and everything outside ASCII. Separators have none.
func class(c byte) (bits uint, ok bool) {
	switch {
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return uint(c|0x20-'a') + 1, true
	case c >= '0' && c <= '9':
		return 27, true
	case c >= utf8.RuneSelf:
		return 28, true
	}
	return 0, false
}

func newKeySet(keys []string) *keySet {
	s := &keySet{words: map[string]bool{}}
	for _, key := range keys {
		var buf [maxName]letter
		n := normal(&buf, key)
		word := text(buf[maxName-n:])
		if word == "" {
			continue
		}
		s.words[word] = true
		if !slices.Contains(s.lengths, len(word)) {
			s.lengths = append(s.lengths, len(word))
		}
		s.addTails(tail(word), len(word))
	}
	slices.Sort(s.lengths)
	slices.Reverse(s.lengths)
	return s
}

// addTails marks a word's last letters. Before a word of fewer than three letters
// anything may stand.
func (s *keySet) addTails(tail uint, n int) {
	for first := range uint(32) {
		for second := range uint(32) {
			if n < 2 || second == 0 {
				t := tail
				if n < 2 {
					t |= second << 5
				}
				if n < 3 {
					t |= first << 10
				}
				s.tails[t>>6] |= 1 << (t & 63)
			}
		}
		if n >= 3 {
			return
		}
	}
}

// tail returns the classes of the last three letters of name, five bits each.
func tail(name string) (bits uint) {
	shift := uint(0)
	for i := len(name) - 1; i >= 0 && shift < 15; i-- {
		if c, ok := class(name[i]); ok {
			bits |= c << shift
			shift += 5
		}
	}
	return bits
}

func (s *keySet) has(name string) bool {
	t := tail(name)
	if s.tails[t>>6]>>(t&63)&1 == 0 && t&31 != 27 {
		return false
	}
	var buf [maxName]letter
	n := normal(&buf, name)
	if s.endsWith(buf[maxName-n:]) {
		return true
	}
	// A number at the end does not make token2 another key.
	end := maxName
	for end > maxName-n && buf[end-1].lower >= '0' && buf[end-1].lower <= '9' {
		end--
	}
	return end < maxName && s.endsWith(buf[maxName-n:end])
}

// letter is one byte of a name, in lower case, that is no separator.
type letter struct {
	lower byte
	first bool // of a word of the name
}

func (s *keySet) endsWith(name []letter) bool {
	var low [maxName]byte
	for i, l := range name {
		low[i] = l.lower
	}
	for _, n := range s.lengths {
		if n > len(name) {
			continue
		}
		at := len(name) - n
		if (n >= freeWord || name[at].first) && s.words[string(low[at:len(name)])] {
			return true
		}
	}
	return false
}

// normal writes the last letters of name to the end of buf and returns how many.
func normal(buf *[maxName]letter, name string) (n int) {
	if !ascii(name) {
		name = lowered(name)
	}
	for i := len(name) - 1; i >= 0 && n < maxName; i-- {
		c := name[i]
		if _, ok := class(c); !ok {
			continue
		}
		upper := isUpper(c)
		first := i == 0
		if i > 0 {
			before := name[i-1]
			_, letter := class(before)
			// DBPwd is DB and Pwd: the last capital of several begins the word behind them.
			first = !letter || upper && (!isUpper(before) || i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z')
		}
		if upper {
			c |= 0x20
		}
		n++
		buf[maxName-n] = letter{c, first}
	}
	return n
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// lowered makes letters outside ASCII lower case.
func lowered(s string) string {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r >= utf8.RuneSelf {
			r = unicode.ToLower(r)
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

func text(letters []letter) string {
	out := make([]byte, len(letters))
	for i, l := range letters {
		out[i] = l.lower
	}
	return string(out)
}
