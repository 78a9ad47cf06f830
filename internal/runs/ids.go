package runs

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// An id of a run or step is kept as 0 and 16 bytes where it is a UUID as this
// library writes it (RFC 9562, lower case), else as its length + 1 (uvarint) and
// its bytes.

const (
	uuidText = 36
	uuidSize = 16
)

// fold multiplies two words into one.
func fold(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}

// appendID appends the kept form of an id.
func appendID(dst []byte, id string) []byte {
	if len(id) == uuidText {
		at := len(dst)
		dst = append(dst, 0)
		if dst = appendUUID(dst, id); len(dst) == at+1+uuidSize {
			return dst
		}
		dst = dst[:at]
	}
	dst = binary.AppendUvarint(dst, uint64(len(id))+1)
	return append(dst, id...)
}

// appendUUID appends the bytes of a UUID, or fewer when it is none.
func appendUUID(dst []byte, id string) []byte {
	for i := 0; i < uuidText; i += 2 {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if id[i] != '-' {
				return dst
			}
			i++
		}
		hi, lo := nibble(id[i]), nibble(id[i+1])
		if hi|lo > 15 {
			return dst
		}
		dst = append(dst, hi<<4|lo)
	}
	return dst
}

func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// id takes the kept form of an id.
func (w *wireReader) id() []byte {
	whole := w.B
	n := w.Uvarint()
	if n == 0 {
		w.Bytes(uuidSize)
	} else if n--; n > uint64(len(w.B)) {
		w.Bad, w.B = true, nil
	} else {
		w.Bytes(int(n))
	}
	return whole[:len(whole)-len(w.B)]
}

// textOfID returns the id that was kept.
func textOfID(kept []byte) string { return string(appendTextOfID(nil, kept)) }

// lenOfID returns how many bytes its text has.
func lenOfID(kept []byte) int {
	n, size := binary.Uvarint(kept)
	switch {
	case size <= 0:
		return 0
	case n == 0 && len(kept) == size+uuidSize:
		return uuidText
	}
	return len(kept) - size
}

// appendTextOfID appends it.
func appendTextOfID(dst, kept []byte) []byte {
	n, size := binary.Uvarint(kept)
	if size <= 0 {
		return dst
	}
	kept = kept[size:]
	if n > 0 || len(kept) != uuidSize {
		return append(dst, kept...)
	}
	const digits = "0123456789abcdef"
	text := [uuidText]byte{8: '-', 13: '-', 18: '-', 23: '-'}
	at := 0
	for i, c := range kept {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			at++
		}
		text[at], text[at+1] = digits[c>>4], digits[c&15]
		at += 2
	}
	return append(dst, text[:]...)
}

// idIndex finds the slots of ids. It is as many open tables as the upper byte of a hash has
// values: each grows for itself, which takes little time, while all wait for it.
type idIndex struct {
	seed   idSeed
	tables [idTables]idTable
	n      int
}

const idTables = 256

// idTable has 8 bytes for each of its places, a power of two, of which at most three
// quarters are taken. An entry is the upper half of the hash of the id's kept form, and
// the slot + 1.
type idTable struct {
	entries []uint64
	n       int
}

// idSeed makes hashes that nobody can foresee. It is saved with the tables, and with it
// what was found by hashes.
type idSeed [2]uint64

func newIDSeed() idSeed { return idSeed{rand.Uint64(), rand.Uint64()} }

// sum returns the hash of some bytes: their words multiplied into each other, as
// wyhash does (https://github.com/wangyi-fudan/wyhash).
func (s *idSeed) sum(b []byte) uint64 {
	const odd = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio
	h := s[0] ^ uint64(len(b))*odd
	for ; len(b) >= 8; b = b[8:] {
		h = fold(h^binary.LittleEndian.Uint64(b), s[1]^odd)
	}
	var rest uint64
	for i, c := range b {
		rest |= uint64(c) << (8 * i)
	}
	return fold(fold(h^rest, s[1]^odd), odd)
}

func newIDIndex(seed idSeed) idIndex { return idIndex{seed: seed} }

