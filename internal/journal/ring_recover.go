package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// mapsWell are the file systems on which a full disk cannot make a fault of a
// mapped write, because the blocks are reserved and stay so, and on which other
// processes and a later one see what was written.
var mapsWell = map[string]bool{"ext4": true, "xfs": true, "tmpfs": true, "memory": true}

// openRingFile reads the file table and maps the ring that an earlier process
// left, if there is one. clean says that it was done with it.
func (j *Journal) openRingFile(private string, clean bool) error {
	var tableErr error
	if j.registry, tableErr = openRegistry(j.fs, private); j.registry == nil {
		return tableErr
	}
	path := filepath.Join(private, ringName)
	old, err := j.mapRing(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, errNotRing):
		if !j.rebooted && !clean {
			// A ring that no disk has mixed up is read or is not ours.
			j.problem(fmt.Errorf("%s, which is put aside as %s.broken with what it held: %w", path, ringName, err))
			if err := j.fs.Rename(path, path+".broken"); err != nil {
				return err
			}
		}
	case err != nil:
		return err
	case clean:
		// After a power cut the ring may be older than the end of its process.
		old.tail().Store(old.head().Load())
	case len(j.registry.names) == 0 || tableErr != nil:
		// Nothing tells which logs the records are of.
		if lost := old.head().Load() - old.tail().Load(); lost > 0 {
			j.recovery.LostBytes += int64(lost)
			j.problem(fmt.Errorf("%s: %d bytes of accepted records are lost: the file table is missing or damaged", path, lost))
		}
		old.tail().Store(old.head().Load())
	}
	j.setRing(old)
	if tableErr == nil {
		return nil
	}
	table := filepath.Join(private, registryName)
	j.problem(fmt.Errorf("%s, which is put aside as %s.broken: %w", table, registryName, tableErr))
	return j.fs.Rename(table, table+".broken")
}

// setRing has the journal use a ring, nil for none. It is for Open.
func (j *Journal) setRing(r *ring) {
	j.ring = r
	if j.ringState.Store(noRing); r != nil {
		j.ringState.Store(ringInUse)
	}
}

// maxRing bounds the size of a ring, in bytes.
const maxRing = 1 << 30

// mapRing maps the ring that is there.
func (j *Journal) mapRing(path string) (*ring, error) {
	f, err := j.fs.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the mapping stays
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if size < ringHeader+frameAlign || size > maxRing {
		return nil, errNotRing
	}
	m, err := j.fs.Map(f, int(size))
	if err != nil {
		return nil, err
	}
	var r *ring
	if ferr := guarded(func() { r, err = openRing(m.Bytes()) }); ferr != nil {
		err = fmt.Errorf("%w: %w", errNotRing, ferr)
	}
	if err != nil {
		return nil, errors.Join(err, m.Unmap())
	}
	j.mapping = m
	return r, nil
}

// makeRing maps a new ring.
func (j *Journal) makeRing(path string) (r *ring, err error) {
	j.mapping, err = j.makeMapped(path, ringHeader+j.opts.RingBytes, func(mem []byte) { r = newRing(mem) })
	return r, err
}

// makeMapped maps a new file, which is under its name when it is whole: nobody maps
// what may shrink, and no kill leaves half of one.
func (j *Journal) makeMapped(path string, size int, put func(mem []byte)) (vfs.Mapping, error) {
	temporary := path + ".tmp"
	if err := vfs.IgnoreNotExist(j.fs.Remove(temporary)); err != nil {
		return nil, err
	}
	f, err := j.fs.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the mapping stays
	err = f.Allocate(int64(size), false)
	var m vfs.Mapping
	if err == nil {
		m, err = j.fs.Map(f, size)
	}
	if err != nil {
		return nil, errors.Join(err, vfs.IgnoreNotExist(j.fs.Remove(temporary)))
	}
	put(m.Bytes())
	if err = f.Sync(); err == nil {
		err = j.fs.Rename(temporary, path)
	}
	if err == nil {
		err = j.fs.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, m.Unmap(), vfs.IgnoreNotExist(j.fs.Remove(temporary)))
	}
	return m, nil
}

// replay writes to the text what a process that died had accepted and not
// written. It runs before anybody appends.
//
// The records of one file are written in the order of the ring. So of the
// frames of a file, all up to the newest whose line stands in the text are
// written, and none after it. No offset is trusted: the line itself tells. After a
// reboot those are written that are younger than what the text has.
func (j *Journal) replay() error {
	r := j.ring
	if r == nil {
		return nil
	}
	frames := j.framesLeft()
	written := map[uint16]int{} // by file: index in frames behind the newest that is in the text
	for i, fr := range frames {
		name := j.registry.names[fr.file]
		if j.rebooted && fr.seq <= j.tables.NewestOf(name) || j.tables.Holds(name, fr.seq, uint32(prefixLen(fr.seq)+int(fr.length))) {
			written[fr.file] = i + 1
		}
	}
	over := overtaken{}
	for i, fr := range frames {
		if i < written[fr.file] {
			continue
		}
		f, err := j.fileOfCode(fr.file)
		if err != nil {
			return err
		}
		if fr.seq <= f.seg.Last() {
			if err := over.add(f, &fr); err != nil {
				return err
			}
			continue
		}
		if err := f.replay(r, &fr); vfs.IsFull(err) && j.canKeepRing() {
			return j.keepLeft(frames, i, written, over, err)
		} else if err != nil {
			return fmt.Errorf("replay the ring: %w", err)
		}
		j.recovery.Replayed++
	}
	for _, f := range *j.fileTable.Load() {
		if err := f.text.Sync(); err != nil {
			return fmt.Errorf("replay the ring: %w", err)
		}
	}
	j.keepOvertaken(over)
	r.tail().Store(r.head().Load())
	return nil
}

