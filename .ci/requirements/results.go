package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// event is one line of go test -json, as go doc test2json describes it.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string
	Output     string
}

// results is what one run of the tests did.
type results struct {
	passed   map[string]bool // package and test
	failed   map[string]bool
	skipped  []string
	packages int
	broken   []string // packages that failed or never ended
}

// maxEvent is the longest line that is read: go test cuts output at lines, and
// a test may print one of a few megabytes.
const maxEvent = 64 << 20

// readResults reads go test -json from in and prints to w what go test prints
// without -v.
func readResults(in io.Reader, w io.Writer) (*results, error) {
	r := &results{passed: map[string]bool{}, failed: map[string]bool{}}
	output := map[string][]string{} // by package and test
	open := map[string]bool{}       // packages that started and did not end
	sc := bufio.NewScanner(in)
	sc.Buffer(make([]byte, 1<<16), maxEvent)
	for sc.Scan() {
		var e event
		if !bytes.HasPrefix(sc.Bytes(), []byte("{")) || json.Unmarshal(sc.Bytes(), &e) != nil {
			fmt.Fprintln(w, sc.Text())
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "start":
			open[e.Package] = true
		case "output":
			if !strings.HasPrefix(e.Output, "=== ") { // only -v shows when tests start
				output[key] = append(output[key], e.Output)
			}
		case "build-output":
			fmt.Fprint(w, e.Output)
		case "build-fail":
			r.broken = append(r.broken, e.ImportPath)
		case "pass", "fail", "skip":
			if e.Test == "" {
				delete(open, e.Package)
				r.packageEnd(w, e, output[key])
			} else {
				r.testEnd(w, e, output[key])
			}
			delete(output, key)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read go test -json: %w", err)
	}
	for _, p := range slices.Sorted(maps.Keys(open)) {
		fmt.Fprintf(w, "FAIL\t%s [it never ended]\n", p)
		for _, key := range slices.Sorted(maps.Keys(output)) {
			if strings.HasPrefix(key, p+" ") {
				fmt.Fprint(w, strings.Join(output[key], ""))
			}
		}
		r.broken = append(r.broken, p)
	}
	return r, nil
}

func (r *results) packageEnd(w io.Writer, e event, output []string) {
	r.packages++
	if e.Action == "fail" {
		r.broken = append(r.broken, e.Package)
		fmt.Fprint(w, strings.Join(output, ""))
		return
	}
	for _, l := range output {
		if strings.HasPrefix(l, "ok  \t") || strings.HasPrefix(l, "?   \t") {
			fmt.Fprint(w, l)
		}
	}
}

func (r *results) testEnd(w io.Writer, e event, output []string) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "pass":
		r.passed[name] = true
	case "fail":
		r.failed[name] = true
		fmt.Fprint(w, strings.Join(output, ""))
	case "skip":
		r.skipped = append(r.skipped, name)
	}
}

// proof is the name of a subtest that is there for a requirement.
type proof struct {
	number string
	side   side
}

// subtestName matches what go test makes of "R2.6 library: the zip": blanks
// become underscores.
var subtestName = regexp.MustCompile(`^(R\d+\.\d+)_(library|http):_?\S`)

// looksLikeProof matches the names that were probably meant to count.
var looksLikeProof = regexp.MustCompile(`^R\d+\.\d+`)

// proofs returns the subtests that count, with the number of each that passed,
// and the names that look like proofs and are none.
//
// The subtest is the part of the name up to the first slash after number and
// side: its own subtests, and a slash in its text, belong to it. One failure or
// skip in it, and it does not count.
func (r *results) proofs() (map[proof]int, []string) {
	type subtest struct {
		proof
		name string
	}
	good := map[subtest]bool{}
	bad := map[subtest]bool{}
	odd := map[string]bool{}
	visit := func(name string, mark map[subtest]bool) {
		// The package path, which has slashes of its own, ends at the blank.
		blank := strings.IndexByte(name, ' ')
		parts := strings.Split(name[blank+1:], "/")
		for i, p := range parts[1:] {
			if m := subtestName.FindStringSubmatch(p); m != nil {
				mark[subtest{proof{m[1], side(m[2])}, name[:blank+1] + strings.Join(parts[:i+2], "/")}] = true
				return
			}
			if looksLikeProof.MatchString(p) {
				odd[name] = true
				return
			}
		}
	}
	for name := range r.passed {
		visit(name, good)
	}
	for name := range r.failed {
		visit(name, bad)
	}
	for _, name := range r.skipped {
		visit(name, bad)
	}
	counts := map[proof]int{}
	for s := range good {
		if !bad[s] {
			counts[s.proof]++
		}
	}
	return counts, slices.Sorted(maps.Keys(odd))
}
