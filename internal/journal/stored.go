package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// The text of a compressed file is read whole where its lines are grouped by run,
// and where some of it is damaged: a disk that lost one block must not keep anybody
// from the rest, nor the host from its log.

// storedText reads the text of a compressed file in the order of its bytes; nil for
// another one, and for one in the order of arrival unless always is true. In place
// of blocks that are damaged there is an empty line; the host hears of them.
func (j *Journal) storedText(seg *tables.Segment, always bool) (whole []byte, grouped bool, err error) {
	text, err := j.folder.ReaderAt(seg.Name())
	var damage []error
	if isLost(err) && always {
		if rest, rerr := j.folder.Rest(seg.Name()); !errors.Is(rerr, rotation.ErrNotFound) { // it is compressed
			damage = append(damage, err)
			text, err = rest, rerr
		}
	}
	if err != nil {
		return nil, false, err
	}
	defer text.Close()
	blocks := text.Blocks()
	if blocks == nil || blocks.Blocks() == 0 || !always && !blocks.Grouped() {
		return nil, false, nil
	}
	if blocks.Size() > 1<<32-1 {
		return nil, false, sidecar.ErrTooLarge
	}
	whole = make([]byte, blocks.Size())
	for n := range blocks.Blocks() {
		from, to := blocks.Span(n)
		if _, err := blocks.Decode(whole[from:from:to], n); err == nil {
			continue
		} else if !isLost(err) {
			return nil, false, err
		} else {
			damage = append(damage, err)
		}
		if from < to {
			copy(whole[from:to], bytes.Repeat([]byte{' '}, int(to-from)))
			whole[to-1] = '\n'
		}
	}
	if len(damage) > 0 {
		j.unreadable(seg, fmt.Errorf("in %d places, the first: %w", len(damage), damage[0]))
	}
	// With the end a file may have lost what says that it is grouped.
	return whole, blocks.Grouped() || len(damage) > 0, nil
}

// groupedText returns the text of a closed file that is grouped by run and does not say so,
// as one that somebody decompressed, or compressed anew. It returns nil for any other, for
// one whose lines do not go backward from an offset on, before which last is the largest
// number, and for what cannot be read: whoever reads it in order hears of that.
func groupedText(seg *tables.Segment, text io.ReadSeeker, from int64, last uint64) []byte {
	if seg.Active() || !goesBackward(text, from, last) {
		return nil
	}
	size, err := text.Seek(0, io.SeekEnd)
	if err != nil || size > 1<<32-1 {
		return nil
	}
	whole := make([]byte, size)
	if _, err = text.Seek(0, io.SeekStart); err == nil {
		_, err = io.ReadFull(text, whole)
	}
	if err != nil || !sidecar.Grouped(whole) {
		return nil
	}
	return whole
}

// goesBackward reports whether a record from an offset on has a smaller number than one
// before it, or than last.
func goesBackward(text io.ReadSeeker, from int64, last uint64) bool {
	if _, err := text.Seek(from, io.SeekStart); err != nil {
		return false
	}
	scan := lineScanner{r: bufio.NewReaderSize(text, 256<<10)}
	for {
		raw, _, err := scan.next()
		if err != nil {
			return false
		}
		seq, ok := line.NumberOf(raw)
		if ok && seq < last {
			return true
		}
		if ok {
			last = seq
		}
	}
}

func isDamage(err error) bool {
	var corrupt *block.CorruptError
	return errors.As(err, &corrupt) || errors.Is(err, block.ErrFormat)
}

// isLost reports whether what an error is about cannot be read, whoever tries again.
func isLost(err error) bool { return isDamage(err) || vfs.IsUnreadable(err) }

// lost reports whether err says that a closed file cannot be read, or not all of it. What
// can be is read again then. Where nobody may look into the folder, nothing is known of
// the files there.
func (j *Journal) lost(seg *tables.Segment, err error) bool {
	if seg.Active() || !isLost(err) {
		return false
	}
	if _, err := j.fs.Lstat(filepath.Join(j.dir, seg.Name())); errors.Is(err, fs.ErrPermission) {
		return false
	}
	j.holes.add(seg.Name())
	j.suspect(seg)
	return true
}

// errHoles says that a file's data are damaged: what there is of it are rows of what
// can be read.
var errHoles = errors.New("journal: the file is damaged")

