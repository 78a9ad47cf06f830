package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/steplog/steplog/internal/vfs"
)

// The sidecar of a file holds the hashes of its part of the tree, so that proofs
// need not read the text. It can be deleted and is made again.
//
//	magic  8 bytes  "steplogH"
//	version u32, frontier length u32     big endian, as everything here
//	first u64                            the file's first record
//	count u64                            how many of its records there are hashes of
//	end u64                              where in the text the checkpoint of those ends
//	frontier                             32 bytes each: what stood before first
//	hashes                               32 bytes each: for every record that of its
//	  leaf, and then the roots of the subtrees that end with it, from the smallest,
//	  as golang.org/x/mod/sumdb/tlog counts them
//
// That of the active file grows with it: hashes first, and then count and end,
// which are the file's last word in place of a footer. It is not synced, and what
// it says is compared with a checkpoint of the text before it is used. A wrong
// hash in the middle makes a wrong proof, which the Prover notices.
const (
	hashesExt     = ".hashes"
	hashesMagic   = "steplogH"
	hashesVersion = 2
	hashesCount   = 8 + 4 + 4 + 8 // where count stands
	hashesHead    = hashesCount + 8 + 8
	// maxCount bounds the records of one file: a file is at most 1 GiB and one
	// write long, and a record takes more than 16 bytes.
	maxCount = 1 << 27
)

var errSidecar = errors.New("audit: not a sidecar of hashes")

// part is the part of the tree that lies in one file: in its sidecar, in memory,
// or the beginning there and the rest here.
type part struct {
	name         string
	first, count int64
	end          int64 // where the text of these records ends
	before       frontier
	file         vfs.File    // nil without a sidecar
	kept         int64       // how many hashes are in the file
	rest         []tlog.Hash // those after
}

// stored is how many hashes belong to the records of a part.
func (q *part) stored() int64 {
	return tlog.StoredHashCount(q.first+q.count) - tlog.StoredHashCount(q.first)
}

// at is where in the file the n-th hash stands.
func (q *part) at(n int64) int64 {
	return hashesHead + (int64(len(q.before.hashes))+n)*tlog.HashSize
}

// hash is the root of a subtree that ends in the part.
func (q *part) hash(level int, n int64) (h tlog.Hash, err error) {
	i := tlog.StoredHashIndex(level, n) - tlog.StoredHashCount(q.first)
	if i >= q.kept {
		return q.rest[i-q.kept], nil
	}
	if m, err := q.file.ReadAt(h[:], q.at(i)); m < len(h) {
		return h, fmt.Errorf("audit: read %s: %w", q.name+hashesExt, noEOF(err))
	}
	return h, nil
}

// head is the frontier behind the part.
func (q *part) head() (f frontier, err error) {
	f.size = q.first + q.count
	for at, level := int64(0), 62; level >= 0; level-- {
		if f.size&(1<<level) == 0 {
			continue
		}
		var h tlog.Hash
		if at+1<<level <= q.first {
			h, _ = q.before.subtree(level, at>>level) // all that ends before first is part of it
		} else if h, err = q.hash(level, at>>level); err != nil {
			return f, err
		}
		f.hashes = append(f.hashes, h)
		at += 1 << level
	}
	return f, nil
}

// add puts the next leaves in memory. head is the frontier before them.
func (q *part) add(head *frontier, leaves []tlog.Hash) {
	for _, leaf := range leaves {
		q.rest = head.addTo(q.rest, leaf)
	}
}

// cut leaves out what is behind a number of records.
func (q *part) cut(count int64) {
	q.count = count
	q.rest = q.rest[:q.stored()-q.kept]
}

func (q *part) close() error {
	if q.file == nil {
		return nil
	}
	return q.file.Close()
}

// encode appends the sidecar of a part in memory.
func (q *part) encode(dst []byte) []byte {
	dst = slices.Grow(dst, int(q.at(int64(len(q.rest)))))
	dst = append(dst, hashesMagic...)
	dst = binary.BigEndian.AppendUint32(dst, hashesVersion)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(q.before.hashes)))
	dst = binary.BigEndian.AppendUint64(dst, uint64(q.first))
	dst = q.appendCount(dst)
	return appendHashes(appendHashes(dst, q.before.hashes), q.rest)
}

// appendCount appends what says how far the hashes go.
func (q *part) appendCount(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(q.count))
	return binary.BigEndian.AppendUint64(dst, uint64(q.end))
}

func appendHashes(dst []byte, hashes []tlog.Hash) []byte {
	for i := range hashes {
		dst = append(dst, hashes[i][:]...)
	}
	return dst
}

// openHashes opens the sidecar of a file, to read it or, with os.O_RDWR, to go
// on. Every number in it is checked against the file's size.
func openHashes(fsys vfs.FS, dir, name string, flag int) (q *part, err error) {
	f, err := fsys.OpenFile(filepath.Join(dir, name+hashesExt), flag, 0)
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
	var head [hashesHead]byte
	if n, err := f.ReadAt(head[:], 0); n < len(head) {
		return nil, fmt.Errorf("%w: %w", errSidecar, noEOF(err))
	}
	kept := binary.BigEndian.Uint32(head[12:])
	first, count, end := binary.BigEndian.Uint64(head[16:]), binary.BigEndian.Uint64(head[24:]), binary.BigEndian.Uint64(head[32:])
	if string(head[:8]) != hashesMagic || binary.BigEndian.Uint32(head[8:]) != hashesVersion ||
		kept > 63 || first > 1<<62 || count > maxCount || end > 1<<62 {
		return nil, errSidecar
	}
	q = &part{name: name, first: int64(first), count: int64(count), end: int64(end), file: f}
	q.before.size, q.before.hashes = q.first, make([]tlog.Hash, kept)
	q.kept = q.stored()
	if info.Size() < q.at(q.kept) || !q.before.whole() {
		return nil, errSidecar
	}
	for i := range q.before.hashes {
		h := &q.before.hashes[i]
		if n, err := f.ReadAt(h[:], hashesHead+int64(i)*tlog.HashSize); n < len(h) {
			return nil, fmt.Errorf("%w: %w", errSidecar, noEOF(err))
		}
	}
	return q, nil
}

// matches compares what a sidecar says with the text: there, a checkpoint ends
// where it says, of the records and with the root that it says. It returns the
// frontier and that checkpoint, whose signature is not looked at.
func (q *part) matches(t text) (head frontier, point Checkpoint, err error) {
	if q.end <= 0 || q.end > t.Size() {
		return head, point, errSidecar
	}
	tail := make([]byte, min(q.end, 8<<10)) // the longest first line takes less
	if n, err := t.ReadAt(tail, q.end-int64(len(tail))); n < len(tail) {
		return head, point, noEOF(err)
	}
	n := len(tail) - 1
	if tail[n] != '\n' {
		return head, point, errSidecar
	}
	start := lastLine(tail[:n])
	if point, _, err = parsePoint(tail[start:n], nil); err != nil {
		return head, point, err
	}
	if head, err = q.head(); err != nil {
		return head, point, err
	}
	if point.Size != uint64(head.size) || point.Root != head.root() {
		return head, point, errSidecar
	}
	return head, point, nil
}
