package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// When a folder is closed, the tables of runs are saved beside the rows, so that
// opening it again does not derive them from every file. They count only after a
// clean end, and for files that have the names and sizes they had.
//
//	magic (16) | version u32 | CRC-32C of the rest u32
//	| newest seq
//	| files: name, size
//	| segments with last records: serial, name
//	| texts | scopes: 8 texts
//	| runs by seq: seq - the one before, start, scope, hi, hi - lo, 1 when mixed, bytes
//	| runs without records: id, steps: id, tally
//	| steps without records: id, tally
//
// with numbers as varints (start, and those of a tally: signed), lists behind how
// many they have, texts and bytes behind their lengths. A tally is the lines of each
// level and the bytes.

const (
	tablesName  = "tables"
	tablesMagic = "steplog tables\n\x00" // 16 bytes
	tablesHead  = len(tablesMagic) + 8
)

var errTables = errors.New("journal: the saved tables are damaged")

// textFiles returns the sizes of the files of all logs but audit.
func (j *Journal) textFiles() (map[string]int64, error) {
	infos, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return nil, err
	}
	files := map[string]int64{}
	for _, info := range infos {
		name := baseName(info.Name())
		if log, ok := logOf(name); ok && log != fileAudit && info.Mode().IsRegular() {
			files[info.Name()] = info.Size()
		}
	}
	return files, nil
}

