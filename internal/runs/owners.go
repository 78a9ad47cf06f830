package runs

import (
	"slices"

	"github.com/steplog/steplog/internal/line"
)

// ownerPageSize is how many owners lie together: what is copied when one of them
// changes that a snapshot may be looking at.
const ownerPageSize = 256

// ownerTable gives owners their codes, and codes that no row has any more to
// other owners: each step has an owner, and would keep it for ever otherwise. Those
// of runs that are over are packed. Table.mu guards it.
type ownerTable struct {
	view  ownerView
	epoch uint64   // snapshots taken
	cut   uint64   // epoch of the list of pages, which is copied like a page
	rows  []uint32 // that have a code, by code
	free  []uint32 // codes
	byID  idIndex  // codes, by packed identity
	buf   []byte
}

type ownerPage struct {
	epoch uint64 // in which it was made: a snapshot of a later one may see it
	list  [ownerPageSize]ownerEntry
}

// ownerEntry is an owner, or its packed identity where nobody logs with it; neither
// where a code is free.
type ownerEntry struct {
	o      *Owner
	packed string
}

// ownerView is what a snapshot sees; it never changes.
type ownerView struct {
	pages []*ownerPage
	n     int // codes that were ever given
}

func (v *ownerView) at(code uint32) *ownerEntry {
	return &v.pages[code/ownerPageSize].list[code%ownerPageSize]
}

func newOwnerTable() ownerTable { return ownerTable{byID: newIDIndex(newIDSeed())} }

// snapshot returns the owners as they are now.
func (t *ownerTable) snapshot() ownerView {
	t.epoch++
	return t.view
}

// put gives an owner, or a packed identity, a code that is free, or a new one.
func (t *ownerTable) put(e ownerEntry, packed []byte) (code uint32) {
	if n := len(t.free); n > 0 {
		code = t.free[n-1]
		t.free = t.free[:n-1]
		t.set(code, e)
	} else {
		code = t.enter(e)
	}
	t.byID.add(packed, code)
	return code
}

// enter gives an owner a new code.
func (t *ownerTable) enter(e ownerEntry) (code uint32) {
	code = uint32(t.view.n)
	if t.view.n%ownerPageSize == 0 {
		t.view.pages = append(t.view.pages, &ownerPage{epoch: t.epoch})
	}
	// No snapshot looks beyond its own n.
	*t.view.at(code) = e
	t.view.n++
	t.rows = append(t.rows, 0)
	return code
}

// drop takes back a code that no row has any more.
func (t *ownerTable) drop(code uint32, packed []byte) {
	t.byID.remove(packed, code)
	t.set(code, ownerEntry{})
	t.free = append(t.free, code)
}

// set replaces what a snapshot may see.
func (t *ownerTable) set(code uint32, e ownerEntry) {
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
	*t.view.at(code) = e
}

// findOwner returns the code of an identity, false when it has none, and its packed
// form, which holds until the next call.
func (t *Table) findOwner(id *line.Identity) (code uint32, packed []byte, ok bool) {
	t.owners.buf = t.history.packIdentity(t.owners.buf[:0], id)
	packed = t.owners.buf
	code, ok = t.owners.byID.find(packed, func(code uint32) bool {
		e := t.owners.view.at(code)
		return e.o != nil && e.o.identity == *id || e.o == nil && e.packed == string(packed)
	})
	return code, packed, ok
}

// Owner returns the owner of an identity, making it when it is new. id is copied.
func (t *Table) Owner(id *line.Identity) *Owner {
	code, packed, ok := t.findOwner(id)
	if ok {
		return t.OwnerAt(code)
	}
	o := &Owner{identity: *id}
	t.enter(o, packed)
	return o
}

// OwnerRead is Owner for the identity of a record that was read from a file: its
// texts are not kept where others hold the same ones.
func (t *Table) OwnerRead(id *line.Identity) *Owner {
	code, packed, ok := t.findOwner(id)
	if ok {
		return t.OwnerAt(code)
	}
	o := &Owner{identity: t.history.share(id)}
	t.enter(o, packed)
	if o.run != nil {
		o.identity.Run = o.run.Identity.Run
	}
	return o
}

// OwnerOfRows returns an owner for rows alone, of which the table knows everything
// else: nothing may be counted or applied for it.
func (t *Table) OwnerOfRows(id *line.Identity) *Owner {
	code, packed, ok := t.findOwner(id)
	if !ok {
		code = t.owners.put(ownerEntry{packed: string(packed)}, packed)
	}
	return &Owner{code: code}
}

