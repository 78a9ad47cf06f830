package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// report prints what the results prove and reports whether all holds that must.
func report(w io.Writer, wanted, done []requirement, r *results, o options) bool {
	ok := true
	fail := func(format string, args ...any) {
		ok = false
		fmt.Fprintf(w, format+"\n", args...)
	}
	if r.packages == 0 {
		fail("no package was tested")
	}
	if len(r.broken) > 0 {
		fail("failed: %d packages, %d tests", len(r.broken), len(r.failed))
		for _, name := range slices.Sorted(maps.Keys(r.failed)) {
			fmt.Fprintln(w, "  "+name)
		}
	}
	if len(r.skipped) > 0 {
		fmt.Fprintf(w, "skipped: %d\n", len(r.skipped))
		for _, s := range r.skipped {
			fmt.Fprintln(w, "  "+s)
		}
		if o.skips {
			fail("a skipped test is a failure here")
		}
	}

	counts, odd := r.proofs()
	for _, name := range odd {
		fmt.Fprintln(w, "does not count, for its name lacks a side:", name)
	}
	listed := map[proof]bool{}
	known := map[string]bool{}
	for _, q := range wanted {
		known[q.number] = true
		for _, s := range q.sides {
			listed[proof{q.number, s}] = true
		}
	}
	for p, n := range counts {
		switch {
		case !known[p.number]:
			fail("%s is no requirement, and %d subtests name it", p.number, n)
		case !listed[p]:
			fmt.Fprintf(w, "%s asks for no %s side, and %d subtests prove it\n", p.number, p.side, n)
		}
	}
	for _, q := range done {
		for _, s := range q.sides {
			if !listed[proof{q.number, s}] {
				fail("done.txt: %s %s is not in requirements.txt", q.number, s)
			} else if counts[proof{q.number, s}] == 0 {
				fail("%s %s was proven and is not any more", q.number, s)
			}
		}
	}

	var sides, proven, whole, subtests int
	var holds, remain []requirement
	for _, q := range wanted {
		var has, left []side
		for _, s := range q.sides {
			if counts[proof{q.number, s}] > 0 {
				has = append(has, s)
			} else {
				left = append(left, s)
			}
		}
		sides += len(q.sides)
		proven += len(has)
		if len(has) > 0 {
			holds = append(holds, requirement{q.number, has, ""})
		}
		if len(left) > 0 {
			remain = append(remain, requirement{q.number, left, q.what})
		} else {
			whole++
		}
	}
	for _, n := range counts {
		subtests += n
	}
	fmt.Fprintf(w, "requirements: %d of %d whole, %d of %d sides, by %d subtests\n", whole, len(wanted), proven, sides, subtests)
	if o.proven {
		printList(w, "", holds)
	} else if len(remain) > 0 {
		fmt.Fprintln(w, "what remains:")
		printList(w, "  ", remain)
	}
	if o.strict && len(remain) > 0 {
		fail("-strict: %d requirements remain", len(remain))
	}
	return ok
}

func printList(w io.Writer, indent string, list []requirement) {
	for _, q := range list {
		sides := string(q.sides[0])
		if len(q.sides) == 2 {
			sides += " " + string(q.sides[1])
		}
		l := fmt.Sprintf("%s%-6s %-13s %s", indent, q.number, sides, q.what)
		fmt.Fprintln(w, strings.TrimRight(l, " "))
	}
}