// saveTables writes the tables of runs. Nothing is lost when it fails. Nobody
// appends any more, and all is in the text.
func (j *Journal) saveTables() error {
	path := filepath.Join(j.dir, privateDir, tablesName)
	files, err := j.textFiles()
	if err != nil {
		return err
	}
	b, ok := j.tables.save(files)
	if !ok {
		return vfs.IgnoreNotExist(j.fs.Remove(path))
	}
	err = j.writeSynced(path+tempExt, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	return j.fs.Rename(path+tempExt, path)
}

// save returns what is saved; false when not all of it can be.
func (t *tables) save(files map[string]int64) ([]byte, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.history
	if len(h.all.slots) == 0 {
		return nil, false
	}
	b := append([]byte(tablesMagic), make([]byte, 8)...)
	binary.LittleEndian.PutUint32(b[len(tablesMagic):], formatVersion)
	b = binary.AppendUvarint(b, t.asOf)
	b = binary.AppendUvarint(b, uint64(len(files)))
	for name, size := range files {
		b = appendBytes(b, []byte(name))
		b = binary.AppendUvarint(b, uint64(size))
	}
	b = binary.AppendUvarint(b, uint64(len(t.serials)))
	for serial, seg := range t.serials {
		b = binary.AppendUvarint(b, uint64(serial))
		b = appendBytes(b, []byte(seg.name))
	}
	// Writing the runs may give texts and scopes their codes.
	runs, ok := h.save(binary.AppendUvarint(nil, uint64(len(h.all.slots))))
	if !ok {
		return nil, false
	}
	b = binary.AppendUvarint(b, uint64(len(h.texts.list)))
	for _, s := range h.texts.list {
		b = appendBytes(b, []byte(s))
	}
	b = binary.AppendUvarint(b, uint64(len(h.scopes)))
	for _, s := range h.scopes {
		for _, text := range scopeTexts(&s.identity) {
			b = appendBytes(b, []byte(*text))
		}
	}
	b = append(b, runs...)
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
	b = appendTallies(b, t.stray)
	binary.LittleEndian.PutUint32(b[len(tablesMagic)+4:], crc32.Checksum(b[tablesHead:], castagnoli))
	return b, true
}

func scopeTexts(id *line.Identity) [8]*string {
	return [8]*string{&id.Server, &id.ServerName, &id.Service, &id.ServiceName, &id.Project, &id.Operation, &id.OperationName, &id.ParentOperation}
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

// save appends all runs; false when one cannot be kept in bytes.
func (h *history) save(b []byte) ([]byte, bool) {
	last := uint64(0)
	var buf []byte
	for _, slot := range h.all.slots {
		row := *h.row(slot)
		content := []byte(nil)
		if r := h.live[slot]; r != nil {
			if !r.keepable() {
				return nil, false
			}
			h.span(r, &row)
			buf = h.encode(buf[:0], r, &row)
			content = buf
		} else {
			content = h.past.get(row.past)
		}
		mixed := uint64(0)
		if row.mixed {
			mixed = 1
		}
		b = binary.AppendUvarint(b, row.seq-last)
		b = binary.AppendVarint(b, row.started)
		for _, n := range [...]uint64{uint64(row.scope), uint64(row.hi), uint64(row.hi - row.lo), mixed} {
			b = binary.AppendUvarint(b, n)
		}
		b = appendBytes(b, content)
		last = row.seq
	}
	return b, true
}

// loadTables takes in what a clean end left. Nothing happens where there is
// nothing, or where the files are not those that it is of.
func (j *Journal) loadTables(private string) error {
	path := filepath.Join(private, tablesName)
	b, err := readWhole(j.fs, path, maxSaved)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(b) < tablesHead || string(b[:len(tablesMagic)]) != tablesMagic {
		return errTables
	}
	if binary.LittleEndian.Uint32(b[len(tablesMagic):]) > formatVersion {
		return nil // the text is there
	}
	if crc32.Checksum(b[tablesHead:], castagnoli) != binary.LittleEndian.Uint32(b[len(tablesMagic)+4:]) {
		return errTables
	}
	files, err := j.textFiles()
	if err != nil {
		return err
	}
	fresh := newTables()
	if same, ok := fresh.load(new(readWire(b[tablesHead:])), files); !ok {
		return errTables
	} else if same {
		j.tables = fresh
	}
	return nil
}

// loaded ends what load began: what is published from now on is new.
func (t *tables) loaded() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settled, t.reserved = 0, nil
	for _, slot := range t.history.going {
		t.history.revive(slot)
	}
	t.history.going = nil
	for _, seg := range t.late {
		t.history.expire(seg)
		delete(t.serials, seg.serial)
	}
	t.late = nil
}

// load takes in what save returned, if it is of these files.
func (t *tables) load(w *wireReader, files map[string]int64) (same, ok bool) {
	t.settled = w.Uvarint()
	n := w.Count()
	same = n == len(files)
	for range n {
		name, size := w.Bytes(w.Count()), w.Uvarint()
		got, there := files[string(name)]
		same = same && there && uint64(got) == size
	}
	if !same || w.Bad {
		return false, !w.Bad
	}
	t.reserved = map[string]uint32{}
	for range w.Count() {
		serial := w.Uvarint()
		t.reserved[string(w.Bytes(w.Count()))] = uint32(serial)
		t.serial = max(t.serial, uint32(serial))
	}
	h := t.history
	known := len(h.texts.list)
	for i := range w.Count() {
		s := string(w.Bytes(w.Count()))
		switch {
		case i >= known:
			h.texts.enter(s)
		case h.texts.list[i] != s:
			return false, true // of another version
		}
	}
	for range w.Count() {
		var id line.Identity
		for _, text := range scopeTexts(&id) {
			*text = string(w.Bytes(w.Count()))
		}
		h.scopeOf(&id)
	}
	h.load(w)
	for range w.Count() {
		run := string(w.Bytes(w.Count()))
		for step, n := range w.tallies() {
			t.keep(run, step, n)
		}
	}
	t.stray = w.tallies()
	return true, !w.Bad && len(w.B) == 0
}

// load takes in the runs that save appended.
func (h *history) load(w *wireReader) {
	n := w.Count()
	seq := uint64(0)
	for range n {
		seq += w.Uvarint()
		row := runRow{seq: seq, started: w.Varint(), used: true}
		row.scope, row.hi = uint32(w.Uvarint()), uint32(w.Uvarint())
		row.lo = row.hi - uint32(w.Uvarint())
		row.mixed = w.Uvarint() == 1
		content := w.Bytes(w.Count())
		if w.Bad || int(row.scope) >= len(h.scopes) {
			w.Bad = true
			return
		}
		slot := h.slot()
		row.past = h.past.put(slot, content)
		p := h.open(&row, content)
		row.steps, row.class, row.trigger = uint32(p.steps), p.state.class(p.steps), h.triggerOf(&p.start)
		row.root, row.parent, row.parentStep = h.hashKept(p.id), h.hashKept(p.relatives[1]), h.hashKept(p.relatives[2])
		if p.relatives[0] != nil {
			row.root = h.hashKept(p.relatives[0])
		}
		if p.w.Bad {
			w.Bad = true
			return
		}
		*h.row(slot) = row
		h.all.insert(h, slot)
		for _, l := range h.scopes[row.scope].lists {
			l.insert(h, slot)
		}
		h.pastIDs.reserve(1 + p.steps)
		h.index(slot)
		if !p.state.Ended {
			h.going = append(h.going, slot)
		}
	}
}
