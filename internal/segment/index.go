package segment

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/bits"
	"os"
	"runtime"
	"sort"
	"sync/atomic"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// maxIndex bounds the size of a sidecar that is read.
const maxIndex = 1 << 32

// Index is an open sidecar, read in place. It is immutable and safe for
// concurrent use. Nobody closes it: mapped memory is given back when it is no
// longer reachable.
type Index struct {
	meta
	b        []byte
	sections map[sectionID]extent
	checked  [128]atomic.Bool // by section
	cache    *Cache
	held     *Holder // of what is in the cache

	frames, values, order, groups, places []byte
	texts                                 textTable
	scopes, owners                        packedTable
	minTime, maxTime                      int64
	ascending                             bool   // no row has a smaller time than the one before
	first, last                           uint64 // seq; not in mapped memory
	classWidth                            int
	lastPlace                             int                         // of the last row, in the order of scopes
	columns                               [128]atomic.Pointer[Column] // by section
}

// Open maps the sidecar under a path, or reads it where it cannot be mapped, and
// checks it; the larger sections are checked when they are first used. cache
// keeps what is decoded of it.
//
// The errors are [ErrFormat], [ErrVersion], a *[CorruptError], or those of the
// file system.
func Open(fsys vfs.FS, path string, cache *Cache) (*Index, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read; the mapping stays
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if size > maxIndex || uint64(size) > uint64(^uint(0)>>1) {
		return nil, &CorruptError{0, ErrTooLarge}
	}
	if m, err := vfs.MapRead(fsys, f, int(size)); err == nil {
		return readMapped(m, cache)
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, errors.Join(&CorruptError{int64(n), errCut}, err)
	}
	return Read(b, cache)
}

// readMapped is [Read] for mapped memory, which is given back with the Index, or at once
// where there is none: also after a fault, which the caller of Open catches.
func readMapped(m vfs.Mapping, cache *Cache) (x *Index, err error) {
	defer func() {
		if x == nil {
			err = errors.Join(err, m.Unmap())
		}
	}()
	if x, err = Read(m.Bytes(), cache); err == nil {
		runtime.AddCleanup(x, func(m vfs.Mapping) { _ = m.Unmap() }, m)
	}
	return x, err
}

// Read is [Open] for a sidecar in memory, which must not be changed afterwards.
func Read(b []byte, cache *Cache) (*Index, error) {
	sections, err := decodeTable(b)
	if err != nil {
		return nil, err
	}
	x := &Index{b: b, sections: sections, cache: cache}
	if x.cache == nil {
		x.cache = NewCache(0)
	}
	x.held = x.cache.Hold()
	m, err := x.section(secMeta)
	if err != nil {
		return nil, err
	}
	ok := false
	if x.meta, ok = decodeMeta(m); !ok {
		return nil, x.corrupt(secMeta, errContent)
	}
	x.classWidth = bits.Len(uint(max(len(x.classes)-1, 0)))
	if err := x.takeSections(); err != nil {
		return nil, err
	}
	if x.rows > 0 {
		f := x.Frame(x.Frames() - 1)
		x.first, x.last = x.firstOf(0), f.Seq(f.n-1)
		x.lastPlace = x.PlaceOf(x.rows - 1)
	}
	return x, nil
}

// takeSections takes in the sections that all else is read from. Of the small ones the
// checksum is looked at, of the others what would have rows read behind their end.
func (x *Index) takeSections() error {
	for _, s := range []struct {
		id    sectionID
		small bool
		take  func(b []byte) bool
	}{
		{secFrames, true, func(b []byte) bool {
			x.frames = b
			return len(b) == x.Frames()*frameBytes(len(x.classes))
		}},
		{secColumns, false, func(b []byte) bool {
			x.values = b
			return x.checkFrames()
		}},
		{secPlaces, false, func(b []byte) bool {
			x.places = b
			return x.checkPlaces()
		}},
		{secStrings, true, func(b []byte) (ok bool) {
			x.texts, ok = decodeTexts(b)
			return ok
		}},
		{secScopes, true, func(b []byte) (ok bool) {
			x.scopes, ok = decodePacked(b, x.meta.scopes, scopeFields)
			return ok
		}},
		{secOrder, false, func(b []byte) bool {
			x.order = b
			return x.checkScopes()
		}},
		{secOwners, true, func(b []byte) (ok bool) {
			x.owners, ok = decodePacked(b, x.meta.owners, ownerFields)
			return ok && x.checkOwners()
		}},
	} {
		e, ok := x.sections[s.id]
		if !ok {
			return &CorruptError{0, errMissing}
		}
		b := x.b[e.at : e.at+e.size : e.at+e.size]
		if s.small {
			if _, err := x.section(s.id); err != nil {
				return err
			}
		}
		if !s.take(b) {
			return x.corrupt(s.id, errContent)
		}
	}
	return nil
}

