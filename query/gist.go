package query

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/tables"
)

// While lines pour in, many rows have no index yet, and each question would search their
// text again. What it may ask of them is remembered instead, once for all questions.

const (
	// gistLine and gistMessage bound lines and messages that are remembered, in bytes,
	// and gistValues the values of a line: others are read each time.
	gistLine, gistMessage, gistValues = journal.TextBytes, 1 << 10, 128
	// gistSorts bounds the sorts of rows that are told apart: a quarter of those that
	// lie together.
	gistSorts = tables.Together / 4
	// gistAsked is how often values are asked for until they are remembered: that takes as
	// long as to search the text so often.
	gistAsked = 3
)

// gist is what is remembered of rows that lie together and have no index. It is safe
// for concurrent use.
type gist struct {
	// mu is never held while anything is read, linesMu may be.
	mu, linesMu sync.Mutex

	// of rows from to seen - 1, guarded by mu
	from, seen  int
	first, last int64       // their times
	sorts       []sortOfRow // some perhaps twice
	lately      [64]uint16  // where a sort stands, and 1, by its owner
	manySorts   bool        // not all are there

	// of the lines of rows begun to told - 1, guarded by linesMu
	begun, told int
	messages    []message
	codes       map[string]uint16 // of the messages, as they stand in the record
	lines       []gistOfLine
	asked       int      // how often values were asked for, up to gistAsked, from which on they are told
	values      []uint32 // hashes of the scalars in the details, line by line
	unsure      int      // lines of which something is not told
}

// sortOfRow is what many rows have in common.
type sortOfRow struct {
	owner uint32
	level int8
	kind  line.Kind
}

// message is one in the forms in which it is searched.
type message struct{ text, folded string }

// gistOfLine is what is remembered of a line.
type gistOfLine struct {
	end     uint32 // of its values
	message uint16 // 1 for the first, 0 where it is not told
	valued  bool   // its values are told
}

// may reports whether some of the rows from a place on can match, as far as rows tell.
func (g *gist) may(v *view, m *matcher, at int, rows []tables.Row) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen == 0 || at > g.seen {
		g.from, g.seen, g.first, g.last = at, at, math.MaxInt64, math.MinInt64
		g.sorts, g.lately, g.manySorts = g.sorts[:0], [len(g.lately)]uint16{}, false
	}
	for ; g.seen < at+len(rows); g.seen++ {
		r := &rows[g.seen-at]
		g.first, g.last = min(g.first, r.Time), max(g.last, r.Time)
		k := sortOfRow{r.Owner, r.Level, r.Kind}
		before := &g.lately[(r.Owner<<2+uint32(r.Level))%uint32(len(g.lately))]
		if g.manySorts || *before > 0 && g.sorts[*before-1] == k {
			continue
		} else if g.manySorts = len(g.sorts) == gistSorts; !g.manySorts {
			g.sorts = append(g.sorts, k)
			*before = uint16(len(g.sorts))
		}
	}
	if at < g.from {
		return true
	}
	if g.last < m.from || g.first > m.to {
		return false
	}
	owners := v.Owners() // rows that came later may have others
	return g.manySorts || slices.ContainsFunc(g.sorts, func(k sortOfRow) bool {
		return m.kinds[k.kind] && m.levels[int(k.level)+128] && (m.identity == nil || int(k.owner) < owners && m.owner(k.owner))
	})
}

