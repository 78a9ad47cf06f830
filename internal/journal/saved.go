package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/steplog/steplog/internal/line"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/vfs"
)

// When a folder is closed, the rows of its active files are saved with their
// indexes, so that opening it again reads them instead of the text. What is saved
// counts only after a clean end, and for a text that has the size it had.

const (
	rowsName  = "rows"
	rowsMagic = "steplog rows\n\x00\x00\x00" // 16 bytes
	// saveLeast is how many rows are worth being saved: fewer are parsed in a
	// millisecond or two.
	saveLeast = 1000
	// saveFor bounds how long Close works on it.
	saveFor  = 2 * time.Second
	maxSaved = 1 << 30
)

// savedRows are the rows of one active file: parts that have an index, and after
// them those that have none.
type savedRows struct {
	size  int64 // of the text
	parts []savedPart
	rest  []byte // see appendRows; nothing where there are none
}

type savedPart struct {
	offset int64 // of the first line
	index  *sidecar.Index
}

// saveRows writes the rows of active files. Nothing is lost when it fails.
//
//	magic (16) | version u32 | files u32
//	| per file: name, size of the text, number of parts
//	|   per part: offset in the text, a sidecar of the text from there
//	|   the other rows
//
// with numbers as varints, and what is not a number behind its length. Parts are what
// queries have indexed; runs and steps are indexed here, because a sidecar holds what
// their records say.
func (j *Journal) saveRows() error {
	ctx, cancel := context.WithTimeout(context.Background(), saveFor)
	defer cancel()
	var b []byte
	count := uint32(0)
	for _, f := range *j.fileTable.Load() {
		view, parts := j.tables.unindexed(f.writing)
		if view.n < saveLeast || !withoutGaps(&view) {
			continue
		}
		if !withoutLifecycle(&view, indexedRows(parts)) {
			j.indexing.Lock()
			err := j.indexRows(ctx, f.writing)
			j.indexing.Unlock()
			if view, parts = j.tables.unindexed(f.writing); err != nil || !withoutLifecycle(&view, indexedRows(parts)) {
				continue
			}
		}
		count++
		b = appendBytes(b, []byte(f.name))
		b = binary.AppendUvarint(b, uint64(f.text.Size()))
		b = binary.AppendUvarint(b, uint64(len(parts)))
		for _, p := range parts {
			b = binary.AppendUvarint(b, uint64(view.at(p.from).Offset))
			b = appendBytes(b, p.index.Bytes())
		}
		b = appendBytes(b, j.tables.appendRows(nil, &view, indexedRows(parts)))
	}
	path := filepath.Join(j.dir, privateDir, rowsName)
	if count == 0 {
		return vfs.IgnoreNotExist(j.fs.Remove(path))
	}
	head := binary.LittleEndian.AppendUint32([]byte(rowsMagic), formatVersion)
	head = binary.LittleEndian.AppendUint32(head, count)
	err := j.writeSynced(path+tempExt, func(w io.Writer) error {
		_, err := w.Write(append(head, b...))
		return err
	})
	if err != nil {
		return err
	}
	return j.fs.Rename(path+tempExt, path)
}

// withoutGaps reports whether lines that are records are all there is.
func withoutGaps(r *rows) bool {
	end := uint32(0)
	for i := range r.n {
		row := r.at(i)
		if row.Offset != end {
			return false
		}
		end = row.Offset + row.Len + 1
	}
	return true
}

// indexedRows is how many rows parts cover, which follow each other from the first.
func indexedRows(parts []rowsIndex) int {
	if len(parts) == 0 {
		return 0
	}
	return parts[len(parts)-1].to
}

// readWhole reads a file that nobody writes, at most so much of it.
func readWhole(fsys vfs.FS, path string, most int64) ([]byte, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(info.Size(), most))
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	return b, nil
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

var errRows = errors.New("journal: the saved rows are damaged")

