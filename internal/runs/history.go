package runs

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"

	"github.com/steplog/steplog/internal/line"
)

// history is the table of runs and their steps. Each run has a slot and a row, and is one
// of two things:
//
//   - live: an object in live and runs, with its steps in steps, which records are applied
//     to. It goes on, or somebody logged for it a moment ago. [history.enter] begins it.
//   - packed: some bytes in an arena, which its ids are found in. It is over.
//
// [history.noteIdle] remembers a live run that may be over, a [settler] packs those that
// are. [history.revive] makes one live again because something about it changes, by what
// liveRun and liveStep; [history.unpackRun] makes an object for somebody to look at, and
// the run stays packed. It ends with [history.dismiss]. What is counted for runs and steps
// that have no record is not here: it is aside, in Table.unlinked and Table.stray.
//
// Table.mu guards it.
type history struct {
	t *Table

	rows      []*runRows // by slot
	used      uint32     // slots that were ever given
	free      []uint32
	packed    *arena  // by slot
	packedIDs idIndex // of runs that are over, and of their steps
	live      map[uint32]*Run
	runs      map[string]*Run  // that are live, by id
	steps     map[string]*Step // of those, and of runs whose records are not known
	idle      []*Run           // live ones that may be over, oldest first
	entering  map[uint32]*Run  // that were packed, by slot, until the ids of their steps are in packedIDs
	going     []uint32         // runs that have not ended, between load and loaded
	peak      int              // how many runs and steps the maps were made for
	ticks     uint32           // counts how often it was looked for those

	restarts uint64 // tells this table from those before it
	changes  uint64 // counts runs that were over, and are not as they were

	texts  *texts
	scopes scopeTable
	all    runList
	buf    []byte
}

// runRow is what lists and filters ask of a run: 64 bytes, no pointers.
type runRow struct {
	seq                      uint64
	started                  int64 // Unix nanoseconds, as near as they can tell
	packed                   place // of its bytes; none while it is live
	scope                    uint32
	root, parent, parentStep uint32 // hashes of those ids, see hash
	trigger                  uint32 // see triggerOf
	lo, hi                   uint32 // smallest and largest of the files with a last record of the run or a step; packed only
	steps                    uint32
	class                    Class
	used                     bool
	mixed                    bool // a step has another scope or other relatives than the run
}

const rowsAtOnce = 256

type runRows [rowsAtOnce]runRow

func newHistory(t *Table) *history {
	h := &history{
		t: t, packedIDs: newIDIndex(newIDSeed()), texts: newTexts(),
		live: map[uint32]*Run{}, runs: map[string]*Run{}, steps: map[string]*Step{}, entering: map[uint32]*Run{},
		scopes: newScopeTable(),
	}
	h.packed = newArena(func(slot uint32, to place) { h.row(slot).packed = to })
	return h
}

func (h *history) row(slot uint32) *runRow { return &h.rows[slot/rowsAtOnce][slot%rowsAtOnce] }

// again returns an empty table for the same flows: what was packed with this one
// can be read with that one.
func (h *history) again() *history {
	next := newHistory(h.t)
	next.texts, next.ticks, next.restarts = h.texts, h.ticks, h.restarts+1
	next.scopes = h.scopes.again()
	return next
}

// packIdentity appends an identity: scope | run | relatives | step | action | its name |
// attempt. Equal ones have equal bytes.
func (h *history) packIdentity(b []byte, id *line.Identity) []byte {
	b = binary.AppendUvarint(b, uint64(h.scopes.of(id).code))
	b = appendRelatives(appendID(b, id.Run), id)
	b = appendID(b, id.Step)
	b = h.texts.append(h.texts.append(b, id.Action, true), id.ActionName, true)
	return binary.AppendVarint(b, int64(id.Attempt))
}

// scopeOfPacked returns the code that a packed identity begins with.
func scopeOfPacked(packed string) uint32 {
	code, _ := uvarint(packed)
	return uint32(code)
}

