package mask

import (
	"strings"
	"unsafe"
)

const (
	filterBits = 16 // a filter of 8 KiB: it stays in the first-level cache beside the text
	maxStride  = 32 // longer strides would fill the filter
	wideGram   = 8  // from this length of the shortest pattern on four bytes tell more than three
)

// matcher finds patterns in a text by looking at a few bytes, a gram, at every
// stride-th place only: the stride is so small that each pattern, wherever it
// stands, has one of its grams at such a place. Unlike the shifts of Wu and
// Manber, one look does not wait for the result of the one before. It is
// immutable.
type matcher struct {
	forms  int // how many patterns there are
	window int // bytes of the shortest pattern, or fewer
	gram   int // 3 or 4
	stride int // window - gram + 1
	filter [1 << filterBits / 64]uint64
	places map[uint32][]place
}

// place is where in a pattern a gram stands.
type place struct {
	pattern string
	offset  int
}

func newMatcher(forms map[string]bool) *matcher {
	m := &matcher{forms: len(forms), window: maxStride, gram: 4, places: map[uint32][]place{}}
	for form := range forms {
		m.window = min(m.window, len(form))
	}
	if m.window < wideGram {
		m.gram = 3
	}
	m.stride = m.window - m.gram + 1
	for form := range forms {
		for offset := range m.stride {
			g := m.at(form, offset)
			m.places[g] = append(m.places[g], place{form, offset})
			h := hash(g)
			m.filter[h>>6] |= 1 << (h & 63)
		}
	}
	return m
}

func (m *matcher) at(s string, i int) uint32 {
	if m.gram == 4 {
		return four(s, i)
	}
	return three(s, i)
}

func four(s string, i int) uint32 {
	_ = s[i+3]
	return uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16 | uint32(s[i+3])<<24
}

func three(s string, i int) uint32 {
	_ = s[i+2]
	return uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16
}

func hash(gram uint32) uint32 { return gram * 0x9e3779b1 >> (32 - filterBits) }

// find returns where the first pattern that begins at or after from begins, and
// where the longest that begins there ends; -1 if there is none.
func (m *matcher) find(s string, from int) (int, int) {
	i := from + m.stride - 1
	if m.gram == 4 {
		for ; i+4 <= len(s); i += m.stride {
			g := four(s, i)
			if h := hash(g); m.filter[h>>6]>>(h&63)&1 != 0 {
				if start, end := m.verify(s, from, i, g); start >= 0 {
					return start, end
				}
			}
		}
		return -1, -1
	}
	for ; i+3 <= len(s); i += m.stride {
		g := three(s, i)
		if h := hash(g); m.filter[h>>6]>>(h&63)&1 != 0 {
			if start, end := m.verify(s, from, i, g); start >= 0 {
				return start, end
			}
		}
	}
	return -1, -1
}

// verify looks for the patterns that have the gram found at i.
func (m *matcher) verify(s string, from, i int, gram uint32) (start, end int) {
	start = -1
	for _, p := range m.places[gram] {
		at := i - p.offset
		if at < from || !strings.HasPrefix(s[at:], p.pattern) {
			continue
		}
		if start < 0 || at < start || at == start && at+len(p.pattern) > end {
			start, end = at, at+len(p.pattern)
		}
	}
	return start, end
}

// mask replaces the patterns that begin in the first n bytes of s, of which it returns
// no more than those.
func (m *matcher) mask(s string, n int) (string, bool) {
	from, to := m.find(s, 0)
	if from < 0 || from >= n {
		return s[:n], false
	}
	var b strings.Builder
	b.Grow(n)
	done := 0
	for from >= 0 && from < n {
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
	b.WriteString(s[done:max(done, n)])
	return b.String(), true
}

// view returns the text of b without copying. It is valid until b changes.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
