package main

import (
	"os"
	"slices"
	"testing"
	"time"
)

// TestMain lets the test binary stand in for the program where it starts itself
// as the server.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-serve") {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestRun runs everything once, too briefly to measure and long enough to see
// that every question is answered.
func TestRun(t *testing.T) {
	if err := run(t.Context(), settings{records: 20_000, lasts: time.Second, rate: 50, connections: 20}); err != nil {
		t.Fatal(err)
	}
}
