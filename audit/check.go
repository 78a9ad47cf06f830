package audit

import (
	"bytes"
	"sync/atomic"

	"golang.org/x/mod/sumdb/note"
)

// ProofChecker checks proofs that lead to the same checkpoint, as those of one
// [Prover] do, and looks at its signature once: that is most of what a check
// costs. It is safe for concurrent use.
type ProofChecker struct {
	trusted note.Verifiers             // immutable
	last    atomic.Pointer[Checkpoint] // whose signature was good; with a Note of its own
}

// NewProofChecker returns a ProofChecker that trusts some keys, which must not
// change any more.
func NewProofChecker(trusted note.Verifiers) *ProofChecker {
	return &ProofChecker{trusted: trusted}
}

// Check says what [Proof.Check] would say.
func (c *ProofChecker) Check(p Proof, line []byte) error {
	point := c.last.Load()
	if point == nil || !bytes.Equal(point.Note, p.Checkpoint) {
		opened, err := OpenCheckpoint(bytes.Clone(p.Checkpoint), c.trusted)
		if err != nil {
			return err
		}
		point = &opened
		c.last.Store(point)
	}
	return p.under(point, line)
}
