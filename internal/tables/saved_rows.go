package tables

import (
	"encoding/binary"

	"github.com/steplog/steplog/internal/line"
	sidecar "github.com/steplog/steplog/internal/segment"
)

// Rows of files that are not sealed are saved as they are, behind each other: 32 bytes
// each, which take a quarter of the time of a short form, and each is written again
// whenever the tables are saved until its file is sealed. Their owners are numbered
// anew, as they come, and have a packed identity each:
//
//	owner = length | packed identity (internal/runs)
//	row = seq u64 | time u64 | start of the line u32 | length of the line u32 | owner u32 | level u8 | kind u8 | 0 u16
const savedRowSize = 32

// put writes a row whose owner has another number there.
func (r *Row) put(b []byte, owner uint32) {
	p := (*[savedRowSize]byte)(b)
	binary.LittleEndian.PutUint64(p[0:], r.Seq)
	binary.LittleEndian.PutUint64(p[8:], uint64(r.Time))
	binary.LittleEndian.PutUint32(p[16:], r.Offset)
	binary.LittleEndian.PutUint32(p[20:], r.Len)
	binary.LittleEndian.PutUint32(p[24:], owner)
	binary.LittleEndian.PutUint32(p[28:], uint32(uint8(r.Level))|uint32(r.Kind)<<8)
}

// take undoes put; false when it is none that put wrote.
func (r *Row) take(b []byte) bool {
	p := (*[savedRowSize]byte)(b)
	r.Seq = binary.LittleEndian.Uint64(p[0:])
	r.Time = int64(binary.LittleEndian.Uint64(p[8:]))
	r.Offset = binary.LittleEndian.Uint32(p[16:])
	r.Len = binary.LittleEndian.Uint32(p[20:])
	r.Owner = binary.LittleEndian.Uint32(p[24:])
	r.Level, r.Kind = int8(p[28]), line.Kind(p[29])
	return r.Seq <= MaxSeq && r.Len <= maxSaved && p[30]|p[31] == 0 &&
		(r.Kind == 0 || r.Kind.String() != "") // 0 is one that this version does not know
}

// saveable reports whether the rows of a file are saved: its lines stand in the order
// of arrival, as they do not in every compressed file.
func (f *cutFile) saveable() bool { return f.index == nil && !f.unordered }

// number goes over the rows of a file before they are written, and gives their owners
// the codes that they have there: order is those that have one, codes their place in it
// by the one they have here, from 1 on. Of rows that are not in the order of their
// lines it only notes that.
func (f *cutFile) number(codes, order []uint32) []uint32 {
	end, had := int64(0), len(order)
	for rows := range f.rows.each {
		for i := range rows {
			row := &rows[i]
			if int64(row.Offset) < end {
				for _, o := range order[had:] {
					codes[o] = 0
				}
				f.unordered = true
				return order[:had]
			}
			end = int64(row.Offset) + int64(row.Len) + 1
			if codes[row.Owner] == 0 {
				order = append(order, row.Owner)
				codes[row.Owner] = uint32(len(order))
			}
		}
	}
	return order
}

// writeRows writes the rows of a file, and returns how many bytes they take.
func (f *cutFile) writeRows(w *savedWriter, codes []uint32) (size int64, err error) {
	buf := make([]byte, chunkRows*savedRowSize)
	for rows := range f.rows.each {
		for i := range rows {
			rows[i].put(buf[i*savedRowSize:(i+1)*savedRowSize], codes[rows[i].Owner]-1)
		}
		n, err := w.Write(buf[:len(rows)*savedRowSize])
		if err != nil {
			return 0, err
		}
		size += int64(n)
	}
	return size, nil
}

// readSavedRows undoes writeRows; false when they are damaged.
func readSavedRows(b []byte, n int, owners int) (list Rows, ok bool) {
	if len(b)/savedRowSize != n || len(b)%savedRowSize != 0 {
		return Rows{}, false
	}
	list.chunks = make([]*chunk, 0, n/chunkRows+1)
	var row Row
	seq, end := uint64(0), int64(0)
	for ; len(b) > 0; b = b[savedRowSize:] {
		if !row.take(b[:savedRowSize]) || row.Seq <= seq || int64(row.Offset) < end || int64(row.Owner) >= int64(owners) {
			return Rows{}, false
		}
		seq, end = row.Seq, int64(row.Offset)+int64(row.Len)+1
		list.add(&row)
	}
	return list, true
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
