package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/rotation"
)

// maxLine bounds what is read as one line: twice what the encoder writes at
// most. A longer one is foreign and skipped.
const maxLine = 2 << 20

// parse takes the records of a segment's text into the tables that are not
// there yet.
func (j *Journal) parse(seg *tables.Segment) error {
	done, err := j.parseStored(seg, false)
	if !done && err == nil {
		err = j.parseInOrder(seg)
	}
	return j.afterDamage(seg, err, j.parseStored)
}

// parseInOrder is parse for a text in the order of arrival.
func (j *Journal) parseInOrder(seg *tables.Segment) error {
	text, err := j.folder.Open(seg.Name())
	if err != nil {
		return err
	}
	defer text.Close()
	return j.parseText(seg, text, seg.Parsed())
}

// parseText takes the records of a text into a segment, from an offset on. A
// line that is no record is skipped and counted; a last line without its
// newline is left for later.
func (j *Journal) parseText(seg *tables.Segment, text io.ReadSeeker, from int64) error {
	if whole := groupedText(seg, text, from, seg.Last()); whole != nil {
		return j.parseWhole(seg, whole, true)
	}
	if _, err := text.Seek(from, io.SeekStart); err != nil {
		return fmt.Errorf("read %s: %w", seg.Name(), err)
	}
	end, foreign, err := scanText(text, from, seg.Last(), func(row tables.Row, rec *line.Record) {
		j.tables.Publish(seg, &row, j.tables.OwnerRead(&rec.Identity, rec.Seq), lifecycleOf(rec))
	})
	seg.ParsedTo(end)
	j.foreign.Add(foreign)
	if err != nil {
		return fmt.Errorf("read %s: %w", seg.Name(), err)
	}
	return nil
}

// lifecycleOf returns a copy of what a run or step record says, nil for others.
func lifecycleOf(rec *line.Record) *line.Lifecycle {
	if rec.Kind != line.KindRun && rec.Kind != line.KindStep {
		return nil
	}
	lc := rec.Lifecycle
	lc.IterationValue = bytes.Clone(lc.IterationValue)
	return &lc
}

// scanText calls yield for each record of a text that starts at offset and
// whose seq is above last. It returns where the last whole line ends and how
// many lines were no records. rec is valid during the call only.
func scanText(text io.Reader, offset int64, last uint64, yield func(tables.Row, *line.Record)) (end, foreign int64, err error) {
	scan := lineScanner{r: bufio.NewReaderSize(text, 256<<10)}
	var rec line.Record
	for {
		raw, size, err := scan.next()
		if errors.Is(err, io.EOF) {
			return offset, foreign, nil
		}
		if err != nil {
			return offset, foreign, err
		}
		start := offset
		offset += size
		rec = line.Record{}
		if raw == nil || line.Parse(raw, &rec) != nil || rec.Seq <= last || rec.Seq > maxSeq {
			foreign++
			continue
		}
		last = rec.Seq
		yield(tables.Row{
			Seq:    rec.Seq,
			Time:   line.Nanoseconds(rec.Time),
			Offset: uint32(start),
			Len:    uint32(len(raw)),
			Level:  int8(rec.Level),
			Kind:   rec.Kind,
		}, &rec)
	}
}

// lineScanner cuts a stream into lines.
type lineScanner struct {
	r   *bufio.Reader
	buf []byte
}

// next returns a line without its newline, and how many bytes it took with it.
// The line is nil when it is longer than maxLine; it is valid until the next
// call. The error is io.EOF at the end, also when a line has no newline yet.
func (s *lineScanner) next() ([]byte, int64, error) {
	s.buf = s.buf[:0]
	var size int64
	for {
		part, err := s.r.ReadSlice('\n')
		size += int64(len(part))
		switch {
		case err == nil && len(s.buf) == 0:
			return part[:len(part)-1], size, nil
		case err == nil:
			if size > maxLine {
				return nil, size, nil
			}
			s.buf = append(s.buf, part...)
			return s.buf[:len(s.buf)-1], size, nil
		case errors.Is(err, bufio.ErrBufferFull):
			if size <= maxLine {
				s.buf = append(s.buf, part...)
			} else if len(s.buf) == 0 {
				s.buf = append(s.buf, part[0])
			}
		default:
			return nil, size, err
		}
	}
}

// fileDeleted is called when a file was removed, by retention or by hand.
func (j *Journal) fileDeleted(name string) {
	for _, seg := range j.tables.Segments() {
		if seg.Name() == rotation.PlainName(name) {
			j.removed(seg)
		}
	}
}