// appendTo appends how many places each table has, and all entries.
func (x *idIndex) appendTo(b []byte) []byte {
	for i := range x.tables {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(x.tables[i].entries)))
	}
	for i := range x.tables {
		for _, e := range x.tables[i].entries {
			b = binary.LittleEndian.AppendUint64(b, e)
		}
	}
	return b
}

// load undoes appendTo; false where they are damaged or name a slot from n on.
func (x *idIndex) load(b []byte, n int) bool {
	const head = 4 * idTables
	if len(b) < head || (len(b)-head)%8 != 0 {
		return false
	}
	sizes, b := b[:head], b[head:]
	all := make([]uint64, len(b)/8)
	for i := range x.tables {
		size := binary.LittleEndian.Uint32(sizes[4*i:])
		if uint64(size) > uint64(len(all)) || size&(size-1) != 0 {
			return false
		}
		t := idTable{entries: all[:size:size]}
		for k := range t.entries {
			e := binary.LittleEndian.Uint64(b[8*k:])
			if e == 0 {
				continue
			}
			if slot := e & low; slot == 0 || slot > uint64(n) {
				return false
			}
			t.n++
			t.entries[k] = e
		}
		if 4*t.n > 3*len(t.entries) {
			return false
		}
		x.tables[i] = t
		x.n += t.n
		all, b = all[size:], b[8*size:]
	}
	return len(all) == 0
}

// add enters a slot under an id.
func (x *idIndex) add(id []byte, slot uint32) {
	h := x.hash(id)
	t := x.table(h)
	t.reserve(t.n + 1)
	t.insert(h&^low | uint64(slot) + 1)
	t.n++
	x.n++
}

// reserve makes room for so many more.
func (x *idIndex) reserve(more int) {
	for i := range x.tables {
		x.tables[i].reserve((x.n + more) / idTables)
	}
}

func (x *idIndex) hash(id []byte) uint64 { return x.seed.sum(id) }

// table returns that of a hash.
func (x *idIndex) table(h uint64) *idTable { return &x.tables[h>>(64-8)] }

const low = 1<<32 - 1

// reserve makes room for n entries in all.
func (t *idTable) reserve(n int) {
	size := len(t.entries)
	for 4*n > 3*size {
		size = max(2*size, 8)
	}
	if size == len(t.entries) {
		return
	}
	old := t.entries
	t.entries = make([]uint64, size)
	for _, e := range old {
		if e != 0 {
			t.insert(e)
		}
	}
}

func (t *idTable) insert(e uint64) {
	mask := uint64(len(t.entries) - 1)
	at := e >> 32 & mask
	for t.entries[at] != 0 {
		at = (at + 1) & mask
	}
	t.entries[at] = e
}

// find returns the slot of an id that is the right one; ok is false when there is
// none.
func (x *idIndex) find(id []byte, is func(slot uint32) bool) (slot uint32, ok bool) {
	h := x.hash(id)
	t := x.table(h)
	if t.n == 0 {
		return 0, false
	}
	mask := uint64(len(t.entries) - 1)
	for at := h >> 32 & mask; t.entries[at] != 0; at = (at + 1) & mask {
		if e := t.entries[at]; (e^h)>>32 == 0 && is(uint32(e)-1) {
			return uint32(e) - 1, true
		}
	}
	return 0, false
}

// remove takes a slot out that was entered under an id.
func (x *idIndex) remove(id []byte, slot uint32) {
	h := x.hash(id)
	t := x.table(h)
	if t.n == 0 {
		return
	}
	mask, e := uint64(len(t.entries)-1), h&^low|uint64(slot)+1
	at := e >> 32 & mask
	for t.entries[at] != e {
		if t.entries[at] == 0 {
			return
		}
		at = (at + 1) & mask
	}
	t.n--
	x.n--
	// Those that follow move up, unless that is before where they belong.
	for next := (at + 1) & mask; t.entries[next] != 0; next = (next + 1) & mask {
		if home := t.entries[next] >> 32 & mask; (next-home)&mask >= (next-at)&mask {
			t.entries[at] = t.entries[next]
			at = next
		}
	}
	t.entries[at] = 0
}
