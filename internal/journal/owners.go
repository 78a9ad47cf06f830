package journal

import (
	"hash/maphash"
	"slices"

	"github.com/steplog/steplog/internal/line"
)

// ownerPageSize is how many owners lie together: what is copied when one of them
// changes that a snapshot may be looking at.
const ownerPageSize = 256

// ownerTable gives owners their codes, and codes that no row has any more to
// other owners: each step has an owner, and would keep it for ever otherwise.
// tables.mu guards it.
type ownerTable struct {
	view  ownerView
	epoch uint64   // snapshots taken
	cut   uint64   // epoch of the list of pages, which is copied like a page
	free  []uint32 // codes
	byID  idIndex  // codes, by identity
	none  *Owner   // stands where a code is free
}

type ownerPage struct {
	epoch uint64 // in which it was made: a snapshot of a later one may see it
	list  [ownerPageSize]*Owner
}

// ownerView is what a snapshot sees; it never changes.
type ownerView struct {
	pages []*ownerPage
	n     int // codes that were ever given
}

func (v *ownerView) at(code uint32) *Owner {
	return v.pages[code/ownerPageSize].list[code%ownerPageSize]
}

func newOwnerTable() ownerTable {
	return ownerTable{byID: newIDIndex(), none: &Owner{}}
}

// find returns the owner of an identity, nil when there is none.
func (t *ownerTable) find(id *line.Identity) *Owner {
	code, ok := t.byID.findHash(t.hash(id), func(code uint32) bool { return t.view.at(code).identity == *id })
	if !ok {
		return nil
	}
	return t.view.at(code)
}

func (t *ownerTable) hash(id *line.Identity) uint64 { return maphash.Comparable(t.byID.seed, *id) }

// snapshot returns the owners as they are now.
func (t *ownerTable) snapshot() ownerView {
	t.epoch++
	return t.view
}

// put gives an owner a code that is free, or a new one.
func (t *ownerTable) put(o *Owner) {
	if n := len(t.free); n > 0 {
		o.code = t.free[n-1]
		t.free = t.free[:n-1]
		t.set(o.code, o)
		t.byID.addHash(t.hash(&o.identity), o.code)
		return
	}
	o.code = uint32(t.view.n)
	if t.view.n%ownerPageSize == 0 {
		t.view.pages = append(t.view.pages, &ownerPage{epoch: t.epoch})
	}
	// No snapshot looks beyond its own n.
	t.view.pages[o.code/ownerPageSize].list[o.code%ownerPageSize] = o
	t.view.n++
	t.byID.addHash(t.hash(&o.identity), o.code)
}

// drop takes back the code of an owner of which no row is left.
func (t *ownerTable) drop(o *Owner) {
	t.byID.removeHash(t.hash(&o.identity), o.code)
	t.set(o.code, t.none)
	t.free = append(t.free, o.code)
}

// set replaces what a snapshot may see.
func (t *ownerTable) set(code uint32, o *Owner) {
	i := code / ownerPageSize
	if page := t.view.pages[i]; page.epoch < t.epoch {
		if t.cut < t.epoch {
			t.view.pages = slices.Clone(t.view.pages)
			t.cut = t.epoch
		}
		fresh := *page
		fresh.epoch = t.epoch
		t.view.pages[i] = &fresh
	}
	t.view.pages[i].list[code%ownerPageSize] = o
}

// ownerOf returns the owner of an identity, making it when it is new.
func (t *tables) ownerOf(id *line.Identity) *Owner {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := t.owners.find(id); o != nil {
		return o
	}
	o := &Owner{identity: *id}
	t.enter(o)
	return o
}

// ownerRead is ownerOf for an identity that was read from a file: its texts are
// not kept where others hold the same ones.
func (t *tables) ownerRead(id *line.Identity) *Owner {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := t.owners.find(id); o != nil {
		return o
	}
	o := &Owner{identity: t.history.share(id)}
	t.enter(o)
	if o.run != nil {
		o.identity.Run = o.run.Identity.Run
	}
	return o
}

// enter gives an owner a code, and the run and step that it belongs to. The
// caller holds mu.
func (t *tables) enter(o *Owner) {
	t.owners.put(o)
	o.released = false
	if t.settled > 0 && o.identity.Run != "" {
		o.parked = true // until something is counted
		return
	}
	t.link(o)
}

// link gives an owner that has counted nothing the run and step that it belongs
// to. The caller holds mu.
func (t *tables) link(o *Owner) {
	id := &o.identity
	o.run, o.step, o.parked = nil, nil, false
	o.lines, o.bytes = line.Levels{}, 0
	if id.Run == "" {
		return
	}
	if o.run = t.history.liveRun(id.Run); o.run == nil {
		u := t.unlinkedOf(id.Run)
		u.owners = append(u.owners, o)
	} else {
		o.join(o.run)
	}
	if id.Step != "" {
		o.step = t.history.liveStep(id.Step)
	}
}

// current returns the owner that a new row of o's belongs to: o itself, or, when
// its last row was deleted meanwhile, the one that has its identity now. The
// caller holds mu.
func (t *tables) current(o *Owner) *Owner {
	if !o.released {
		return o
	}
	if now := t.owners.find(&o.identity); now != nil {
		return now
	}
	t.enter(o)
	return o
}

// forgetStep is how many rows are given up at a time, so that nobody waits long
// for mu.
const forgetStep = 4096

// forget gives up the rows of a segment that was removed, and the owners of which
// they were the last.
func (t *tables) forget(gone rows) {
	for i := 0; i < gone.n; {
		t.mu.Lock()
		for end := min(i+forgetStep, gone.n); i < end; i++ {
			t.uncountRow(gone.at(i))
		}
		t.mu.Unlock()
	}
	if gone.n > 0 {
		t.settle(false)
	}
}

// tick has runs kept in few bytes that are over for a while.
func (t *tables) tick() {
	t.mu.Lock()
	t.history.turn++
	t.mu.Unlock()
	t.settle(false)
}

// settleStep is how many runs are written down at a time, so that nobody waits
// long for mu.
const settleStep = 8

// settle keeps the runs that are over in few bytes: all of them, or, where
// somebody may still log for them, those that have been over for a while.
func (t *tables) settle(all bool) {
	for more := true; more; {
		t.mu.Lock()
		more = t.history.settle(settleStep, all)
		t.mu.Unlock()
	}
}

// uncountRow gives up one row. The caller holds mu.
func (t *tables) uncountRow(row *Row) {
	o := t.owners.view.at(row.Owner)
	if o.rows--; o.rows > 0 {
		return
	}
	t.release(o)
}

// release takes an owner out of which no row is left. The caller holds mu.
func (t *tables) release(o *Owner) {
	t.owners.drop(o)
	o.released = true
	if r := o.run; r != nil {
		o.leave()
		t.history.rest(r)
		return
	}
	o.parked = false
	u := t.unlinked[o.identity.Run]
	if u == nil {
		return
	}
	u.owners = slices.DeleteFunc(u.owners, func(x *Owner) bool { return x == o })
	if u.empty() {
		delete(t.unlinked, o.identity.Run)
	}
}
