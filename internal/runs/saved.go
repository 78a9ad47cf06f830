package runs

import (
	"encoding/binary"
	"io"
)

// Sections is what a table is saved to: parts that are read back one by one.
type Sections interface {
	// Write adds to the section.
	io.Writer
	// End ends it.
	End()
}

// Cut is a table as it was at one moment, as far as it is saved. [Cut.Take] takes it in one
// moment, during which nobody logs, and written down afterwards: what runs that are
// over are kept in is never changed, only given up.
type Cut struct {
	t      *Table
	runs   []runRow
	slots  []uint32          // of runs
	live   map[uint32][]byte // of the runs that are objects, by slot
	chunks [][]byte          // of the arena
	owners ownerView
	seed   idSeed
	aside  []byte // what is counted for runs and steps without records

	// filled in afterwards: what has a code keeps it until Done
	texts  []string
	scopes []*runScope
}

// NewCut returns an empty cut with memory for the runs that there are: of very many, the
// system takes longer for it than it takes to copy them. It is false where Take would be,
// because more than so many runs and steps go on. It takes the mutex.
func (t *Table) NewCut(most int) (*Cut, bool) {
	t.mu.Lock()
	n, ok := len(t.history.all.slots), t.history.objects() <= most
	t.mu.Unlock()
	if !ok {
		return nil, false
	}
	n += n / 64 // for those that start meanwhile
	c := &Cut{t: t, runs: make([]runRow, n), slots: make([]uint32, n)}
	clear(c.runs) // so that it is there, and not only promised
	clear(c.slots)
	c.runs, c.slots = c.runs[:0], c.slots[:0]
	return c, true
}

// Take takes the table; false when not all of it can be saved, or more than so many
// runs and steps would have to be written down while all others wait.
func (c *Cut) Take(most int) bool {
	t := c.t
	h := t.history
	if h.objects() > most {
		return false
	}
	c.live = make(map[uint32][]byte, len(h.live))
	for _, slot := range h.all.slots {
		row := h.row(slot)
		if !row.used {
			continue
		}
		c.runs, c.slots = append(c.runs, *row), append(c.slots, slot)
		r := h.live[slot]
		if r == nil {
			continue
		}
		if !r.packable(nil) {
			return false
		}
		row = &c.runs[len(c.runs)-1]
		h.span(r, row, nil)
		row.steps = uint32(len(r.steps))
		c.live[slot], _ = h.encode(nil, r, row, nil)
	}
	c.chunks = make([][]byte, len(h.packed.chunks))
	for i, chunk := range h.packed.chunks {
		if chunk != nil {
			c.chunks[i] = chunk.b
		}
	}
	c.owners, c.seed = t.owners.snapshot(), h.packedIDs.seed
	var ok bool
	if c.aside, ok = t.appendAside(nil); ok {
		t.cuts++
	}
	return ok
}

// Done is to be called once after a Take that was true, when nothing of the cut is written
// any more. It takes the mutex.
func (c *Cut) Done() {
	c.t.mu.Lock()
	c.t.cuts--
	c.t.mu.Unlock()
}

// Owners returns how many codes there were: those of rows are below it.
func (c *Cut) Owners() int { return c.owners.n }

// savedRunSize is the size of what is saved of a run's row:
//
//	seq u64 | start u64 | length of its bytes, scope, trigger, smallest and largest serial, steps,
//	hashes of root, parent and parent step u32 | class u8 | 1 when mixed u8 | 0 u16
const savedRunSize = 56

func appendRun(b []byte, row *runRow, size int) []byte {
	b = binary.LittleEndian.AppendUint64(b, row.seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(row.started))
	for _, n := range [...]uint32{uint32(size), row.scope, row.trigger, row.lo, row.hi, row.steps,
		row.root, row.parent, row.parentStep} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	mixed := byte(0)
	if row.mixed {
		mixed = 1
	}
	return append(b, byte(row.class), mixed, 0, 0)
}

// runAt undoes appendRun.
func runAt(b []byte) (row runRow, size int) {
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	return runRow{
		seq: binary.LittleEndian.Uint64(b), started: int64(binary.LittleEndian.Uint64(b[8:])), used: true,
		scope: u32(20), trigger: u32(24), lo: u32(28), hi: u32(32), steps: u32(36),
		root: u32(40), parent: u32(44), parentStep: u32(48), class: Class(b[52]), mixed: b[53] == 1,
	}, int(u32(16))
}

// bytesOf returns the bytes of the run at a place in c.runs.
func (c *Cut) bytesOf(i int) []byte {
	if b, live := c.live[c.slots[i]]; live {
		return b
	}
	p := c.runs[i].packed
	// The slot before the size may be overwritten meanwhile, nothing else.
	b := c.chunks[p.chunk][p.at:]
	size := binary.LittleEndian.Uint32(b[4:])
	return b[arenaHead : arenaHead+size]
}

// WriteRuns writes the sections of runs, of their bytes and of their ids.
func (c *Cut) WriteRuns(w Sections) error {
	var buf []byte
	flush := func(least int) (err error) {
		if len(buf) > least {
			_, err = w.Write(buf)
			buf = buf[:0]
		}
		return err
	}
	for _, section := range [...]func(i int){
		func(i int) { buf = appendRun(buf, &c.runs[i], len(c.bytesOf(i))) },
		func(i int) { buf = append(buf, c.bytesOf(i)...) },
	} {
		for i := range c.runs {
			section(i)
			if err := flush(128 << 10); err != nil {
				return err
			}
		}
		if err := flush(0); err != nil {
			return err
		}
		w.End()
	}
	return c.writeIDs(w)
}

// writeIDs writes the section of their ids: the table that finds them, in which the runs
// have the numbers under which they are read.
func (c *Cut) writeIDs(w Sections) error {
	x, n := newIDIndex(c.seed), len(c.runs)
	for i := range c.runs {
		n += int(c.runs[i].steps)
	}
	x.reserve(n)
	for i := range c.runs {
		ids := readWire(c.bytesOf(i))
		x.add(ids.id(), uint32(i))
		n := ids.Count()
		if n > 0 {
			ids.skipStepSum()
		}
		for range n {
			x.add(ids.id(), uint32(i))
		}
	}
	_, err := w.Write(x.appendTo(nil))
	w.End()
	return err
}

// LoadRuns takes in the sections that WriteRuns wrote, into an empty table that has
// the names; false when they are damaged. It may run beside LoadOwners and LoadAside.
func (t *Table) LoadRuns(runs, content, ids []byte) bool {
	h := t.history
	n := len(runs) / savedRunSize
	if len(runs)%savedRunSize != 0 || !h.packedIDs.load(ids, n) {
		return false
	}
	last := uint64(0)
	for i := range n {
		row, size := runAt(runs[i*savedRunSize:])
		if size > len(content) || scopeAt(h.scopes.list, uint64(row.scope)) == nil || row.class >= classes || row.seq < last {
			return false
		}
		last = row.seq
		h.loadRun(row, content[:size])
		content = content[size:]
	}
	return len(content) == 0
}

func (h *history) loadRun(row runRow, content []byte) {
	slot := h.slot()
	row.packed = h.packed.put(slot, content)
	*h.row(slot) = row
	h.all.insert(h, slot)
	for _, l := range h.scopes.list[row.scope].lists {
		l.insert(h, slot)
	}
	if !row.class.Ended() {
		h.going = append(h.going, slot)
	}
}
