package audit

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/steplog/steplog/internal/vfs"
)

// The sidecar of a sealed file holds the hashes of its part of the tree, so that
// proofs need not read the text. It can be deleted and is made again.
//
//	magic  8 bytes  "steplogH"
//	version u32, frontier length u32     big endian, as everything here
//	first u64, count u64                 the records of the file
//	frontier                             32 bytes each: what stood before first
//	for each level from 0: the hashes of the complete subtrees that lie wholly
//	  in the file, 32 bytes each, from left to right
//	magic  8 bytes  "Hgolpets"
//
// A wrong hash in it makes a wrong proof, which whoever checks it refuses.
const (
	hashesExt     = ".hashes"
	hashesMagic   = "steplogH"
	hashesEnd     = "Hgolpets"
	hashesVersion = 1
	hashesHead    = 8 + 4 + 4 + 8 + 8
	// maxCount bounds the records of one file: a file is at most 1 GiB and one
	// write long, and a record takes more than 16 bytes.
	maxCount = 1 << 27
)

var errSidecar = errors.New("audit: not a sidecar of hashes")

// part is the part of the tree that lies in one file: in memory, or in its
// sidecar.
type part struct {
	name         string
	first, count int64
	before       frontier
	levels       [][]tlog.Hash // nil when file is set
	file         vfs.File
	offsets      []int64 // of the levels in the file
}

// span is which subtrees of a level lie wholly in a part: n from lo to hi-1.
func (q *part) span(level int) (lo, hi int64) {
	size := int64(1) << level
	return (q.first + size - 1) / size, (q.first + q.count) / size
}

// build fills the levels above the leaves.
func (q *part) build() {
	for level := 1; ; level++ {
		lo, hi := q.span(level)
		if hi <= lo {
			return
		}
		below, _ := q.span(level - 1)
		hashes := make([]tlog.Hash, 0, hi-lo)
		for n := lo; n < hi; n++ {
			children := q.levels[level-1][2*n-below:]
			hashes = append(hashes, tlog.NodeHash(children[0], children[1]))
		}
		q.levels = append(q.levels, hashes)
	}
}

// hash is the root of a subtree that lies wholly in the part.
func (q *part) hash(level int, n int64) (h tlog.Hash, err error) {
	lo, _ := q.span(level)
	if q.file == nil {
		return q.levels[level][n-lo], nil
	}
	if m, err := q.file.ReadAt(h[:], q.offsets[level]+(n-lo)*tlog.HashSize); m < len(h) {
		return h, fmt.Errorf("audit: read %s: %w", q.name+hashesExt, noEOF(err))
	}
	return h, nil
}

func (q *part) close() error {
	if q.file == nil {
		return nil
	}
	return q.file.Close()
}

// encode appends the sidecar.
func (q *part) encode(dst []byte) []byte {
	dst = append(dst, hashesMagic...)
	dst = binary.BigEndian.AppendUint32(dst, hashesVersion)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(q.before.hashes)))
	dst = binary.BigEndian.AppendUint64(dst, uint64(q.first))
	dst = binary.BigEndian.AppendUint64(dst, uint64(q.count))
	for _, h := range q.before.hashes {
		dst = append(dst, h[:]...)
	}
	for _, level := range q.levels {
		for _, h := range level {
			dst = append(dst, h[:]...)
		}
	}
	return append(dst, hashesEnd...)
}

// openHashes opens the sidecar of a sealed file. Every number in it is checked
// against the file's size.
func openHashes(fsys vfs.FS, dir, name string) (q *part, err error) {
	f, err := fsys.OpenFile(filepath.Join(dir, name+hashesExt), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	head := make([]byte, hashesHead)
	if n, err := f.ReadAt(head, 0); n < len(head) {
		return nil, fmt.Errorf("%w: %w", errSidecar, noEOF(err))
	}
	first, count := binary.BigEndian.Uint64(head[16:]), binary.BigEndian.Uint64(head[24:])
	kept := binary.BigEndian.Uint32(head[12:])
	if string(head[:8]) != hashesMagic || binary.BigEndian.Uint32(head[8:]) != hashesVersion ||
		kept > 63 || first > 1<<62 || count == 0 || count > maxCount {
		return nil, errSidecar
	}
	q = &part{name: name, first: int64(first), count: int64(count), file: f}
	q.before.size = q.first
	at := int64(hashesHead) + int64(kept)*tlog.HashSize
	for level := 0; level < 63; level++ {
		lo, hi := q.span(level)
		if hi <= lo {
			break
		}
		q.offsets = append(q.offsets, at)
		at += (hi - lo) * tlog.HashSize
	}
	tail := make([]byte, len(hashesEnd))
	if info.Size() != at+int64(len(hashesEnd)) {
		return nil, errSidecar
	}
	if n, err := f.ReadAt(tail, at); n < len(tail) || string(tail) != hashesEnd {
		return nil, errors.Join(errSidecar, err)
	}
	frontier := make([]byte, int(kept)*tlog.HashSize)
	if n, err := f.ReadAt(frontier, hashesHead); n < len(frontier) {
		return nil, fmt.Errorf("%w: %w", errSidecar, noEOF(err))
	}
	for len(frontier) > 0 {
		q.before.hashes = append(q.before.hashes, tlog.Hash(frontier[:tlog.HashSize]))
		frontier = frontier[tlog.HashSize:]
	}
	if !q.before.whole() {
		return nil, errSidecar
	}
	return q, nil
}

// lineReader reads the lines of a text.
type lineReader struct {
	r   *bufio.Reader
	buf []byte
}

func newLineReader(t text, buffer int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(io.NewSectionReader(t, 0, t.Size()), buffer)}
}

// next returns a line without its newline, valid until the next call. A last
// line without a newline is none.
func (r *lineReader) next() ([]byte, error) {
	r.buf = r.buf[:0]
	for {
		part, err := r.r.ReadSlice('\n')
		if err == nil && len(r.buf) == 0 {
			return part[:len(part)-1], nil
		}
		if r.buf = append(r.buf, part...); err == nil {
			return bytes.TrimSuffix(r.buf, []byte("\n")), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(r.buf) > maxCommit {
			return nil, ErrLine
		}
	}
}
