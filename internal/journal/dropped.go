package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// What was dropped and not said yet outlives the process: it is kept in mapped memory,
// by log, as it is counted. FORMAT.md describes the file byte by byte. The numbers are
// part of the format.
const (
	droppedName    = "dropped"
	droppedMagic   = "steplog dropped\n"
	droppedVersion = 1

	droppedHeader = 256
	droppedSlot   = 128
	droppedLogs   = 255 // logs with a larger code have no slots
	droppedSize   = droppedHeader + droppedLogs*2*droppedSlot

	// In the header.
	offDroppedVersion = 16 // u16
	offDroppedCRC     = 20 // u32 over bytes 0 to 19

	// In a slot.
	offTurn   = 0   // u64, one more with each change
	offSince  = 8   // u64, the record that says it has no smaller seq
	offCounts = 16  // 6 × u64, by level
	offFirst  = 64  // i64, Unix nanoseconds
	offLast   = 72  // i64
	offCheck  = 120 // u32 over bytes 0 to 119
)

var errNotDropped = errors.New("journal: not a file of what was dropped, or a damaged one")

// dropped is that file, mapped. Each log has two slots, which are written in turn: one
// of which a kill let only a half be written leaves the one before.
type dropped struct {
	mapping vfs.Mapping
	turns   [droppedLogs]uint64
}

// putDropped lays a file without drops over mem.
func putDropped(mem []byte) {
	clear(mem)
	copy(mem, droppedMagic)
	binary.LittleEndian.PutUint16(mem[offDroppedVersion:], droppedVersion)
	binary.LittleEndian.PutUint32(mem[offDroppedCRC:], crc32.Checksum(mem[:offDroppedCRC], castagnoli))
}

// parse checks the header, and returns what the logs have not said, by code.
func (d *dropped) parse() (map[uint16]Lost, error) {
	mem := d.mapping.Bytes()
	if string(mem[:len(droppedMagic)]) != droppedMagic {
		return nil, errNotDropped
	}
	switch version := binary.LittleEndian.Uint16(mem[offDroppedVersion:]); {
	case version > droppedVersion:
		return nil, ErrVersion
	case version == 0 || binary.LittleEndian.Uint32(mem[offDroppedCRC:]) != crc32.Checksum(mem[:offDroppedCRC], castagnoli):
		return nil, errNotDropped
	}
	left := map[uint16]Lost{}
	for code := range uint16(droppedLogs) {
		for turn := range uint64(2) {
			if at, l, ok := parseLost(d.slot(code, turn)); ok && at > d.turns[code] {
				d.turns[code], left[code] = at, l
			}
		}
		if left[code].count == 0 {
			delete(left, code)
		}
	}
	return left, nil
}

// slot is where what a log has dropped is written in a turn.
func (d *dropped) slot(code uint16, turn uint64) []byte {
	at := droppedHeader + (2*int(code)+int(turn%2))*droppedSlot
	return d.mapping.Bytes()[at : at+droppedSlot]
}

// keep writes what a log has dropped and not said.
func (d *dropped) keep(code uint16, l *Lost) (err error) {
	defer caught(debug.SetPanicOnFault(true), &err)
	turn := d.turns[code] + 1
	l.put(d.slot(code, turn), turn)
	d.turns[code] = turn
	return nil
}

// put writes a slot.
func (l *Lost) put(slot []byte, turn uint64) {
	binary.LittleEndian.PutUint64(slot[offTurn:], turn)
	binary.LittleEndian.PutUint64(slot[offSince:], l.since)
	for i, n := range l.levels {
		binary.LittleEndian.PutUint64(slot[offCounts+8*i:], uint64(n))
	}
	binary.LittleEndian.PutUint64(slot[offFirst:], uint64(l.first.UnixNano()))
	binary.LittleEndian.PutUint64(slot[offLast:], uint64(l.last.UnixNano()))
	binary.LittleEndian.PutUint32(slot[offCheck:], crc32.Checksum(slot[:offCheck], castagnoli))
}

// parseLost reads a slot; false for one that was never written, or not to its end.
func parseLost(slot []byte) (turn uint64, l Lost, ok bool) {
	if binary.LittleEndian.Uint32(slot[offCheck:]) != crc32.Checksum(slot[:offCheck], castagnoli) {
		return 0, l, false
	}
	turn = binary.LittleEndian.Uint64(slot[offTurn:])
	l.since = binary.LittleEndian.Uint64(slot[offSince:])
	for i := range l.levels {
		n := binary.LittleEndian.Uint64(slot[offCounts+8*i:])
		if n > maxSeq {
			return 0, Lost{}, false
		}
		l.levels[i] = int64(n)
		l.count += int64(n)
	}
	l.first = time.Unix(0, int64(binary.LittleEndian.Uint64(slot[offFirst:]))).UTC()
	l.last = time.Unix(0, int64(binary.LittleEndian.Uint64(slot[offLast:]))).UTC()
	return turn, l, true
}

