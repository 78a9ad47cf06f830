package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Survival says how much of what was not synced outlives a power cut.
type Survival uint8

const (
	// SurviveSome keeps a random part of it.
	SurviveSome Survival = iota
	// SurviveNone keeps nothing but what was synced.
	SurviveNone
	// SurviveAll keeps everything: the system had just written back.
	SurviveAll
)

// CrashOptions says how hard a power cut is; the zero value is the hardest.
type CrashOptions struct {
	// Unsynced is how much of the unsynced survives.
	Unsynced Survival
	// Ordered lets the operations on all folders survive in the order in which
	// they were made, as on ext4 and xfs, which write one log. Otherwise only
	// those on one folder keep their order, which is all that POSIX callers may
	// count on.
	Ordered bool
	// WholePages lets a page of 4096 bytes survive as a whole or not at all.
	// Otherwise it can be torn into sectors of 512.
	WholePages bool
}

// Crash returns the file system as it may look after a power cut at this
// moment. The same calls before it and the same rng give the same result; a nil
// rng means [SurviveNone] in the place of [SurviveSome]. m goes on as if nothing
// had happened: use [Mem.Halt] to stop what runs on it.
//
// What a cut does:
//
//   - Content. Every page of a file has what it had at the last Sync of the
//     file, or what it has now; a torn page has sectors of both. Pages changed
//     through a mapping are no different. What was never synced may read as NUL
//     bytes. States in between come from [Mem.WriteBack].
//   - Size. Changes of size survive up to a random one, appends up to a random
//     byte. If a cut (Truncate) is among them, the old content past it is gone;
//     if one is lost, what was written past it since is gone, as its blocks are
//     not the file's. Content and size are independent otherwise: a size may
//     survive whose content did not (NUL bytes), or the reverse.
//   - Entries. The operations on a folder since its last SyncDir survive up to a
//     random one, in order. Each is whole or not there: a rename within or
//     between folders never leaves both names or none, and survives only with
//     all operations before it in both folders. Syncing a file does not save its
//     entry, syncing an entry does not save the file's content, and a folder is
//     as lost as its own entry is.
//   - Nobody has more than some thousand unsynced operations or changes of size
//     pending: the oldest are made durable, as a system would have done.
//   - Space reserved by Allocate survives like content. Modes survive with their
//     files. Locks, open files and mappings do not.
//
// Pages may be copied while somebody writes to mapped memory; such a page is of
// several moments, as it may be on a disk.
func (m *Mem) Crash(rng *rand.Rand, o CrashOptions) *Mem {
	if rng == nil && o.Unsynced == SurviveSome {
		o.Unsynced = SurviveNone
	}
	c, nodes := m.copy()
	c.writeBack(rng, o, nodes)
	c.dropVolatile()
	return c
}

// Kill returns the file system as it is after the process was killed at this
// moment: everything written, through mappings too, is there, locks are free,
// and what was not synced is still not. m goes on as if nothing had happened.
func (m *Mem) Kill() *Mem {
	c, _ := m.copy()
	return c
}

// WriteBack makes a random part of what is not synced durable, as a system does
// at any time by itself. Called now and then it gives later crashes pages,
// sizes and entries of many moments.
func (m *Mem) WriteBack(rng *rand.Rand) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writeBack(rng, CrashOptions{WholePages: true}, m.nodes())
}

// nodes are all files and folders that can be reached now or after a crash, in
// an order that depends on names and operations only.
func (m *Mem) nodes() []*node {
	var all []*node
	seen := map[*node]bool{}
	var add func(n *node)
	add = func(n *node) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		all = append(all, n)
		for _, entries := range []map[string]*node{n.entries, n.durable} {
			for _, name := range slices.Sorted(maps.Keys(entries)) {
				add(entries[name])
			}
		}
	}
	add(m.root)
	for _, op := range m.ops {
		for _, c := range op {
			add(c.dir)
			add(c.to)
		}
	}
	return all
}

