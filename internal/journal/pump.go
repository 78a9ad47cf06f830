package journal

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
)

const (
	// gatherFor is how long a record waits in the ring for company: other
	// processes see it at most so much later.
	gatherFor = 10 * time.Millisecond
	// roundBytes is how much of the ring is moved to the text at a time. Its
	// space is given back when all of it is there.
	roundBytes = 1 << 20
	// blockBytes is how much text is gathered before it is written: a round, whose
	// write takes three quarters of what four smaller ones do, because the system
	// keeps it in larger pieces. To sync them takes less, too.
	blockBytes = roundBytes
	// blockRoom has room for a block, and for the line that completes it if it is not a
	// long one. Files that never have more than smallBlock to write do without.
	blockRoom  = blockBytes + blockBytes/16
	smallBlock = 64 << 10
	// warmAfter is how much is logged before the writer maps the pages of the ring
	// ahead of those who log, for which it is called early once, and warmAhead how far.
	warmAfter = 64 << 10
	warmAhead = 4 << 20
	// retryFirst and retryMost bound the pauses between tries to write to a
	// disk that fails; rotatePause is how long a file that could not be rotated
	// grows on.
	retryFirst  = 10 * time.Millisecond
	retryMost   = time.Second
	rotatePause = time.Second
)

var errRingDamaged = errors.New("journal: a frame in the ring is damaged")

// pump is the writer: it moves frames to the text until the journal closes, and
// then what is left, as far as the disk takes it.
func (j *Journal) pump() {
	defer close(j.pumpDone)
	pause := retryFirst
	for {
		if !j.await() {
			// Close drains once more, and tells what goes wrong then.
			_ = j.drain()
			return
		}
		err := j.drain()
		if !j.ringed() {
			return
		}
		if err == nil {
			pause = retryFirst
			continue
		}
		j.mu.Lock()
		j.wakeWaiters() // those who wait need not: the disk is not slow, it fails
		j.mu.Unlock()
		select {
		case <-time.After(pause):
		case <-j.finish:
		}
		pause = min(2*pause, retryMost)
	}
}

// await returns when there is something to write that has waited long enough,
// or false when the journal closes.
func (j *Journal) await() bool {
	j.mu.Lock()
	j.idle = j.head == j.tail.Load()
	idle := j.idle
	j.mu.Unlock()
	if idle {
		select {
		case <-j.wake:
		case <-j.urge:
		case <-j.finish:
			return false
		}
	}
	timer := time.NewTimer(gatherFor)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-j.urge:
	case <-j.finish:
		return false
	}
	return true
}

// drain writes everything that was in the ring when it was called, in rounds,
// and then gives the files their names whose next segment nobody wrote to yet. In mode
// write there is nothing to do. The first time that it fails is told of.
func (j *Journal) drain() (err error) {
	j.drainMu.Lock()
	defer j.drainMu.Unlock()
	if j.unmapped {
		return ErrClosed
	}
	if j.ringState.Load() == noRing {
		return nil
	}
	if j.ringState.Load() == ringInUse {
		err = j.drainRing()
		if errors.Is(err, errFault) || errors.Is(err, errRingDamaged) {
			j.touched(err)
		}
	}
	if j.ringState.Load() == ringFaulted {
		err = j.rescue()
	}
	if was := j.failing.Swap(err != nil); err != nil && !was {
		j.problem(err)
	}
	return err
}

// drainRing is drain while the ring can be read.
func (j *Journal) drainRing() (err error) {
	defer caught(debug.SetPanicOnFault(true), &err)
	head := j.ring.head().Load()
	j.warm(head)
	burst := head-j.tail.Load() >= burstBytes
	j.tables.Stock(burst)
	if burst {
		j.burst.Store(time.Now().UnixNano())
	}
	return j.moveUpto(head)
}

// moveUpto moves the frames below a position to the texts, in rounds.
func (j *Journal) moveUpto(head uint64) error {
	for j.tail.Load() < head {
		if err := j.round(min(head, j.tail.Load()+roundBytes)); err != nil {
			return err
		}
	}
	j.rotateTexts(head)
	return nil
}

// warm maps pages of the ring that nobody has written to since it was opened, once
// there is much to log: a page takes the system longer than a record takes us.
func (j *Journal) warm(head uint64) {
	end := j.opened + j.ring.size
	if head < j.opened+warmAfter {
		return
	}
	for upto := min(head+warmAhead, end); j.warmed < upto; {
		const page = ringHeader
		from := j.warmed % j.ring.size / page * page
		to := min(from+(upto-j.warmed+page-1)/page*page, j.ring.size)
		vfs.Populate(j.mapping, int(ringHeader+from), int(ringHeader+to))
		j.warmed += to - j.warmed%j.ring.size
	}
}

// rotateTexts begins the texts of the segments that were begun below a position up
// to which all is in the text.
func (j *Journal) rotateTexts(head uint64) {
	for _, f := range *j.byCode.Load() {
		for f != nil && f.pendingBelow(head) {
			f.rotateText()
		}
	}
}

// pendingBelow reports whether a segment is pending that was begun below a position up to
// which all is in the text.
func (f *File) pendingBelow(head uint64) bool {
	f.j.mu.Lock()
	defer f.j.mu.Unlock()
	return len(f.pending) > 0 && f.pending[0].at <= head
}

