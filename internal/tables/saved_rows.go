package tables

import (
	"encoding/binary"

	"github.com/steplog/steplog/internal/line"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// Rows of files that are not sealed are saved as they are, behind each other. Their
// owners are numbered anew, as they come, and have a packed identity each:
//
//	owner = length | packed identity (internal/runs)
//	row = seq less that of the row before | time less that, signed | length of the line | owner
//	      | start of the line less the end of the line before, signed | level (1) | kind (1)

// saveable reports whether the rows of a file are saved: its lines stand in the order
// of arrival, as they do not in every compressed file.
func (f *cutFile) saveable() bool { return f.index == nil && !f.unordered }

// inOrder reports whether the lines stand in the order of the rows.
func (r *Rows) inOrder() bool {
	end := int64(0)
	for i := range r.n {
		row := r.At(i)
		if int64(row.Offset) < end {
			return false
		}
		end = int64(row.Offset) + int64(row.Len) + 1
	}
	return true
}

// writeOwners writes the sections of owners, and returns the new codes by the old ones
// and how many there are.
func (c *Cut) writeOwners(w *savedWriter) (codes []uint32, owners int, err error) {
	codes = make([]uint32, c.runs.Owners())
	var order []uint32
	for i := range c.files {
		f := &c.files[i]
		if !f.saveable() {
			continue
		}
		for k := range f.rows.n {
			if o := f.rows.At(k).Owner; codes[o] == 0 {
				order = append(order, o)
				codes[o] = uint32(len(order))
			}
		}
	}
	return codes, len(order), c.runs.WriteOwners(w, order)
}

// writeRows writes the rows of a file, and returns how many bytes they take.
func (f *cutFile) writeRows(w *savedWriter, codes []uint32) (size int64, err error) {
	var buf []byte
	var last Row
	end := int64(0)
	for i := range f.rows.n {
		row := f.rows.At(i)
		buf = binary.AppendUvarint(buf, row.Seq-last.Seq)
		buf = binary.AppendVarint(buf, row.Time-last.Time)
		buf = binary.AppendUvarint(buf, uint64(row.Len))
		buf = binary.AppendUvarint(buf, uint64(codes[row.Owner]-1))
		buf = binary.AppendVarint(buf, int64(row.Offset)-end)
		buf = append(buf, byte(row.Level), byte(row.Kind))
		last, end = *row, int64(row.Offset)+int64(row.Len)+1
		if len(buf) > 128<<10 || i == f.rows.n-1 {
			size += int64(len(buf))
			if _, err := w.Write(buf); err != nil {
				return 0, err
			}
			buf = buf[:0]
		}
	}
	return size, nil
}

// readSavedRows undoes writeRows; false when they are damaged.
func readSavedRows(b []byte, n int, owners int) (list Rows, ok bool) {
	if n > len(b)/7 { // what a row takes at least
		return Rows{}, false
	}
	list.chunks = make([]*chunk, 0, n/chunkRows+1)
	var row Row
	end := int64(0)
	for range n {
		step, at := binary.Uvarint(b)
		if at <= 0 {
			return Rows{}, false
		}
		after, n := binary.Varint(b[at:])
		if n <= 0 {
			return Rows{}, false
		}
		at += n
		length, n := binary.Uvarint(b[at:])
		if n <= 0 {
			return Rows{}, false
		}
		at += n
		owner, n := binary.Uvarint(b[at:])
		if n <= 0 {
			return Rows{}, false
		}
		at += n
		gap, n := binary.Varint(b[at:])
		if at += n; n <= 0 || at+2 > len(b) {
			return Rows{}, false
		}
		row.Seq += step
		row.Time += after
		from := end + gap
		row.Level, row.Kind = int8(b[at]), line.Kind(b[at+1])
		if step == 0 || step > MaxSeq || row.Seq > MaxSeq || length > maxSaved || owner >= uint64(owners) || from < end || from > 1<<32-1 ||
			row.Kind != 0 && row.Kind.String() == "" { // 0 is one that this version does not know
			return Rows{}, false
		}
		row.Len, row.Owner, row.Offset = uint32(length), uint32(owner), uint32(from)
		end = from + int64(length) + 1
		list.Append(row)
		b = b[at+2:]
	}
	return list, len(b) == 0
}

// readParts opens the sidecars of rows that were saved; those behind one that cannot
// be used are left out.
func (f *savedSegment) readParts(cache *sidecar.Cache) (parts []Part) {
	from := 0
	for _, b := range f.parts {
		x, err := sidecar.Read(b, cache)
		if err != nil || x.Len() == 0 || from+x.Len() > f.rows.n {
			break
		}
		to := from + x.Len()
		if x.First() != f.rows.At(from).Seq || x.Last() != f.rows.At(to-1).Seq {
			break
		}
		parts = append(parts, Part{from, to, x})
		from = to
	}
	return parts
}
