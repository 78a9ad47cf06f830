package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
)

// Mapped memory is only as good as the file below it: when somebody cuts that, or
// the disk cannot read a page back, touching the memory is a fault, which would
// end the process. So every touch of the ring runs guarded. After a fault the
// writer takes out what can still be read, writes it to the text and goes on in
// mode write; what cannot be read is counted as dropped.

// ringState is where the ring is in its life. It only goes forward once the journal is
// live: from ringInUse to ringFaulted when touching it was a fault, and from there to
// noRing when the writer has saved what it could. It is changed under mu.
type ringState = int32

const (
	noRing      ringState = iota // mode write is in force: there was none, or it is given up
	ringInUse                    // records go through it
	ringFaulted                  // nothing is put into it any more; who logs waits for noRing
)

// salvage is a ring that faulted while it is saved. Its memory is a copy then.
type salvage struct {
	behind  map[*tables.Segment]tables.Rows // of which something was in the ring when it faulted
	skipped bool                            // not all of it could be read
	body    []byte                          // room for that of the frame looked at
}

// errFault is returned where the memory of the ring, or of a sidecar, was touched and is
// not there.
var errFault = errors.New("journal: mapped memory is gone")

// errNoRing is returned by waitSpace once mode write is in force.
var errNoRing = errors.New("journal: there is no ring any more")

// caught ends a guarded function: it is deferred with what
// debug.SetPanicOnFault(true) returned, and makes a fault an error.
func caught(old bool, err *error) {
	debug.SetPanicOnFault(old)
	switch p := recover().(type) {
	case nil:
	case interface{ Addr() uintptr }:
		// The text of p speaks of a pointer, and has an operator look for a mistake of ours.
		*err = fmt.Errorf("%w: its file was cut, or its disk cannot be read (address %#x)", errFault, p.Addr())
	default:
		panic(p)
	}
}

// guarded calls touch and returns errFault for a fault in it.
func guarded(touch func()) (err error) {
	defer caught(debug.SetPanicOnFault(true), &err)
	touch()
	return nil
}

// ringed reports whether records go through the ring.
func (j *Journal) ringed() bool { return j.ringState.Load() != noRing }

// fault notes that the ring cannot be used: nothing is put into it any more, and
// the writer saves what it can. The caller holds mu.
func (j *Journal) fault(err error) error {
	if j.ringState.CompareAndSwap(ringInUse, ringFaulted) {
		j.problem(fmt.Errorf("%s: %w", filepath.Join(j.dir, privateDir, ringName), err))
		j.idle = false
		signal(j.wake)
		signal(j.urge)
	}
	return err
}

// touched notes what a guarded function returned. The caller does not hold mu.
func (j *Journal) touched(err error) {
	if err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		_ = j.fault(err)
	}
}

// afterFault appends a record of which the ring faulted, or while it did, as soon
// as mode write is in force. The caller holds mu.
func (f *File) afterFault(o *runs.Owner, m *Meta, body []byte, need, limit uint64) (uint64, error) {
	err := f.j.waitSpace(need, limit)
	if errors.Is(err, errNoRing) {
		return f.append(o, m, body)
	}
	f.drop(m, err)
	return 0, err
}

// rescue writes to the text what can be read of a ring that faulted, and sets
// mode write in force. After an error it is called again. The caller holds
// drainMu.
func (j *Journal) rescue() error {
	j.copyOut()
	if err := j.moveUpto(j.head); err != nil {
		return err
	}
	for _, seg := range j.tables.Segments() {
		seg.InText.Store(tables.AllInText)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.salvage.skipped {
		j.countLost()
	}
	j.ringState.Store(noRing)
	j.wakeWaiters()
	if err := j.removeRing(); err != nil {
		j.problem(fmt.Errorf("%w: it cannot be read, and who reads the folder in another process sees nothing new until it is gone, which is tried again", err))
	}
	return nil
}

// removeRing removes the file of a ring that faulted: nobody finds half a ring at the
// next open, and who reads the folder does not go by what it says any more.
func (j *Journal) removeRing() error {
	if j.taken.Load() {
		return nil // the ring that is there is another process'
	}
	return vfs.IgnoreNotExist(j.fs.Remove(j.privatePath(ringName)))
}

// keepRingAway puts aside a ring that stands there although it is not used any more: it
// could not be removed, or is there again, as after another disk was mounted over the
// folder for a while. Who reads the folder would go by what it says.
func (j *Journal) keepRingAway() {
	if j.ring == nil || j.ringed() || j.taken.Load() {
		return
	}
	_ = j.makeWay(ringName) // that the ring is not used any more was told
}

// copyOut puts a copy of what can be read in the place of the mapped memory.
// Nobody touches the ring meanwhile.
func (j *Journal) copyOut() {
	if j.salvage != nil {
		return
	}
	j.tailMu.Lock()
	defer j.tailMu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	mem := make([]byte, len(j.ring.mem))
	for at := 0; at < len(mem); at += ringHeader {
		if guarded(func() { copy(mem[at:at+ringHeader], j.ring.mem[at:]) }) != nil {
			clear(mem[at : at+ringHeader])
		}
	}
	j.ring.mem, j.ring.data = mem, mem[ringHeader:]
	j.salvage = &salvage{behind: map[*tables.Segment]tables.Rows{}}
	for _, seg := range j.tables.Segments() {
		if seg.InText.Load() != tables.AllInText {
			j.salvage.behind[seg] = seg.Rows()
		}
	}
	for _, f := range *j.fileTable.Load() {
		f.block, f.stuck = f.block[:0], nil
	}
}

// readable reports whether a frame can be written. Those of a copied ring may be
// damaged anywhere.
func (j *Journal) readable(pos uint64, fr *frame, files []*File) bool {
	if int(fr.file) >= len(files) || files[fr.file] == nil {
		return false
	}
	s := j.salvage
	if s == nil {
		return true
	}
	s.body = j.ring.body(s.body[:0], pos, fr)
	return j.ring.whole(fr, s.body)
}

// nextMark returns the next position at which a frame is known to begin.
func (j *Journal) nextMark(pos uint64) uint64 {
	j.salvage.skipped = true
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, m := range j.marks {
		if m.at > pos {
			return m.at
		}
	}
	return j.head
}

// countLost reads the texts again into which not everything came that was
// accepted, and counts what is missing as dropped. The caller holds drainMu and
// mu.
func (j *Journal) countLost() {
	files := *j.fileTable.Load()
	again := maps.Clone(j.salvage.behind)
	for _, f := range files {
		again[f.writing] = tables.Rows{} // it may have begun since
	}
	for seg := range again {
		if _, err := j.rescan(seg, 0, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.problem(fmt.Errorf("read %s again: %w", seg.File, err))
		}
	}
	lost := 0
	for seg, old := range j.salvage.behind {
		f := files[seg.File]
		for i := range old.Len() {
			row := old.At(i)
			held := false // also of what a sidecar that cannot be read may hold
			_ = guarded(func() { held = j.tables.Holds(seg.File, row.Seq, row.Len) })
			if f != nil && !held {
				f.drop(&Meta{Time: time.Unix(0, row.Time).UTC(), Level: zapcore.Level(row.Level)}, errFault)
				lost++
			}
		}
	}
	j.problem(fmt.Errorf("%w: %d accepted records are lost", errFault, lost))
}
