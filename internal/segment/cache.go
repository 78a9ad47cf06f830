package segment

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"github.com/steplog/steplog/internal/block"
)

// DefaultCacheBytes is the budget of a [Cache] that is made with 0: 64 MiB.
const DefaultCacheBytes = 64 << 20

// Cache keeps what was decoded last, of any number of files, within a budget of
// bytes. It is safe for concurrent use. What it gives out must not be changed,
// and stays valid when the cache has given it up.
type Cache struct {
	budget int64

	mu    sync.Mutex // guards what follows
	used  int64
	byKey map[cacheKey]*list.Element
	order list.List // most recently used first, about
	moves uint64    // how often one was put in front

	decoders sync.Pool
}

// decoder returns a decoder, to be put back.
func (c *Cache) decoder() (*zstd.Decoder, error) {
	if z, ok := c.decoders.Get().(*zstd.Decoder); ok {
		return z, nil
	}
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(16<<20))
}

// cacheKey names a part of a file: 0 for its text, or a section, and the number
// of a block.
type cacheKey struct {
	of   *Holder
	kind sectionID
	part int
}

type cached struct {
	key   cacheKey
	value any
	size  int64
	move  uint64 // when it was put in front
}

// NewCache returns an empty Cache with a budget in bytes, 0 for
// [DefaultCacheBytes].
func NewCache(budget int64) *Cache {
	if budget <= 0 {
		budget = DefaultCacheBytes
	}
	return &Cache{budget: budget, byKey: map[cacheKey]*list.Element{}}
}

func (c *Cache) get(key cacheKey) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil, false
	}
	// What is near the front stays where it is: its neighbours need not be touched.
	of := e.Value.(*cached)
	if c.moves-of.move > uint64(len(c.byKey)/8) {
		c.moves++
		of.move = c.moves
		c.order.MoveToFront(e)
	}
	return of.value, true
}

func (c *Cache) put(key cacheKey, value any, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[key] != nil || size > c.budget || key.of.released.Load() {
		return // another goroutine was faster, it would push out all else, or nobody asks again
	}
	c.moves++
	c.byKey[key] = c.order.PushFront(&cached{key, value, size, c.moves})
	c.used += size
	for c.used > c.budget {
		last := c.order.Back()
		old := last.Value.(*cached)
		c.order.Remove(last)
		delete(c.byKey, old.key)
		c.used -= old.size
	}
}

// Holder stands for a file of which parts are in a [Cache].
type Holder struct {
	cache    *Cache
	released atomic.Bool
	spans    atomic.Pointer[block.Spans]
}

// Spans returns where the blocks of the file's text lie, as [Holder.SetSpans] was
// told; nil before.
func (h *Holder) Spans() *block.Spans { return h.spans.Load() }

// SetSpans tells where the blocks of the file's text lie.
func (h *Holder) SetSpans(s *block.Spans) { h.spans.Store(s) }

// Hold returns a Holder for the parts of one more file.
func (c *Cache) Hold() *Holder { return &Holder{cache: c} }

// Block returns block n of the file's text, making it with decode when it is not in
// the cache. It must not be changed.
func (h *Holder) Block(n int, decode func() ([]byte, error)) ([]byte, error) {
	key := cacheKey{h, 0, n}
	if v, ok := h.cache.get(key); ok {
		return v.([]byte), nil
	}
	b, err := decode()
	if err == nil {
		h.cache.put(key, b, int64(cap(b)))
	}
	return b, err
}

// Kept returns block n of the file's text if it is in the cache.
func (h *Holder) Kept(n int) (block []byte, ok bool) {
	v, ok := h.cache.get(cacheKey{h, 0, n})
	if ok {
		block = v.([]byte)
	}
	return block, ok
}

// Release takes what is of the file out of the cache: it has another form now, or was
// deleted. Whoever still has h may go on using it, and decodes anew each time.
func (h *Holder) Release() {
	h.released.Store(true)
	c := h.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.byKey {
		if key.of == h {
			c.order.Remove(e)
			delete(c.byKey, key)
			c.used -= e.Value.(*cached).size
		}
	}
}

// Used returns how many bytes the cache holds.
func (c *Cache) Used() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}
