// Package wire takes numbers and texts out of bytes that may be anything: what a
// file of the library's own holds, before anybody believes it.
package wire

import "encoding/binary"

// Reader reads from the front of B. After the first thing that is not there, B is
// empty, every other is zero, and Bad is set. The zero value has nothing to read.
type Reader struct {
	B   []byte
	Bad bool
}

// fail has everything that follows be missing.
func (r *Reader) fail() { r.Bad, r.B = true, nil }

// Uvarint takes a number as encoding/binary writes it.
func (r *Reader) Uvarint() uint64 {
	if len(r.B) > 0 && r.B[0] < 0x80 {
		v := r.B[0]
		r.B = r.B[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.B)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.B = r.B[n:]
	return v
}

// Varint takes a signed number as encoding/binary writes it.
func (r *Reader) Varint() int64 {
	v := r.Uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// Count is Uvarint for a number of things that each take at least one byte of
// what follows: no more can be there.
func (r *Reader) Count() int {
	v := r.Uvarint()
	if v > uint64(len(r.B)) {
		r.fail()
		return 0
	}
	return int(v)
}

// Bytes takes n bytes, a part of B.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > len(r.B) {
		r.fail()
		return nil
	}
	v := r.B[:n:n]
	r.B = r.B[n:]
	return v
}