// section returns a section whose checksum was found right.
func (x *Index) section(id sectionID) ([]byte, error) {
	e, ok := x.sections[id]
	if !ok {
		return nil, &CorruptError{0, errMissing}
	}
	b := x.b[e.at : e.at+e.size : e.at+e.size]
	if int(id) < len(x.checked) && x.checked[id].Load() {
		return b, nil
	}
	if crc32.Checksum(b, castagnoli) != e.crc {
		return nil, x.corrupt(id, errChecksum)
	}
	if int(id) < len(x.checked) {
		x.checked[id].Store(true)
	}
	return b, nil
}

func (x *Index) corrupt(id sectionID, err error) error {
	return &CorruptError{x.sections[id].at, err}
}

// Check checks the sections that rows and places are read from. Rows must not
// be read before it returned nil once.
func (x *Index) Check() error {
	for _, id := range [...]sectionID{secColumns, secPlaces, secOrder} {
		if _, err := x.section(id); err != nil {
			return err
		}
	}
	return nil
}

// CheckAll checks every section, also those that were found right before: a
// mapped file may have been changed since.
func (x *Index) CheckAll() error {
	for id, e := range x.sections {
		if crc32.Checksum(x.b[e.at:e.at+e.size], castagnoli) != e.crc {
			return x.corrupt(id, errChecksum)
		}
	}
	return nil
}

func widthIs(width int) bool { return width >= 0 && width <= 56 || width == 64 }

func (x *Index) checkFrames() bool {
	if len(x.values) < packPad {
		return false
	}
	x.ascending = true
	for i := range x.Frames() {
		f := x.frames[i*frameBytes(len(x.classes)):]
		n := min(FrameRows, x.rows-i*FrameRows)
		size := packPad
		for k, count := range [...]int{anchorsOf(n), n, anchorsOf(n), n, n} {
			if !widthIs(int(f[48+k])) {
				return false
			}
			size += packedSize(count, int(f[48+k]))
		}
		if told(f[54]) > toldMost {
			return false
		}
		size += packedSize(n, x.classWidth)
		first, last := int64(binary.LittleEndian.Uint64(f)), int64(binary.LittleEndian.Uint64(f[8:]))
		if i == 0 {
			x.minTime, x.maxTime = first, last
		}
		x.ascending = x.ascending && f[53] == 1 && (i == 0 || first >= x.maxTime)
		x.minTime, x.maxTime = min(x.minTime, first), max(x.maxTime, last)
		at := int(binary.LittleEndian.Uint32(f[24:]))
		if at > len(x.values) || size > len(x.values)-at {
			return false
		}
	}
	return true
}

func (x *Index) checkPlaces() bool {
	n := (x.rows + groupLines - 1) / groupLines
	if n*groupBytes+packPad > len(x.places) {
		return false
	}
	x.groups, x.places = x.places[:n*groupBytes], x.places[n*groupBytes:]
	for i := range n {
		g := x.groups[i*groupBytes:]
		width := int(g[16])
		if width > 32 {
			return false
		}
		at := int(binary.LittleEndian.Uint32(g[8:]))
		size := packedSize(min(groupLines, x.rows-i*groupLines), width) + packPad
		if at > len(x.places) || size > len(x.places)-at {
			return false
		}
	}
	return true
}

// checkScopes checks that what scopes name is there.
func (x *Index) checkScopes() bool {
	for k := range scopeIDs {
		if !x.scopes.below(k, uint64(x.texts.count())) {
			return false
		}
	}
	place := uint64(0)
	for i := range x.meta.scopes {
		if x.scopes.at(i, scopePlace) != place || x.scopes.at(i, scopeRows) > uint64(x.rows) || x.scopes.at(i, scopeRows) == 0 {
			return false
		}
		place += x.scopes.at(i, scopeRows)
		at, anchors, width := x.scopes.at(i, scopeOrder), x.scopes.at(i, scopeAnchorWidth), x.scopes.at(i, scopeWidth)
		if at > uint64(len(x.order)) || anchors > 64 || width > 64 || !widthIs(int(anchors)) || !widthIs(int(width)) {
			return false
		}
		if s := x.scopeSeries(i); s.size()+packPad > len(s.b) {
			return false
		}
	}
	return place == uint64(x.rows)
}

func (x *Index) checkOwners() bool {
	if x.rows > 0 && x.meta.owners == 0 {
		return false
	}
	for _, field := range [...]int{ownerStep, ownerAction, ownerActionName} {
		if !x.owners.below(field, uint64(x.texts.count())) {
			return false
		}
	}
	return x.owners.below(ownerScope, uint64(x.meta.scopes))
}