// removed takes out a segment whose file is gone.
func (j *Journal) removed(seg *tables.Segment) {
	if x := j.tables.Remove(seg); x != nil {
		if err := guarded(func() { j.tables.ForgetCounts(x) }); err != nil {
			j.problem(fmt.Errorf("%s: %w", seg.Name()+sidecar.Ext, err)) // it stays counted
		}
	}
	j.readers.drop(seg)
}

// dropVanished takes out the segments whose files somebody else removed, and has those
// read again in whose place somebody put another form. It closes readers of text that
// compression replaced.
func (j *Journal) dropVanished() {
	for _, seg := range j.tables.Segments() {
		name := seg.Name()
		if name == seg.File+".log" {
			continue
		}
		// A compressed file appears before the plain one goes, and a plain one, where
		// somebody decompresses it, before the compressed one does.
		plain := j.exists(name)
		if !plain && !j.exists(name+".gz") && !j.exists(name+".zst") && !j.exists(name) {
			j.removed(seg)
			continue
		}
		if !plain {
			j.readers.dropPlain(seg)
		}
		if x := seg.Index(); x != nil && !j.isOf(name, x) {
			j.suspect(seg)
		}
	}
}

// isOf reports whether the data of a closed file are those that its sidecar is of, as far
// as their size tells.
func (j *Journal) isOf(name string, x *sidecar.Index) bool {
	info, err := j.fs.Lstat(filepath.Join(j.dir, name+extOf[x.Format()]))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return info.Size() == x.DataSize()
}

func (j *Journal) exists(name string) bool {
	_, err := j.fs.Lstat(filepath.Join(j.dir, name))
	return !errors.Is(err, fs.ErrNotExist)
}

// mend reads again the segments whose text was not what their rows said:
// somebody changed a file under the journal. Counts of runs are left as they
// are, since they count what was logged. While a disk is stuck it is put off.
func (j *Journal) mend() {
	suspects := j.readers.takeSuspects()
	if len(suspects) == 0 {
		return
	}
	if !j.drainMu.TryLock() {
		for _, seg := range suspects {
			j.suspect(seg)
		}
		return
	}
	defer j.drainMu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, seg := range suspects {
		err := error(nil)
		if f := (*j.fileTable.Load())[seg.File]; f != nil && f.writing == seg {
			err = f.reread(0)
		} else {
			sealed := seg.Index() != nil
			if _, err = j.rescan(seg, 0, 0); sealed && f != nil {
				f.text.SealAgain(seg.Name())
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.problem(err)
		}
	}
}

// adopt takes in the closed files of a log that are not known yet: the active
// file may have got its final name from a rotation that could be neither
// finished nor undone. Their records were counted when they were logged. The
// caller holds mu.
func (j *Journal) adopt(log string) error {
	infos, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return err
	}
	known := map[string]bool{log + logExt: true}
	for _, seg := range j.tables.Segments() {
		known[seg.Name()] = true
	}
	for _, info := range infos {
		name := rotation.PlainName(info.Name())
		if of, ok := rotation.LogOf(name); !ok || of != log || known[name] || !info.Mode().IsRegular() {
			continue
		}
		known[name] = true
		_, rerr := j.rescan(j.tables.NewSegment(log, name), 0, 0)
		err = errors.Join(err, rerr)
	}
	return err
}

// rescan replaces the rows of a segment from an offset on by what is found
// there; rows of which the line is still to be written follow, from offset next
// on, or from the end of what was found where next is 0. It returns where they
// end. The caller holds mu.
func (j *Journal) rescan(seg *tables.Segment, from, next int64) (int64, error) {
	if done, err := j.rescanStored(seg, false); done || err != nil && !isLost(err) {
		return 0, err
	}
	found, end := seg.Before(from)
	var last uint64
	if found.Len() > 0 {
		last = found.At(found.Len() - 1).Seq
	}
	text, err := j.folder.Open(seg.Name())
	if err == nil {
		defer text.Close()
		if from == 0 {
			if whole := groupedText(seg, text, 0, 0); whole != nil {
				return 0, j.rescanWhole(seg, whole, true)
			}
		}
		_, err = text.Seek(end, io.SeekStart)
	}
	inText := seg.InText.Load()
	kept := found.Len()
	if err != nil {
		return j.tables.Rebase(seg, found, nil, kept, max(end, next), inText), j.afterDamage(seg, err, j.rescanStored)
	}
	var owners []*runs.Owner // they get their codes with the rows
	end, foreign, err := scanText(text, end, last, func(row tables.Row, rec *line.Record) {
		owners = append(owners, j.tables.OwnerRead(&rec.Identity, rec.Seq))
		found.Append(row)
	})
	j.foreign.Add(foreign)
	return j.tables.Rebase(seg, found, owners, kept, max(end, next), inText), j.afterDamage(seg, err, j.rescanStored)
}
