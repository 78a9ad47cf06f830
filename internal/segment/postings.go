package segment

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Postings are the rows that have something, ascending. In the section they are
// a Rice code of their distances or, where that would be longer, a bitmap of all
// rows. Each list begins at a whole byte; 8 bytes follow the last. Equal lists are
// stored once: the words of one message template share theirs.
//
// In the code a distance, less 1, is n bits of 0 and one of 1, then its lowest k
// bits, where n is what is left of it after k bits; the first distance is that
// from row -1. k is one less than the bits of what lies between two rows on
// average times 11/16, the logarithm of 2, at least 0: see riceBits.

// Ref is where postings lie. The zero value is no rows.
type Ref struct {
	// Rows is how many there are.
	Rows int
	at   uint64 // the row itself when there is one; else offset<<1 | bitmap
}

// postingWriter collects the postings of a file.
type postingWriter struct {
	rows   int // of the file
	out    []byte
	lists  []stored
	table  []uint64 // an open hash table of lists: hash<<32 | index + 1
	buffer []byte
}

// stored is a list that was written.
type stored struct {
	at   uint64 // as in a Ref
	size uint32 // in bytes
	rows uint32
}

func newPostingWriter(rows int) *postingWriter {
	return &postingWriter{rows: rows, table: make([]uint64, 1<<6)}
}

// add stores rows, which ascend.
func (w *postingWriter) add(rows []uint32) Ref {
	switch len(rows) {
	case 0:
		return Ref{}
	case 1:
		return Ref{1, uint64(rows[0])}
	}
	limit := (w.rows + 7) / 8
	k := riceBits(w.rows, len(rows))
	b, bitmap := appendRice(w.buffer[:0], rows, k, limit), false
	if len(b) > limit {
		bitmap = true
		b = slices.Grow(b[:0], limit)[:limit]
		clear(b)
		for _, r := range rows {
			b[r>>3] |= 1 << (r & 7)
		}
	}
	w.buffer = b
	r := refOf(len(rows), len(w.out), bitmap)
	h := uint32(hashBytes(b))
	mask := uint32(len(w.table) - 1)
	slot := h & mask
	for ; w.table[slot] != 0; slot = (slot + 1) & mask {
		if uint32(w.table[slot]>>32) != h {
			continue
		}
		s := &w.lists[uint32(w.table[slot])-1]
		if s.at&1 == r.at&1 && int(s.rows) == len(rows) && int(s.size) == len(b) && string(w.out[s.at>>1:][:len(b)]) == string(b) {
			return Ref{len(rows), s.at}
		}
	}
	w.out = append(w.out, b...)
	w.lists = append(w.lists, stored{r.at, uint32(len(b)), uint32(len(rows))})
	w.table[slot] = uint64(h)<<32 | uint64(len(w.lists))
	if 4*len(w.lists) > 3*len(w.table) {
		w.table = regrown(w.table)
	}
	return r
}

// regrown returns a table of hash<<32 and something else, with the same in twice the
// room.
func regrown(old []uint64) []uint64 {
	table := make([]uint64, 2*len(old))
	mask := uint32(len(table) - 1)
	for _, e := range old {
		if e == 0 {
			continue
		}
		i := uint32(e>>32) & mask
		for table[i] != 0 {
			i = (i + 1) & mask
		}
		table[i] = e
	}
	return table
}

// finish returns the section.
func (w *postingWriter) finish() []byte { return append(w.out, make([]byte, packPad)...) }

// riceBits returns how many bits of a distance stand as they are in a list of n
// of all rows.
func riceBits(all, n int) int {
	return max(bits.Len64(uint64(all)*11/(uint64(n)*16))-1, 0)
}

// appendRice appends the code of rows, and ends somewhere when it is longer than
// limit.
func appendRice(b []byte, rows []uint32, k, limit int) []byte {
	var acc uint64
	have := 0 // bits of acc, fewer than 8 between two rows
	next := uint32(0)
	for _, r := range rows {
		d := r - next
		next = r + 1
		n := int(d >> k)
		for ; n >= 16; n -= 16 {
			b = append(b, byte(acc), byte(acc>>8))
			acc = 0
		}
		acc |= (1 | uint64(d&(1<<k-1))<<1) << (have + n)
		have += n + 1 + k // at most 52: k is below 29
		b = binary.LittleEndian.AppendUint64(b, acc)[:len(b)+have>>3]
		acc >>= have &^ 7
		have &= 7
		if len(b) > limit {
			return b
		}
	}
	if have > 0 {
		b = append(b, byte(acc))
	}
	return b
}

func refOf(rows, at int, bitmap bool) Ref {
	r := Ref{rows, uint64(at) << 1}
	if bitmap {
		r.at |= 1
	}
	return r
}

// refs writes and reads refs that stand one behind the other: of each how many
// rows there are, then how far its row lies from that of the last ref with one
// row, or its place from that of the last ref with more (zigzag).
type refs struct {
	row, at uint64
}

