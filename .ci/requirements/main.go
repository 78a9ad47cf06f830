// Command requirements reads the output of go test -json and says which
// requirements it proves.
//
//	go test -json ./... | go run .
//
// It prints what go test itself would: the closing line of each package and the
// output of what failed. Then it prints what is not proven yet. A requirement
// counts as proven on a side when a subtest whose name begins with its number
// and the side ("R2.6 library: …") ran and passed, and none of that name failed.
//
// The exit status is 1 when a test failed, when a side listed in done.txt is not
// proven, when a subtest names a requirement that is not listed, with -strict
// when anything remains, and with -skips when a test was skipped.
package main

import (
	"bufio"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
)

//go:embed requirements.txt
var requirementsText string

//go:embed done.txt
var doneText string

func main() {
	strict := flag.Bool("strict", false, "fail when a requirement is not proven")
	skips := flag.Bool("skips", false, "fail when a test was skipped")
	proven := flag.Bool("proven", false, "print what is proven, as done.txt has it, instead of what remains")
	flag.Parse()
	ok, err := run(os.Stdin, os.Stdout, options{strict: *strict, skips: *skips, proven: *proven})
	if err != nil {
		fmt.Fprintln(os.Stderr, "requirements:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

type options struct{ strict, skips, proven bool }

// run reports whether everything that must hold does.
func run(in io.Reader, out io.Writer, o options) (bool, error) {
	wanted, err := parseList("requirements.txt", requirementsText)
	if err != nil {
		return false, err
	}
	done, err := parseList("done.txt", doneText)
	if err != nil {
		return false, err
	}
	w := bufio.NewWriter(out)
	defer w.Flush()
	results, err := readResults(in, w)
	if err != nil {
		return false, err
	}
	return report(w, wanted, done, results, o), nil
}
