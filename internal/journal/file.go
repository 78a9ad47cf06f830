package journal

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/cpu"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/rotation"
)

// File is one log of the folder: its active text and its counters. What callers write
// with each record stands apart from what the writer does, which goes on at the same
// time: a line of the cache that both write, or one writes and the other reads, would go
// from one processor to the other for each record.
type File struct {
	name string
	code uint16 // in the file table
	j    *Journal
	text *rotation.File

	maxBytes     atomic.Int64
	newestInText atomic.Uint64 // seq
	dirty        atomic.Bool   // written since the last sync

	// guarded by Journal.mu, and seldom changed: a caller begins a segment, and the writer
	// its text when it gets there
	writing     *tables.Segment // whose text is the active one
	pending     []pending       // those after it, oldest first
	seg         *tables.Segment // the last of all these, which the next record goes to
	begun       uint64          // segments begun
	begunInText uint64          // of these, with a text: all but those pending
	rotateAfter time.Time       // the next segment begins no earlier

	_ cpu.CacheLinePad

	// guarded by Journal.mu
	size    int64 // of seg's text, with what is still in the ring
	records int64
	bytes   int64
	lost    Lost // dropped and not yet said

	_ cpu.CacheLinePad

	// guarded by Journal.drainMu: what moves from the ring to the text
	block     []byte // lines gathered
	blockFrom uint64 // position of the first of them
	blockEnd  uint64 // position behind the last
	blockSeq  uint64 // seq of the last
	writtenTo uint64 // position up to which the text has everything
	stuck     error  // in this round
	stuckAt   uint64 // position of the first frame that could not be written
	rotating  bool   // rotateText is under way
	rotateErr error  // of the last one

	_ cpu.CacheLinePad

	// guarded by Journal.syncing
	syncedTo uint64 // seq up to which all is durable
	unsure   bool   // a sync failed: nobody knows about what is up to unsureTo
	unsureTo uint64

	dropped [len(line.Levels{})]atomic.Int64
}

// pending is a segment that was begun and whose text was not.
type pending struct {
	seg *tables.Segment
	at  uint64 // position in the ring of its first record
}

// Lost is what was dropped of a log since the last record that says so. The zero
// value is nothing.
type Lost struct {
	count       int64
	levels      line.Levels
	first, last time.Time
	since       uint64 // the record that says it has no smaller seq
}

// Add adds one record.
func (l *Lost) Add(level zapcore.Level, at time.Time) {
	l.levels[line.LevelIndex(level)]++
	l.count++
	if l.first.IsZero() {
		l.first = at
	}
	l.last = at
}

// join adds what was dropped at another place, or before.
func (l *Lost) join(m *Lost) {
	if m.count == 0 {
		return
	}
	if l.count == 0 {
		*l = *m
		return
	}
	l.count += m.count
	for i, n := range m.levels {
		l.levels[i] += n
	}
	if m.first.Before(l.first) {
		l.first = m.first
	}
	if m.last.After(l.last) {
		l.last = m.last
	}
	l.since = min(l.since, m.since)
}

// Missed adds records to what the log will say was dropped that were dropped
// before they got here. Whoever dropped them counts them.
func (f *File) Missed(l Lost) {
	if l.count == 0 {
		return
	}
	f.j.mu.Lock()
	defer f.j.mu.Unlock()
	l.since = f.j.numbers.next
	f.lost.join(&l)
	f.keepLost()
}

// saidLost forgets what was dropped: a record says it. The caller holds mu.
func (f *File) saidLost() {
	f.lost = Lost{}
	f.keepLost()
}

// File returns the log with this name, opening or making its file on first
// use. The name must be one that [rotation] accepts.
func (j *Journal) File(name string) (*File, error) {
	if j.lock == nil || j.Closed() {
		return nil, ErrClosed
	}
	if f := (*j.fileTable.Load())[name]; f != nil {
		return f, nil
	}
	j.opening.Lock()
	defer j.opening.Unlock()
	if f := (*j.fileTable.Load())[name]; f != nil {
		return f, nil
	}
	if j.taken.Load() {
		return nil, ErrLocked // to open a file cuts what another process may be writing
	}
	return j.open(name)
}