// loadSaved reads what a clean end left, by log.
func (j *Journal) loadSaved(private string) (map[string]savedRows, error) {
	b, err := readWhole(j.fs, filepath.Join(private, rowsName), maxSaved)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(b) < len(rowsMagic)+8 || string(b[:len(rowsMagic)]) != rowsMagic {
		return nil, errRows
	}
	b = b[len(rowsMagic):]
	if binary.LittleEndian.Uint32(b) > formatVersion {
		return nil, nil // the text is there
	}
	count := binary.LittleEndian.Uint32(b[4:])
	r := bytes.NewReader(b[8:])
	saved := map[string]savedRows{}
	for range count {
		name, err := takeBytes(r, b[8:])
		size, serr := binary.ReadUvarint(r)
		parts, perr := binary.ReadUvarint(r)
		if err := errors.Join(err, serr, perr); err != nil || parts > 1<<20 {
			return nil, errors.Join(errRows, err)
		}
		s := savedRows{size: int64(size)}
		for range parts {
			offset, err := binary.ReadUvarint(r)
			if err != nil {
				return nil, errors.Join(errRows, err)
			}
			content, err := takeBytes(r, b[8:])
			if err != nil {
				return nil, err
			}
			x, err := sidecar.Read(content, j.cache)
			if err == nil {
				err = x.CheckAll()
			}
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errRows, err)
			}
			s.parts = append(s.parts, savedPart{int64(offset), x})
		}
		if s.rest, err = takeBytes(r, b[8:]); err != nil {
			return nil, err
		}
		saved[string(name)] = s
	}
	return saved, nil
}

// begins reports whether the line at an offset has a seq.
func (j *Journal) begins(seg *segment, offset int64, seq uint64) bool {
	f, err := j.fs.OpenFile(filepath.Join(j.dir, seg.baseName()), os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close() // only read
	var head [40]byte
	n, _ := f.ReadAt(head[:], offset) // a short line is enough
	got, ok := seqOf(head[:n])
	return ok && got == seq
}

// takeBytes returns the next bytes, a part of the whole that r reads.
func takeBytes(r *bytes.Reader, whole []byte) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil || n > uint64(r.Len()) {
		return nil, errors.Join(errRows, err)
	}
	at := r.Size() - int64(r.Len())
	_, err = r.Seek(int64(n), io.SeekCurrent)
	return whole[at : at+int64(n) : at+int64(n)], err
}

// takeSaved takes in the rows of an active file that were saved, if they are of
// the text that is there. What they do not cover is parsed afterwards.
func (j *Journal) takeSaved(seg *segment, name string, size int64) {
	saved, ok := j.saved[name]
	if !ok || saved.size != size {
		return
	}
	var parts []rowsIndex
	n := 0
	for _, p := range saved.parts {
		if !j.takePart(seg, p, size) {
			break
		}
		parts = append(parts, rowsIndex{n, n + p.index.Len(), p.index})
		n += p.index.Len()
	}
	if len(parts) > 0 {
		view, _ := j.tables.unindexed(seg)
		j.tables.setParts(seg, &view, parts)
	}
	if len(parts) == len(saved.parts) {
		j.takeRows(seg, saved.rest, size)
	}
}

// takePart publishes the rows of one part.
func (j *Journal) takePart(seg *segment, p savedPart, size int64) bool {
	x := p.index
	if x.Len() == 0 || x.First() <= j.tables.lastOf(seg) || p.offset != j.tables.parsed(seg) || p.offset+x.TextSize() > size {
		return false
	}
	if !j.begins(seg, p.offset, x.First()) {
		return false
	}
	at, _ := x.Place(x.Len() - 1)
	if !j.begins(seg, p.offset+at, x.Last()) {
		return false
	}
	if x.Last() <= j.tables.settled {
		j.tables.takeRows(seg, p)
		return true
	}
	life := map[int]*line.Lifecycle{}
	err := x.Lifecycle(func(row int, l *line.Lifecycle) error {
		life[row] = l
		return nil
	})
	if err != nil {
		return false
	}
	owners := make([]*Owner, x.Owners())
	for i := range x.Len() {
		row := sealedRow(x, i)
		o := owners[row.Owner]
		if o == nil {
			var id line.Identity
			x.Identity(row.Owner, &id)
			o = j.tables.ownerRead(&id)
			owners[row.Owner] = o
		}
		at, length := x.Place(i)
		row.Offset, row.Len = uint32(p.offset+at), uint32(length-1)
		j.tables.publish(seg, row, o, life[i])
	}
	return true
}

// takeRows takes in the rows of a part of which the tables know everything else.
func (t *tables) takeRows(seg *segment, p savedPart) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := p.index
	var id line.Identity
	codes, known := make([]uint32, x.Owners()), make([]bool, x.Owners())
	for i := range x.Len() {
		row := sealedRow(x, i)
		if o := row.Owner; !known[o] {
			x.Identity(o, &id)
			codes[o], known[o] = t.settledCode(&id), true
		}
		row.Owner = codes[row.Owner]
		at, length := x.Place(i)
		row.Offset, row.Len = uint32(p.offset+at), uint32(length-1)
		t.owners.rows[row.Owner]++
		seg.rows.append(row)
	}
	seg.parsed = p.offset + x.TextSize()
	t.asOf = max(t.asOf, x.Last())
}
