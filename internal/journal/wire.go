package journal

import "encoding/binary"

// wire takes numbers and texts out of bytes that may be anything. After the
// first that is not there every other is zero, and bad is set.
type wire struct {
	b   []byte
	bad bool
}

func (w *wire) uvarint() uint64 {
	if len(w.b) > 0 && w.b[0] < 0x80 {
		v := w.b[0]
		w.b = w.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(w.b)
	if n <= 0 {
		w.bad, w.b = true, nil
		return 0
	}
	w.b = w.b[n:]
	return v
}

func (w *wire) varint() int64 {
	v := w.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// count is uvarint for a number of things that each take at least one byte of
// what follows: no more can be there.
func (w *wire) count() int {
	v := w.uvarint()
	if v > uint64(len(w.b)) {
		w.bad, w.b = true, nil
		return 0
	}
	return int(v)
}

func (w *wire) bytes(n int) []byte {
	if n < 0 || n > len(w.b) {
		w.bad, w.b = true, nil
		return nil
	}
	v := w.b[:n:n]
	w.b = w.b[n:]
	return v
}
