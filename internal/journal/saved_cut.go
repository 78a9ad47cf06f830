package journal

import (
	"encoding/binary"
	"slices"

	"github.com/steplog/steplog/internal/line"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// cut is the tables as they were after one record, as far as they are saved. It is
// taken in one moment, during which nobody logs, and written down afterwards: what
// runs that are over are kept in is never changed, only given up, and so are rows.
type cut struct {
	asOf   uint64
	grown  int64 // tables.grown
	runs   []runRow
	slots  []uint32          // of runs
	live   map[uint32][]byte // of the runs that are objects, by slot
	chunks [][]byte          // of the arena
	owners ownerView
	seed   idSeed
	files  []cutFile
	sums   []byte // what is counted for runs and steps without records

	// filled in afterwards: both only grow, and what has a code keeps it
	texts  []string
	scopes []*runScope
}

// cutFile is one segment.
type cutFile struct {
	serial    uint32
	log, name string
	rows      rows
	parts     []rowsIndex
	index     *sidecar.Index
	parsed    int64
	unordered bool // filled in afterwards: the lines are not in the order of the rows
}

func (f *cutFile) active() bool { return f.name == f.log+logExt }

// cut takes the tables; false when not all of them can be saved, or more than so many
// runs and steps would have to be written down while all others wait.
func (t *tables) cut(most int) (*cut, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.history
	if t.asOf == 0 || len(h.runs)+len(h.steps) > most {
		return nil, false
	}
	c := &cut{asOf: t.asOf, grown: t.grown, slots: slices.Clone(h.all.slots), live: make(map[uint32][]byte, len(h.live))}
	c.runs = make([]runRow, len(c.slots))
	for i, slot := range c.slots {
		c.runs[i] = *h.row(slot)
		r := h.live[slot]
		if r == nil {
			continue
		}
		if !r.keepable() {
			return nil, false
		}
		h.span(r, &c.runs[i])
		c.runs[i].steps = uint32(len(r.steps))
		c.live[slot] = h.encode(nil, r, &c.runs[i])
	}
	c.chunks = make([][]byte, len(h.past.chunks))
	for i, chunk := range h.past.chunks {
		if chunk != nil {
			c.chunks[i] = chunk.b
		}
	}
	c.owners, c.seed = t.owners.snapshot(), h.pastIDs.seed
	for _, seg := range t.segments {
		if seg.lastSeq() == 0 {
			continue
		}
		c.files = append(c.files, cutFile{seg.serial, seg.file, seg.name, seg.rows, seg.parts, seg.index, seg.parsed, false})
	}
	var ok bool
	c.sums, ok = t.appendSums(nil)
	return c, ok
}

// appendSums appends what is counted for runs and steps without records; false where
// there is more of a run than that.
func (t *tables) appendSums(b []byte) ([]byte, bool) {
	b = binary.AppendUvarint(b, uint64(len(t.unlinked)))
	for run, u := range t.unlinked {
		if len(u.steps) > 0 {
			return nil, false
		}
		sums := map[string]*tally{}
		for step, n := range u.sealed {
			addTo(sums, step, n)
		}
		for _, o := range u.owners {
			addTo(sums, o.identity.Step, &tally{o.lines, o.bytes})
		}
		b = appendTallies(appendBytes(b, []byte(run)), sums)
	}
	return appendTallies(b, t.stray), true
}

func appendTallies(b []byte, sums map[string]*tally) []byte {
	b = binary.AppendUvarint(b, uint64(len(sums)))
	for id, n := range sums {
		b = appendLevels(appendBytes(b, []byte(id)), &n.lines, n.bytes)
	}
	return b
}

func (w *wireReader) tallies() map[string]*tally {
	n := w.Count()
	sums := make(map[string]*tally, n)
	for range n {
		id, sum := string(w.Bytes(w.Count())), &tally{}
		w.levels(&sum.lines, &sum.bytes)
		sums[id] = sum
	}
	return sums
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// packStep is how many identities are packed at a time, so that nobody waits long.
const packStep = 64

// packed calls yield for the packed identity of each of some codes, in their order.
func (t *tables) packed(c *cut, codes []uint32, yield func(packed []byte) error) error {
	var buf []byte
	var ends []int
	for from := 0; from < len(codes); from += packStep {
		some := codes[from:min(from+packStep, len(codes))]
		buf, ends = buf[:0], ends[:0]
		t.mu.Lock()
		for _, code := range some {
			if e := c.owners.at(code); e.o != nil {
				buf = t.history.pack(buf, &e.o.identity)
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
	c.texts, c.scopes = t.history.texts.list, t.history.scopes
	t.mu.Unlock()
	return nil
}

func scopeTexts(id *line.Identity) [8]*string {
	return [8]*string{&id.Server, &id.ServerName, &id.Service, &id.ServiceName, &id.Project, &id.Operation, &id.OperationName, &id.ParentOperation}
}
