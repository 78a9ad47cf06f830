package segment

import (
	"encoding/binary"
	"slices"
)

// A packed table is a list of things with the same fields, which are numbers,
// field by field:
//
//	number of things | per field: smallest (both uvarint), width (1) | values less the smallest
//
// The values of each field are packed from a whole byte on; 8 bytes follow.
type packedTable struct {
	n      int
	fields []packedField
}

type packedField struct {
	b     []byte
	base  uint64
	width int
}

// encodePacked packs n things; field returns the values of one of the fields, of
// all things.
func encodePacked(n, fields int, value func(thing, field int) uint64) []byte {
	out := binary.AppendUvarint(nil, uint64(n))
	values := make([][]uint64, fields)
	bases, widths := make([]uint64, fields), make([]int, fields)
	for f := range values {
		values[f] = make([]uint64, n)
		for i := range n {
			values[f][i] = value(i, f)
		}
		if n > 0 {
			bases[f] = slices.Min(values[f])
			widths[f] = widthOf(slices.Max(values[f]) - bases[f])
		}
		out = binary.AppendUvarint(out, bases[f])
		out = append(out, byte(widths[f]))
	}
	for f := range values {
		p := packer{dst: out, width: widths[f]}
		for _, v := range values[f] {
			p.put(v - bases[f])
		}
		out = p.finish()
	}
	return append(out, make([]byte, packPad)...)
}

// decodePacked reads a table of n things.
func decodePacked(b []byte, n, fields int) (t packedTable, ok bool) {
	w := read(b)
	if w.Uvarint() != uint64(n) || w.Bad {
		return t, false
	}
	t.n, t.fields = n, make([]packedField, fields)
	for f := range t.fields {
		t.fields[f].base = w.Uvarint()
		width := w.Bytes(1)
		if w.Bad || width[0] > 64 || width[0] > 56 && width[0] < 64 {
			return t, false
		}
		t.fields[f].width = int(width[0])
	}
	for f := range t.fields {
		size := packedSize(n, t.fields[f].width)
		if size+packPad > len(w.B) {
			return t, false
		}
		t.fields[f].b = w.B
		w.B = w.B[size:]
	}
	return t, len(w.B) == packPad
}

// at returns a field of a thing.
func (t *packedTable) at(thing, field int) uint64 {
	f := &t.fields[field]
	return f.base + unpack(f.b, thing, f.width)
}

// each calls yield with each thing of which a field has a value.
func (t *packedTable) each(field int, value uint64, yield func(thing int)) {
	f := &t.fields[field]
	value -= f.base
	if f.width == 64 {
		for i := range t.n {
			if unpack(f.b, i, f.width) == value {
				yield(i)
			}
		}
		return
	}
	if value >= 1<<f.width {
		return
	}
	if f.width == 0 {
		for i := range t.n {
			yield(i)
		}
		return
	}
	// A word has 57 bits behind the place where it is read from, and all values
	// that end in them.
	together := 57 / f.width
	mask := uint64(1)<<f.width - 1
	// Of the lowest bits of all places, taken from a word in which the value is 0, the
	// highest of some place stays only where one is.
	var lowest uint64
	for k := range together {
		lowest |= 1 << (k * f.width)
	}
	highest, all := lowest<<(f.width-1), lowest*value
	for i := 0; i < t.n; i += together {
		at := i * f.width
		word := binary.LittleEndian.Uint64(f.b[at>>3:]) >> (at & 7)
		if other := word ^ all; (other-lowest)&^other&highest == 0 {
			continue
		}
		for k := i; k < min(i+together, t.n); k++ {
			if word&mask == value {
				yield(k)
			}
			word >>= f.width
		}
	}
}

// below reports whether a field of all things is below a limit.
func (t *packedTable) below(field int, limit uint64) bool {
	for i := range t.n {
		if t.at(i, field) >= limit {
			return false
		}
	}
	return true
}
