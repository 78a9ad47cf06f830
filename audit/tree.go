package audit

import (
	"crypto/sha256"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// frontier is what has to be known of a Merkle tree to add leaves to it and to
// tell its root: the roots of its largest complete subtrees, from left to right
// (RFC 6962 §2.1). There is one for each bit that is set in size.
type frontier struct {
	size   int64
	hashes []tlog.Hash
}

// add appends a leaf. It allocates only while the tree is small.
func (f *frontier) add(leaf tlog.Hash) { f.join(&subtree{hash: leaf}) }

// join appends the leaves of a subtree, before which there is a multiple of as
// many.
func (f *frontier) join(t *subtree) {
	n, hash := len(f.hashes), t.hash
	for range bits.TrailingZeros64(^uint64(f.size >> t.level)) {
		n--
		hash = tlog.NodeHash(f.hashes[n], hash)
	}
	f.hashes = append(f.hashes[:n], hash)
	f.size += 1 << t.level
}

// addTo appends a leaf, and the hashes that it makes to stored: its own, and those
// of the subtrees that end with it, from the smallest.
func (f *frontier) addTo(stored []tlog.Hash, leaf tlog.Hash) []tlog.Hash {
	stored = append(stored, leaf)
	n := len(f.hashes)
	for range bits.TrailingZeros64(^uint64(f.size)) {
		n--
		leaf = tlog.NodeHash(f.hashes[n], leaf)
		stored = append(stored, leaf)
	}
	f.hashes = append(f.hashes[:n], leaf)
	f.size++
	return stored
}

// subtree is the root of the n-th complete subtree of a level, when it is one of
// the largest.
func (f *frontier) subtree(level int, n int64) (h tlog.Hash, ok bool) {
	i := 0
	for at, bit := int64(0), 62; bit >= 0; bit-- {
		if f.size&(1<<bit) == 0 {
			continue
		}
		if bit == level && at == n<<level {
			return f.hashes[i], true
		}
		at += 1 << bit
		i++
	}
	return h, false
}

// root is the tree's hash.
func (f *frontier) root() tlog.Hash {
	n := len(f.hashes)
	if n == 0 {
		return sha256.Sum256(nil)
	}
	root := f.hashes[n-1]
	for i := n - 2; i >= 0; i-- {
		root = tlog.NodeHash(f.hashes[i], root)
	}
	return root
}

// set makes f a copy of g, in the memory that f has.
func (f *frontier) set(g *frontier) {
	f.size = g.size
	f.hashes = append(f.hashes[:0], g.hashes...)
}

// whole reports whether f can be a frontier at all.
func (f *frontier) whole() bool {
	return f.size >= 0 && bits.OnesCount64(uint64(f.size)) == len(f.hashes)
}

// leafHasher computes the hashes of leaves without allocating. It is for one
// goroutine at a time.
type leafHasher struct{ buf []byte }

// hash is the hash of a leaf (RFC 6962 §2.1).
func (h *leafHasher) hash(leaf []byte) tlog.Hash {
	h.buf = append(append(h.buf[:0], leafPrefix), leaf...)
	return sha256.Sum256(h.buf)
}

// leafPrefix is hashed before a leaf, to tell it from a node.
const leafPrefix = 0

// hashWithin is the hash of the leaf text[from:to], without copying it: the byte
// before it makes room for the prefix meanwhile.
func (h *leafHasher) hashWithin(text []byte, from, to int) tlog.Hash {
	if from == 0 {
		return h.hash(text[:to])
	}
	kept := text[from-1]
	text[from-1] = leafPrefix
	sum := sha256.Sum256(text[from-1 : to])
	text[from-1] = kept
	return sum
}