// syncLeft makes durable what a process that died had written and not synced:
// nothing else would remember to, and the next Sync speaks for all of it.
// Compressed files were synced before they got their names.
func (j *Journal) syncLeft() error {
	infos, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, info := range infos {
		name := info.Name()
		log, ok := logOf(name)
		if !ok || name != rotation.PlainName(name) || !info.Mode().IsRegular() {
			continue
		}
		f, err := j.fs.OpenFile(filepath.Join(j.dir, name), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // compressed meanwhile
		}
		if vfs.IsUnreadable(err) && name != log+logExt {
			continue // nor has this process written it
		}
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			return fmt.Errorf("sync what was left: %w", err)
		}
	}
	return j.fs.SyncDir(j.dir)
}

// leftFrame is a frame that may not be in the text.
type leftFrame struct {
	frame
	at uint64
}

// framesLeft returns the whole frames between tail and head. After a kill these
// are all; after a reboot pages of different age may stand side by side, and
// only frames count that follow each other without a gap.
func (j *Journal) framesLeft() []leftFrame {
	r := j.ring
	head := r.head().Load()
	var list []leftFrame
	var body []byte
	var last uint64 // seq of the frame before
	for at := r.tail().Load(); at < head; {
		var fr frame
		var ok bool
		err := guarded(func() {
			if ok = r.frame(at, &fr); ok {
				body = r.body(body[:0], at, &fr)
			}
		})
		if ok && err == nil {
			ok = r.whole(&fr, body) && int(fr.file) < len(j.registry.names) && isBody(fr.seq, body)
		}
		ok = ok && err == nil && at+frameSize(int(fr.length)) <= head
		if last > 0 && (fr.seq <= last || j.rebooted && fr.seq != last+1) {
			ok = false
		}
		if !ok {
			j.recovery.LostBytes += int64(head - at)
			if !j.rebooted {
				j.problem(fmt.Errorf("%w, at %d: %d bytes of accepted records are lost", errors.Join(errRingDamaged, err), at, head-at))
			}
			break
		}
		last = fr.seq
		list = append(list, leftFrame{fr, at})
		at += frameSize(int(fr.length))
	}
	return list
}

// isBody reports whether a body is what the encoder writes.
func isBody(seq uint64, body []byte) bool {
	raw := append(line.AppendPrefix(nil, seq), body...)
	var rec line.Record
	return seq > 0 && seq <= maxSeq && !bytes.ContainsRune(body, '\n') && line.Parse(raw, &rec) == nil && rec.Seq == seq
}

// fileOfCode opens the log that a frame names.
func (j *Journal) fileOfCode(code uint16) (*File, error) {
	name := j.registry.names[code]
	if f := (*j.fileTable.Load())[name]; f != nil {
		return f, nil
	}
	return j.open(name)
}

// replay writes the line of one frame and publishes it.
func (f *File) replay(r *ring, fr *leftFrame) error {
	raw, rec, err := fr.read(r)
	if err != nil {
		return err
	}
	if _, err := f.text.Write(raw); err != nil {
		return err
	}
	f.publishLeft(rec, f.text.Size()-int64(len(raw)), len(raw))
	return nil
}

// read returns the line of a frame, with its newline, and what it says.
func (fr *leftFrame) read(r *ring) (raw []byte, rec *line.Record, err error) {
	raw = append(r.body(line.AppendPrefix(nil, fr.seq), fr.at, &fr.frame), '\n')
	rec = new(line.Record)
	return raw, rec, line.Parse(raw[:len(raw)-1], rec) // a body whose checksum is right was written by the encoder
}

// publishLeft publishes a record whose line begins in the text at a position and has
// a length, with its newline.
func (f *File) publishLeft(rec *line.Record, at int64, n int) {
	row := tables.Row{Seq: rec.Seq, Time: line.Nanoseconds(rec.Time), Offset: uint32(at), Len: uint32(n - 1), Level: int8(rec.Level), Kind: rec.Kind}
	f.j.tables.Publish(f.seg, &row, f.j.tables.Owner(&rec.Identity), lifecycleOf(rec))
}

// canKeepRing reports whether the ring that an earlier process left, in another mode or
// of another size too, is one to go on with.
func (j *Journal) canKeepRing() bool {
	return j.ring != nil && !j.ring.crcs
}

// keepsRing reports whether that ring is gone on with: it is what is asked for, where there
// may be one, which a copy of a folder need not be, or holds what a full disk did not take,
// until a folder is opened without that.
func (j *Journal) keepsRing(private string) bool {
	return j.canKeepRing() && (j.left != nil ||
		j.opts.Mode == ModeJournal && !j.rebooted && j.ring.size == uint64(j.opts.RingBytes) && mapsWell[j.fs.Kind(private)])
}

// startRing makes an empty ring where there is none, and sets mode write in
// force where there cannot be one.
func (j *Journal) startRing(private string) error {
	path := filepath.Join(private, ringName)
	if j.keepsRing(private) {
		return nil
	}
	if j.ring != nil {
		j.setRing(nil)
		if err := j.mapping.Unmap(); err != nil {
			return err
		}
		j.mapping = nil
	}
	if j.opts.Mode == ModeJournal && mapsWell[j.fs.Kind(private)] {
		r, err := j.makeRing(path)
		if err == nil {
			j.setRing(r)
			return nil
		}
		j.problem(fmt.Errorf("%s: records go to the text at once, without a ring: %w", path, err))
	}
	return vfs.IgnoreNotExist(j.fs.Remove(path))
}
