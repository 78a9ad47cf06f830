package segment

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Limits of a column of terms. They are part of the format.
const (
	// maxTerm is the longest term that is indexed, in bytes. Rows with a longer
	// one are listed as unindexed and looked at one by one.
	maxTerm = 128
	// termBlock is how many bytes of terms a block of a dictionary holds: what
	// is decoded to look one up.
	termBlock = 16 << 10
)

// Forms of a column.
const (
	formDictionary = 1
	formFilters    = 2
)

// termTable collects the terms of one column and the rows that have them: an
// open hash table over one arena, and one list of pairs for all postings.
type termTable struct {
	arena []byte
	terms []term
	table []uint64     // hash<<32 | index in terms + 1
	pairs []*pairChunk // term<<32 | row, rows ascending
	count int          // of pairs
	// unindexed rows have a term that is too long, or too much text.
	unindexed []uint32
	// limit is how many bytes of terms there may be. over says that there were
	// more: the column gets filters instead.
	limit int
	over  bool
}

// pairChunk is a part of the pairs, which are never moved.
type pairChunk [1 << 13]uint64

type term struct {
	head uint64 // the first 8 bytes, the first of them in the lowest
	at   uint32
	last uint32 // newest row + 1
	rows uint32 // how many have it
	size uint16
}

func newTermTable(limit int) *termTable {
	return &termTable{limit: limit, table: make([]uint64, 1<<10)}
}

// add says that a row has a term. Rows ascend.
func (t *termTable) add(value []byte, row uint32) {
	if t.over {
		return
	}
	if len(value) > maxTerm {
		t.skip(row)
		return
	}
	head := headOf(value)
	h := hashTerm(head, value)
	mask := uint32(len(t.table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		n := t.table[i]
		if n == 0 {
			t.insert(value, head, h, i, row)
			return
		}
		if uint32(n>>32) != h {
			continue
		}
		e := &t.terms[uint32(n)-1]
		if e.head == head && int(e.size) == len(value) &&
			(len(value) <= 8 || string(t.arena[e.at:int(e.at)+len(value)]) == string(value)) {
			if e.last != row+1 {
				e.last = row + 1
				e.rows++
				t.pair(uint32(n)-1, row)
			}
			return
		}
	}
}

// hashTerm returns the hash of a value that begins with head: all bits of a short one
// are to reach those that it has, for numbers and ids often begin alike.
func hashTerm(head uint64, value []byte) uint32 {
	if len(value) > 8 {
		return uint32(hashBytes(value))
	}
	return uint32(fold(head^uint64(len(value))<<56, 0x9e3779b97f4a7c15))
}

// headOf returns the first 8 bytes of a value, and 0 for those that it has not.
func headOf(value []byte) uint64 {
	if len(value) >= 8 {
		return binary.LittleEndian.Uint64(value)
	}
	return fewBytes(value)
}

func (t *termTable) insert(value []byte, head uint64, hash, slot, row uint32) {
	if len(t.arena)+len(value) > t.limit {
		t.over = true
		t.arena, t.terms, t.table, t.pairs, t.unindexed = nil, nil, nil, nil, nil
		return
	}
	t.terms = append(t.terms, term{head, uint32(len(t.arena)), row + 1, 1, uint16(len(value))})
	t.arena = append(t.arena, value...)
	t.table[slot] = uint64(hash)<<32 | uint64(len(t.terms))
	t.pair(uint32(len(t.terms)-1), row)
	if 4*len(t.terms) > 3*len(t.table) {
		t.table = regrown(t.table)
	}
}

func (t *termTable) pair(n, row uint32) {
	at := t.count % len(pairChunk{})
	if at == 0 {
		t.pairs = append(t.pairs, new(pairChunk))
	}
	t.pairs[len(t.pairs)-1][at] = uint64(n)<<32 | uint64(row)
	t.count++
}

// skip says that not all of a row is indexed.
func (t *termTable) skip(row uint32) {
	if n := len(t.unindexed); !t.over && (n == 0 || t.unindexed[n-1] != row) {
		t.unindexed = append(t.unindexed, row)
	}
}

// value returns the text of a term.
func (t *termTable) value(n uint32) []byte {
	e := &t.terms[n]
	return t.arena[e.at : int(e.at)+int(e.size)]
}

// sorted returns the terms in the order of their bytes.
func (t *termTable) sorted() []uint32 {
	type keyed struct {
		head uint64 // the first 8 bytes, big endian
		n    uint32
	}
	list := make([]keyed, len(t.terms))
	for n := range t.terms {
		list[n] = keyed{bits.ReverseBytes64(t.terms[n].head), uint32(n)}
	}
	slices.SortFunc(list, func(a, b keyed) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return bytes.Compare(t.value(a.n), t.value(b.n))
	})
	order := make([]uint32, len(list))
	for i, k := range list {
		order[i] = k.n
	}
	return order
}