// unpackIdentity undoes packIdentity. scopes are those of a moment in which an owner was
// packed so.
func (h *history) unpackIdentity(packed string, scopes []*runScope) (id line.Identity) {
	if packed == "" {
		return id
	}
	w := readWire([]byte(packed))
	if s := scopeAt(scopes, w.Uvarint()); s != nil {
		id = s.identity
	}
	id.Run = textOfID(w.id())
	r := w.relatives()
	r.fill(&id)
	id.Step = textOfID(w.id())
	id.Action, id.ActionName = w.text(h.texts.list), w.text(h.texts.list)
	id.Attempt = int(w.Varint())
	return id
}

// share returns an identity with the texts that runs have, where they have them.
func (h *history) share(id *line.Identity) line.Identity {
	own := h.scopes.of(id).identity
	own.Run, own.RootRun, own.ParentRun, own.ParentStep = strings.Clone(id.Run), strings.Clone(id.RootRun),
		strings.Clone(id.ParentRun), strings.Clone(id.ParentStep)
	own.Step, own.Attempt = strings.Clone(id.Step), id.Attempt
	own.Action, own.ActionName = h.texts.share(id.Action), h.texts.share(id.ActionName)
	return own
}

// hash tells texts apart, most of them; "" is 0.
func (h *history) hash(s string) uint32 {
	if s == "" {
		return 0
	}
	var buf [64]byte
	return h.hashKept(appendID(buf[:0], s))
}

// hashKept is hash for an id as it is kept; that of none is 0.
func (h *history) hashKept(kept []byte) uint32 {
	if len(kept) == 0 {
		return 0
	}
	return uint32(h.packedIDs.hash(kept)) | 1
}

// slot returns one that is free.
func (h *history) slot() uint32 {
	if n := len(h.free); n > 0 {
		slot := h.free[n-1]
		h.free = h.free[:n-1]
		return slot
	}
	slot := h.used
	if slot%rowsAtOnce == 0 {
		h.rows = append(h.rows, new(runRows))
	}
	h.used++
	return slot
}

// enter adds a run that is live.
func (h *history) enter(r *Run) {
	slot := h.slot()
	id := r.Identity
	scope := h.scopes.of(id)
	*h.row(slot) = runRow{seq: r.Seq, started: line.Nanoseconds(r.Started), scope: scope.code, used: true, root: h.hash(id.Root()),
		parent: h.hash(id.ParentRun), parentStep: h.hash(id.ParentStep), trigger: h.triggerOf(&r.Start)}
	r.slot = slot
	h.live[slot] = r
	h.runs[id.Run] = r
	h.all.insert(h, slot)
	for _, l := range scope.lists {
		l.insert(h, slot)
	}
}

// OtherTrigger is the code of a trigger that has none of its own.
const OtherTrigger = math.MaxUint32

// triggerOf returns a code for who started a run: 0 for nobody.
func (h *history) triggerOf(start *line.Lifecycle) uint32 {
	by := strings.TrimSpace(start.TriggeredBy)
	if by == "" {
		return 0
	}
	if code, ok := h.texts.codeOf(by, true); ok {
		return code + 1
	}
	return OtherTrigger
}

// changed brings the row of a live run up to what the run is now.
func (h *history) changed(r *Run) {
	row := h.row(r.slot)
	row.steps = uint32(len(r.steps))
	class := r.state.class(len(r.steps))
	if class == row.class {
		return
	}
	h.all.recount(row.class, class)
	for _, l := range h.scopes.list[row.scope].lists {
		l.recount(row.class, class)
	}
	row.class = class
}

// run returns a run to look at: the live one, or one made for the caller. It takes the
// mutex.
func (h *history) run(id string) *Run {
	h.t.mu.Lock()
	if r := h.runs[id]; r != nil {
		h.t.mu.Unlock()
		return r
	}
	slot, ok := h.findRun(id)
	if !ok {
		h.t.mu.Unlock()
		return nil
	}
	return h.unpackRun(slot, new(Reading))
}

// step does the same for a step.
func (h *history) step(id string) *Step {
	h.t.mu.Lock()
	if s := h.object(id); s != nil {
		h.t.mu.Unlock()
		return s
	}
	slot, ok := h.findStep(id)
	if !ok {
		h.t.mu.Unlock()
		return nil
	}
	return stepWith(h.unpackRun(slot, new(Reading)), id)
}

