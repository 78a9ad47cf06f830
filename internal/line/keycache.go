package line

import (
	"math"
	"math/bits"
	"strings"
	"sync/atomic"
)

const (
	keyBits    = 10
	keySlots   = 1 << keyBits // far more than the keys that a program's statements name
	maxCached  = 64           // bytes of a key that is kept
	keepMisses = 64           // how many other keys a slot turns away before it takes one
)

// keyCache remembers how keys are written: keys are few and come again with every
// record. Entries are immutable; which are kept is a matter of speed only.
type keyCache struct {
	slots  [keySlots]atomic.Pointer[keyEntry] // never nil
	misses atomic.Uint32
}

// keyEntry is one key. What most records read of it is one cache line.
type keyEntry struct {
	id    keyID
	plain uint64         // the size and the version that make it a plain key, or never
	words [keyWords]byte // the text of a plain key
	size  int            // of the text
	full  *fullKey
}

// fullKey is what of a key is needed when it is not plain.
type fullKey struct {
	version uint64 // of the secrets that were looked for in the key
	hidden  bool   // its value is secret
	key     string
	text    string // quoted, escaped, masked, and a colon
}

const (
	keyWords = 24 // bytes of the text of a plain key
	plainKey = 16 // bytes of a plain key, all of which are in its keyID
	never    = math.MaxUint64
	notNow   = 1 << 63
)

// noKey stands where there is no other.
var noKey = keyEntry{plain: never, full: &fullKey{version: never}}

func (c *keyCache) init() {
	for i := range c.slots {
		c.slots[i].Store(&noKey)
	}
}

func newKeyEntry(key, text string, version uint64, hidden bool) *keyEntry {
	k := &keyEntry{id: idOf(key), plain: never, size: len(text), full: &fullKey{version, hidden, strings.Clone(key), text}}
	if len(key) <= plainKey && len(text) <= keyWords && !hidden {
		k.plain = plainCheck(&state{version: version}) + uint64(len(key))
		copy(k.words[:], text)
	}
	return k
}

// plainCheck is what the entry of a plain key must have, less the key's size.
func plainCheck(st *state) uint64 {
	if st.hide {
		return notNow // no key is plain where all values are hidden
	}
	return st.version << 32
}

// is reports whether k is the entry of a key.
func (k *keyEntry) is(key string, version uint64) bool {
	return k.full.version == version && k.full.key == key
}

// keyID is the bytes of a key of up to 16 bytes, in their order but for a few
// twice; of a longer one it is the first and the last eight.
type keyID struct{ x, y uint64 }

func idOf(key string) (id keyID) {
	switch n := len(key); {
	case n >= 8:
		id.x, id.y = load8(key, 0), load8(key, n-8)
	case n >= 4:
		id.x, id.y = uint64(load4(key, 0)), uint64(load4(key, n-4))
	case n > 0:
		id.x, id.y = uint64(key[0]), uint64(key[n/2])<<8|uint64(key[n-1])
	}
	return id
}

// hash returns a number of which the top bits tell ids apart.
func (id keyID) hash() uint64 { return (id.x ^ bits.RotateLeft64(id.y, 29)) * 0x9e3779b97f4a7c15 }

// slot returns where a key would be kept.
func (c *keyCache) slot(id keyID) *atomic.Pointer[keyEntry] { return &c.slots[id.hash()>>(64-keyBits)] }

// put keeps an entry if its slot is free, or has turned away enough others.
func (c *keyCache) put(slot *atomic.Pointer[keyEntry], k *keyEntry) {
	if old := slot.Load(); old == &noKey || old.full.key == k.full.key || c.misses.Add(1)%keepMisses == 0 {
		slot.Store(k)
	}
}
