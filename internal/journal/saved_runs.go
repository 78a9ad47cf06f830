package journal

import (
	"encoding/binary"

	"github.com/steplog/steplog/internal/line"
)

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
func (c *cut) bytesOf(i int) []byte {
	if b, live := c.live[c.slots[i]]; live {
		return b
	}
	p := c.runs[i].past
	// The slot before the size may be overwritten meanwhile, nothing else.
	b := c.chunks[p.chunk][p.at:]
	size := binary.LittleEndian.Uint32(b[4:])
	return b[arenaHead : arenaHead+size]
}

// writeRuns writes the sections of runs and of their bytes.
func (c *cut) writeRuns(w *savedWriter) error {
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
		w.end()
	}
	return c.writeIDs(w)
}

// writeIDs writes the section of their ids: the table that finds them, in which the runs
// have the numbers under which they are read.
func (c *cut) writeIDs(w *savedWriter) error {
	x, n := newIDIndex(c.seed), len(c.runs)
	for i := range c.runs {
		n += int(c.runs[i].steps)
	}
	x.reserve(n)
	for i := range c.runs {
		ids := readWire(c.bytesOf(i))
		x.add(ids.id(), uint32(i))
		for range ids.Count() {
			x.add(ids.id(), uint32(i))
		}
	}
	_, err := w.Write(x.appendTo(nil))
	w.end()
	return err
}

// load takes in the runs that were saved, into an empty table; false when they are
// damaged.
func (h *history) load(runs, content, ids []byte) bool {
	n := len(runs) / savedRunSize
	if len(runs)%savedRunSize != 0 || !h.pastIDs.load(ids, n) {
		return false
	}
	last := uint64(0)
	for i := range n {
		row, size := runAt(runs[i*savedRunSize:])
		if size > len(content) || int(row.scope) >= len(h.scopes) || row.class >= classes || row.seq < last {
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
	row.past = h.past.put(slot, content)
	*h.row(slot) = row
	h.all.insert(h, slot)
	for _, l := range h.scopes[row.scope].lists {
		l.insert(h, slot)
	}
	if !row.class.Ended() {
		h.going = append(h.going, slot)
	}
}

// appendTexts appends the texts and scopes that the runs name by codes.
func (c *cut) appendTexts(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.texts)))
	for _, s := range c.texts {
		b = appendBytes(b, []byte(s))
	}
	b = binary.AppendUvarint(b, uint64(len(c.scopes)))
	for _, s := range c.scopes {
		id := s.identity
		for _, text := range scopeTexts(&id) {
			b = appendBytes(b, []byte(*text))
		}
	}
	return b
}

// loadTexts undoes appendTexts; false where the texts that a version begins with are
// others.
func (h *history) loadTexts(w *wireReader) bool {
	known := len(h.texts.list)
	for i := range w.Count() {
		switch s := string(w.Bytes(w.Count())); {
		case i >= known:
			h.texts.enter(s)
		case h.texts.list[i] != s:
			return false
		}
	}
	for range w.Count() {
		var id line.Identity
		for _, text := range scopeTexts(&id) {
			*text = string(w.Bytes(w.Count()))
		}
		h.scopeOf(&id)
	}
	return !w.Bad
}