// open opens a log's active file, cuts a torn last line and takes in its rows.
// The caller holds opening, or is Open.
func (j *Journal) open(name string) (*File, error) {
	f := &File{name: name, j: j}
	text, err := rotation.OpenFS(j.fs, filepath.Join(j.dir, name+".log"), &rotation.Options{
		Rule:      j.ruleOf(name),
		OnClose:   f.closedText,
		OnRemove:  j.fileRetained,
		OnDamage:  f.damagedText,
		OnProblem: j.textProblem,
		Seal:      f.sealClosed,
		OnSealed:  j.sealed,
		Folder:    j.folder,
		Clock:     j.opts.Clock,
	})
	if err != nil {
		return nil, err
	}
	f.text = text
	f.maxBytes.Store(text.Rule().MaxBytes)
	f.seg = j.tables.NewSegment(name, name+".log")
	f.writing = f.seg
	j.takeSaved(f.seg)
	if err = j.readers.open(j, f.seg); err == nil && text.Size() > 0 {
		err = j.parse(f.seg)
	}
	if err == nil {
		f.code, err = j.registry.code(name)
	}
	if err == nil {
		err = j.install(f)
	}
	if err != nil {
		j.tables.Remove(f.seg)
		j.readers.drop(f.seg)
		return nil, errors.Join(err, text.Close())
	}
	return f, nil
}

// install enters a file, unless the journal was closed meanwhile.
func (j *Journal) install(f *File) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	f.size = f.text.Size()
	if j.live {
		f.lost = j.unsaid[f.name]
		delete(j.unsaid, f.name)
	}
	if j.live && j.ringed() {
		f.seg.InText.Store(j.numbers.next - 1)
	}
	j.recovery.TornBytes += f.text.Torn()
	files := maps.Clone(*j.fileTable.Load())
	files[f.name] = f
	j.fileTable.Store(&files)
	byCode := slices.Clone(*j.byCode.Load())
	for len(byCode) <= int(f.code) {
		byCode = append(byCode, nil)
	}
	byCode[f.code] = f
	j.byCode.Store(&byCode)
	return nil
}

// closedText is called by the text file when its active file got its final name
// and before the next byte is written: in Write or Rotate, by the writer or,
// without a ring, by the goroutine that holds mu.
func (f *File) closedText(info rotation.Info) {
	j := f.j
	if j.ringed() {
		j.mu.Lock()
		defer j.mu.Unlock()
	}
	old := f.writing
	j.tables.Renamed(old, rotation.PlainName(info.Name))
	j.readers.rotated(old)
	f.beginText()
	if err := j.readers.open(j, f.writing); err != nil {
		j.problem(fmt.Errorf("open %s for reading: %w", f.name, err))
	}
}

// textProblem reports what a text file tells nobody else. Of what was done to it by
// somebody else it says only which file of its folder that is.
func (j *Journal) textProblem(err error) {
	if d := (*rotation.DamageError)(nil); errors.As(err, &d) {
		err = fmt.Errorf("%s: %w", j.dir, err)
	}
	j.problem(err)
}

// damagedText is called by the text file, in Write or Rotate like closedText,
// when somebody else changed the active file: the rows are read again from
// where it is not what it was.
func (f *File) damagedText(d *rotation.DamageError) {
	j := f.j
	if j.ringed() {
		j.mu.Lock()
		defer j.mu.Unlock()
	}
	j.readers.drop(f.writing)
	err := f.reread(d.From)
	if d.Damage == rotation.Removed {
		err = errors.Join(err, j.folder.Follow(), j.adopt(f.name))
	}
	if err != nil {
		j.problem(fmt.Errorf("read %s again: %w", f.name, err))
	}
	if err := j.readers.open(j, f.writing); err != nil {
		j.problem(fmt.Errorf("open %s for reading: %w", f.name, err))
	}
}

// reread takes the rows of the active text from the text again, from an offset
// on. The caller holds mu.
func (f *File) reread(from int64) error {
	size, err := f.j.rescan(f.writing, from, f.text.Size())
	if f.seg == f.writing {
		f.size = size
	}
	return err
}

