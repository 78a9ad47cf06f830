package mask

import (
	"slices"
	"strings"
	"unsafe"
)

const (
	tableBits = 14 // a table of 16 KiB: it stays in the first-level cache beside the text
	maxWindow = 32 // longer windows would fill the table
	wideBlock = 10 // from this window on three bytes tell more than two
)

// matcher finds patterns in a text by Wu and Manber's algorithm ("A fast
// algorithm for multi-pattern searching", 1994): it looks at the last bytes of a
// window as long as the shortest pattern, and knows from them how far the window
// can move without passing over a beginning. It is immutable.
type matcher struct {
	forms  int // how many patterns there are
	window int
	three  bool // blocks of three bytes, else of two
	shifts [1 << tableBits]uint8
	// patterns by the block at the end of their window, longest first, for
	// windows that cannot move
	patterns map[uint32][]string
}

func newMatcher(forms map[string]bool) *matcher {
	m := &matcher{forms: len(forms), window: maxWindow, patterns: map[uint32][]string{}}
	for form := range forms {
		m.window = min(m.window, len(form))
	}
	m.three = m.window >= wideBlock
	size := 2
	if m.three {
		size = 3
	}
	for i := range m.shifts {
		m.shifts[i] = uint8(m.window - size + 1)
	}
	for form := range forms {
		for end := size; end <= m.window; end++ {
			at := m.block(form, end)
			m.shifts[at] = min(m.shifts[at], uint8(m.window-end))
		}
		at := m.block(form, m.window)
		m.patterns[at] = append(m.patterns[at], form)
	}
	for _, p := range m.patterns {
		slices.SortFunc(p, func(a, b string) int { return len(b) - len(a) })
	}
	return m
}

// block hashes the bytes before end.
func (m *matcher) block(s string, end int) uint32 {
	h := uint32(s[end-1]) | uint32(s[end-2])<<8
	if m.three {
		h |= uint32(s[end-3]) << 16
	}
	return h * 0x9e3779b1 >> (32 - tableBits)
}

// find returns where the first pattern at or after from begins and ends, -1 if
// there is none.
func (m *matcher) find(s string, from int) (int, int) {
	for end := from + m.window; end <= len(s); {
		at := m.block(s, end)
		if shift := int(m.shifts[at]); shift > 0 {
			end += shift
			continue
		}
		start := end - m.window
		for _, p := range m.patterns[at] {
			if strings.HasPrefix(s[start:], p) {
				return start, start + len(p)
			}
		}
		end++
	}
	return -1, -1
}

// mask replaces the patterns in s.
func (m *matcher) mask(s string) (string, bool) {
	from, to := m.find(s, 0)
	if from < 0 {
		return s, false
	}
	var b strings.Builder
	b.Grow(len(s))
	done := 0
	for from >= 0 {
		// What overlaps what was found is hidden with it.
		next, end := m.find(s, from+1)
		for next >= 0 && next < to {
			to = max(to, end)
			next, end = m.find(s, next+1)
		}
		b.WriteString(s[done:from])
		b.WriteString(Hidden)
		done, from, to = to, next, end
	}
	b.WriteString(s[done:])
	return b.String(), true
}

// view returns the text of b without copying. It is valid until b changes.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
