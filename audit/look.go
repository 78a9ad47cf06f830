package audit

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	// MaxLine is how long the line of a record may be, in bytes: what an entry of
	// a C2SP tlog-tiles bundle can hold.
	MaxLine = 65_535

	recordOpen = `{"seq":`
	// maxPoint bounds a checkpoint's line: notes are a few hundred bytes, a
	// frontier has at most 63 hashes.
	maxPoint = 64 << 10
)

// item is one line of a trail, or some records that follow each other, looked at
// by themselves.
type item struct {
	offset int64 // of its first line, in the file's text
	length int   // with newlines
	err    error // what is wrong with it; nil otherwise

	// Records.
	seq      int64 // of the first
	count    int   // 0 for a checkpoint
	leaf     int   // the first of their hashes among the leaves found
	from, to int   // the subtrees that they make, among those found
	deleted  *deletion

	// A checkpoint.
	checkpoint Checkpoint
	frontier   *frontier
}

// subtree is the root of 1<<level records, the first of which is a multiple of
// that.
type subtree struct {
	level int
	hash  tlog.Hash
}

// found is what stands in some whole lines.
type found struct {
	items  []item
	leaves []tlog.Hash
	trees  []subtree
}

func (f *found) reset() { f.items, f.leaves, f.trees = f.items[:0], f.leaves[:0], f.trees[:0] }

// lineWorker looks at lines by themselves. It is for one goroutine.
type lineWorker struct {
	trusted note.Verifiers
	hasher  leafHasher
}

// look looks at whole lines, the first of which begins at a place in the file, and
// adds what it finds. It writes to text, and leaves it as it was.
func (w *lineWorker) look(f *found, text []byte, place int64) {
	records := false // the last item is one of records that the next may join
	for from := 0; from < len(text); {
		at := place + int64(from)
		n := bytes.IndexByte(text[from:], '\n') + 1
		line := text[from : from+n-1]
		start := from
		from += n
		seq, ok := seqOf(line)
		if !ok || len(line) > MaxLine {
			records = false
			it := item{offset: at, length: n}
			w.other(&it, line)
			f.items = append(f.items, it)
			continue
		}
		if records {
			last := &f.items[len(f.items)-1]
			records = last.seq+int64(last.count) == seq && last.deleted == nil
		}
		if !records {
			records = true
			f.items = append(f.items, item{offset: at, seq: seq, leaf: len(f.leaves), from: len(f.trees), to: len(f.trees)})
		}
		it := &f.items[len(f.items)-1]
		it.count++
		it.length += n
		it.deleted = deletionOf(line)
		leaf := w.hasher.hashWithin(text, start, from-1)
		f.leaves = append(f.leaves, leaf)
		f.grow(it, seq, leaf)
	}
}

// grow puts a leaf to the subtrees of its item: two that stand side by side
// become one.
func (f *found) grow(it *item, seq int64, hash tlog.Hash) {
	level := 0
	for ; seq>>level&1 == 1 && it.to > it.from; level++ {
		last := &f.trees[it.to-1]
		if last.level != level {
			break
		}
		hash = tlog.NodeHash(last.hash, hash)
		it.to--
	}
	f.trees = append(f.trees[:it.to], subtree{level, hash})
	it.to++
}

// other looks at a line that is no record, or none that may be.
func (w *lineWorker) other(it *item, line []byte) {
	switch {
	case bytes.HasPrefix(line, []byte(pointOpen)) && len(line) <= maxPoint:
		it.checkpoint, it.frontier, it.err = parsePoint(line, w.trusted)
	case len(line) <= MaxLine:
		it.err = fmt.Errorf("%w: neither a record nor a checkpoint", ErrLine)
	default:
		it.err = fmt.Errorf("%w: too long", ErrLine)
	}
}

// seqOf reads the number of a record's line.
func seqOf(line []byte) (int64, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(recordOpen))
	if !ok || !bytes.HasSuffix(rest, []byte("}")) {
		return 0, false
	}
	n := bytes.IndexByte(rest, ',')
	if n < 1 || n > 19 || rest[0] == '0' && n > 1 {
		return 0, false
	}
	seq, err := strconv.ParseInt(string(rest[:n]), 10, 64)
	return seq, err == nil && rest[0] != '-' && rest[0] != '+'
}
