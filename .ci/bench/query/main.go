// Command query measures queries over the logs of a workflow engine, written
// through the library: page and exact total, warm, beside their targets and
// beside what SQLite, DuckDB, ripgrep and zgrep take for the same.
//
//	go run ./query -dir /data/logs -n 4000000
//
// Each question is asked with some constants, all of them once before any is
// timed: what the library keeps decoded may be there, results are not kept.
// Shown is the median of all, the median of the first time with each constant,
// and the slowest. Every total is compared with what a plain loop over the text
// counts; one that differs, or is not exact, fails the run. A target that is
// missed does not: no figure of a shared machine should.
//
// Then: what the files take on the disk and in memory, how fast they were
// sealed, how long the first query takes after the folder was closed and after
// its writer was killed, and what writing and asking at the same time cost each
// other. The others answer over a folder of a million lines, each in its best
// form: SQLite and DuckDB with the columns that are asked for, indexes and, for
// SQLite, FTS5; ripgrep over plain text and zgrep over compressed text, as
// processes. What is not there is said.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/steplog/steplog/ci/bench/machine"
	"github.com/steplog/steplog/ci/bench/workflow"
	"github.com/steplog/steplog/logger"
)

type settings struct {
	dir               string
	lines, others     int
	rounds, constants int
	check, load       bool
	profile, allocs   string
	only              string
}

func main() {
	var s settings
	flag.StringVar(&s.dir, "dir", "", "where the folders are written, or were by an earlier run, which are used again; a temporary folder when left out")
	flag.IntVar(&s.lines, "n", 4_000_000, "lines in the folder that is asked")
	flag.IntVar(&s.others, "others", 1_000_000, "lines in the folder on which others are asked too; 0 for none")
	flag.IntVar(&s.rounds, "rounds", 21, "times each question is asked with each constant")
	flag.IntVar(&s.constants, "constants", 10, "constants of each question")
	flag.BoolVar(&s.check, "check", true, "compare totals with a plain loop over the text")
	flag.BoolVar(&s.load, "load", true, "measure sizes, opening, and writing beside asking")
	flag.StringVar(&s.only, "only", "", "ask only questions whose name holds this")
	flag.StringVar(&s.profile, "profile", "", "write a CPU profile of the questions to this file")
	flag.StringVar(&s.allocs, "allocs", "", "write a profile of their allocations to this file, which makes them slower")
	flag.Parse()
	if s.allocs != "" {
		runtime.MemProfileRate = 4096
	}
	if err := run(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, "query:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "steplog-query-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		s.dir = dir
	}
	fmt.Println(machine.Describe(s.dir))
	dir, err := folder(ctx, s.dir, s.lines)
	if err != nil {
		return err
	}
	if err := settle(dir); err != nil {
		return err
	}
	if _, err := measure(ctx, s, dir, s.lines); err != nil {
		return err
	}
	if s.load {
		for _, step := range []func(context.Context, string) error{sealing, openings, sizes, together} {
			if err := step(ctx, dir); err != nil {
				return err
			}
		}
	}
	if s.others == 0 {
		return nil
	}
	if dir, err = folder(ctx, s.dir, s.others); err != nil {
		return err
	}
	if err := settle(dir); err != nil {
		return err
	}
	return beside(ctx, s, dir)
}

// folder returns the folder of so many lines, which it writes if it is not there.
func folder(ctx context.Context, base string, lines int) (string, error) {
	dir := filepath.Join(base, fmt.Sprintf("lines-%d", lines))
	_, err := os.Stat(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	start := time.Now()
	if _, err := workflow.Write(ctx, dir+".tmp", lines, logger.Options{}); err != nil {
		return "", err
	}
	fmt.Printf("wrote %d lines in %v\n", lines, time.Since(start).Round(time.Second))
	return dir, os.Rename(dir+".tmp", dir)
}

// settle opens a folder until all its closed files are sealed.
func settle(dir string) error {
	store, err := logger.Open(dir, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	for {
		data, err := closedFiles(dir)
		if err != nil {
			return err
		}
		left := 0
		for _, name := range data {
			if _, err := os.Stat(plainName(name) + ".idx"); filepath.Ext(name) == ".log" || err != nil {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// measure asks all questions of a folder and prints what they took beside the
// targets, which are for four million lines.
func measure(ctx context.Context, s settings, dir string, lines int) ([]result, error) {
	store, err := logger.Open(dir, nil)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	all, err := askAll(ctx, s, store.Query())
	if err != nil {
		return nil, err
	}
	if s.check {
		if err := checkTotals(dir, all); err != nil {
			return nil, err
		}
	}
	fmt.Printf("\n%d lines, page and exact total, in ms%s\n\n", lines, map[bool]string{true: "; totals equal those of a plain loop over the text"}[s.check])
	fmt.Printf("%-36s %9s %9s %9s %9s %9s %9s %9s %7s  %s\n", "", "total", "median", "fastest", "slowest", "first", "processor", "kB", "target", "median of target")
	var paces []float64
	for i := range all {
		r := &all[i]
		fmt.Printf("%-36s %9d %9.3f %9.3f %9.3f %9.3f %9.3f %9.1f", r.name, r.answers[0].total, r.median, r.fastest, r.slowest, r.first, r.processor, r.allocated)
		if r.target > 0 {
			fmt.Printf(" %7.2f  %.2f × %s, %.2f × at the machine's pace", r.target, r.median/r.target, verdict(r.median <= r.target), r.atPace/r.target)
		}
		fmt.Println()
		paces = append(paces, r.pace)
	}
	if len(paces) > 0 {
		fmt.Printf("\nThe machine's pace: zap took %.2f × as long to write a record to nowhere as it did where the targets were set, from %.2f to %.2f.\n",
			middle(paces), slices.Min(paces), slices.Max(paces))
	}
	return all, nil
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}
