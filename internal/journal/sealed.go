package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/line"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/rotation"
)

// A closed file is sealed: its rows stand in its sidecar, and none in memory.
// Until it is, and where its sidecar cannot be used, its rows are made from its
// text as those of an active file are.

// extOf are the endings of data in each format.
var extOf = [...]string{0: "", block.Gzip: ".gz", block.Zstd: ".zst"} // immutable

// openSealed opens the sidecar of a file, by the name of its data. It returns an
// error for one that is not there, damaged, newer, or of other data.
func (j *Journal) openSealed(data string) (x *sidecar.Index, err error) {
	defer caught(debug.SetPanicOnFault(true), &err)
	if j.holes.has(rotation.PlainName(data)) {
		return nil, errHoles
	}
	path := filepath.Join(j.dir, rotation.PlainName(data)+sidecar.Ext)
	if _, err := j.fs.Lstat(path); err != nil {
		return nil, err
	}
	x, err = sidecar.Open(j.fs, path, j.cache)
	if err != nil {
		return nil, err
	}
	info, err := j.fs.Lstat(filepath.Join(j.dir, data))
	if err != nil {
		return nil, err
	}
	if info.Size() != x.DataSize() || rotation.PlainName(data)+extOf[x.Format()] != data {
		return nil, sidecar.ErrStale
	}
	if _, bad := j.damaged.Load(rotation.PlainName(data)); bad {
		return x, x.CheckAll()
	}
	return x, x.Check()
}

// take takes in a closed file when the folder is opened: its sidecar, or its
// text where that cannot be used.
func (j *Journal) take(seg *tables.Segment, data string) error {
	if x := j.indexFor(seg, data); x != nil && (j.swapped(seg, x) || j.adoptIndex(seg, data, x)) {
		return nil
	}
	j.takeSaved(seg)
	return j.parse(seg)
}

// indexFor opens the sidecar of a closed file; nil when there is none to use.
func (j *Journal) indexFor(seg *tables.Segment, data string) *sidecar.Index {
	if seg.Active() {
		return nil
	}
	o, ok := j.indexes[data]
	if !ok {
		o.index, o.err = j.openSealed(data)
	}
	x, err := o.index, o.err
	if err != nil {
		var corrupt *sidecar.CorruptError
		if errors.As(err, &corrupt) || errors.Is(err, errFault) {
			j.sidecarProblem(rotation.PlainName(data), err)
		}
		return nil
	}
	if seg.Index() != nil {
		j.readers.drop(seg)
	}
	return x
}

// sidecarProblem reports that the sidecar of a closed file cannot be used.
func (j *Journal) sidecarProblem(file string, err error) {
	j.problem(fmt.Errorf("%s, which is made again from the text: %w", file+sidecar.Ext, err))
}

// adoptIndex has a sidecar take the place of whatever is known of a closed file.
// false means that it cannot be used.
func (j *Journal) adoptIndex(seg *tables.Segment, data string, x *sidecar.Index) bool {
	j.tables.Uncount(seg)
	j.tables.Clear(seg)
	j.readers.drop(seg)
	if err := j.tables.Adopt(seg, x); err != nil {
		j.sidecarProblem(rotation.PlainName(data), err)
		return false
	}
	return true
}

// swapped has the sidecar take the place of rows in memory, if it is of the same
// records.
func (j *Journal) swapped(seg *tables.Segment, x *sidecar.Index) bool {
	same := j.tables.Swap(seg, x)
	if same {
		j.readers.drop(seg)
	}
	return same
}

// openReader opens the text of a segment: of a sealed one exactly the form that
// its sidecar is of.
func (j *Journal) openReader(seg *tables.Segment) (*reader, error) {
	x := seg.Index()
	var text *rotation.Text
	var err error
	if x == nil {
		if text, err = j.folder.ReaderAt(seg.Name()); isLost(err) {
			text, err = j.folder.Rest(seg.Name())
		}
	} else {
		text, err = j.folder.ReaderOf(seg.Name() + extOf[x.Format()])
	}
	if err != nil {
		return nil, err
	}
	if x != nil && text.Stored() != x.DataSize() {
		return nil, errors.Join(fmt.Errorf("%s: %w", seg.Name(), sidecar.ErrStale), text.Close())
	}
	return &reader{text: text, plain: !text.Compressed(), index: x, held: j.cache.Hold()}, nil
}

