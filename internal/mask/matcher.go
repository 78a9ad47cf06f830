package mask

import (
	"math/bits"
	"strings"
	"sync/atomic"
	"unsafe"
)

const (
	filterBits = 16 // a filter of 8 KiB: it stays in the first-level cache beside the text
	maxStride  = 32 // longer strides would fill the filter
	wideGram   = 8  // from this length of the shortest pattern on four bytes tell more than three
	leastLists = 1 << 10
	longLists  = 2 // places in each list, on average, from which on there are to be more lists
)

// matcher finds patterns in a text by looking at a few bytes, a gram, at every
// stride-th place only: the stride is so small that each pattern, wherever it
// stands, has one of its grams at such a place. Unlike the shifts of Wu and
// Manber, one look does not wait for the result of the one before. Patterns are added
// while others search, so that what each costs does not grow with those before it.
type matcher struct {
	forms  atomic.Int64 // how many patterns there are
	window int          // bytes of the shortest pattern, or fewer
	gram   int          // 3 or 4
	stride int          // window - gram + 1
	filter [1 << filterBits / 64]atomic.Uint64
	lists  []atomic.Pointer[place] // of the places of grams, by their hash
	shift  int                     // 32 less the bits of an index of lists
	placed int                     // places in all lists; for who adds alone
}

// place is where in a pattern a gram stands. It is immutable.
type place struct {
	pattern string
	offset  uint32
	gram    uint32
	last    uint32 // three bytes of the pattern: those of many secrets begin alike
	next    *place // in its list
}

func newMatcher(forms map[string]bool) *matcher {
	m := &matcher{window: maxStride, gram: 4}
	for form := range forms {
		m.window = min(m.window, len(form))
	}
	if m.window < wideGram {
		m.gram = 3
	}
	m.stride = m.window - m.gram + 1
	m.lists = make([]atomic.Pointer[place], max(leastLists, 1<<bits.Len(uint(len(forms)*m.stride))))
	m.shift = 32 - bits.Len(uint(len(m.lists)-1))
	for form := range forms {
		m.place(form)
	}
	m.forms.Store(int64(len(forms)))
	return m
}

// add adds patterns; ok is false, and nothing added, where a new matcher is to be made
// because one is too short for this one, or the lists would become too long. One
// goroutine at a time may add.
func (m *matcher) add(forms []string) (ok bool) {
	for _, form := range forms {
		if len(form) < m.window {
			return false
		}
	}
	if m.placed+len(forms)*m.stride > longLists*len(m.lists) {
		return false
	}
	for _, form := range forms {
		m.place(form)
	}
	m.forms.Add(int64(len(forms)))
	return true
}

// place adds the places of a pattern.
func (m *matcher) place(form string) {
	places, last := make([]place, m.stride), three(form, len(form)-3)
	for offset := range places {
		g := m.at(form, offset)
		list := &m.lists[g*hashFactor>>m.shift]
		places[offset] = place{form, uint32(offset), g, last, list.Load()}
		list.Store(&places[offset])
		h := hash(g)
		m.filter[h>>6].Or(1 << (h & 63))
	}
	m.placed += m.stride
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

const hashFactor = 0x9e3779b1 // 2^32 over the golden ratio

func hash(gram uint32) uint32 { return gram * hashFactor >> (32 - filterBits) }

// find returns where the first pattern that begins at or after from begins, and
// where the longest that begins there ends; -1 if there is none.
func (m *matcher) find(s string, from int) (int, int) {
	i := from + m.stride - 1
	if m.gram == 4 {
		for ; i+4 <= len(s); i += m.stride {
			g := four(s, i)
			if h := hash(g); m.filter[h>>6].Load()>>(h&63)&1 != 0 {
				if start, end := m.verify(s, from, i, g); start >= 0 {
					return start, end
				}
			}
		}
		return -1, -1
	}
	for ; i+3 <= len(s); i += m.stride {
		g := three(s, i)
		if h := hash(g); m.filter[h>>6].Load()>>(h&63)&1 != 0 {
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
	for p := m.lists[gram*hashFactor>>m.shift].Load(); p != nil; p = p.next {
		at := i - int(p.offset)
		if p.gram != gram || at < from || at+len(p.pattern) > len(s) || three(s, at+len(p.pattern)-3) != p.last ||
			!strings.HasPrefix(s[at:], p.pattern) {
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
