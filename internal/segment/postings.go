package segment

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Postings are the rows that have something, ascending. In the section they
// are deltas as varints, the first from 0, or, where that would be longer, a
// bitmap of all rows. Equal ones are stored once: the words of one message
// template share theirs.

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
	known  map[uint64][]stored // by hash of the bytes
	buffer []byte
}

type stored struct {
	at, size int
	bitmap   bool
}

func newPostingWriter(rows int) *postingWriter {
	return &postingWriter{rows: rows, known: map[uint64][]stored{}}
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
	b := w.buffer[:0]
	last := uint32(0)
	bitmap := false
	for _, r := range rows {
		if len(b) >= limit {
			bitmap = true
			break
		}
		b = binary.AppendUvarint(b, uint64(r-last))
		last = r
	}
	if bitmap || len(b) > limit {
		bitmap = true
		b = slices.Grow(b[:0], limit)[:limit]
		clear(b)
		for _, r := range rows {
			b[r>>3] |= 1 << (r & 7)
		}
	}
	w.buffer = b
	h := hashBytes(b)
	for _, s := range w.known[h] {
		if s.bitmap == bitmap && s.size == len(b) && string(w.out[s.at:s.at+s.size]) == string(b) {
			return refOf(len(rows), s.at, bitmap)
		}
	}
	at := len(w.out)
	w.out = append(w.out, b...)
	w.known[h] = append(w.known[h], stored{at, len(b), bitmap})
	return refOf(len(rows), at, bitmap)
}

func refOf(rows, at int, bitmap bool) Ref {
	r := Ref{rows, uint64(at) << 1}
	if bitmap {
		r.at |= 1
	}
	return r
}

// append writes a ref as it stands in dictionaries.
func (r Ref) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(r.Rows))
	if r.Rows > 0 {
		dst = binary.AppendUvarint(dst, r.at)
	}
	return dst
}

func (w *wire) ref() Ref {
	r := Ref{Rows: int(w.uvarint())}
	if r.Rows > 0 {
		r.at = w.uvarint()
	}
	if r.Rows < 0 || r.Rows > maxRows {
		w.bad = true
		return Ref{}
	}
	return r
}

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
	if at > uint64(len(b)) || r.Rows > x.rows {
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
	row := uint64(0)
	for i := range r.Rows {
		v, n := uint64(0), 0
		if len(b) > 0 && b[0] < 0x80 {
			v, n = uint64(b[0]), 1
		} else if v, n = binary.Uvarint(b); n <= 0 {
			return dst, x.corrupt(secPostings, errContent)
		}
		b = b[n:]
		row += v
		if row >= uint64(x.rows) || v == 0 && i > 0 {
			return dst, x.corrupt(secPostings, errContent)
		}
		dst = append(dst, uint32(row))
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
	var tail uint64
	for i, c := range b {
		tail |= uint64(c) << (8 * i)
	}
	return fold(h^tail, 0xe7037ed1a0b428db)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x8bb84b93962eacc9, b)
	return hi ^ lo
}
