package segment

import (
	"encoding/binary"
	"math/bits"
)

// Values of one width, packed without gaps, lowest bit first. Behind the last
// one lie at least [packPad] bytes, so that one load of 64 bits reads any of
// them. Widths over 56 are rounded up to 64, whose values are aligned.

// packPad is how many bytes of any content follow packed values.
const packPad = 8

// widthOf returns how many bits hold values up to limit.
func widthOf(limit uint64) int {
	if w := bits.Len64(limit); w <= 56 {
		return w
	}
	return 64
}

// packedSize returns how many bytes n values take, without the padding.
func packedSize(n, width int) int { return (n*width + 7) / 8 }

// packer appends values of one width.
type packer struct {
	dst   []byte
	width int
	acc   uint64
	have  int // bits of acc, fewer than 8 between two values
}

func (p *packer) put(v uint64) {
	if p.width == 64 {
		p.dst = binary.LittleEndian.AppendUint64(p.dst, v)
		return
	}
	p.acc |= v << p.have
	p.have += p.width
	p.dst = binary.LittleEndian.AppendUint64(p.dst, p.acc)[:len(p.dst)+p.have>>3]
	p.acc >>= p.have &^ 7
	p.have &= 7
}

// finish returns everything packed, up to a whole byte.
func (p *packer) finish() []byte {
	if p.have > 0 {
		p.dst = append(p.dst, byte(p.acc))
		p.acc, p.have = 0, 0
	}
	return p.dst
}

// unpack returns value i. b begins with the values and has its padding.
func unpack(b []byte, i, width int) uint64 {
	if width == 64 {
		return binary.LittleEndian.Uint64(b[8*i:])
	}
	at := i * width
	return binary.LittleEndian.Uint64(b[at>>3:]) >> (at & 7) & (1<<width - 1)
}
