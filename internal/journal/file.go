package journal

import (
	"fmt"
	"maps"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/rotation"
)

// File is one log of the folder: its active text and its counters.
type File struct {
	name string
	j    *Journal
	text *rotation.File

	// guarded by Journal.mu
	seg  *segment // active
	lost lost

	dirty   atomic.Bool // written since the last sync
	failing atomic.Bool // the last write failed
	records atomic.Int64
	bytes   atomic.Int64
	dropped [len(line.Levels{})]atomic.Int64
}

// lost is what was dropped since the last record that says so.
type lost struct {
	count       int64
	levels      line.Levels
	first, last time.Time
}

// File returns the log with this name, opening or making its file on first
// use. The name must be one that [rotation] accepts.
func (j *Journal) File(name string) (*File, error) {
	if j.lock == nil {
		return nil, ErrClosed
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, ErrClosed
	}
	if f := j.files[name]; f != nil {
		return f, nil
	}
	return j.open(name)
}

// open opens a log's active file, cuts a torn last line and takes in its rows.
// The caller holds mu, or is Open.
func (j *Journal) open(name string) (*File, error) {
	f := &File{name: name, j: j}
	text, err := rotation.OpenFS(j.fs, filepath.Join(j.dir, name+".log"), &rotation.Options{
		Rule:      j.ruleOf(name),
		OnClose:   f.closedText,
		OnRemove:  j.fileDeleted,
		OnDamage:  f.damagedText,
		OnProblem: j.problem,
		Clock:     j.opts.Clock,
	})
	if err != nil {
		return nil, err
	}
	j.recovery.TornBytes += text.Repaired()
	f.text = text
	f.seg = j.tables.newSegment(name, name+".log")
	err = j.readers.open(j, f.seg)
	if err == nil && text.Size() > 0 {
		err = j.parse(f.seg)
	}
	if err != nil {
		j.tables.remove(f.seg)
		text.Close()
		return nil, err
	}
	j.files[name] = f
	files := maps.Clone(j.files)
	j.fileTable.Store(&files)
	return f, nil
}

// closedText is called by the text file in Write or Rotate, under mu, when its
// active file got its final name and before the next byte is written.
func (f *File) closedText(info rotation.Info) {
	f.j.tables.renamed(f.seg, baseName(info.Name))
	f.seg = f.j.tables.newSegment(f.name, f.name+".log")
	if err := f.j.readers.open(f.j, f.seg); err != nil {
		f.j.problem(fmt.Errorf("open %s for reading: %w", f.name, err))
	}
}

// damagedText is called by the text file in Write or Rotate, under mu, when
// somebody else changed the active file: the rows are read again from where it
// is not what it was.
func (f *File) damagedText(d *rotation.DamageError) {
	f.j.readers.drop(f.seg)
	if err := f.j.rescan(f.seg, d.From); err != nil {
		f.j.problem(fmt.Errorf("read %s again: %w", f.name, err))
	}
	if err := f.j.readers.open(f.j, f.seg); err != nil {
		f.j.problem(fmt.Errorf("open %s for reading: %w", f.name, err))
	}
}

// Append gives the record its number and writes its line: body is everything
// after the seq, without a newline. It returns once the line is handed to the
// operating system and every snapshot shows it; [Journal.Sync] makes it
// durable. An error means that the record was dropped and counted.
//
// It is safe for concurrent use and keeps neither body nor m.Lifecycle.
func (f *File) Append(o *Owner, m Meta, body []byte) (uint64, error) {
	f.j.mu.Lock()
	seq, err := f.append(o, &m, body)
	f.j.mu.Unlock()
	if err != nil {
		if !f.failing.Swap(true) {
			f.j.problem(fmt.Errorf("append to %s: %w", f.name, err))
		}
		return 0, err
	}
	if m.Level >= zapcore.ErrorLevel {
		f.j.askSync()
	}
	return seq, nil
}

func (f *File) append(o *Owner, m *Meta, body []byte) (uint64, error) {
	if f.j.closed {
		f.drop(m)
		return 0, ErrClosed
	}
	if f.lost.count > 0 {
		if err := f.writeLost(); err != nil {
			f.drop(m)
			return 0, err
		}
	}
	seq, err := f.write(o, m, body)
	if err != nil {
		f.drop(m)
	}
	return seq, err
}

// write appends one line and publishes its row. The caller holds mu.
func (f *File) write(o *Owner, m *Meta, body []byte) (uint64, error) {
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
	f.failing.Store(false)
	f.dirty.Store(true)
	f.records.Add(1)
	f.bytes.Add(int64(size))
	j.tables.publish(f.seg, Row{
		Seq:    seq,
		Time:   m.Time.UnixNano(),
		Offset: uint32(f.text.Size() - int64(size)),
		Len:    uint32(size - 1),
		Level:  int8(m.Level),
		Kind:   m.Kind,
	}, o, m.Lifecycle)
	return seq, nil
}

// drop counts a record that is not written. The caller holds mu.
func (f *File) drop(m *Meta) {
	level := line.LevelIndex(m.Level)
	f.dropped[level].Add(1)
	f.lost.levels[level]++
	f.lost.count++
	if f.lost.first.IsZero() {
		f.lost.first = m.Time
	}
	f.lost.last = m.Time
}

// levelNames are the keys of the counts by level, in the order of
// [line.Levels].
var levelNames = [...]string{"trace", "debug", "info", "warn", "error", "fatal"}

// MarshalLogObject writes the levels of which something was dropped.
func (l lost) MarshalLogObject(e zapcore.ObjectEncoder) error {
	for i, n := range l.levels {
		if n > 0 {
			e.AddInt64(levelNames[i], n)
		}
	}
	return nil
}

// writeLost writes the record that says what was dropped. The caller holds mu.
func (f *File) writeLost() error {
	j := f.j
	now := j.opts.Clock()
	owner := j.tables.ownerOf(&line.Identity{})
	body := j.encoder.Append(nil, &line.Entry{
		Time: now, Level: zapcore.WarnLevel, Kind: line.KindEvent, Topic: "system",
		Message: fmt.Sprintf("dropped %d", f.lost.count),
	}, []zap.Field{
		zap.Int64("count", f.lost.count), zap.Object("by_level", f.lost),
		zap.Time("first", f.lost.first), zap.Time("last", f.lost.last),
	})
	if _, err := f.write(owner, &Meta{Time: now, Level: zapcore.WarnLevel, Kind: line.KindEvent}, body); err != nil {
		return err
	}
	f.lost = lost{}
	return nil
}
