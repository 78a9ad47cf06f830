package segment

import (
	"bytes"
	"slices"
	"sort"
	"strings"
)

// Column is the terms of a file's messages, topics or of one field, with the
// rows that have each. It is safe for concurrent use.
type Column struct {
	x         *Index
	id        sectionID
	unindexed Ref
	blocks    []termBlockAt
	slots     []slot   // where lists of blocks are found
	filters   [][]byte // of each frame; the column has no terms then
}

type termBlockAt struct {
	first string
	terms int
	size  int // of the terms' text
	data  []byte
}

// Message returns the terms of the messages, folded; see [Words].
func (x *Index) Message() (*Column, error) { return x.column(secMessage) }

// Topic returns the topics.
func (x *Index) Topic() (*Column, error) { return x.column(secTopic) }

// Fields returns the paths whose values are indexed. The slice must not be changed.
func (x *Index) Fields() []string { return x.fields }

// Field returns the values at a path, nil when it is not indexed.
func (x *Index) Field(path string) (*Column, error) {
	n := slices.Index(x.fields, path)
	if n < 0 {
		return nil, nil
	}
	return x.column(secFields + sectionID(n))
}

func (x *Index) column(id sectionID) (*Column, error) {
	if int(id) < len(x.columns) {
		if c := x.columns[id].Load(); c != nil {
			return c, nil
		}
	}
	b, err := x.section(id)
	if err != nil {
		return nil, err
	}
	c := &Column{x: x, id: id}
	if !c.decode(b) {
		return nil, x.corrupt(id, errContent)
	}
	if int(id) < len(x.columns) {
		x.columns[id].Store(c)
	}
	return c, nil
}

func (c *Column) decode(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	w := read(b[1:])
	switch b[0] {
	case formDictionary:
		w.Uvarint() // how many terms there are
		c.unindexed = w.ref()
		n := w.Count()
		c.blocks = make([]termBlockAt, 0, min(n, 1<<16))
		sizes := make([]int, 0, min(n, 1<<16))
		for range n {
			t := termBlockAt{terms: int(min(w.Uvarint(), 1<<20)), size: int(min(w.Uvarint(), 1<<20))}
			sizes = append(sizes, int(min(w.Uvarint(), 1<<20)))
			t.first = w.text()
			c.blocks = append(c.blocks, t)
		}
		for i, size := range sizes {
			c.blocks[i].data = w.Bytes(size)
		}
		c.slots = make([]slot, len(c.blocks))
	case formFilters:
		n := w.Count()
		if n != c.x.Frames() {
			return false
		}
		sizes := make([]int, n)
		for i := range sizes {
			sizes[i] = int(min(w.Uvarint(), uint64(len(b))))
		}
		for _, size := range sizes {
			c.filters = append(c.filters, w.Bytes(size))
		}
		if c.filters == nil {
			c.filters = [][]byte{}
		}
	default:
		return false
	}
	return !w.Bad
}

// Dictionary reports whether the column has its terms; else it has filters,
// which only say where nothing is.
func (c *Column) Dictionary() bool { return c.filters == nil }

// Unindexed returns the rows that have more than the terms tell.
func (c *Column) Unindexed() Ref { return c.unindexed }

// MayHold reports whether a row of a frame may have a value, by the filters.
func (c *Column) MayHold(frame int, value string) bool {
	return filterHas(c.filters[frame], []byte(value))
}

// MayContain reports whether a message of a frame may contain a folded text, by
// the filters.
func (c *Column) MayContain(frame int, part string) bool {
	return filterHasTrigrams(c.filters[frame], part)
}

// Longest is the longest value that is indexed, in bytes.
const Longest = maxTerm

// termList is the terms of one block, decoded.
type termList struct {
	text   []byte   // every term with a newline behind it
	starts []uint16 // of each term, and the end of the text
	refs   []byte
	marks  []refMark // of each 16th ref
}

// refMark is where a ref stands, so that few before it are read.
type refMark struct {
	refs
	at int
}

const markEvery = 16

// list decodes block n.
func (c *Column) list(n int) (*termList, error) {
	key := cacheKey{c.x.held, c.id, n}
	if of := c.x.cache.get(key, &c.slots[n]); of != nil {
		return of.terms, nil
	}
	at := &c.blocks[n]
	z, err := c.x.cache.decoder()
	if err != nil {
		return nil, err
	}
	defer c.x.cache.decoders.Put(z)
	plain, err := z.DecodeAll(at.data, nil)
	if err != nil {
		return nil, c.x.corrupt(c.id, err)
	}
	if at.size > 1<<16-1 || at.terms > at.size {
		return nil, c.x.corrupt(c.id, errContent)
	}
	l := &termList{text: make([]byte, 0, at.size), starts: make([]uint16, 0, at.terms+1)}
	w := read(plain)
	last := 0
	for range at.terms {
		shared := int(min(w.Uvarint(), 1<<16))
		rest := w.Bytes(w.Count())
		if w.Bad || len(l.starts) == 0 && shared > 0 || shared > len(l.text)-last || len(l.text)+shared+len(rest)+1 > at.size {
			return nil, c.x.corrupt(c.id, errContent)
		}
		from := len(l.text)
		l.starts = append(l.starts, uint16(from))
		l.text = append(l.text, l.text[last:last+shared]...)
		l.text = append(append(l.text, rest...), '\n')
		last = from
	}
	l.starts = append(l.starts, uint16(len(l.text)))
	l.refs = bytes.Clone(w.B)
	l.marks = make([]refMark, 0, (at.terms+markEvery-1)/markEvery)
	var places refs
	for i := range at.terms {
		if i%markEvery == 0 {
			l.marks = append(l.marks, refMark{places, len(l.refs) - len(w.B)})
		}
		places.take(&w)
	}
	if w.Bad {
		return nil, c.x.corrupt(c.id, errContent)
	}
	size := cap(l.text) + 2*cap(l.starts) + len(l.refs) + 24*cap(l.marks) + 128
	c.x.cache.put(&cached{key: key, terms: l, size: int64(size)}, &c.slots[n])
	return l, nil
}

