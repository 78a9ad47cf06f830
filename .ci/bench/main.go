// Command bench measures what a logging call costs and what a query costs,
// beside what other libraries and ripgrep take for the same on the same machine
// in the same run.
//
//	go run . [-records N] [-rounds N] [-only NAMES] [-queries=false] ...
//
// Calls: every candidate logs the same records, in a process of its own, round
// after round, the candidates in turn. Counted is the CPU time of the whole
// process from the first call until everything is written and closed, so the
// work of background threads and the garbage collector is in it; opening is
// not. Shown is the median of the rounds. After each round the text is read
// back with encoding/json, and its records must be those offered, in their
// order: a candidate that dropped, repeated or changed one fails the run.
//
// Queries: a folder with runs is written through the library, and each query is
// asked many times with changing constants. Its exact total must be what
// ripgrep counts in the text. The time of ripgrep is that of its process, over
// files that the system has cached.
//
// What is left out: the latency of single calls, several callers at once, and
// disks that are slow.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

type settings struct {
	records, rounds         int
	queryRecords, questions int
	only                    string
	calls, queries          bool
	dir                     string
	child                   string
}

func main() {
	var s settings
	flag.IntVar(&s.records, "records", 200_000, "records in a round; at more than some 220,000 files are closed meanwhile, which costs extra")
	flag.IntVar(&s.rounds, "rounds", 5, "rounds")
	flag.IntVar(&s.queryRecords, "query-records", 200_000, "line logs in the folder that is queried")
	flag.IntVar(&s.questions, "questions", 30, "times each query is asked")
	flag.StringVar(&s.only, "only", "", "measure only the candidates whose names hold one of these words, separated by commas")
	flag.BoolVar(&s.calls, "calls", true, "measure calls")
	flag.BoolVar(&s.queries, "queries", true, "measure queries")
	flag.StringVar(&s.dir, "dir", "", "folder for the files; a temporary one when left out")
	flag.StringVar(&s.child, "child", "", "for the program's own use: log one round with this candidate")
	flag.Parse()
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	if s.child != "" {
		result, err := measure(s.child, s.dir, s.records)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(result)
	}
	dir, err := os.MkdirTemp(s.dir, "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%s, %s/%s, %d CPUs, %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpuModel())
	ctx := context.Background()
	if s.calls {
		if err := compareCalls(ctx, s, filepath.Join(dir, "calls")); err != nil {
			return err
		}
	}
	if s.queries {
		return compareQueries(ctx, s, filepath.Join(dir, "queries"))
	}
	return nil
}

// cpuModel names the processor where the system says it.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for l := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(l, "model name"); ok {
				return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
			}
		}
	}
	return "unknown processor"
}