// Append gives the record its number and writes its line: body is everything
// after the seq, without a newline. It returns once the record outlives the
// process and every snapshot shows it; [Journal.Sync] makes it durable. An
// error means that the record was dropped and counted.
//
// It is safe for concurrent use and keeps neither body nor m.Lifecycle.
func (f *File) Append(o *runs.Owner, m Meta, body []byte) (uint64, error) {
	var seq uint64
	var err error
	if f.j.ringed() {
		seq, err = f.appendRing(o, &m, body)
	} else {
		f.j.mu.Lock()
		seq, err = f.append(o, &m, body)
		f.j.mu.Unlock()
	}
	if err != nil {
		return 0, err
	}
	if m.Level >= zapcore.ErrorLevel {
		f.j.askSync()
	}
	return seq, nil
}

// append writes a record to the text at once. The caller holds mu.
func (f *File) append(o *runs.Owner, m *Meta, body []byte) (uint64, error) {
	if f.j.closed {
		f.drop(m, ErrClosed)
		return 0, ErrClosed
	}
	if f.lost.count > 0 {
		if err := f.writeLost(); err != nil {
			f.drop(m, err)
			return 0, err
		}
	}
	seq, err := f.write(o, m, body)
	if err != nil {
		f.drop(m, err)
	}
	return seq, err
}

// write appends one line and publishes its row. The caller holds mu.
func (f *File) write(o *runs.Owner, m *Meta, body []byte) (uint64, error) {
	j := f.j
	seq, err := j.numbers.take()
	if err != nil {
		return 0, err
	}
	j.buf = line.AppendPrefix(j.buf[:0], seq)
	j.buf = append(j.buf, body...)
	j.buf = append(j.buf, '\n')
	if _, err := f.text.Write(j.buf); err != nil {
		return 0, err
	}
	size := len(j.buf)
	f.newestInText.Store(seq)
	f.dirty.Store(true)
	f.records++
	f.bytes += int64(size)
	j.tables.Publish(f.seg, &tables.Row{
		Seq:    seq,
		Time:   line.Nanoseconds(m.Time),
		Offset: uint32(f.text.Size() - int64(size)),
		Len:    uint32(size - 1),
		Level:  int8(m.Level),
		Kind:   m.Kind,

		Message: m.Message,
	}, o, m.Lifecycle)
	return seq, nil
}

// drop counts a record that is not written because of err. Of records that are
// dropped until the log says how many there were, the host hears once: while a
// ring is full for some levels, others are still accepted in between. What comes after
// Close began is counted only, whether the host would still hear or not. The caller
// holds mu.
func (f *File) drop(m *Meta, err error) {
	if f.lost.count == 0 && !errors.Is(err, ErrClosed) {
		f.j.problem(fmt.Errorf("append to %s: %w", f.name, err))
	}
	f.dropped[line.LevelIndex(m.Level)].Add(1)
	if f.lost.count == 0 {
		f.lost.since = f.j.numbers.next
	}
	f.lost.Add(m.Level, m.Time)
	f.keepLost()
}

// MarshalLogObject writes the levels of which something was dropped.
func (l Lost) MarshalLogObject(e zapcore.ObjectEncoder) error {
	for i, n := range l.levels {
		if n > 0 {
			e.AddInt64(levels.Name(line.LevelAt(i)), n)
		}
	}
	return nil
}

// lostMessage is what the message of that record begins with; the count follows.
const lostMessage = "dropped "

// lostRecord makes the record that says what was dropped. The caller holds mu.
func (f *File) lostRecord() (body []byte, m *Meta, o *runs.Owner) {
	now := f.j.opts.Clock().UTC()
	body = f.j.encoder.Append(nil, &line.Entry{
		Time: now, Level: zapcore.WarnLevel, Kind: line.KindEvent, Topic: "system",
		Message: fmt.Sprint(lostMessage, f.lost.count),
	}, []zap.Field{
		zap.Int64("count", f.lost.count), zap.Object("by_level", f.lost),
		zap.Time("first", f.lost.first), zap.Time("last", f.lost.last),
	})
	return body, &Meta{Time: now, Level: zapcore.WarnLevel, Kind: line.KindEvent}, f.j.tables.Owner(&line.Identity{})
}

// writeLost writes that record. The caller holds mu.
func (f *File) writeLost() error {
	body, m, o := f.lostRecord()
	if _, err := f.write(o, m, body); err != nil {
		return err
	}
	f.saidLost()
	return nil
}