// recall looks at rows of a file without an index, from one on, in what is remembered of
// their lines, and remembers what is not. It returns the chance on each row, or that none
// can match; nil where nothing is told of them. The answer is good until the next call.
func (s *scan) recall(v *view, g *gist, i, at int, rows []tables.Row) (chances []chance, none bool) {
	g.linesMu.Lock()
	defer g.linesMu.Unlock()
	if s.sieve.values && !g.asks(at) {
		return nil, false
	}
	if g.told == 0 || at > g.told {
		g.begin(at)
	}
	if at < g.begun {
		return nil, false
	}
	if known := g.told - at; known < len(rows) && s.worthReading(rows[known:]) {
		s.learn(v, g, i, at, rows)
	}
	n := min(g.told-at, len(rows))
	of := g.lines[at-g.begun:][:n]
	s.chances = slices.Grow(s.chances[:0], len(rows))[:len(rows)]
	for k := range s.chances {
		s.chances[k] = maybe
	}
	for _, clause := range s.sieve.clauses {
		if tells(clause) && !s.recallClause(g, clause, at, of) {
			if n == len(rows) {
				return nil, true
			}
			clear(s.chances[:n])
		}
	}
	for k := range s.chances {
		if s.chances[k] == surelyNot {
			continue
		}
		if !s.match.row(&rows[k]) {
			s.chances[k] = surelyNot
		} else if s.sieve.search && k < n && of[k].message != 0 {
			s.chances[k] = surely
		}
	}
	return s.chances, false
}

// asks notes that values of lines from a place on are asked for, and reports whether they
// are told, or are to be. The caller holds linesMu.
func (g *gist) asks(at int) bool {
	if g.told == 0 && g.asked == 0 {
		g.begun = at
	}
	if g.asked < gistAsked && at <= g.begun { // else it is another part of the same question
		if g.asked++; g.asked == gistAsked {
			g.begin(at)
		}
	}
	return g.asked == gistAsked
}

// begin begins anew with the line at a place. The caller holds linesMu.
func (g *gist) begin(at int) {
	g.begun, g.told, g.unsure = at, at, 0
	g.messages, g.codes, g.lines, g.values = nil, map[string]uint16{}, g.lines[:0], g.values[:0]
}

// worthReading reports whether lines are to be read: few that are wanted are read one by
// one in less time.
func (s *scan) worthReading(rows []tables.Row) bool {
	wanted := 0
	for i := range rows {
		if s.match.row(&rows[i]) {
			wanted++
		}
	}
	return wanted > len(rows)/8
}

// learn reads the lines that are not told yet. The caller holds linesMu.
func (s *scan) learn(v *view, g *gist, i, at int, rows []tables.Row) {
	s.lookAt(v)
	for k := g.told - at; k < len(rows) && !s.over(); k++ {
		if text, told := s.j.Message(&rows[k]); told && g.asked < gistAsked {
			g.told++
			g.add(g.code(text), nil)
			continue
		}
		var raw []byte
		if rows[k].Len <= gistLine {
			var err error
			if raw, err = s.reader.Read(i + k); err != nil {
				break // who wants the line hears of it
			}
			s.stats.Lines++
			s.stats.Bytes += int64(len(raw))
			s.checked.Add(int64(len(raw)))
			s.sinceCheck += 10
		}
		s.tell(g, raw)
	}
	if g.told == tables.Together {
		g.codes = nil // there are no more lines
	}
}

// tell adds the next line, nil for one that is too long. The caller holds linesMu.
func (s *scan) tell(g *gist, raw []byte) {
	g.told++
	if raw != nil && !rough(raw) {
		if text, begin, told := messageOf(raw); told {
			// No object is before it.
			g.add(g.codeOf(text), raw[begin+len(text)+1:])
			return
		}
	}
	if raw == nil || s.parser.Parse(raw, &s.rec) != nil {
		g.unsure++
		g.lines = append(g.lines, gistOfLine{end: uint32(len(g.values))})
		return
	}
	g.add(g.code(s.rec.Message), s.rec.Details)
}

// add adds the next line, with its message and the part that holds its values.
func (g *gist) add(message uint16, rest []byte) {
	asked := g.asked == gistAsked
	valued := asked && !rough(rest) && g.addValues(rest)
	if message == 0 || asked && !valued {
		g.unsure++
	}
	g.lines = append(g.lines, gistOfLine{uint32(len(g.values)), message, valued})
}