// grouped returns the rows of all terms, one after the other, and where those
// of each begin.
func (t *termTable) grouped() (rows, starts []uint32) {
	starts = make([]uint32, len(t.terms)+1)
	for n := range t.terms {
		starts[n+1] = starts[n] + t.terms[n].rows
	}
	rows = make([]uint32, t.count)
	next := slices.Clone(starts[:len(t.terms)])
	for i, c := range t.pairs {
		for _, p := range c[:min(t.count-i*len(c), len(c))] {
			n := p >> 32
			rows[next[n]] = uint32(p)
			next[n]++
		}
	}
	return rows, starts
}

// encode writes the column as a dictionary; ok is false when it would be too large.
func (t *termTable) encode(w *postingWriter, z *zstd.Encoder) (data []byte, ok bool) {
	if t.over {
		return nil, false
	}
	order := t.sorted()
	rows, starts := t.grouped()
	i := 0
	return encodeTerms(w, z, len(order), t.unindexed, func() (term []byte, of []uint32) {
		n := order[i]
		i++
		return t.value(n), rows[starts[n]:starts[n+1]]
	}), true
}

// encodeTerms writes a dictionary of n terms, which next returns one after the other in
// the order of their bytes, with the rows of each; both hold until the next call.
//
//	1 | number of terms | unindexed rows (ref) | number of blocks
//	| per block: terms, size of their texts and one for each, size compressed, first term
//	| blocks
//
// A block is one zstd frame of: per term how many bytes it shares with the one
// before, how many follow, and those; then a ref for each.
func encodeTerms(w *postingWriter, z *zstd.Encoder, n int, unindexed []uint32, next func() (term []byte, rows []uint32)) []byte {
	var blocks, directory []byte
	count := 0
	var text, list, plain, first, before []byte
	for i := 0; i < n; {
		text, list, before = text[:0], list[:0], before[:0]
		size, from := 0, i
		var places refs
		for ; i < n && size < termBlock; i++ {
			v, rows := next()
			if i == from {
				first = append(first[:0], v...)
			}
			shared := 0
			for shared < len(before) && shared < len(v) && before[shared] == v[shared] {
				shared++
			}
			text = binary.AppendUvarint(text, uint64(shared))
			text = binary.AppendUvarint(text, uint64(len(v)-shared))
			text = append(text, v[shared:]...)
			list = places.append(list, w.add(rows))
			before = append(before[:shared], v[shared:]...)
			size += len(v) + 1
		}
		plain = append(append(plain[:0], text...), list...)
		at := len(blocks)
		blocks = z.EncodeAll(plain, blocks)
		directory = binary.AppendUvarint(directory, uint64(i-from))
		directory = binary.AppendUvarint(directory, uint64(size))
		directory = binary.AppendUvarint(directory, uint64(len(blocks)-at))
		directory = appendText(directory, string(first))
		count++
	}
	out := []byte{formDictionary}
	out = binary.AppendUvarint(out, uint64(n))
	out = w.add(unindexed).append(out)
	out = binary.AppendUvarint(out, uint64(count))
	out = append(out, directory...)
	return append(out, blocks...)
}
