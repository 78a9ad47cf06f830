package line

import "strings"

const esc = 0x1b

// StripANSI returns s without terminal sequences: ESC [ with its parameters up to
// a final byte from @ to ~ (colours, cursor), ESC ] up to BEL or ESC \ (titles,
// links), ESC with any bytes from blank to / and one from 0 to ~, and any ESC that
// begins none of these. A text without ESC is returned as it is.
func StripANSI(s string) string {
	i := strings.IndexByte(s, esc)
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for {
		b.WriteString(s[:i])
		s = s[i+sequence(s[i:]):]
		if i = strings.IndexByte(s, esc); i < 0 {
			b.WriteString(s)
			return b.String()
		}
	}
}

// sequence returns the length of the sequence that s, which begins with ESC,
// begins with: 1 if it is none.
func sequence(s string) int {
	if len(s) < 2 {
		return 1
	}
	i := 2
	switch s[1] {
	case '[':
		for i < len(s) && s[i] >= 0x30 && s[i] <= 0x3f {
			i++
		}
		for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f {
			i++
		}
		if i < len(s) && s[i] >= 0x40 && s[i] <= 0x7e {
			return i + 1
		}
		return 1
	case ']':
		for ; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == esc && i+1 < len(s) && s[i+1] == '\\' {
				return i + 2
			}
		}
		return 1
	}
	i = 1
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f {
		i++
	}
	if i < len(s) && s[i] >= 0x30 && s[i] <= 0x7e {
		return i + 1
	}
	return 1
}