// holes are the base names of the files whose data are damaged, as far as somebody
// came upon it.
type holes struct {
	some  atomic.Bool // there are any
	names sync.Map
}

func (h *holes) add(name string) {
	h.names.Store(name, true)
	h.some.Store(true)
}

func (h *holes) has(name string) bool {
	if !h.some.Load() {
		return false
	}
	_, is := h.names.Load(name)
	return is
}

// Damaged reports whether the file's data are known to be damaged: what is found of it
// is what can be read.
func (s *Segment) Damaged() bool {
	return s.from.holes.some.Load() && s.from.holes.has(s.Segment.Name())
}

// unreadable reports what of a file cannot be read, and has nobody use its sidecar,
// which knows the rest too. The rows are not indexed: their text has gaps.
func (j *Journal) unreadable(seg *tables.Segment, damage error) {
	seg.Unindexable.Store(true)
	j.holes.add(seg.Name())
	j.problem(fmt.Errorf("%s cannot be read, or not all of it, and the records there are not found: %w", seg.Name(), damage))
}

// storedRecords calls yield for each record of a text that storedText returned.
func (j *Journal) storedRecords(text []byte, grouped bool, yield func(tables.Row, *line.Record)) error {
	if grouped {
		_, err := sidecar.Records(text, func(rec *line.Record, offset, length uint32) {
			yield(tables.Row{Seq: rec.Seq, Time: line.Nanoseconds(rec.Time), Offset: offset, Len: length, Level: int8(rec.Level), Kind: rec.Kind}, rec)
		})
		return err
	}
	_, foreign, err := scanText(bytes.NewReader(text), 0, 0, yield)
	j.foreign.Add(foreign)
	return err
}

// parseStored takes in the rows of a file by its whole text; see storedText. false
// means that it was not read.
func (j *Journal) parseStored(seg *tables.Segment, always bool) (bool, error) {
	if seg.Active() {
		return false, nil
	}
	text, grouped, err := j.storedText(seg, always)
	if text == nil || err != nil {
		return false, err
	}
	return true, j.parseWhole(seg, text, grouped)
}

// parseWhole takes in the rows of a closed file with this text.
func (j *Journal) parseWhole(seg *tables.Segment, text []byte, grouped bool) error {
	if grouped {
		seg.Unindexable.Store(true)
	}
	// What is there may be from the plain form, in another order.
	j.tables.Uncount(seg)
	j.tables.Clear(seg)
	err := j.storedRecords(text, grouped, func(row tables.Row, rec *line.Record) {
		j.tables.Publish(seg, &row, j.tables.OwnerRead(&rec.Identity, rec.Seq), lifecycleOf(rec))
	})
	seg.ParsedTo(int64(bytes.LastIndexByte(text, '\n') + 1)) // the last line may be under way
	return err
}

// rescanStored replaces the rows of such a file. What it counted stays counted.
func (j *Journal) rescanStored(seg *tables.Segment, always bool) (bool, error) {
	if seg.Active() {
		return false, nil
	}
	text, grouped, err := j.storedText(seg, always)
	if text == nil || err != nil {
		return false, err
	}
	return true, j.rescanWhole(seg, text, grouped)
}

// rescanWhole replaces the rows of a closed file by those of this text.
func (j *Journal) rescanWhole(seg *tables.Segment, text []byte, grouped bool) error {
	if grouped {
		seg.Unindexable.Store(true)
	}
	var found tables.Rows
	var owners []*runs.Owner
	err := j.storedRecords(text, grouped, func(row tables.Row, rec *line.Record) {
		owners = append(owners, j.tables.OwnerRead(&rec.Identity, rec.Seq))
		found.Append(row)
	})
	j.tables.Rebase(seg, found, owners, 0, int64(len(text)), tables.AllInText)
	return err
}

// afterDamage goes on after a closed file could not be read with err, by whatever can be
// read of it. It returns err if that is something else.
func (j *Journal) afterDamage(seg *tables.Segment, err error, whole func(seg *tables.Segment, always bool) (bool, error)) error {
	if seg.Active() || !isLost(err) {
		return err
	}
	done, err2 := whole(seg, true)
	if done || err2 != nil && !isLost(err2) {
		return err2
	}
	// Nobody can tell where its blocks are: there is what was read before.
	j.unreadable(seg, err)
	return nil
}
