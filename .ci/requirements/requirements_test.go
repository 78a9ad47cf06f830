package main

import (
	"slices"
	"strings"
	"testing"
)

// stream is go test -json of two packages, shortened.
const stream = `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestZip"}
{"Action":"output","Package":"m/a","Test":"TestZip","Output":"noise of a test that passes\n"}
{"Action":"pass","Package":"m/a","Test":"TestZip/R2.6_library:_the_zip_holds_one_JSON"}
{"Action":"pass","Package":"m/a","Test":"TestZip/R2.6_library:_the_zip_holds_one_JSON/empty"}
{"Action":"pass","Package":"m/a","Test":"TestZip/R2.6_http:_a/b"}
{"Action":"pass","Package":"m/a","Test":"TestZip/R2.5_no_side"}
{"Action":"pass","Package":"m/a","Test":"TestZip"}
{"Action":"pass","Package":"m/a","Test":"TestR1.2_library:_not_a_subtest"}
{"Action":"output","Package":"m/a","Output":"PASS\n"}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t0.1s\n"}
{"Action":"pass","Package":"m/a"}
{"Action":"start","Package":"m/b"}
{"Action":"output","Package":"m/b","Output":"?   \tm/b\t[no test files]\n"}
{"Action":"skip","Package":"m/b"}
`

func outcome(t *testing.T, in string, o options, done string) (string, bool) {
	t.Helper()
	wanted, err := parseList("requirements.txt", "R1.2 library x\nR2.5 library y\nR2.6 library http z\n")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := parseList("done.txt", done)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	r, err := readResults(strings.NewReader(in), &out)
	if err != nil {
		t.Fatal(err)
	}
	ok := report(&out, wanted, kept, r, o)
	return out.String(), ok
}

func TestOutcome(t *testing.T) {
	const failing = `{"Action":"start","Package":"m/c"}
{"Action":"output","Package":"m/c","Test":"TestX/R2.6_http:_a","Output":"why\n"}
{"Action":"fail","Package":"m/c","Test":"TestX/R2.6_http:_a"}
{"Action":"output","Package":"m/c","Output":"FAIL\tm/c\t0.1s\n"}
{"Action":"fail","Package":"m/c"}
`
	for _, c := range []struct {
		name, in, done string
		o              options
		ok             bool
		has            []string
		hasNot         []string
	}{
		{name: "what is proven", in: stream, ok: true,
			has: []string{"ok  \tm/a\t0.1s\n", "[no test files]", "requirements: 1 of 3 whole, 2 of 4 sides, by 2 subtests",
				"R1.2   library", "R2.5   library", "does not count, for its name lacks a side: m/a TestZip/R2.5_no_side"},
			hasNot: []string{"noise", "R2.6   "}},
		{name: "the proven ones", in: stream, o: options{proven: true}, ok: true, has: []string{"R2.6   library http\n"}, hasNot: []string{"R1.2", "what remains"}},
		{name: "strict", in: stream, o: options{strict: true}, has: []string{"2 requirements remain"}},
		{name: "done and proven", in: stream, done: "R2.6 library http", ok: true},
		{name: "done and lost", in: stream, done: "R1.2 library", has: []string{"R1.2 library was proven and is not any more"}},
		{name: "a failure", in: stream + failing, has: []string{"why\n", "FAIL\tm/c", "failed: 1 packages, 1 tests\n  m/c TestX/R2.6_http:_a\n"}},
		{name: "a skip, noted", in: stream + `{"Action":"skip","Package":"m/a","Test":"TestY"}` + "\n", ok: true, has: []string{"skipped: 1\n  m/a TestY"}},
		{name: "a skip, refused", in: stream + `{"Action":"skip","Package":"m/a","Test":"TestY"}` + "\n", o: options{skips: true}, has: []string{"a skipped test is a failure here"}},
		{name: "an unknown number", in: stream + `{"Action":"pass","Package":"m/a","Test":"TestY/R9.9_library:_x"}` + "\n", has: []string{"R9.9 is no requirement"}},
		{name: "a package that never ends", in: stream + `{"Action":"start","Package":"m/d"}` + "\n", has: []string{"m/d [it never ended]"}},
		{name: "a build that fails", in: stream + `{"Action":"build-output","ImportPath":"m/e","Output":"e.go: undefined\n"}` + "\n" + `{"Action":"build-fail","ImportPath":"m/e"}` + "\n",
			has: []string{"e.go: undefined\n", "failed: 1 packages, 0 tests"}},
		{name: "nothing", in: "", has: []string{"no package was tested"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, ok := outcome(t, c.in, c.o, c.done)
			if ok != c.ok {
				t.Errorf("ok is %v", ok)
			}
			for _, h := range c.has {
				if !strings.Contains(out, h) {
					t.Errorf("no %q", h)
				}
			}
			for _, h := range c.hasNot {
				if strings.Contains(out, h) {
					t.Errorf("there is %q", h)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

// TestFiles keeps the two lists readable and in step.
func TestFiles(t *testing.T) {
	wanted, err := parseList("requirements.txt", requirementsText)
	if err != nil {
		t.Fatal(err)
	}
	if len(wanted) != 47 {
		t.Errorf("%d requirements", len(wanted))
	}
	done, err := parseList("done.txt", doneText)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range done {
		i := slices.IndexFunc(wanted, func(q requirement) bool { return q.number == d.number })
		if i < 0 {
			t.Errorf("done.txt: %s is not in requirements.txt", d.number)
			continue
		}
		for _, s := range d.sides {
			if !slices.Contains(wanted[i].sides, s) {
				t.Errorf("done.txt: %s has no %s side", d.number, s)
			}
		}
	}
	for _, bad := range []string{"R1.1", "R1.1 elsewhere", "R1.1 library\nR1.1 http"} {
		if _, err := parseList("x", bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}
