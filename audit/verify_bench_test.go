package audit_test

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/rotation"
)

// benchTrail makes a trail of 128,000 records, about 256 to a checkpoint, in a
// folder, and returns it with its key.
func benchTrail(b *testing.B, rule rotation.Rule) (folder string, trusted note.Verifiers) {
	folder = filepath.Join(b.TempDir(), "trail")
	r, err := audit.Open(folder, &audit.Options{Rule: rule})
	require.NoError(b, err)
	e := audit.Entry{Event: audit.FlowStarted, Actor: audit.User("admin@example.com"), Target: audit.Target{Type: "flow", ID: "f-1", Name: "Sync prices"},
		FlowID: "f-1", Project: "p-1", Request: "0193-request"}
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			for range 500 {
				if _, err := r.Record(context.Background(), e); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	key, err := r.Key()
	require.NoError(b, err)
	require.NoError(b, r.Close())
	verifier, err := note.NewVerifier(key)
	require.NoError(b, err)
	return folder, note.VerifierList(verifier)
}

// BenchmarkVerify is the check of every byte of a trail, with all signatures: in
// a file that is still written, and in sealed ones that are compressed.
func BenchmarkVerify(b *testing.B) {
	for name, rule := range map[string]rotation.Rule{
		"plain": {MaxBytes: 1 << 30},
		"gzip":  {MaxBytes: 8 << 20, Compression: rotation.Gzip},
	} {
		b.Run(name, func(b *testing.B) {
			folder, _ := benchTrail(b, rule)
			var records uint64
			for b.Loop() {
				report, err := audit.Verify(b.Context(), folder, nil)
				require.NoError(b, err)
				records += report.Size
			}
			b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkProve is an inclusion proof that is made and checked: with a Prover
// that stays open, with the signature looked at once and each time, and from the
// folder.
func BenchmarkProve(b *testing.B) {
	folder, trusted := benchTrail(b, rotation.Rule{MaxBytes: 8 << 20, Compression: rotation.Gzip})
	open := func() *audit.Prover {
		p, err := audit.OpenProver(folder)
		require.NoError(b, err)
		return p
	}
	const seq = 5000
	p := open()
	defer p.Close()
	var line []byte
	for l, err := range p.Lines(seq) {
		require.NoError(b, err)
		line = slices.Clone(l)
		break
	}
	run := func(name string, prove func(context.Context) (audit.Proof, error), check func(audit.Proof) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				proof, err := prove(b.Context())
				require.NoError(b, err)
				require.NoError(b, check(proof))
			}
		})
	}
	many := audit.NewProofChecker(trusted)
	once := func(p audit.Proof) error { return many.Check(p, line) }
	each := func(p audit.Proof) error { return p.Check(line, trusted) }
	opened := func(ctx context.Context) (audit.Proof, error) { return p.Prove(ctx, seq) }
	run("open", opened, once)
	run("open, signature each time", opened, each)
	run("folder", func(ctx context.Context) (audit.Proof, error) { return audit.Prove(ctx, folder, seq) }, each)
	run("folder, all of it", func(ctx context.Context) (audit.Proof, error) {
		p := open()
		defer p.Close()
		return p.Prove(ctx, seq)
	}, each)
}