// openDropped maps the file that an earlier process left, and reads what it says.
func (j *Journal) openDropped(private string) error {
	path := filepath.Join(private, droppedName)
	left, err := j.mapDropped(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, errNotDropped):
		j.problem(fmt.Errorf("%s, which is put aside as %s.broken with the counts that it held: %w", path, droppedName, err))
		return j.fs.Rename(path, path+".broken")
	case errors.Is(err, ErrVersion):
		return fmt.Errorf("%s: %w", path, err)
	case err != nil:
		// It may be read another time; nothing that was accepted depends on it.
		j.problem(fmt.Errorf("%s: no record says what was dropped before: %w", path, err))
		return nil
	}
	for code, l := range left {
		if int(code) < len(j.registry.names) {
			j.unsaid[j.registry.names[code]] = l
			continue
		}
		j.problem(fmt.Errorf("%s: %d records were dropped of a log that no file names any more", path, l.count))
		if err := j.dropped.keep(code, new(Lost)); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) mapDropped(path string) (left map[uint16]Lost, err error) {
	f, err := j.fs.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the mapping stays
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != droppedSize {
		// One of a newer version may have any size.
		var head [offDroppedVersion + 2]byte
		if n, _ := f.ReadAt(head[:], 0); n == len(head) && string(head[:len(droppedMagic)]) == droppedMagic &&
			binary.LittleEndian.Uint16(head[offDroppedVersion:]) > droppedVersion {
			return nil, ErrVersion
		}
		return nil, errNotDropped
	}
	d := new(dropped)
	if d.mapping, err = j.fs.Map(f, droppedSize); err != nil {
		return nil, err
	}
	if ferr := guarded(func() { left, err = d.parse() }); ferr != nil {
		err = fmt.Errorf("%w: %w", errNotDropped, ferr)
	}
	if err != nil {
		return nil, errors.Join(err, d.mapping.Unmap())
	}
	j.dropped = d
	return left, nil
}

// startDropped makes the file where there is none, and memory can be mapped safely.
// Without it, what was dropped is known as long as the process lives.
func (j *Journal) startDropped(private string) {
	if j.dropped != nil || !mapsWell[j.fs.Kind(private)] {
		return
	}
	path := filepath.Join(private, droppedName)
	if _, err := j.fs.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return // one that could not be read
	}
	d := new(dropped)
	var err error
	if d.mapping, err = j.makeMapped(path, droppedSize, putDropped); err != nil {
		j.problem(fmt.Errorf("%s: after a kill no record will say what was dropped: %w", path, err))
		return
	}
	j.dropped = d
}

// keepLost keeps what was dropped and not said for the next process, should this one
// be killed. The caller holds mu.
func (f *File) keepLost() {
	j := f.j
	if !j.keepsLost(f) || j.closed {
		return
	}
	if err := j.dropped.keep(f.code, &f.lost); err != nil {
		j.problem(fmt.Errorf("%s: %w", droppedName, err))
		_ = j.unmapDropped() // it was not there
	}
}

// keepsLost reports whether what was dropped of a log outlives the process.
func (j *Journal) keepsLost(f *File) bool { return j.dropped != nil && int(f.code) < droppedLogs }

// unmapDropped lets go of the file. The caller holds mu, or is the only one.
func (j *Journal) unmapDropped() error {
	if j.dropped == nil {
		return nil
	}
	d := j.dropped
	j.dropped = nil
	return d.mapping.Unmap()
}

// sayLeft has the logs say what an earlier process dropped and did not say. It may have
// been killed between saying so and noting that it had, and a power cut may have brought
// back what it noted before: the text tells.
func (j *Journal) sayLeft() {
	names := slices.Sorted(maps.Keys(j.unsaid)) // nothing else looks at it yet but File
	if len(names) == 0 {
		return
	}
	snap := j.Snapshot()
	for _, name := range names {
		l := j.unsaid[name]
		said := false // nor by a sidecar that cannot be read
		_ = guarded(func() { said = l.saidIn(snap, name) })
		if said {
			l = Lost{}
		}
		j.mu.Lock()
		f := (*j.fileTable.Load())[name]
		if f != nil {
			delete(j.unsaid, name)
			f.lost.join(&l)
			f.keepLost()
		} else {
			j.unsaid[name] = l // File takes it
		}
		j.mu.Unlock()
		if f == nil && l.count > 0 {
			if _, err := j.File(name); err != nil {
				j.problem(fmt.Errorf("%s: an earlier process dropped %d records, and the log does not say so: %w", name, l.count, err))
			}
		}
	}
	j.sayLost()
}

// saidIn reports whether a log has the record that says this.
func (l *Lost) saidIn(snap *Snapshot, log string) bool {
	var buf []byte
	for i := range snap.Segments {
		seg := &snap.Segments[i]
		if seg.File() != log {
			continue
		}
		for r := seg.Len() - 1; r >= 0; r-- {
			row := seg.Row(r)
			if row.Seq < l.since {
				break
			}
			if row.Kind != line.KindEvent || row.Level != int8(zapcore.WarnLevel) {
				continue
			}
			raw, err := seg.Read(r, buf[:0])
			if err == nil && l.isSaidBy(raw) {
				return true
			}
			buf = raw
		}
	}
	return false
}

// isSaidBy reports whether a line is the record that says this: nothing that was
// dropped later begins at the same time.
func (l *Lost) isSaidBy(raw []byte) bool {
	var rec line.Record
	var said struct{ First time.Time }
	return line.Parse(raw, &rec) == nil && strings.HasPrefix(rec.Message, lostMessage) &&
		json.Unmarshal(rec.Details, &said) == nil && said.First.UnixNano() == l.first.UnixNano()
}
