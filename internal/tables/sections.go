package tables

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// What is saved of a folder is one file of sections, each with a checksum of its
// own, so that they are read side by side:
//
//	magic (16) | version u32 | 0 u32 | runs | their bytes | their ids | owners | theirs | rows | sidecars of rows | head
//	| per section, in this order: size u64, CRC-32C u32
//	| CRC-32C u32 of the first 24 bytes and of what is said of the sections
//
// with numbers of fixed size little endian.

const (
	savedRuns = iota
	savedBytes
	savedIDs
	savedOwners
	savedOwnerIDs
	savedRows
	savedParts
	savedHead
	savedSections

	tablesMagic = "steplog tables\n\x00" // 16 bytes
	// tablesVersion is 5: version 1 counted only after a clean end, 2 had rows of another form and
	// no sums of steps, 3 no free codes of scopes, 4 one table of ids and no marks of steps.
	tablesVersion = 5
	tablesStart   = len(tablesMagic) + 8
	tablesFoot    = savedSections*12 + 4
	// maxSaved bounds what is read and written.
	maxSaved = 1 << 30
)

// polynomial is that of the checksums (CRC-32C).
var polynomial = crc32.MakeTable(crc32.Castagnoli) // immutable

// errTables is returned for a file that is none of tables, or damaged.
var errTables = errors.New("tables: what was saved is damaged")

// savedWriter writes such a file.
type savedWriter struct {
	w    io.Writer
	foot []byte
	crc  uint32
	size int64
	all  int64
}

func newSavedWriter(w io.Writer) (*savedWriter, error) {
	start := savedStart()
	_, err := w.Write(start)
	return &savedWriter{w: w, all: int64(len(start))}, err
}

func savedStart() []byte {
	b := binary.LittleEndian.AppendUint32([]byte(tablesMagic), tablesVersion)
	return append(b, 0, 0, 0, 0)
}

// Write adds to the section.
func (s *savedWriter) Write(b []byte) (int, error) {
	s.crc = crc32.Update(s.crc, polynomial, b)
	s.size += int64(len(b))
	if s.all += int64(len(b)); s.all > maxSaved-int64(tablesFoot) {
		return 0, errTooMuch
	}
	return s.w.Write(b)
}

var errTooMuch = errors.New("tables: too large to be saved")

// End ends the section.
func (s *savedWriter) End() {
	s.foot = binary.LittleEndian.AppendUint64(s.foot, uint64(s.size))
	s.foot = binary.LittleEndian.AppendUint32(s.foot, s.crc)
	s.crc, s.size = 0, 0
}

// close writes what is said of the sections, and returns the size of the file.
func (s *savedWriter) close() (int64, error) {
	foot := binary.LittleEndian.AppendUint32(s.foot, footSum(savedStart(), s.foot))
	_, err := s.w.Write(foot)
	return s.all + int64(len(foot)), err
}

func footSum(start, foot []byte) uint32 {
	return crc32.Update(crc32.Checksum(start, polynomial), polynomial, foot)
}

// savedFile reads one.
type savedFile struct {
	r        io.ReaderAt
	sections [savedSections]struct {
		at, size int64
		crc      uint32
	}
}

// openSaved looks at the start and the end of a file; nil for one of another version:
// the text is there.
func openSaved(r io.ReaderAt, size int64) (*savedFile, error) {
	if size < int64(tablesStart+tablesFoot) || size > maxSaved {
		return nil, errTables
	}
	start, foot := make([]byte, tablesStart), make([]byte, tablesFoot)
	for _, part := range [...]struct {
		b  []byte
		at int64
	}{{start, 0}, {foot, size - int64(tablesFoot)}} {
		if n, err := r.ReadAt(part.b, part.at); n < len(part.b) {
			return nil, errors.Join(errTables, err)
		}
	}
	if string(start[:len(tablesMagic)]) != tablesMagic {
		return nil, errTables
	}
	if binary.LittleEndian.Uint32(start[len(tablesMagic):]) != tablesVersion {
		return nil, nil
	}
	if n := tablesFoot - 4; footSum(start, foot[:n]) != binary.LittleEndian.Uint32(foot[n:]) {
		return nil, errTables
	}
	f := &savedFile{r: r}
	at := int64(tablesStart)
	for i := range f.sections {
		n := binary.LittleEndian.Uint64(foot[12*i:])
		if n > uint64(size) {
			return nil, errTables
		}
		s := &f.sections[i]
		s.at, s.size, s.crc = at, int64(n), binary.LittleEndian.Uint32(foot[12*i+8:])
		at += s.size
	}
	if at != size-int64(tablesFoot) {
		return nil, errTables
	}
	return f, nil
}

// section reads one. It is safe for concurrent use.
func (f *savedFile) section(i int) ([]byte, error) {
	s := &f.sections[i]
	b := make([]byte, s.size)
	if n, err := f.r.ReadAt(b, s.at); n < len(b) {
		return nil, errors.Join(errTables, err)
	}
	if crc32.Checksum(b, polynomial) != s.crc {
		return nil, errTables
	}
	return b, nil
}