// round moves the frames from the tail up to upto or a little more.
func (j *Journal) round(upto uint64) error {
	files := *j.byCode.Load()
	pos := j.tail.Load()
	var fr frame
	for pos < upto {
		var ok bool
		if ok = j.ring.frame(pos, &fr); !ok || !j.readable(pos, &fr, files) {
			if j.salvage == nil {
				return fmt.Errorf("%w, at %d", errRingDamaged, pos)
			}
			pos = j.nextMark(pos)
			continue
		}
		if f := files[fr.file]; pos >= f.writtenTo && f.stuck == nil {
			f.stuck = f.gather(&fr, pos)
		}
		pos += frameSize(int(fr.length))
	}
	free, last := pos, fr.seq
	var errs []error
	for _, f := range files {
		if f == nil {
			continue
		}
		if f.stuck == nil {
			f.stuck = f.writeBlock()
		}
		if f.stuck == nil {
			f.writtenTo = pos
			continue
		}
		errs = append(errs, f.stuck)
		if len(f.block) > 0 {
			f.stuckAt = f.blockFrom
		}
		free = min(free, f.stuckAt)
		f.stuck, f.block = nil, f.block[:0]
	}
	if free < pos {
		last = j.seqBefore(free)
	}
	j.release(free, last)
	return errors.Join(errs...)
}

// seqBefore returns the seq of the frame that ends at a position, 0 when it is
// not one of those that are being moved.
func (j *Journal) seqBefore(end uint64) (seq uint64) {
	var fr frame
	for pos := j.tail.Load(); pos < end && j.ring.frame(pos, &fr); {
		seq = fr.seq
		pos += frameSize(int(fr.length))
	}
	return seq
}

// gather adds the line of a frame to the block of its file. A frame of the
// next segment has the file rotated first, if it is of this process: what an earlier
// one left goes to the text that is there.
func (f *File) gather(fr *frame, pos uint64) error {
	f.stuckAt = pos
	if pos >= f.j.opened && fr.begun != uint16(f.begunInText) {
		if err := f.writeBlock(); err != nil {
			return err
		}
		f.rotateText()
	}
	if len(f.block) == 0 {
		f.blockFrom = pos
	}
	if n := len(f.block); n > smallBlock && cap(f.block) < blockRoom {
		// In one go: what it would outgrow on the way is memory that was mapped, too.
		f.block = slices.Grow(f.block, blockRoom-n)
	}
	f.block = line.AppendPrefix(f.block, fr.seq)
	f.block = f.j.ring.body(f.block, pos, fr)
	f.block = append(f.block, '\n')
	f.blockSeq = fr.seq
	f.blockEnd = pos + frameSize(int(fr.length))
	if len(f.block) >= blockBytes {
		return f.writeBlock()
	}
	return nil
}

// writeBlock hands the gathered lines to the system. After an error nothing of
// them is in the text, and they are gathered again from the ring.
func (f *File) writeBlock() error {
	if len(f.block) == 0 {
		return nil
	}
	if _, err := f.text.Write(f.block); err != nil {
		return err
	}
	f.newestInText.Store(f.blockSeq)
	f.dirty.Store(true)
	f.writing.InText.Store(f.blockSeq)
	f.writtenTo = f.blockEnd
	f.block = f.block[:0]
	return nil
}

// rotateText rotates the text of a file, whose records are all written. If that
// fails the file grows on, and so it does if there is nothing in it any more
// because somebody emptied it.
func (f *File) rotateText() {
	before, failed := f.begunInText, f.rotateErr != nil
	f.rotating = true
	f.rotateErr = f.text.Rotate()
	f.rotating = false
	if f.rotateErr != nil && !failed { // once, not on each try
		f.j.problem(f.rotateErr)
	}
	if f.begunInText == before {
		f.j.growOn(f)
	}
}

// beginText makes what follows belong to the next segment: one that is pending, or a
// new one if the text was closed for another reason, as one is that could not be synced.
// The caller holds mu.
func (f *File) beginText() {
	j, old := f.j, f.writing
	if f.rotating && len(f.pending) > 0 {
		f.begunInText++
		f.writing = f.pending[0].seg
		f.pending = f.pending[1:]
	} else {
		next := j.tables.SegmentAt(old)
		inText := old.InText.Load()
		size := j.tables.Split(old, next, inText)
		next.InText.Store(inText)
		f.writing = next
		if f.seg == old {
			f.seg, f.size = next, size
		}
	}
	old.InText.Store(tables.AllInText)
}

// growOn takes back the segment that got no text: its records go to the text that is
// there.
func (j *Journal) growOn(f *File) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f.begunInText++
	next := f.pending[0].seg
	f.pending = f.pending[1:]
	grown := j.tables.Merge(f.writing, next, f.text.Size())
	if f.seg == next {
		f.seg, f.size = f.writing, grown
	}
	if f.rotateErr != nil {
		f.rotateAfter = time.Now().Add(rotatePause)
	}
}

// release gives the space below a position back, and lets other processes show
// what was there, up to a seq. Readers of the ring are waited for; they copy, and
// do nothing else.
func (j *Journal) release(upto, seq uint64) {
	j.tailMu.Lock()
	j.tail.Store(upto)
	err := j.ring.release(upto, seq)
	j.tailMu.Unlock()
	j.touched(err)
	j.mu.Lock()
	for len(j.marks) > 0 && j.marks[0].at < upto {
		j.marks = j.marks[1:]
	}
	j.giveSpace()
	j.mu.Unlock()
}