// codeOf is code for a text that is not kept.
func (g *gist) codeOf(text []byte) uint16 {
	if code := g.codes[string(text)]; code != 0 {
		return code
	}
	return g.code(string(text))
}

// code returns the number of a message, 0 of one that is too long.
func (g *gist) code(text string) uint16 {
	if len(text) > gistMessage {
		return 0
	}
	code := g.codes[text]
	if code == 0 {
		m := line.StripANSI(text)
		g.messages = append(g.messages, message{m, line.Fold(m)})
		code = uint16(len(g.messages))
		g.codes[text] = code
	}
	return code
}

// addValues adds the scalars in a part of a line that is not rough and begins outside of
// strings, and reports whether it could.
func (g *gist) addValues(rest []byte) bool {
	for before := len(g.values); ; {
		end := bytes.IndexByte(rest, '"')
		between := rest
		if end >= 0 {
			between = rest[:end]
		}
		// Between strings are numbers, true, false and null.
		for k, from := 0, 0; k <= len(between); k++ {
			if k == len(between) || separates[between[k]] {
				if k > from {
					g.values = append(g.values, hashOf(between[from:k]))
				}
				from = k + 1
			}
		}
		if end < 0 {
			return true
		}
		rest = rest[end+1:]
		if end = bytes.IndexByte(rest, '"'); end < 0 || len(g.values)-before > gistValues {
			g.values = g.values[:before]
			return false
		}
		text := rest[:end]
		if rest = rest[end+1:]; len(rest) == 0 || rest[0] != ':' { // else it is a name
			g.values = append(g.values, hashOf(text))
		}
	}
}

// separates has the bytes that stand between scalars.
var separates = [256]bool{',': true, ':': true, '{': true, '}': true, '[': true, ']': true, ' ': true, '\t': true, '\r': true, '\n': true} // immutable

// hashOf returns the hash of a text, the same for small and capital letters.
func hashOf(text []byte) uint32 {
	const prime, small = 0x9e3779b97f4a7c15, 0x2020202020202020
	h := uint64(len(text)) * prime
	for ; len(text) >= 8; text = text[8:] {
		h = (h ^ (binary.LittleEndian.Uint64(text) | small)) * prime
		h ^= h >> 29
	}
	for _, b := range text {
		h = (h ^ uint64(b|0x20)) * prime
	}
	return uint32(h >> 32)
}

// tells reports whether a gist tells of a clause.
func tells(clause []needle) bool {
	return !slices.ContainsFunc(clause, func(n needle) bool { return !n.message && !n.whole })
}

// recallClause finds out which of some lines, the first at a place, surely do not match a
// clause. It returns false where none can. The caller holds linesMu.
func (s *scan) recallClause(g *gist, clause []needle, at int, of []gistOfLine) bool {
	s.hit = append(s.hit[:0], make([]bool, len(of))...)
	s.said = append(s.said[:0], make([]bool, len(g.messages)+1)...)
	s.said[0] = true
	some, messages, values := g.unsure > 0, false, false
	for i := range clause {
		n := &clause[i]
		if messages, values = messages || n.message, values || !n.message; n.message {
			text := string(n.text)
			for k, m := range g.messages {
				if n.lower && strings.Contains(m.folded, text) || !n.lower && strings.Contains(m.text, text) {
					s.said[k+1], some = true, true
				}
			}
		} else if len(of) > 0 {
			first := uint32(0)
			if before := at - g.begun; before > 0 {
				first = g.lines[before-1].end
			}
			for k, h := range g.values[first:of[len(of)-1].end] {
				if h == n.hash {
					row := sort.Search(len(of), func(row int) bool { return of[row].end > first+uint32(k) })
					s.hit[row], some = true, true
				}
			}
		}
	}
	if !some {
		return false
	}
	for k := range of {
		if !s.hit[k] && (!messages || !s.said[of[k].message]) && (!values || of[k].valued) {
			s.chances[k] = surelyNot
		}
	}
	return true
}
