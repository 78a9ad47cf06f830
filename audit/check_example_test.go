package audit_test

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"

	"github.com/steplog/steplog/audit"
)

// Many proofs under one checkpoint need one look at its signature. A single
// proof from a folder is what Prove is for.
func ExampleNewProofChecker() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	trail, err := audit.Open(dir, nil)
	if err != nil {
		panic(err)
	}
	text, err := trail.Key()
	if err != nil {
		panic(err)
	}
	key, err := note.NewVerifier(text)
	if err != nil {
		panic(err)
	}
	if err := trail.Close(); err != nil {
		panic(err)
	}

	prover, err := audit.OpenProver(dir)
	if err != nil {
		panic(err)
	}
	defer prover.Close()
	checker := audit.NewProofChecker(note.VerifierList(key))
	seq := prover.First()
	for line, err := range prover.Lines(seq) {
		if err != nil {
			panic(err)
		}
		proof, err := audit.Prove(context.Background(), dir, seq)
		fmt.Println("record", seq, err, checker.Check(proof, line))
		seq++
	}
	// Output:
	// record 0 <nil> <nil>
}