// copy returns a system of its own in the same state, with nothing open.
func (m *Mem) copy() (*Mem, []*node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.nodes()
	copies := make(map[*node]*node, len(old))
	nodes := make([]*node, len(old))
	c := &Mem{space: m.space}
	for i, n := range old {
		nodes[i] = n.copy()
		copies[n] = nodes[i]
		if n.links > 0 {
			c.used += nodes[i].blocks
		} else {
			nodes[i].blocks = 0
		}
	}
	for i, n := range old {
		for name, child := range n.entries {
			nodes[i].entries[name] = copies[child]
		}
		for name, child := range n.durable {
			nodes[i].durable[name] = copies[child]
		}
	}
	c.root = copies[m.root]
	for _, op := range m.ops {
		changes := make(entryOp, len(op))
		for i, e := range op {
			changes[i] = entryChange{copies[e.dir], e.name, copies[e.to]}
		}
		c.ops = append(c.ops, changes)
	}
	return c, nodes
}

// copy returns the node without its entries. Blocks that may change are copied,
// the others are shared for good.
func (n *node) copy() *node {
	if n.folder {
		c := newFolder(n.perm)
		c.modTime, c.links = n.modTime, n.links
		return c
	}
	c := &node{perm: n.perm, modTime: n.modTime, links: n.links,
		size: n.size, durableSize: n.durableSize, blocks: n.blocks,
		resizes: slices.Clone(n.resizes), pages: slices.Clone(n.pages)}
	for i := range c.pages {
		p := &c.pages[i]
		switch {
		case p.now == nil || p.now == p.durable || p.now == &zeroBlock:
		case p.durable != nil && sameShared(p.now, p.durable):
			p.now = p.durable
		default:
			p.now = loadShared(p.now)
		}
	}
	return c
}

// writeBack makes durable what o and rng say.
func (m *Mem) writeBack(rng *rand.Rand, o CrashOptions, nodes []*node) {
	m.commit(m.survivingOps(rng, o))
	for _, n := range nodes {
		if !n.folder {
			n.writeBack(rng, o)
		}
	}
}

// survivingOps marks operations such that each has with it all earlier ones of
// the folders it touches.
func (m *Mem) survivingOps(rng *rand.Rand, o CrashOptions) []bool {
	keep := make([]bool, len(m.ops))
	switch {
	case o.Unsynced == SurviveNone:
	case o.Unsynced == SurviveAll:
		for i := range keep {
			keep[i] = true
		}
	case o.Ordered:
		for i := range rng.IntN(len(keep) + 1) {
			keep[i] = true
		}
	default:
		m.cutFolders(rng, keep)
	}
	return keep
}

// cutFolders draws for each folder how many of its operations may survive. One
// that does not survive ends the line of each folder it touches.
func (m *Mem) cutFolders(rng *rand.Rand, keep []bool) {
	count := map[*node]int{}
	for _, op := range m.ops {
		for _, c := range op {
			count[c.dir]++
		}
	}
	left := map[*node]int{}
	for i, op := range m.ops {
		keep[i] = true
		for _, c := range op {
			if _, ok := left[c.dir]; !ok {
				left[c.dir] = rng.IntN(count[c.dir] + 1)
			}
			left[c.dir]--
			keep[i] = keep[i] && left[c.dir] >= 0
		}
		if !keep[i] {
			for _, c := range op {
				left[c.dir] = 0
			}
		}
	}
}

// writeBack makes part of a file's unsynced state durable.
func (n *node) writeBack(rng *rand.Rand, o CrashOptions) {
	var kept int
	var chance float64 // that a page survives
	switch o.Unsynced {
	case SurviveAll:
		kept, chance = len(n.resizes), 1
	case SurviveSome:
		kept = rng.IntN(len(n.resizes) + 1)
		chance = []float64{0, 0.1, 0.5, 0.9, 1}[rng.IntN(5)]
	}
	partial := int64(-1)
	if kept > 0 && o.Unsynced == SurviveSome {
		partial = n.resizes[kept-1].partial(rng)
	}
	n.commitResizes(kept, partial)
	limit := lowestCut(n.resizes) // pages past it now have other blocks
	for i := range n.pages {
		p := &n.pages[i]
		start := int64(i) * pageSize
		if p.believedClean() || start >= limit || o.Unsynced == SurviveNone || p.unchanged() {
			continue
		}
		if o.Unsynced == SurviveSome && rng.Float64() >= chance {
			continue
		}
		tear := o.Unsynced == SurviveSome && !o.WholePages && rng.IntN(4) == 0
		switch {
		case tear:
			p.durable = p.torn(rng)
		case i >= n.regionPages() || p.now == nil:
			p.durable = p.now
		default:
			p.durable = loadShared(p.now)
		}
	}
}

