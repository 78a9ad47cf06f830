package segment

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"github.com/steplog/steplog/internal/block"
)

// defaultCacheBytes is the budget of a [Cache] that is made with 0: 64 MiB.
const defaultCacheBytes = 64 << 20

// Cache keeps what was decoded last, of any number of files, within a budget of
// bytes. It is safe for concurrent use. What it gives out must not be changed,
// and stays valid when the cache has given it up.
type Cache struct {
	budget int64

	mu    sync.Mutex // guards what follows
	used  int64
	byKey map[cacheKey]*list.Element // of *cached
	order list.List                  // what was put in or passed over last first; what was asked for since then is passed over

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

// cached is what is kept: a block of text, or terms.
type cached struct {
	key   cacheKey
	text  []byte
	terms *termList
	size  int64
	slot  *slot       // that holds it, nil for none; guarded by Cache.mu
	asked atomic.Bool // since it was passed over
}

// slot is where a part is found without the mutex, as long as it is kept.
type slot struct{ atomic.Pointer[cached] }

// ask notes that it was asked for.
func (of *cached) ask() {
	if !of.asked.Load() {
		of.asked.Store(true)
	}
}

// NewCache returns an empty Cache with a budget in bytes, 0 for 64 MiB.
func NewCache(budget int64) *Cache {
	if budget <= 0 {
		budget = defaultCacheBytes
	}
	return &Cache{budget: budget, byKey: map[cacheKey]*list.Element{}}
}

// get returns a part, nil where it is not kept. It is found in its slot from then on,
// if it has one.
func (c *Cache) get(key cacheKey, in *slot) *cached {
	if in != nil {
		if of := in.Load(); of != nil {
			of.ask()
			return of
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	of := e.Value.(*cached)
	of.ask()
	of.fill(in)
	return of
}

// fill puts it in a slot. The caller holds Cache.mu.
func (of *cached) fill(in *slot) {
	if in != nil && of.slot == nil {
		of.slot = in
		in.Store(of)
	}
}

// put keeps a part.
func (c *Cache) put(of *cached, in *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[of.key] != nil || of.size > c.budget || of.key.of.released.Load() {
		return // another goroutine was faster, it would push out all else, or nobody asks again
	}
	of.ask() // else it would be the first to go where all others were asked for
	c.byKey[of.key] = c.order.PushFront(of)
	of.fill(in)
	c.used += of.size
	for c.used > c.budget {
		last := c.order.Back()
		if last.Value.(*cached).asked.Swap(false) {
			c.order.MoveToFront(last)
		} else {
			c.drop(last)
		}
	}
}

// drop gives up a part. The caller holds mu.
func (c *Cache) drop(e *list.Element) {
	of := e.Value.(*cached)
	c.order.Remove(e)
	delete(c.byKey, of.key)
	if of.slot != nil {
		of.slot.Store(nil)
		of.slot = nil
	}
	c.used -= of.size
}

// Holder stands for a file of which parts are in a [Cache].
type Holder struct {
	cache    *Cache
	released atomic.Bool
	spans    atomic.Pointer[spanned]
}

// spanned is where the blocks of a text lie, and where those that are kept are found.
type spanned struct {
	spans *block.Spans
	slots []slot
}

// Spans returns where the blocks of the file's text lie, as [Holder.SetSpans] was
// told; nil before.
func (h *Holder) Spans() *block.Spans {
	if s := h.spans.Load(); s != nil {
		return s.spans
	}
	return nil
}

// SetSpans tells where the blocks of the file's text lie. Only the first time counts.
func (h *Holder) SetSpans(s *block.Spans) {
	if h.spans.Load() == nil {
		h.spans.CompareAndSwap(nil, &spanned{s, make([]slot, s.Blocks())})
	}
}

// slot returns where block n of the text is found, nil while that is not known.
func (h *Holder) slot(n int) *slot {
	if s := h.spans.Load(); s != nil && n < len(s.slots) {
		return &s.slots[n]
	}
	return nil
}

// Hold returns a Holder for the parts of one more file.
func (c *Cache) Hold() *Holder { return &Holder{cache: c} }

// Block returns block n of the file's text, making it with decode when it is not in
// the cache. It must not be changed.
func (h *Holder) Block(n int, decode func() ([]byte, error)) ([]byte, error) {
	if b, ok := h.Kept(n); ok {
		return b, nil
	}
	b, err := decode()
	if err == nil {
		h.cache.put(&cached{key: cacheKey{h, 0, n}, text: b, size: int64(cap(b))}, h.slot(n))
	}
	return b, err
}

// Kept returns block n of the file's text if it is in the cache.
func (h *Holder) Kept(n int) (block []byte, ok bool) {
	if of := h.cache.get(cacheKey{h, 0, n}, h.slot(n)); of != nil {
		return of.text, true
	}
	return nil, false
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
			c.drop(e)
		}
	}
}
