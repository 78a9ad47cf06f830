package vfs

import (
	"io/fs"
	"syscall"
	"time"
)

// pageSize is what a system writes back at once, and sectorSize what a disk
// writes whole or not at all.
const (
	pageSize   = 4096
	sectorSize = 512
)

type block [pageSize]byte

// zeroBlock is the content of blocks that are allocated and not written. It is
// never written to.
var zeroBlock block

// node is a file or a folder. The Mem's mu guards its fields; the bytes of
// region are guarded by whoever mapped them.
type node struct {
	folder  bool
	perm    fs.FileMode
	modTime time.Time
	links   int // entries that name it now
	refs    int // open files, locks and mappings
	locked  bool

	// A folder: what is there now, and what surely stays after a power cut.
	entries map[string]*node
	durable map[string]*node

	// A file.
	pages       []page
	size        int64
	durableSize int64
	resizes     []resize // changes of size not yet durable, oldest first
	blocks      int64    // pages that hold a block
	region      []byte   // memory of the first pages once mapped, whole pages
	maps        int      // mappings of region
}

// page is one page of a file. A nil block is a hole.
//
// Blocks that durable points at never change: a page whose two blocks are one
// gets a copy before it is written to. A page within the region always has its
// own, which may change at any time.
type page struct {
	now, durable *block
	// lost is the content with which a failed sync marked the page clean: the
	// next sync passes it by although it never came to the disk.
	lost *block
	// barred is a page whose first sync failed: it never comes to the disk.
	barred bool
}

// believedClean reports whether a sync has nothing to do for the page, rightly
// or not.
func (p *page) believedClean() bool {
	return p.now == p.durable || p.barred || p.lost != nil && p.now != nil && sameShared(p.now, p.lost)
}

// unchanged reports whether the page has what is durable of it, in another
// place: most pages of a mapped file do.
func (p *page) unchanged() bool {
	return p.now != nil && p.durable != nil && sameShared(p.now, p.durable)
}

// resize is one change of size: appends in a row are one from a size to a
// larger one; anything else cuts.
type resize struct{ from, to int64 }

func newFile(perm fs.FileMode) *node {
	return &node{perm: perm.Perm(), modTime: time.Now()}
}

func newFolder(perm fs.FileMode) *node {
	return &node{folder: true, perm: perm.Perm(), modTime: time.Now(),
		entries: map[string]*node{}, durable: map[string]*node{}}
}

// holds reports whether other is n or lies below it.
func (n *node) holds(other *node) bool {
	if n == other {
		return true
	}
	for _, child := range n.entries {
		if child.folder && child.holds(other) {
			return true
		}
	}
	return false
}

// regionPages is how many pages the region covers.
func (n *node) regionPages() int { return len(n.region) / pageSize }

// regionBlock is the memory of page i in the region.
func (n *node) regionBlock(i int) *block { return (*block)(n.region[i*pageSize:]) }

func pagesFor(size int64) int { return int((size + pageSize - 1) / pageSize) }

// claim gives page i a block, counted against the space.
func (m *Mem) claim(n *node, i int) error {
	if i < len(n.pages) && n.pages[i].now != nil {
		return nil
	}
	if m.space >= 0 && m.used >= m.space {
		return syscall.ENOSPC
	}
	for i >= len(n.pages) {
		n.pages = append(n.pages, page{})
	}
	m.used++
	n.blocks++
	p := &n.pages[i]
	if i < n.regionPages() {
		p.now = n.regionBlock(i) // all NUL bytes since it was freed
	} else {
		p.now = &zeroBlock
	}
	p.lost, p.barred = nil, false
	return nil
}

// reserve claims every page of the first size bytes, or none.
func (m *Mem) reserve(n *node, size int64) error {
	want := pagesFor(size)
	var missing int64
	for i := range want {
		if i >= len(n.pages) || n.pages[i].now == nil {
			missing++
		}
	}
	if m.space >= 0 && missing > 0 && m.used+missing > m.space {
		return syscall.ENOSPC
	}
	for i := range want {
		if err := m.claim(n, i); err != nil {
			return err
		}
	}
	return nil
}

// writeAt puts p at off and returns how much of it fit.
func (m *Mem) writeAt(n *node, p []byte, off int64) (int, error) {
	done := 0
	var err error
	for done < len(p) {
		i := int((off + int64(done)) / pageSize)
		if err = m.claim(n, i); err != nil {
			break
		}
		done += n.writePage(i, int((off+int64(done))%pageSize), p[done:])
	}
	if done > 0 {
		n.grow(off + int64(done))
		n.modTime = time.Now()
	}
	return done, err
}

// writePage writes what of p fits into page i from at on.
func (n *node) writePage(i, at int, p []byte) int {
	pg := &n.pages[i]
	pg.lost = nil
	if i < n.regionPages() {
		return storeShared(pg.now, at, p)
	}
	if pg.now == pg.durable || pg.now == &zeroBlock {
		own := *pg.now
		pg.now = &own
	}
	return copy(pg.now[at:], p)
}

