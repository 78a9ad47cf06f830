package runs

import (
	"encoding/binary"
	"slices"

	"github.com/steplog/steplog/internal/wire"
)

// packStep is how many identities are packed at a time, so that nobody waits long.
const packStep = 64

// WriteOwners writes the sections of the owners with some codes, in this order, and of
// what finds them. Each is its packed identity behind its length. It takes the mutex
// now and then.
func (c *Cut) WriteOwners(w Sections, codes []uint32) error {
	x := newIDIndex(c.seed)
	x.reserve(len(codes))
	var buf []byte
	err := c.packed(codes, func(packed []byte) error {
		x.add(packed, uint32(x.n))
		buf = appendBytes(buf[:0], packed)
		_, err := w.Write(buf)
		return err
	})
	w.End()
	if err == nil {
		_, err = w.Write(x.appendTo(nil))
	}
	w.End()
	return err
}

// packed calls yield for the packed identity of each of some codes, in their order.
func (c *Cut) packed(codes []uint32, yield func(packed []byte) error) error {
	t := c.t
	var buf []byte
	var ends []int
	for from := 0; from < len(codes); from += packStep {
		some := codes[from:min(from+packStep, len(codes))]
		buf, ends = buf[:0], ends[:0]
		t.mu.Lock()
		for _, code := range some {
			if e := c.owners.at(code); e.o != nil {
				buf = t.history.packIdentity(buf, &e.o.identity)
			} else {
				buf = append(buf, e.packed...)
			}
			ends = append(ends, len(buf))
		}
		t.mu.Unlock()
		at := 0
		for _, end := range ends {
			if err := yield(buf[at:end]); err != nil {
				return err
			}
			at = end
		}
	}
	t.mu.Lock()
	c.texts, c.scopes = t.history.texts.list, slices.Clone(t.history.scopes.list)
	t.mu.Unlock()
	return nil
}

// LoadOwners takes in the sections that WriteOwners wrote for so many, into an empty
// table that has the names; false when they are damaged. None has rows.
func (t *Table) LoadOwners(owners, ids []byte, n int) bool { return t.owners.load(owners, ids, n) }

// load takes in owners that were saved, into an empty table; false when they are damaged.
// None has rows.
func (t *ownerTable) load(b, ids []byte, n int) bool {
	if n > len(b) || !t.byID.load(ids, n) {
		return false
	}
	text := string(b)
	for range n {
		size, k := binary.Uvarint(b)
		if k <= 0 || size == 0 || size > uint64(len(b)-k) {
			return false
		}
		from := len(text) - len(b) + k
		t.enter(ownerEntry{packed: text[from : from+int(size)]})
		b = b[k+int(size):]
	}
	return len(b) == 0
}

// sweep takes back the codes that no row has.
func (t *ownerTable) sweep() {
	for code := range t.view.n {
		if e := t.view.at(uint32(code)); t.rows[code] == 0 && e.o == nil && e.packed != "" {
			t.drop(uint32(code), []byte(e.packed))
		}
	}
}

// AppendSeed appends the seed of the hashes, 16 bytes.
func (c *Cut) AppendSeed(b []byte) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, c.seed[0]), c.seed[1])
}

// LoadSeed undoes AppendSeed, in an empty table.
func (t *Table) LoadSeed(in *wire.Reader) {
	if seed := in.Bytes(16); !in.Bad {
		t.history.packedIDs.seed = idSeed{binary.LittleEndian.Uint64(seed), binary.LittleEndian.Uint64(seed[8:])}
		t.owners.byID.seed = t.history.packedIDs.seed
	}
}

// AppendNames appends the texts and scopes that runs and owners name by codes. It comes
// after WriteOwners.
func (c *Cut) AppendNames(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.texts)))
	for _, s := range c.texts {
		b = appendBytes(b, []byte(s))
	}
	b = binary.AppendUvarint(b, uint64(len(c.scopes)))
	for _, s := range c.scopes {
		if s == nil {
			b = append(b, 0)
			continue
		}
		b = append(b, 1)
		id := s.identity
		for _, text := range scopeTexts(&id) {
			b = appendBytes(b, []byte(*text))
		}
	}
	return b
}

// LoadNames undoes AppendNames; false where the texts that a version begins with are
// others, or where they are damaged, as in.Bad says.
func (t *Table) LoadNames(in *wire.Reader) bool {
	h, w := t.history, in
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
		if w.Uvarint() == 0 {
			h.scopes.load(nil)
			continue
		}
		var s runScope
		for _, text := range scopeTexts(&s.identity) {
			*text = string(w.Bytes(w.Count()))
		}
		if h.scopes.byIdentity[s.identity] != nil {
			w.Bad = true // it has a code
		}
		h.scopes.load(&s)
	}
	return !w.Bad
}

// AppendAside appends what is counted for runs and steps without records.
func (c *Cut) AppendAside(b []byte) []byte { return append(b, c.aside...) }

// appendAside appends what is counted for runs and steps without records; false where
// there is more of a run than that.
func (t *Table) appendAside(b []byte) ([]byte, bool) {
	b = binary.AppendUvarint(b, uint64(len(t.unlinked)))
	for run, u := range t.unlinked {
		if len(u.steps) > 0 {
			return nil, false
		}
		sums := map[string]*Tally{}
		for step, n := range u.sealed {
			addTo(sums, step, n)
		}
		for _, o := range u.owners {
			addTo(sums, o.identity.Step, &Tally{o.lines, o.bytes})
		}
		b = appendTallies(appendBytes(b, []byte(run)), sums)
	}
	return appendTallies(b, t.stray), true
}

func appendTallies(b []byte, sums map[string]*Tally) []byte {
	b = binary.AppendUvarint(b, uint64(len(sums)))
	for id, n := range sums {
		b = appendLevels(appendBytes(b, []byte(id)), &n.Lines, n.Bytes)
	}
	return b
}

func (w *wireReader) tallies() map[string]*Tally {
	n := w.Count()
	sums := make(map[string]*Tally, n)
	for range n {
		id, sum := string(w.Bytes(w.Count())), &Tally{}
		w.levels(&sum.Lines, &sum.Bytes)
		sums[id] = sum
	}
	return sums
}

// LoadAside undoes AppendAside.
func (t *Table) LoadAside(in *wire.Reader) {
	w := wireReader{*in}
	for range w.Count() {
		run := string(w.Bytes(w.Count()))
		for step, sum := range w.tallies() {
			t.setAside(run, step, sum)
		}
	}
	t.stray = w.tallies()
	*in = w.Reader
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// Loaded ends what loading began.
func (t *Table) Loaded() {
	h := t.history
	for _, slot := range h.going {
		if row := h.row(slot); row.used && row.packed != (place{}) {
			h.revive(slot)
		}
	}
	h.going = nil
}

// Sweep gives up the owners that no row has.
func (t *Table) Sweep() { t.owners.sweep() }
