package main

import (
	"os"
	"slices"
	"testing"
)

// TestMain lets the test binary stand in for the program where it starts itself
// again, once for each round.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-child") {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestRun runs everything once, too briefly to measure and long enough to see
// that every candidate writes what it was offered and every total is right.
func TestRun(t *testing.T) {
	err := run(settings{records: 2_000, rounds: 1, queryRecords: 20_000, questions: 3, calls: true, queries: true, dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
}
