package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
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

// TestCheck has texts checked that are not what was offered.
func TestCheck(t *testing.T) {
	all := samples()
	line := func(seq, n int) string {
		x := &all[n]
		return fmt.Sprintf(`{"seq":%d,"kind":"line","message":%q,"details":{"n":%d,"sku":%q,"warehouse":%q,"rows":%d,"price":%v,"cached":%t}}`+"\n",
			seq, x.message, n, x.sku, x.warehouse, x.rows, x.price, x.cached)
	}
	for _, c := range []struct {
		name    string
		text    string
		callers int
		ok      bool
	}{
		{"one caller", line(1, 0) + line(2, 1) + line(5, 2) + line(6, 3), 1, true},
		{"two callers", line(1, 0) + line(2, 2) + line(3, 1) + line(4, 3), 2, true},
		{"a record is missing", line(1, 0) + line(2, 1) + line(3, 2), 1, false},
		{"a record is there twice", line(1, 0) + line(2, 1) + line(3, 1) + line(4, 3), 1, false},
		{"one caller out of order", line(1, 0) + line(2, 2) + line(3, 1) + line(4, 3), 1, false},
		{"one of two callers out of order", line(1, 2) + line(2, 0) + line(3, 1) + line(4, 3), 2, false},
		{"numbers that fall", line(1, 0) + line(3, 1) + line(2, 2) + line(4, 3), 1, false},
		{"another value", line(1, 0) + line(2, 1) + line(3, 2) + strings.Replace(line(4, 3), "wh-", "wx-", 1), 1, false},
	} {
		_, err := check(func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(c.text)), nil }, 4, c.callers)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestGoal has lines made of rounds whose ratios are known.
func TestGoal(t *testing.T) {
	took := func(mode string, ns ...time.Duration) (all []round) {
		for _, d := range ns {
			all = append(all, round{Calls: 1, CPU: d, Mode: mode})
		}
		return all
	}
	for _, c := range []struct {
		name, want  string
		goal        goal
		over, under []round
	}{
		// That of the medians would be 1.
		{"the median of the ratios", "0.500", goal{of: cpu, most: 0.5}, took("journal", 10, 20, 90), took("", 20, 10, 180)},
		{"met", " met", goal{of: cpu, most: 0.5}, took("journal", 5), took("", 10)},
		{"missed", "missed", goal{of: cpu, most: 0.49}, took("journal", 5), took("", 10)},
		{"at least", " met", goal{of: cpu, least: 1.3}, took("journal", 14), took("journal", 10)},
		{"allocations", "missed", goal{of: cpu, most: 1, noAllocs: true}, []round{{Calls: 1, CPU: 1, Allocs: 1}}, took("", 10)},
		{"another mode", "no figure", goal{of: cpu, most: 1}, took("write", 5), took("", 10)},
		{"no time", "no figure", goal{of: thread, most: 1}, took("journal", 5), took("", 10)},
	} {
		c.goal.over, c.goal.under = "a", "b"
		if got := c.goal.line(results{"a": c.over, "b": c.under}); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

func TestQuantiles(t *testing.T) {
	ns := make([]uint32, 1001)
	for i := range ns {
		ns[i] = uint32(1000 - i)
	}
	if got, want := quantilesOf(ns), (quantiles{500, 990, 999, 1000}); got != want {
		t.Errorf("%v, not %v", got, want)
	}
}