// readSealed is Read for a sealed file.
func (s *Segment) readSealed(i int, buf []byte) ([]byte, error) {
	at := len(buf)
	offset, size := s.Index().Place(i)
	rd, err := s.from.readerOf(s.Segment)
	if err != nil {
		return buf, err
	}
	defer s.from.readers.release(rd)
	if x := rd.index; x == nil || !x.SameData(s.Index()) {
		s.from.readers.drop(s.Segment)
		return buf, fmt.Errorf("%w: %s has another form now", ErrGone, s.Name())
	}
	if buf, err = s.from.readUnit(rd, buf, offset, size); s.from.lost(s.Segment, err) {
		return buf[:at], fmt.Errorf("%w: %s: %w", ErrGone, s.Name(), err)
	} else if err != nil {
		return buf[:at], fmt.Errorf("read %s: %w", s.Name(), err)
	}
	if n := bytes.IndexByte(buf[at:], '\n'); n >= 0 {
		buf = buf[:at+n]
	}
	if seq, ok := line.NumberOf(buf[at:]); !ok || seq != s.Index().Seq(i) {
		s.from.suspect(s.Segment)
		return buf[:at], fmt.Errorf("%w: %s does not hold record %d where it was written", ErrGone, s.Name(), s.Index().Seq(i))
	}
	return buf, nil
}

// readUnit appends a part of a text to buf, out of blocks that are kept decoded.
func (j *Journal) readUnit(rd *reader, buf []byte, offset int64, size int) ([]byte, error) {
	blocks := rd.text.Blocks()
	if blocks == nil || blocks.Blocks() == 0 {
		at := len(buf)
		buf = append(buf, make([]byte, size)...)
		n, err := rd.text.ReadAt(buf[at:], offset)
		if n < size {
			return buf[:at], errors.Join(io.ErrUnexpectedEOF, err)
		}
		return buf, nil
	}
	for n := blocks.Find(offset); size > 0 && n < blocks.Blocks(); n++ {
		text, err := rd.index.Held().Block(n, func() ([]byte, error) { return blocks.Decode(nil, n) })
		if err != nil {
			return buf, err
		}
		from, _ := blocks.Span(n)
		part := text[offset-from:]
		part = part[:min(len(part), size)]
		buf = append(buf, part...)
		offset += int64(len(part))
		size -= len(part)
	}
	if size > 0 {
		return buf, io.ErrUnexpectedEOF
	}
	return buf, nil
}

// recheck looks at every sidecar after reading one went wrong, and reports
// whether any is damaged. Those are given up: rows are made from the text, and
// the sidecar again in the background.
func (j *Journal) recheck() (damaged bool) {
	for _, seg := range j.tables.Segments() {
		x := seg.Index()
		if x == nil {
			continue
		}
		err := func() (err error) {
			defer caught(debug.SetPanicOnFault(true), &err)
			return x.CheckAll()
		}()
		if err != nil {
			j.sidecarProblem(seg.Name(), err)
			j.damaged.Store(seg.Name(), true)
			j.suspect(seg)
			damaged = true
		}
	}
	return damaged
}

// Guarded calls fn, which reads mapped memory of sealed files. A fault there, as a
// disk that fails makes one, gives up the sidecars that cannot be read and is
// returned as ErrGone: the caller takes a new snapshot. The same is done for what
// goes wrong in fn because a sidecar is no longer what it was when it was checked.
func (j *Journal) Guarded(fn func() error) error {
	err := func() (err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if _, is := p.(runtime.Error); !is || !j.recheck() {
				panic(p)
			}
			err = fmt.Errorf("%w: %v", ErrGone, p)
		}()
		defer caught(debug.SetPanicOnFault(true), &err)
		return fn()
	}()
	var corrupt *sidecar.CorruptError
	if errors.Is(err, errFault) || errors.As(err, &corrupt) {
		j.recheck()
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return err
}

// dropOrphans removes what sealing left behind when it was cut short, and
// sidecars without data.
func (j *Journal) dropOrphans() {
	infos, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return // load reads the folder again, and tells
	}
	there := map[string]bool{}
	for _, info := range infos {
		if _, ok := rotation.LogOf(info.Name()); ok {
			there[rotation.PlainName(info.Name())] = true
		}
	}
	for _, info := range infos {
		name, temporary := strings.CutSuffix(info.Name(), tempExt)
		base, is := strings.CutSuffix(name, sidecar.Ext)
		if _, ok := rotation.LogOf(base); !is || !ok || !temporary && there[base] || !info.Mode().IsRegular() {
			continue
		}
		if err := j.fs.Remove(filepath.Join(j.dir, info.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.problem(fmt.Errorf("remove what was left: %w", err))
		}
	}
}

const tempExt = ".tmp"