// Len returns the number of rows.
func (x *Index) Len() int { return x.rows }

// Frames returns the number of frames: 1024 rows each, the last one fewer.
func (x *Index) Frames() int { return (x.rows + FrameRows - 1) / FrameRows }

// Bytes returns the sidecar. It must not be changed.
func (x *Index) Bytes() []byte { return x.b }

// Size returns how many bytes the sidecar takes.
func (x *Index) Size() int { return len(x.b) }

// Format is how the data is compressed, 0 for not at all.
func (x *Index) Format() block.Format { return x.format }

// Grouped reports whether the lines go by run instead of by arrival.
func (x *Index) Grouped() bool { return x.grouped }

// TextSize returns the size of the plain text, in bytes.
func (x *Index) TextSize() int64 { return x.text }

// DataSize returns the size of the data that the sidecar belongs to, in bytes.
func (x *Index) DataSize() int64 { return x.size }

// DataCRC returns its CRC-32C.
func (x *Index) DataCRC() uint32 { return x.data.crc }

// SameData reports whether two sidecars belong to the same data.
func (x *Index) SameData(y *Index) bool {
	return x == y || x.DataSize() == y.DataSize() && x.DataCRC() == y.DataCRC()
}

// Counts returns the numbers of rows by level and kind.
func (x *Index) Counts() *Counts { return &x.counts }

// Levels returns the rows of a level, by its index in line.Levels; ok is false
// where they are too many for a list.
func (x *Index) Levels(level int) (rows Ref, ok bool) {
	n := 0
	for _, k := range x.counts[level] {
		n += int(k)
	}
	return x.levels[level], x.levels[level].Rows == n
}

// Times returns the smallest and the largest time of the rows, Unix nanoseconds.
func (x *Index) Times() (first, last int64) { return x.minTime, x.maxTime }

// Search returns how many rows have a seq of at most seq.
func (x *Index) Search(seq uint64) int {
	f := sort.Search(x.Frames(), func(i int) bool { return x.firstOf(i) > seq }) - 1
	if f < 0 {
		return 0
	}
	fr := x.Frame(f)
	return f*FrameRows + sort.Search(fr.n, func(i int) bool { return fr.Seq(i) > seq })
}

// Seq returns the seq of a row.
func (x *Index) Seq(row int) uint64 {
	f := x.Frame(row / FrameRows)
	return f.Seq(row % FrameRows)
}

// firstOf returns the seq of the first row of a frame.
func (x *Index) firstOf(frame int) uint64 {
	return binary.LittleEndian.Uint64(x.frames[frame*frameBytes(len(x.classes))+16:])
}

// First returns the seq of the first row, 0 when there is none.
func (x *Index) First() uint64 { return x.first }

// Last returns the seq of the last row, 0 when there is none.
func (x *Index) Last() uint64 { return x.last }

// TextOf returns the identifier that has a number, perhaps a part of mapped memory: see
// the package comment. That of 0 is "".
func (x *Index) TextOf(number uint32) string { return x.texts.at(number) }

// Text returns the number of an identifier, false when no row has it.
func (x *Index) Text(s string) (uint32, bool) { return x.texts.find(s) }

// Class is a level, by its index in line.Levels, and a kind that some rows of a
// file have.
type Class struct {
	Level int
	Kind  line.Kind
}

// Classes calls yield for each class that occurs, at most 48, with its number.
func (x *Index) Classes(yield func(number int, c Class) bool) {
	for i, c := range x.classes {
		if !yield(i, Class{int(c / kindCount), line.Kind(c % kindCount)}) {
			return
		}
	}
}

// Held stands for the file among what is decoded of files.
func (x *Index) Held() *Holder { return x.held }

// Lifecycle calls yield for each run and step record, in the order of rows.
func (x *Index) Lifecycle(yield func(row int, l *line.Lifecycle) error) error {
	b, err := x.section(secLifecycle)
	if err != nil {
		return err
	}
	z, err := x.cache.decoder()
	if err != nil {
		return err
	}
	defer x.cache.decoders.Put(z)
	blocks := read(b)
	var plain []byte
	for len(blocks.B) > 0 && !blocks.Bad {
		if plain, err = z.DecodeAll(blocks.Bytes(blocks.Count()), plain[:0]); err != nil {
			return x.corrupt(secLifecycle, err)
		}
		w := read(plain)
		for len(w.B) > 0 {
			row, l := w.lifecycle()
			if w.Bad || int(row) >= x.rows {
				return x.corrupt(secLifecycle, errContent)
			}
			if err := yield(int(row), &l); err != nil {
				return err
			}
		}
	}
	if blocks.Bad {
		return x.corrupt(secLifecycle, errContent)
	}
	return nil
}
