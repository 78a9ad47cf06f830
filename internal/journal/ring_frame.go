package journal

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// Frames begin at multiples of frameAlign, so that a header never wraps.
const (
	frameHeader = 32
	frameAlign  = 32
)

// frame is the header of one record in the ring. Encode and decode stand below.
//
//	0        4      6      8          16         24        32
//	┌────────┬──────┬──────┬──────────┬──────────┬─────────┬─────────┐
//	│ length │ file │begun │   seq    │   sum    │  check  │ body... │
//	└────────┴──────┴──────┴──────────┴──────────┴─────────┴─────────┘
//
// Numbers are little endian. length counts the body, file is the log's code in
// .journal/files.json, begun the low bits of how many segments the log had begun in
// this process. sum is that of the body, check covers the three words
// before it. The body is the line after its seq, without a newline, padded to a
// multiple of 32.
type frame struct {
	length uint32
	file   uint16
	begun  uint16
	seq    uint64
	sum    uint64
}

func (f *frame) put(b []byte) {
	p := (*[frameHeader]byte)(b)
	first := uint64(f.length) | uint64(f.file)<<32 | uint64(f.begun)<<48
	binary.LittleEndian.PutUint64(p[0:], first)
	binary.LittleEndian.PutUint64(p[8:], f.seq)
	binary.LittleEndian.PutUint64(p[16:], f.sum)
	binary.LittleEndian.PutUint64(p[24:], headerCheck(first, f.seq, f.sum))
}

// parse reads a header; false when its check is wrong. It fills f in place: a copy
// of what was written in smaller parts has the processor wait until they are in the
// cache, behind all that was written before.
func (f *frame) parse(b []byte) bool {
	p := (*[frameHeader]byte)(b)
	first, seq, sum := binary.LittleEndian.Uint64(p[0:]), binary.LittleEndian.Uint64(p[8:]), binary.LittleEndian.Uint64(p[16:])
	f.length, f.file, f.begun = uint32(first), uint16(first>>32), uint16(first>>48)
	f.seq, f.sum = seq, sum
	return binary.LittleEndian.Uint64(p[24:]) == headerCheck(first, seq, sum)
}

// parseCRC is parse for rings of version 1: 16 is 0 there, 24 the CRC of the body, 4
// bytes, and 28 that of bytes 0 to 27.
func (f *frame) parseCRC(b []byte) bool {
	f.parse(b)
	f.sum = uint64(binary.LittleEndian.Uint32(b[24:]))
	return binary.LittleEndian.Uint32(b[28:]) == crc32.Checksum(b[:28], castagnoli)
}

// In rings of version 1 a body of padFrom bytes or more, but fewer than laneBytes,
// has the CRC that it would have with zeros behind it.
const (
	laneBytes = 504
	padFrom   = 336
)

// wholeCRC reports whether a body is the one that a frame of a ring of version 1
// was made with.
func wholeCRC(f *frame, body []byte) bool {
	crc := crc32.Checksum(body, castagnoli)
	if n := len(body); n >= padFrom && n < laneBytes {
		crc = crc32.Update(crc, castagnoli, make([]byte, laneBytes-n))
	}
	return uint64(crc) == f.sum
}

// frameSize is the space that a record takes.
func frameSize(body int) uint64 {
	return (frameHeader + uint64(body) + frameAlign - 1) &^ (frameAlign - 1)
}

// What the sums of frames are mixed with: the fractions of the square roots of 2, 3,
// 5 and 7, made odd. They are part of the format.
const (
	sum2 = 0x6a09e667f3bcc909
	sum3 = 0xbb67ae8584caa73b
	sum5 = 0x3c6ef372fe94f82b
	sum7 = 0xa54ff53a5f1d36f1
)

const sumBlock = 64

// fold multiplies two words and adds, without carries, the halves of the product.
func fold(x, y uint64) uint64 {
	high, low := bits.Mul64(x, y)
	return high ^ low
}

func headerCheck(first, seq, sum uint64) uint64 {
	return fold(fold(first^sum2, seq^sum3)^sum, sum5)
}

// bodySum is the sum of a body. It tells damage, not forgery, and takes a third of
// the time of a CRC, which the processor computes eight bytes at a time, one after
// the other: here four chains of multiplications go side by side. It is that of
// wyhash in all but the order of the bytes: each block of 64 is taken in, the last
// one being the last 64 bytes, whatever part of them is known already, and a body
// below 64 bytes one with zeros behind it.
func bodySum(body []byte) uint64 {
	n := len(body)
	a, b, c, d := sum2^uint64(n), uint64(sum3), uint64(sum5), uint64(sum7)
	var short [sumBlock]byte
	last := &short
	if n < sumBlock {
		copy(short[:], body)
	} else {
		last = (*[sumBlock]byte)(body[n-sumBlock:])
		for len(body) > sumBlock {
			p := (*[sumBlock]byte)(body)
			a = fold(a^binary.LittleEndian.Uint64(p[0:]), sum7^binary.LittleEndian.Uint64(p[8:]))
			b = fold(b^binary.LittleEndian.Uint64(p[16:]), sum5^binary.LittleEndian.Uint64(p[24:]))
			c = fold(c^binary.LittleEndian.Uint64(p[32:]), sum3^binary.LittleEndian.Uint64(p[40:]))
			d = fold(d^binary.LittleEndian.Uint64(p[48:]), sum2^binary.LittleEndian.Uint64(p[56:]))
			body = body[sumBlock:]
		}
	}
	a = fold(a^binary.LittleEndian.Uint64(last[0:]), sum7^binary.LittleEndian.Uint64(last[8:]))
	b = fold(b^binary.LittleEndian.Uint64(last[16:]), sum5^binary.LittleEndian.Uint64(last[24:]))
	c = fold(c^binary.LittleEndian.Uint64(last[32:]), sum3^binary.LittleEndian.Uint64(last[40:]))
	d = fold(d^binary.LittleEndian.Uint64(last[48:]), sum2^binary.LittleEndian.Uint64(last[56:]))
	return fold(fold(a^sum3, b^sum5)^c, d^sum7)
}