func (l *refs) last(r Ref) *uint64 {
	if r.Rows == 1 {
		return &l.row
	}
	return &l.at
}

func (l *refs) append(dst []byte, r Ref) []byte {
	dst = binary.AppendUvarint(dst, uint64(r.Rows))
	if r.Rows > 0 {
		last := l.last(r)
		dst = binary.AppendVarint(dst, int64(r.at-*last))
		*last = r.at
	}
	return dst
}

func (l *refs) take(w *reader) Ref {
	n := w.Uvarint()
	if n > maxRows {
		w.Bad = true
		return Ref{}
	}
	r := Ref{Rows: int(n)}
	if r.Rows > 0 {
		last := l.last(r)
		*last += uint64(w.Varint())
		r.at = *last
	}
	return r
}

// append writes a ref that stands alone.
func (r Ref) append(dst []byte) []byte { return new(refs).append(dst, r) }

func (w *reader) ref() Ref { return new(refs).take(w) }

// Rows appends the rows of a ref, ascending, to dst.
func (x *Index) Rows(dst []uint32, r Ref) ([]uint32, error) {
	if r.Rows == 0 {
		return dst, nil
	}
	if r.Rows == 1 {
		if r.at >= uint64(x.rows) {
			return dst, x.corrupt(secPostings, errContent)
		}
		return append(dst, uint32(r.at)), nil
	}
	b, err := x.section(secPostings)
	if err != nil {
		return dst, err
	}
	at := r.at >> 1
	if at > uint64(len(b)) || uint64(len(b))-at < packPad || r.Rows > x.rows {
		return dst, x.corrupt(secPostings, errContent)
	}
	b = b[at:]
	dst = slices.Grow(dst, r.Rows)
	if r.at&1 != 0 {
		size := (x.rows + 7) / 8
		if len(b) < size {
			return dst, x.corrupt(secPostings, errContent)
		}
		return x.bitmapRows(dst, b[:size], r.Rows)
	}
	return x.riceRows(dst, b, r.Rows)
}

// riceRows appends n rows of a code.
func (x *Index) riceRows(dst []uint32, b []byte, n int) ([]uint32, error) {
	k := riceBits(x.rows, n)
	mask := uint64(1)<<k - 1
	bit, end := 0, 8*(len(b)-packPad)
	row, all := uint64(0), uint64(x.rows)
	for range n {
		word := uint64(0)
		high := uint64(0)
		for {
			if bit >= end {
				return dst, x.corrupt(secPostings, errContent)
			}
			word = binary.LittleEndian.Uint64(b[bit>>3:]) >> (bit & 7)
			if word != 0 {
				break
			}
			high += uint64(64 - bit&7)
			if bit += 64 - bit&7; high<<k >= all {
				return dst, x.corrupt(secPostings, errContent)
			}
		}
		zeros := bits.TrailingZeros64(word)
		high += uint64(zeros)
		bit += zeros + 1
		if bit > end || high > all {
			return dst, x.corrupt(secPostings, errContent)
		}
		low := binary.LittleEndian.Uint64(b[bit>>3:]) >> (bit & 7) & mask
		bit += k
		row += high<<k | low
		if row >= all {
			return dst, x.corrupt(secPostings, errContent)
		}
		dst = append(dst, uint32(row))
		row++
	}
	return dst, nil
}

func (x *Index) bitmapRows(dst []uint32, b []byte, want int) ([]uint32, error) {
	have := len(dst)
	for i := 0; i < len(b); i += 8 {
		var word uint64
		if i+8 <= len(b) {
			word = binary.LittleEndian.Uint64(b[i:])
		} else {
			for k, c := range b[i:] {
				word |= uint64(c) << (8 * k)
			}
		}
		for ; word != 0; word &= word - 1 {
			dst = append(dst, uint32(8*i+bits.TrailingZeros64(word)))
		}
	}
	if n := len(dst) - have; n != want || n > 0 && int(dst[len(dst)-1]) >= x.rows {
		return dst[:have], x.corrupt(secPostings, errContent)
	}
	return dst, nil
}

// hashBytes is a hash for tables inside one process and, in filters, part of
// the format: 8 bytes at a time, multiplied and folded.
func hashBytes(b []byte) uint64 {
	h := uint64(len(b)) * 0x9e3779b97f4a7c15
	for len(b) >= 8 {
		h = fold(h^binary.LittleEndian.Uint64(b), 0xa0761d6478bd642f)
		b = b[8:]
	}
	return fold(h^fewBytes(b), 0xe7037ed1a0b428db)
}

// fewBytes returns the number that less than 8 bytes are, the first in the lowest.
func fewBytes(b []byte) uint64 {
	switch n := len(b); {
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<(8*(n-4))
	case n > 0: // the first, one in the middle and the last
		return uint64(b[0]) | uint64(b[n/2])<<(8*(n/2)) | uint64(b[n-1])<<(8*(n-1))
	}
	return 0
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x8bb84b93962eacc9, b)
	return hi ^ lo
}
