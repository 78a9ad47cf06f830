package journal

import (
	"encoding/binary"

	"github.com/steplog/steplog/internal/line"
)

// savedRunSize is the size of what is saved of a run's row:
//
//	seq u64 | start u64 | length of its bytes, scope, trigger, smallest and largest serial, steps u32
//	| class u8 | 1 when mixed u8 | 0 u16
const savedRunSize = 44

func appendRun(b []byte, row *runRow, size int) []byte {
	b = binary.LittleEndian.AppendUint64(b, row.seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(row.started))
	for _, n := range [...]uint32{uint32(size), row.scope, row.trigger, row.lo, row.hi, row.steps} {
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
		scope: u32(20), trigger: u32(24), lo: u32(28), hi: u32(32), steps: u32(36), class: Class(b[40]), mixed: b[41] == 1,
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
	return nil
}

// load takes in the runs that were saved; false when they are damaged.
func (h *history) load(runs, content []byte) bool {
	n := len(runs) / savedRunSize
	if len(runs)%savedRunSize != 0 {
		return false
	}
	ids := n
	for i := range n {
		row, _ := runAt(runs[i*savedRunSize:])
		ids += int(row.steps)
	}
	if ids > len(content) {
		return false // an id takes a byte at least
	}
	h.pastIDs.reserve(ids)
	last := uint64(0)
	for i := range n {
		row, size := runAt(runs[i*savedRunSize:])
		if size > len(content) || int(row.scope) >= len(h.scopes) || row.class >= classes || row.seq < last {
			return false
		}
		last = row.seq
		if !h.loadRun(row, content[:size]) {
			return false
		}
		content = content[size:]
	}
	return len(content) == 0
}

func (h *history) loadRun(row runRow, content []byte) bool {
	slot := h.slot()
	row.past = h.past.put(slot, content)
	p := h.openIDs(&row, content)
	if p.steps != int(row.steps) {
		return false
	}
	h.pastIDs.add(p.id, slot)
	for range p.steps {
		h.pastIDs.add(p.w.id(), slot)
	}
	p.w.Varint() // its last segment
	r := p.w.relatives()
	if p.w.Bad {
		return false
	}
	row.root, row.parent, row.parentStep = h.hashKept(p.id), h.hashKept(r[1]), h.hashKept(r[2])
	if r[0] != nil {
		row.root = h.hashKept(r[0])
	}
	*h.row(slot) = row
	h.all.insert(h, slot)
	for _, l := range h.scopes[row.scope].lists {
		l.insert(h, slot)
	}
	if !row.class.Ended() {
		h.going = append(h.going, slot)
	}
	return true
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