// object returns a step that is an object, and not one of a run that was packed a moment
// ago.
func (h *history) object(id string) *Step {
	if s := h.steps[id]; s != nil && (s.run == nil || !s.run.packed) {
		return s
	}
	return nil
}

func stepWith(r *Run, id string) *Step {
	for _, s := range r.steps {
		if s.Identity.Step == id {
			return s
		}
	}
	return nil
}

// liveRun returns a run to change: one that was over is live again.
func (h *history) liveRun(id string) *Run {
	r := h.runs[id]
	if r == nil {
		if slot, ok := h.findRun(id); ok {
			r = h.revive(slot)
		}
	}
	r.touch()
	return r
}

// liveStep does the same for a step.
func (h *history) liveStep(id string) *Step {
	s := h.object(id)
	if s == nil {
		if slot, ok := h.findStep(id); ok {
			s = stepWith(h.revive(slot), id)
		}
	}
	if s != nil {
		s.run.touch()
	}
	return s
}

// findRun returns the slot of a run that is over.
func (h *history) findRun(id string) (uint32, bool) {
	var buf [64]byte
	kept := appendID(buf[:0], id)
	return h.packedIDs.find(kept, func(slot uint32) bool {
		p := h.openSlot(slot)
		return p.row.used && bytes.Equal(p.id, kept)
	})
}

// findStep returns the slot of the run of a step that is over.
func (h *history) findStep(id string) (uint32, bool) {
	if id == "" {
		return 0, false
	}
	if s := h.steps[id]; s != nil && s.run != nil && h.entering[s.run.slot] == s.run {
		return s.run.slot, true
	}
	var buf [64]byte
	kept := appendID(buf[:0], id)
	return h.packedIDs.find(kept, func(slot uint32) bool {
		p := h.openSlot(slot)
		for range p.steps {
			if p.row.used && bytes.Equal(p.ids.id(), kept) {
				return true
			}
		}
		return false
	})
}

func (h *history) knowsRun(id string) bool {
	_, over := h.findRun(id)
	return over || h.runs[id] != nil
}

func (h *history) knowsStep(id string) bool {
	_, over := h.findStep(id)
	return over || h.object(id) != nil
}

func (h *history) openSlot(slot uint32) packedRun {
	row := h.row(slot)
	return h.openIDs(row, h.packed.get(row.packed))
}

// of returns the run of a row, nil when it was removed. It takes the mutex.
func (h *history) of(run Ref, in *Reading) *Run {
	h.t.mu.Lock()
	row := h.row(run.slot)
	if row.used && row.seq == run.Seq && row.packed != (place{}) {
		return h.unpackRun(run.slot, in)
	}
	defer h.t.mu.Unlock()
	if !row.used || row.seq != run.Seq {
		return nil
	}
	return h.live[run.slot]
}

// unpackRun makes a packed run, for somebody to look at, and unlocks the mutex before:
// of one with many steps it takes long, and what it is made from never changes.
func (h *history) unpackRun(slot uint32, in *Reading) *Run {
	p := h.openRun(slot, in)
	h.t.mu.Unlock()
	return p.whole(h.t, in)
}

// openRun begins with a packed run.
func (h *history) openRun(slot uint32, in *Reading) packedRun {
	in.slot, in.row = slot, *h.row(slot)
	return h.openIDs(&in.row, h.packed.get(in.row.packed))
}

// revive makes a run that is over live again, because something changes.
func (h *history) revive(slot uint32) *Run {
	in := new(Reading)
	p := h.openRun(slot, in)
	r := p.whole(h.t, in)
	h.dropPacked(slot, nil)
	h.live[slot] = r
	h.runs[r.Identity.Run] = r
	for _, s := range r.steps {
		h.steps[s.Identity.Step] = s
	}
	h.noteIdle(r)
	return r
}

// dropPacked gives up the bytes of a run that is over, and its ids. With turns, it is one
// that was dismissed, which nobody finds any more.
func (h *history) dropPacked(slot uint32, turns *turns) {
	h.changes++
	delete(h.entering, slot)
	p := h.openSlot(slot)
	h.packedIDs.remove(p.id, slot)
	for range p.steps {
		h.packedIDs.remove(p.ids.id(), slot)
		turns.pause()
	}
	row := h.row(slot)
	h.packed.drop(row.packed)
	row.packed = place{}
}
