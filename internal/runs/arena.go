package runs

import (
	"encoding/binary"
	"math"
)

// arenaChunk is how many bytes of an arena are allocated at a time. What is
// larger gets a chunk of its own.
const arenaChunk = 64 << 10

// arenaHead is what stands before the bytes of a slot: its number and how many
// bytes there are, 4 bytes each.
const arenaHead = 8

// noSlot marks bytes that were dropped.
const noSlot = math.MaxUint32

// place is where the bytes of a slot lie in an arena; the zero place is none.
type place struct{ chunk, at uint32 }

// arena holds some bytes for each of many slots, without an object for each. It
// gives memory back: a chunk of which little is left is moved together with
// others.
type arena struct {
	chunks []*chunkOfArena // the first is none
	free   []uint32        // numbers of chunks that are none
	fill   uint32          // the chunk that is being filled, 0 for none
	moved  func(slot uint32, to place)
}

type chunkOfArena struct {
	b    []byte
	live int // bytes that were not dropped
}

func newArena(moved func(slot uint32, to place)) *arena {
	return &arena{chunks: []*chunkOfArena{nil}, moved: moved}
}

// put copies the bytes of a slot.
func (a *arena) put(slot uint32, b []byte) place {
	size := arenaHead + len(b)
	number, full := a.fill, uint32(0)
	if number == 0 || size > cap(a.chunks[number].b)-len(a.chunks[number].b) {
		number = a.add(&chunkOfArena{b: make([]byte, 0, max(size, arenaChunk))})
		if size <= arenaChunk/2 {
			full, a.fill = a.fill, number
		}
	}
	c := a.chunks[number]
	p := place{number, uint32(len(c.b))}
	c.b = binary.LittleEndian.AppendUint32(c.b, slot)
	c.b = binary.LittleEndian.AppendUint32(c.b, uint32(len(b)))
	c.b = append(c.b, b...)
	c.live += size
	if full != 0 {
		a.thin(full)
	}
	return p
}

func (a *arena) add(c *chunkOfArena) uint32 {
	if n := len(a.free); n > 0 {
		number := a.free[n-1]
		a.free = a.free[:n-1]
		a.chunks[number] = c
		return number
	}
	a.chunks = append(a.chunks, c)
	return uint32(len(a.chunks) - 1)
}

// get returns the bytes at a place. They must not be changed, and never do: what is
// dropped or moved stays as it was for who has it.
func (a *arena) get(p place) []byte {
	b := a.chunks[p.chunk].b[p.at:]
	size := binary.LittleEndian.Uint32(b[4:])
	return b[arenaHead : arenaHead+size : arenaHead+size]
}

// drop gives up the bytes at a place.
func (a *arena) drop(p place) {
	c := a.chunks[p.chunk]
	binary.LittleEndian.PutUint32(c.b[p.at:], noSlot)
	c.live -= arenaHead + len(a.get(p))
	if p.chunk != a.fill {
		a.thin(p.chunk)
	}
}

// thin gives up a chunk of which little is left.
func (a *arena) thin(number uint32) {
	switch c := a.chunks[number]; {
	case c.live == 0:
		a.release(number)
	case c.live < cap(c.b)/4:
		a.empty(number)
	}
}

// empty moves what is left in a chunk to another one.
func (a *arena) empty(number uint32) {
	b := a.chunks[number].b
	for at := 0; at < len(b); {
		slot, size := binary.LittleEndian.Uint32(b[at:]), int(binary.LittleEndian.Uint32(b[at+4:]))
		at += arenaHead
		if slot != noSlot {
			a.moved(slot, a.put(slot, b[at:at+size]))
		}
		at += size
	}
	a.release(number)
}

func (a *arena) release(number uint32) {
	a.chunks[number] = nil
	a.free = append(a.free, number)
}
