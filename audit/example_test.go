package audit_test

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"

	"github.com/steplog/steplog/audit"
)

// A record is on the disk and signed when Record returns. Anybody with the key
// can check the folder, and a proof for one record alone.
func Example() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	trail, err := audit.Open(dir, nil)
	if err != nil {
		panic(err)
	}
	text, err := trail.Key() // to be kept elsewhere
	if err != nil {
		panic(err)
	}
	receipt, err := trail.Record(context.Background(), audit.Entry{
		Event: audit.FlowUpdated, Actor: audit.User("admin@example.com"), FlowID: "sync-prices",
		Before: map[string]any{"limit": 10, "token": "a"}, After: map[string]any{"limit": 20, "token": "b"},
	})
	if err != nil {
		panic(err)
	}
	if err := trail.Close(); err != nil {
		panic(err)
	}

	key, err := note.NewVerifier(text)
	if err != nil {
		panic(err)
	}
	trusted := note.VerifierList(key)
	report, err := audit.Verify(context.Background(), dir, &audit.VerifyOptions{
		Verifiers: trusted, Anchors: [][]byte{receipt.Checkpoint},
	})
	fmt.Println(report.Size, "records", err)

	prover, err := audit.OpenProver(dir)
	if err != nil {
		panic(err)
	}
	defer prover.Close()
	for line, err := range prover.Lines(receipt.Seq) {
		if err != nil {
			panic(err)
		}
		proof, err := prover.Prove(context.Background(), receipt.Seq)
		fmt.Println(err, proof.Check(line, trusted))
		record, err := audit.ParseRecord(line)
		fmt.Println(record.Title, "by", record.Actor.Email, record.Changes[0].Path, err)
	}
	// Output:
	// 2 records <nil>
	// <nil> <nil>
	// Flow Updated by admin@example.com /limit <nil>
}

// What an act changed is recorded by Do, with the intent before it.
func ExampleRecorder_Do() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	trail, err := audit.Open(dir, nil)
	if err != nil {
		panic(err)
	}
	defer trail.Close()
	flow := map[string]any{"name": "Sync prices", "limit": 10}
	change := audit.Entry{Event: audit.FlowUpdated, FlowID: "sync-prices", Before: flow, After: flow}
	fmt.Println(trail.Do(context.Background(), change, func() error {
		flow["limit"] = 20
		return nil
	}))
	fmt.Println(trail.Do(context.Background(), audit.Entry{Event: audit.FlowDeleted, FlowID: "old"}, func() error {
		return fmt.Errorf("%w: it is running", audit.ErrDenied)
	}))

	prover, err := audit.OpenProver(dir)
	if err != nil {
		panic(err)
	}
	defer prover.Close()
	for line, err := range prover.Lines(1) { // behind that of the opening
		if err != nil {
			panic(err)
		}
		r, err := audit.ParseRecord(line)
		if err != nil {
			panic(err)
		}
		fmt.Println(r.Title, r.Outcome)
		for _, c := range r.Changes {
			fmt.Printf("  %s %s %s → %s\n", c.Op, c.Path, c.Before, c.After)
		}
	}
	// Output:
	// <nil>
	// audit: denied: it is running
	// Flow Updated intent
	// Flow Updated success
	//   replace /limit 10 → 20
	// Flow Deleted intent
	// Flow Deleted denied
}

func ExampleDiff() {
	changes, err := audit.Diff(
		map[string]any{"name": "Sync", "password": "a", "tags": []string{"x", "y"}},
		map[string]any{"name": "Sync prices", "password": "b", "tags": []string{"y"}})
	if err != nil {
		panic(err)
	}
	for _, c := range changes {
		fmt.Printf("%s %s %s → %s\n", c.Op, c.Path, c.Before, c.After)
	}
	// Output:
	// replace /name "Sync" → "Sync prices"
	// replace /password "***" → "***"
	// remove /tags/0 "x" →
}
