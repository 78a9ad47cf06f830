package journal

import (
	"errors"
	"math/bits"
	"runtime/debug"
	"sort"
	"time"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/tables"
)

// ErrFull is returned for a record that was dropped because the ring had no
// room for its level: the disk is full, failing or too slow.
var ErrFull = errors.New("journal: no room in the ring: the disk is full, failing or too slow")

// appendRing copies a record into the ring.
func (f *File) appendRing(o *runs.Owner, m *Meta, body []byte) (uint64, error) {
	j := f.j
	sum := bodySum(body)
	need := frameSize(len(body))
	j.mu.Lock()
	limit := j.ring.limit(m.Kind, m.Level)
	if j.head+need-j.tail.Load() > limit || j.waiting > 0 || j.closed || j.ringState.Load() != ringInUse {
		if err := j.waitSpace(need, limit); err != nil {
			seq := uint64(0)
			if errors.Is(err, errNoRing) {
				seq, err = f.append(o, m, body)
			} else {
				f.drop(m, err)
			}
			j.mu.Unlock()
			return seq, err
		}
	}
	if f.lost.count > 0 && !j.failing.Load() {
		f.appendLost()
	}
	seq, err := f.put(o, m, body, sum)
	if err != nil {
		seq, err = f.notPut(o, m, body, err, need, limit)
	}
	j.mu.Unlock()
	return seq, err
}

// notPut does what is left to do for a record that put returned an error for. The
// caller holds mu.
func (f *File) notPut(o *runs.Owner, m *Meta, body []byte, err error, need, limit uint64) (uint64, error) {
	if errors.Is(err, errFault) {
		return f.afterFault(o, m, body, need, limit)
	}
	f.drop(m, err)
	return 0, err
}

// put gives a record its number and place and publishes it. The caller holds mu
// and has made sure of the space.
func (f *File) put(o *runs.Owner, m *Meta, body []byte, sum uint64) (uint64, error) {
	j := f.j
	seq, err := j.numbers.take()
	if err != nil {
		return 0, err
	}
	size := int64(prefixLen(seq) + len(body) + 1)
	if f.size > 0 && f.size+size > f.maxBytes.Load() && j.mayBegin(f) {
		f.beginSegment()
	}
	at := j.head
	var fr frame // and row below: see frame.parse
	fr.length, fr.file, fr.begun = uint32(len(body)), f.code, uint16(f.begun)
	fr.seq, fr.sum = seq, sum
	if err := j.ring.publish(at, &fr, body, at+frameSize(len(body))); err != nil {
		return 0, j.fault(err)
	}
	if seq%markEvery == 0 {
		j.marks = append(j.marks, mark{seq, at})
	}
	j.head = at + frameSize(len(body))
	var row tables.Row
	row.Seq, row.Time = seq, line.Nanoseconds(m.Time)
	row.Offset, row.Len = uint32(f.size), uint32(size-1)
	row.Level, row.Kind, row.Message = int8(m.Level), m.Kind, m.Message
	j.tables.Publish(f.seg, &row, o, m.Lifecycle)
	f.size += size
	f.records++
	f.bytes += size
	if j.idle {
		j.idle = false
		signal(j.wake)
	} else if j.head >= j.urgeAt {
		j.urgeAt = j.head + j.ring.size/4
		signal(j.urge)
	}
	return seq, nil
}

// signal wakes the one goroutine that listens, or leaves a note for it.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// prefixLen is the length of {"seq":N, for a number.
func prefixLen(seq uint64) int {
	seq |= 1                               // changes no number's length but that of 0
	digits := bits.Len64(seq) * 1233 >> 12 // 1233/4096 is a little more than log10(2)
	if seq >= powersOf10[digits] {
		digits++
	}
	return len(`{"seq":,`) + digits
}

// powersOf10 reach beyond maxSeq; immutable.
var powersOf10 = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// mayBegin reports whether a file may begin a new segment: not right after it
// could not be rotated. The caller holds mu.
func (j *Journal) mayBegin(f *File) bool {
	return f.rotateAfter.IsZero() || !time.Now().Before(f.rotateAfter)
}

// beginSegment begins the next segment of a file; the writer gives the text of the last
// one its name when it gets there. The caller holds mu.
func (f *File) beginSegment() {
	f.begun++
	f.size = 0
	f.seg = f.j.tables.NewSegment(f.name, f.name+".log")
	f.seg.InText.Store(0)
	f.pending = append(f.pending, pending{f.seg, f.j.head})
}

// appendLost puts the record that says what was dropped, if there is room for
// it. The caller holds mu.
func (f *File) appendLost() {
	if f.j.ringState.Load() != ringInUse {
		return
	}
	body, m, o := f.lostRecord()
	if !f.j.fits(frameSize(len(body)), f.j.ring.size) {
		return
	}
	if _, err := f.put(o, m, body, bodySum(body)); err == nil {
		f.saidLost()
	}
}

// readRing appends the line of a record to buf that is not in the text yet.
// false means that by now it is. hint is where its frame may lie, or one before it,
// 0 if nobody knows; it becomes where the next one lies.
func (j *Journal) readRing(seg *tables.Segment, seq uint64, buf []byte, hint *uint64) ([]byte, bool) {
	line, ok, err := j.copyLine(seg, seq, buf, hint)
	if err != nil {
		j.touched(err)
		return buf, false
	}
	return line, ok
}

func (j *Journal) copyLine(seg *tables.Segment, seq uint64, buf []byte, hint *uint64) (_ []byte, found bool, err error) {
	j.tailMu.RLock()
	defer j.tailMu.RUnlock()
	defer caught(debug.SetPanicOnFault(true), &err)
	if j.ring == nil || j.unmapped || seq <= seg.InText.Load() {
		return buf, false, nil
	}
	if at := *hint; at >= j.tail.Load() && at < j.ring.head().Load() {
		if buf, ok := j.copyFrom(at, seq, buf, hint); ok {
			return buf, true, nil
		}
	}
	if at, ok := j.place(seq); ok {
		buf, found = j.copyFrom(at, seq, buf, hint)
	}
	return buf, found, nil
}

// copyFrom is copyLine for a record whose frame lies at a position or behind it. The
// caller holds tailMu.
func (j *Journal) copyFrom(at, seq uint64, buf []byte, hint *uint64) ([]byte, bool) {
	for head := j.ring.head().Load(); at < head; {
		var fr frame
		ok := j.ring.frame(at, &fr)
		next := at + frameSize(int(fr.length))
		switch {
		case !ok || fr.seq > seq:
			return buf, false
		case fr.seq == seq:
			*hint = next
			return j.ring.body(line.AppendPrefix(buf, seq), at, &fr), true
		}
		at = next
	}
	return buf, false
}

// place returns a position at or before a record's that is in the ring. The
// caller holds tailMu.
func (j *Journal) place(seq uint64) (uint64, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := j.tail.Load()
	i := sort.Search(len(j.marks), func(i int) bool { return j.marks[i].seq > seq })
	if i > 0 {
		at = max(at, j.marks[i-1].at)
	}
	return at, at < j.head
}