func (l *termList) len() int { return len(l.starts) - 1 }

func (l *termList) term(i int) []byte { return l.text[l.starts[i] : l.starts[i+1]-1] }

// pick appends the refs of some terms, ascending, to dst.
func (l *termList) pick(dst []Ref, which []int) []Ref {
	var w reader
	var places refs
	at := -1 // the ref that w is at
	for _, i := range which {
		if at < 0 || i/markEvery > at/markEvery {
			m := &l.marks[i/markEvery]
			at, places, w = i/markEvery*markEvery, m.refs, read(l.refs[m.at:])
		}
		for ; at < i; at++ {
			places.take(&w)
		}
		dst = append(dst, places.take(&w))
		at++
	}
	return dst
}

// blockOf returns the first block that may have a term or one after it.
func (c *Column) blockOf(term string) int {
	return max(sort.Search(len(c.blocks), func(i int) bool { return c.blocks[i].first > term })-1, 0)
}

// Lookup returns the rows that have a term.
func (c *Column) Lookup(term string) (Ref, error) {
	if len(c.blocks) == 0 {
		return Ref{}, nil
	}
	l, err := c.list(c.blockOf(term))
	if err != nil {
		return Ref{}, err
	}
	i := sort.Search(l.len(), func(i int) bool { return string(l.term(i)) >= term })
	if i == l.len() || string(l.term(i)) != term {
		return Ref{}, nil
	}
	var one [1]Ref
	return l.pick(one[:0], []int{i})[0], nil
}

// Prefix returns the rows of each term that begins with a text.
func (c *Column) Prefix(prefix string) ([]Ref, error) {
	var refs []Ref
	for n := c.blockOf(prefix); n < len(c.blocks); n++ {
		if first := c.blocks[n].first; first > prefix && !strings.HasPrefix(first, prefix) {
			break
		}
		l, err := c.list(n)
		if err != nil {
			return nil, err
		}
		var which []int
		for i := sort.Search(l.len(), func(i int) bool { return string(l.term(i)) >= prefix }); i < l.len() &&
			bytes.HasPrefix(l.term(i), []byte(prefix)); i++ {
			which = append(which, i)
		}
		refs = l.pick(refs, which)
	}
	return refs, nil
}

// Containing returns the rows of each term that contains a text, which is not
// empty.
func (c *Column) Containing(part string) ([]Ref, error) {
	return c.scan(func(l *termList, which []int) []int {
		for at := 0; ; {
			i := bytes.Index(l.text[at:], []byte(part))
			if i < 0 {
				return which
			}
			at += i
			n := sort.Search(l.len(), func(i int) bool { return int(l.starts[i+1]) > at })
			if at+len(part) < int(l.starts[n+1]) {
				which = append(which, n)
				at = int(l.starts[n+1])
			} else {
				at++ // over the end of a term
			}
		}
	})
}

// Suffix returns the rows of each term that ends with a text.
func (c *Column) Suffix(suffix string) ([]Ref, error) {
	return c.Matching(func(term []byte) bool { return bytes.HasSuffix(term, []byte(suffix)) })
}

// Matching returns the rows of each term that match reports.
func (c *Column) Matching(match func(term []byte) bool) ([]Ref, error) {
	return c.scan(func(l *termList, which []int) []int {
		for i := range l.len() {
			if match(l.term(i)) {
				which = append(which, i)
			}
		}
		return which
	})
}

// Each calls do with each term, ascending, and its rows. The term is good during the call.
func (c *Column) Each(do func(term []byte, r Ref) error) error {
	for n := range c.blocks {
		l, err := c.list(n)
		if err != nil {
			return err
		}
		w := read(l.refs)
		var places refs
		for i := range l.len() {
			if err := do(l.term(i), places.take(&w)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Column) scan(find func(l *termList, which []int) []int) ([]Ref, error) {
	var refs []Ref
	var which []int
	for n := range c.blocks {
		l, err := c.list(n)
		if err != nil {
			return nil, err
		}
		if which = find(l, which[:0]); len(which) == 0 {
			continue
		}
		refs = l.pick(refs, which)
	}
	return refs, nil
}