// readAt fills p from off on, holes as NUL bytes, up to the size.
func (n *node) readAt(p []byte, off int64) int {
	if off >= n.size {
		return 0
	}
	p = p[:min(int64(len(p)), n.size-off)]
	for done := 0; done < len(p); {
		i, at := int((off+int64(done))/pageSize), int((off+int64(done))%pageSize)
		src := &zeroBlock
		if i < len(n.pages) && n.pages[i].now != nil {
			src = n.pages[i].now
			if i < n.regionPages() {
				src = loadShared(src)
			}
		}
		done += copy(p[done:], src[at:])
	}
	return len(p)
}

// readDurable is readAt after a power cut.
func (n *node) readDurable(p []byte, off int64) int {
	if off >= n.durableSize {
		return 0
	}
	p = p[:min(int64(len(p)), n.durableSize-off)]
	for done := 0; done < len(p); {
		i, at := int((off+int64(done))/pageSize), int((off+int64(done))%pageSize)
		src := &zeroBlock
		if i < len(n.pages) && n.pages[i].durable != nil {
			src = n.pages[i].durable
		}
		done += copy(p[done:], src[at:])
	}
	return len(p)
}

// grow notes that the file now ends at size or later.
func (n *node) grow(size int64) {
	if size <= n.size {
		return
	}
	if last := len(n.resizes) - 1; last >= 0 && n.resizes[last].to > n.resizes[last].from {
		n.resizes[last].to = size
	} else {
		n.pend(resize{n.size, size})
	}
	n.size = size
}

// pend notes a change of size as not durable.
func (n *node) pend(r resize) {
	n.resizes = append(n.resizes, r)
	if len(n.resizes) >= maxPending {
		n.commitResizes(maxPending/2, -1)
	}
}

// resize sets the size as truncate does: blocks past it are freed, reserved
// ones too, and the rest of the last page becomes NUL bytes.
func (m *Mem) resize(n *node, size int64) {
	n.modTime = time.Now()
	for i := pagesFor(size); i < len(n.pages); i++ {
		p := &n.pages[i]
		if p.now == nil {
			continue
		}
		if i < n.regionPages() {
			storeShared(p.now, 0, zeroBlock[:])
		}
		p.now, p.lost, p.barred = nil, nil, false
		m.used--
		n.blocks--
	}
	if at := int(size % pageSize); at > 0 {
		if i := int(size / pageSize); i < len(n.pages) && n.pages[i].now != nil {
			n.writePage(i, at, zeroBlock[at:])
		}
	}
	switch {
	case size > n.size:
		n.grow(size)
	case size < n.size:
		n.pend(resize{n.size, size})
		n.size = size
	}
}

// mapRegion moves the first pages, which all have blocks, into one piece of
// memory. It reports false when a smaller piece is in use.
func (n *node) mapRegion(size int) bool {
	want := pagesFor(int64(size))
	if want <= n.regionPages() {
		return true
	}
	if n.maps > 0 {
		return false
	}
	region := make([]byte, want*pageSize)
	for i := range want {
		b := (*block)(region[i*pageSize:])
		*b = *n.pages[i].now
		n.pages[i].now = b
	}
	n.region = region
	return true
}

// sync makes the content and the size durable.
func (n *node) sync() {
	for i := range n.pages {
		p := &n.pages[i]
		switch {
		case p.believedClean():
			continue
		case p.now != nil && i < n.regionPages():
			if sameShared(p.now, &zeroBlock) {
				p.durable = &zeroBlock
			} else if now := loadShared(p.now); p.durable == nil || *now != *p.durable {
				p.durable = now
			}
		default:
			p.durable = p.now
		}
		p.lost = nil
	}
	// Pages past the end that a cut freed are durable holes now.
	n.durableSize = n.size
	n.resizes = nil
}

// syncLost is a sync that failed: the pages count as written and are not. The
// changes of size stay pending.
func (n *node) syncLost() {
	for i := range n.pages {
		if p := &n.pages[i]; p.now != nil && !p.believedClean() {
			p.lost = loadShared(p.now)
			p.barred = p.durable == nil || p.durable == &zeroBlock
		}
	}
}

// storeShared, sameShared and loadShared touch memory that its mapper may be
// using at this moment, as a kernel would. The race detector does not look, which
// it would if they were inlined.
//
//go:norace
//go:noinline
func storeShared(dst *block, at int, p []byte) int {
	p = p[:min(len(p), pageSize-at)]
	for i := range p {
		dst[at+i] = p[i]
	}
	return len(p)
}

// sameShared takes a copy first, as the detector looks at a comparison all the
// same. Only a may change meanwhile.
//
//go:norace
//go:noinline
func sameShared(a, b *block) bool {
	now := *a
	return now == *b
}

//go:norace
//go:noinline
func loadShared(src *block) *block {
	b := new(block)
	*b = *src
	return b
}
