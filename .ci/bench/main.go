// Command bench measures what a logging call costs and what a query costs,
// beside what other libraries and ripgrep take for the same on the same machine
// in the same run.
//
//	go run . [-records N] [-rounds N] [-only NAMES] [-queries=false] ...
//
// Calls: every candidate logs the same records, in a process of its own, round
// after round, the candidates in turn. Counted is the CPU time of the whole
// process from the first call until everything is written, synced by steplog
// and closed, so the work of background threads and the garbage collector is
// in it; opening is not, nor the sync of what other libraries wrote, which
// have no call for it. Shown are medians of the rounds. After each round the
// text is read back with encoding/json, and its records must be those offered,
// in the order of the caller: a candidate that dropped, repeated or changed one
// fails the run.
//
// Single calls are timed one by one, at full speed and at a pace that the calls
// do not hold up, with files that rotate meanwhile. Then every target follows
// as a ratio of two candidates in the same round; a target that is missed does
// not fail the run, because no figure of a shared machine should.
//
// Queries: a folder with runs is written through the library, and each query is
// asked many times with changing constants. Its exact total must be what
// ripgrep counts in the text. The time of ripgrep is that of its process, over
// files that the system has cached.
//
// What is left out: more than two callers at once, and disks that are slow.
//
// For a profile of one candidate, by the name the table has for it:
//
//	mkdir d && go run . -child "steplog, bound" -records 3000000 -dir d -profile cpu.out
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/steplog/steplog/ci/bench/machine"
)

type settings struct {
	records, rounds         int
	queryRecords, questions int
	only                    string
	calls, queries          bool
	dir                     string
	child, profile          string
}

func main() {
	var s settings
	flag.IntVar(&s.records, "records", 300_000, "records in a round")
	flag.IntVar(&s.rounds, "rounds", 5, "rounds")
	flag.IntVar(&s.queryRecords, "query-records", 200_000, "line logs in the folder that is queried")
	flag.IntVar(&s.questions, "questions", 30, "times each query is asked")
	flag.StringVar(&s.only, "only", "", "measure only the candidates whose names hold one of these words, separated by commas")
	flag.BoolVar(&s.calls, "calls", true, "measure calls")
	flag.BoolVar(&s.queries, "queries", true, "measure queries")
	flag.StringVar(&s.dir, "dir", "", "folder for the files; a temporary one when left out")
	flag.StringVar(&s.child, "child", "", "log one round with this candidate and print what it took as JSON")
	flag.StringVar(&s.profile, "profile", "", "with -child: write a CPU profile of the calls to this file")
	flag.Parse()
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	if s.child != "" {
		result, err := measure(s.child, s.dir, s.records, s.profile)
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
	fmt.Println(machine.Describe(dir))
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