// OwnerOfRecords returns an owner for records of runs and steps alone: it has no code,
// and nothing may be counted for it.
func OwnerOfRecords(id line.Identity) *Owner { return &Owner{identity: id, released: true} }

// enter gives an owner a code, and the run and step that it belongs to.
func (t *Table) enter(o *Owner, packed []byte) {
	o.code = t.owners.put(ownerEntry{o: o}, packed)
	o.released = false
	t.link(o)
}

// OwnerAt returns the owner with a code; one that was packed is made again.
func (t *Table) OwnerAt(code uint32) *Owner {
	e := t.owners.view.at(code)
	if e.o == nil {
		t.attach(code, &Owner{identity: t.history.unpackIdentity(e.packed, t.history.scopes.list)})
	}
	return t.owners.view.at(code).o
}

// attach has an owner take the place of what was packed.
func (t *Table) attach(code uint32, o *Owner) {
	t.owners.set(code, ownerEntry{o: o})
	o.code, o.released = code, false
	t.link(o)
}

// packOwner packs an owner, because its run is over.
func (t *Table) packOwner(o *Owner) {
	t.owners.buf = t.history.packIdentity(t.owners.buf[:0], &o.identity)
	t.owners.set(o.code, ownerEntry{packed: string(t.owners.buf)})
	o.run, o.step, o.released = nil, nil, true
	o.encoded.Store(nil)
}

// Identity returns the identity with a code. It must not be changed.
func (t *Table) Identity(code uint32) *line.Identity {
	e := t.owners.view.at(code)
	if e.o != nil {
		return &e.o.identity
	}
	id := t.history.unpackIdentity(e.packed, t.history.scopes.list)
	return &id
}

// link gives an owner that has counted nothing the run and step that it belongs
// to.
func (t *Table) link(o *Owner) {
	id := &o.identity
	o.run, o.step = nil, nil
	o.lines, o.bytes = line.Levels{}, 0
	if id.Run == "" {
		return
	}
	if o.run = t.history.liveRun(id.Run); o.run == nil {
		u := t.unlinkedOf(id.Run)
		u.owners = append(u.owners, o)
	} else {
		o.join(o.run)
		t.history.noteIdle(o.run)
	}
	if id.Step != "" {
		o.step = t.history.liveStep(id.Step)
	}
}

// Current returns the owner that a new row of o's belongs to: o itself, or, when
// its last row was deleted meanwhile, the one that has its identity now.
func (t *Table) Current(o *Owner) *Owner {
	if !o.released {
		return o
	}
	return t.entered(o)
}

func (t *Table) entered(o *Owner) *Owner {
	code, packed, ok := t.findOwner(&o.identity)
	switch {
	case !ok:
		t.enter(o, packed)
	case t.owners.view.at(code).o != nil:
		return t.owners.view.at(code).o
	default:
		t.attach(code, o)
	}
	return o
}

// AddRow notes that a row has a code.
func (t *Table) AddRow(code uint32) { t.owners.rows[code]++ }

// DropRow gives up a row that had a code, and with the last one its owner.
func (t *Table) DropRow(code uint32) {
	if t.owners.rows[code]--; t.owners.rows[code] == 0 {
		t.release(code)
	}
}

// SealRow is DropRow for a row that stands in a sidecar now: what its owner counted
// for a run without records is kept.
func (t *Table) SealRow(code uint32) {
	if t.owners.rows[code]--; t.owners.rows[code] > 0 {
		return
	}
	if o := t.owners.view.at(code).o; o != nil && o.run == nil && o.identity.Run != "" && (o.bytes != 0 || o.lines != line.Levels{}) {
		t.setAside(o.identity.Run, o.identity.Step, &Tally{o.lines, o.bytes})
		o.lines, o.bytes = line.Levels{}, 0
	}
	t.release(code)
}

// release takes an owner out of which no row is left.
func (t *Table) release(code uint32) {
	e := *t.owners.view.at(code)
	if e.o == nil {
		t.owners.drop(code, []byte(e.packed))
		return
	}
	o := e.o
	t.owners.buf = t.history.packIdentity(t.owners.buf[:0], &o.identity)
	t.owners.drop(code, t.owners.buf)
	o.released = true
	if r := o.run; r != nil {
		o.leave()
		t.history.noteIdle(r)
		return
	}
	u := t.unlinked[o.identity.Run]
	if u == nil {
		return
	}
	u.owners = slices.DeleteFunc(u.owners, func(x *Owner) bool { return x == o })
	if u.empty() {
		delete(t.unlinked, o.identity.Run)
	}
}