// torn is a block with some sectors of what the page has now and some of what is
// durable.
func (p *page) torn(rng *rand.Rand) *block {
	now, old := &zeroBlock, &zeroBlock
	if p.now != nil {
		now = loadShared(p.now)
	}
	if p.durable != nil {
		old = p.durable
	}
	b := *old
	for at := 0; at < pageSize; at += sectorSize {
		if rng.IntN(2) == 0 {
			copy(b[at:at+sectorSize], now[at:])
		}
	}
	return &b
}

// partial is a size on the way: ends of writes and of pages, mostly.
func (r resize) partial(rng *rand.Rand) int64 {
	if r.to <= r.from || rng.IntN(2) == 0 {
		return r.to
	}
	size := r.from + 1 + rng.Int64N(r.to-r.from)
	if page := size - size%pageSize; page > r.from && rng.IntN(2) == 0 {
		size = page
	}
	return size
}

// lowestCut is the smallest size that a change in s cut the file to.
func lowestCut(s []resize) int64 {
	lowest := int64(1) << 62
	for _, r := range s {
		if r.to < r.from {
			lowest = min(lowest, r.to)
		}
	}
	return lowest
}

// commitResizes makes the first kept changes of size durable, the last of them
// only up to the size partial if that is not negative.
func (n *node) commitResizes(kept int, partial int64) {
	if kept == 0 {
		return
	}
	n.clearDurable(lowestCut(n.resizes[:kept]))
	last := n.resizes[kept-1]
	rest := n.resizes[kept:]
	n.durableSize = last.to
	if partial >= 0 && partial < last.to {
		n.durableSize = partial
		rest = slices.Concat([]resize{{partial, last.to}}, rest)
	}
	n.resizes = slices.Clone(rest)
}

// clearDurable makes everything from a cut on NUL bytes.
func (n *node) clearDurable(cut int64) {
	for i := range n.pages {
		p := &n.pages[i]
		start := int64(i) * pageSize
		if p.durable == nil || start+pageSize <= cut {
			continue
		}
		shared := p.now == p.durable
		if start >= cut {
			p.durable = nil
		} else {
			b := *p.durable
			clear(b[cut-start:])
			p.durable = &b
		}
		if shared && p.now != &zeroBlock {
			own := *p.now
			p.now = &own
		}
	}
}

// dropVolatile leaves what is durable, and nothing else.
func (m *Mem) dropVolatile() {
	m.ops, m.used = nil, 0
	m.root.entries = nil
	m.dropEntries(m.root)
}

func (m *Mem) dropEntries(dir *node) {
	dir.entries = maps.Clone(dir.durable)
	for _, n := range dir.entries {
		if n.folder {
			n.links = 1
			m.dropEntries(n)
			continue
		}
		n.links = 1
		n.dropContent()
		m.used += n.blocks
	}
}

func (n *node) dropContent() {
	n.size, n.resizes, n.blocks = n.durableSize, nil, 0
	for i := range n.pages {
		p := &n.pages[i]
		p.lost, p.barred = nil, false
		start := int64(i) * pageSize
		switch {
		case p.durable == nil:
		case start >= n.size:
			p.durable = &zeroBlock
		case start+pageSize > n.size:
			b := *p.durable
			clear(b[n.size-start:])
			p.durable = &b
		}
		if p.now = p.durable; p.now != nil {
			n.blocks++
		}
	}
}
