package tables

import (
	"encoding/binary"

	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/wire"
)

// Saved is what was read of the file of tables, until it is known whether it is of
// the folder. It is for one goroutine at a time.
type Saved struct {
	tables *Tables
	files  []*savedSegment
	at     map[string]*savedSegment // by base name now
}

// savedSegment is one file with records as it was when the tables were saved.
type savedSegment struct {
	serial    uint32
	log, name string
	data      string // name of the file, with what compression adds, of a closed one without sidecar
	size      int64  // of it
	first     uint64
	last      uint64
	n         int
	parsed    int64
	lastAt    int64 // where its last line begins, of a plain text
	rows      Rows
	parts     [][]byte
	found     bool
}

func (f *savedSegment) active() bool { return f.name == f.log+activeExt }

// describe appends what is said of a file:
//
//	serial | log | name | data | size | first, last seq | rows | size of the text | start of the last line
//	| bytes of the saved rows | sidecars: length
func (f *cutFile) describe(b []byte, data string, size, rowBytes int64) []byte {
	first, last, n, lastAt := uint64(0), uint64(0), f.rows.n, int64(0)
	if x := f.index; x != nil {
		first, last, n = x.First(), x.Last(), x.Len()
	} else {
		first, last, lastAt = f.rows.At(0).Seq, f.rows.At(n-1).Seq, int64(f.rows.At(n-1).Offset)
	}
	b = binary.AppendUvarint(b, uint64(f.serial))
	for _, s := range [...]string{f.log, f.name, data} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	for _, v := range [...]uint64{uint64(size), first, last, uint64(n), uint64(f.parsed), uint64(lastAt), uint64(rowBytes)} {
		b = binary.AppendUvarint(b, v)
	}
	parts := f.parts
	if !f.saveable() {
		parts = nil
	}
	b = binary.AppendUvarint(b, uint64(len(parts)))
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(p.Index.Size()))
	}
	return b
}

// readSegments undoes describe for all files, of which the rows and the sidecars of
// rows are cut out of their sections.
func readSegments(w *wire.Reader, rowBytes, parts []byte, owners int) (list []*savedSegment, ok bool) {
	for range w.Count() {
		f := &savedSegment{serial: uint32(w.Uvarint())}
		for _, s := range [...]*string{&f.log, &f.name, &f.data} {
			*s = string(w.Bytes(w.Count()))
		}
		f.size, f.first, f.last = int64(w.Uvarint()), w.Uvarint(), w.Uvarint()
		n := w.Uvarint()
		f.parsed, f.lastAt = int64(w.Uvarint()), int64(w.Uvarint())
		size := w.Uvarint()
		if w.Bad || n == 0 || n > maxSaved || size > uint64(len(rowBytes)) || f.serial == 0 || f.parsed < 0 || f.size < 0 || f.lastAt < 0 {
			return nil, false
		}
		if f.n = int(n); size > 0 {
			if f.rows, ok = readSavedRows(rowBytes[:size], f.n, owners); !ok {
				return nil, false
			}
			if f.rows.At(0).Seq != f.first || f.rows.At(f.n-1).Seq != f.last {
				return nil, false
			}
			rowBytes = rowBytes[size:]
		}
		for range w.Count() {
			size := w.Uvarint()
			if w.Bad || size > uint64(len(parts)) {
				return nil, false
			}
			f.parts = append(f.parts, parts[:size:size])
			parts = parts[size:]
		}
		list = append(list, f)
	}
	return list, !w.Bad && len(rowBytes) == 0 && len(parts) == 0
}

// Found is a file that is there when tables are read.
type Found struct {
	Log  string
	Name string // base name, as that of a [Segment]
	Data string // name, with what compression adds
	Size int64  // as it is stored, in bytes
	// Compressed says that the data are.
	Compressed bool
	Index      *sidecar.Index // nil where none can be used
}

// SeqAt returns the seq of the line at an offset of a plain file, by the name of its
// data, 0 where there is none.
type SeqAt func(data string, offset int64) uint64

// Matches finds the files of the folder in what was saved, and reports whether the
// tables know of exactly those of their records that came up to the one after which
// they were saved. Files may have been written on since, closed and sealed, and deleted
// unless that was a clean end: what somebody deletes while nobody has the folder open
// is not counted any more.
func (s *Saved) Matches(files []Found, at SeqAt, clean bool) bool {
	closed, active := map[string]*savedSegment{}, map[string][]*savedSegment{}
	for _, f := range s.files {
		if f.active() {
			active[f.log] = append(active[f.log], f)
		} else {
			closed[f.name] = f
		}
	}
	s.at = map[string]*savedSegment{}
	for i := range files {
		found := &files[i]
		f := closed[found.Name]
		if f == nil {
			first := found.first(at)
			if first == 0 && found.Size == 0 || first > s.tables.settled {
				continue
			}
			for _, was := range active[found.Log] {
				if was.first == first {
					f = was
				}
			}
		}
		if f == nil || f.found || !f.is(found, at, s.tables.settled) {
			return false
		}
		f.found = true
		s.at[found.Name] = f
	}
	return !clean || len(s.at) == len(s.files)
}

// first returns the seq of the first line of a file, 0 when it does not tell.
func (f *Found) first(at SeqAt) uint64 {
	switch {
	case f.Index != nil:
		return f.Index.First()
	case f.Compressed:
		return 0
	}
	return at(f.Data, 0)
}

// is reports whether a file has the records that were saved, and of those up to a seq
// no others.
func (f *savedSegment) is(found *Found, at SeqAt, upto uint64) bool {
	switch x := found.Index; {
	case x != nil:
		return x.First() == f.first && x.Search(upto) == f.n && sealedRow(x, f.n-1).Seq == f.last
	case f.data != "":
		return found.Data == f.data && found.Size == f.size
	case found.Compressed || f.rows.n == 0 || found.Size < f.parsed:
		return false
	}
	return at(found.Data, 0) == f.first && at(found.Data, f.lastAt) == f.last &&
		(found.Size == f.parsed || at(found.Data, f.parsed) > upto)
}
