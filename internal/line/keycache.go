package line

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"sync/atomic"
)

const (
	keySlots   = 1024 // far more than the keys that a program's statements name
	maxCached  = 64   // bytes of a key that is kept
	keepMisses = 64   // how many other keys a slot turns away before it takes one
)

// keyCache remembers how keys are written: keys are few and come again with every
// record. Entries are immutable; which are kept is a matter of speed only.
type keyCache struct {
	slots  [keySlots]atomic.Pointer[keyEntry]
	misses atomic.Uint32
}

type keyEntry struct {
	id      keyID
	version uint64    // of the secrets that were looked for in it
	words   [3]uint64 // the text, if it has at most 24 bytes
	size    uint32    // of the text
	hidden  bool      // its value is secret
	text    string    // quoted, escaped, masked, and a colon
	key     string
}

func newKeyEntry(key, text string, version uint64, hidden bool) *keyEntry {
	k := &keyEntry{id: idOf(key), version: version, size: uint32(len(text)), hidden: hidden, text: text, key: strings.Clone(key)}
	var short [24]byte
	copy(short[:], text)
	for i := range k.words {
		k.words[i] = binary.LittleEndian.Uint64(short[i*8:])
	}
	return k
}

// append appends the text.
func (k *keyEntry) append(b []byte) []byte {
	n := len(b)
	if k.size > 24 || cap(b)-n < 24 {
		return append(b, k.text...)
	}
	p := b[n : n+24]
	binary.LittleEndian.PutUint64(p, k.words[0])
	binary.LittleEndian.PutUint64(p[8:], k.words[1])
	binary.LittleEndian.PutUint64(p[16:], k.words[2])
	return b[:n+int(k.size)]
}

// keyID says what a key of up to 16 bytes is: its length, its first and its last
// eight bytes.
type keyID struct {
	size int
	x, y uint64
}

func idOf(key string) (id keyID) {
	id.size = len(key)
	switch n := len(key); {
	case n >= 8:
		id.x, id.y = load8(key, 0), load8(key, n-8)
	case n >= 4:
		id.x = uint64(load4(key, 0))
		id.y = uint64(load4(key, n-4))
	case n > 0:
		id.x, id.y = uint64(key[0]), uint64(key[n/2])<<8|uint64(key[n-1])
	}
	return id
}

// slot returns where a key would be kept.
func (c *keyCache) slot(id keyID) *atomic.Pointer[keyEntry] {
	h, l := bits.Mul64(id.x^0x9e3779b97f4a7c15, id.y^uint64(id.size)^0xd6e8feb86659fd93)
	return &c.slots[(h^l)%keySlots]
}

// is reports whether k is the entry of a key.
func (k *keyEntry) is(id keyID, key string) bool {
	return k.id == id && (id.size <= 16 || k.key == key)
}

// put keeps an entry if its slot is free, or has turned away enough others.
func (c *keyCache) put(slot *atomic.Pointer[keyEntry], k *keyEntry) {
	if old := slot.Load(); old == nil || old.key == k.key || c.misses.Add(1)%keepMisses == 0 {
		slot.Store(k)
	}
}
