package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steplog/steplog/ci/bench/machine"
)

// results are the rounds of each candidate, the n-th of one beside the n-th of
// the others.
type results map[string][]round

// compareCalls runs the rounds and prints the tables.
func compareCalls(ctx context.Context, s settings, dir string) error {
	var chosen []candidate
	for _, c := range candidates {
		if s.only == "" || slices.ContainsFunc(strings.Split(s.only, ","), func(w string) bool { return strings.Contains(c.name, w) }) {
			chosen = append(chosen, c)
		}
	}
	all := results{}
	why := map[string]error{}
	for r := range s.rounds {
		for i := range chosen {
			// Each round begins with another one, so that none always follows
			// the same neighbour.
			c := chosen[(i+r)%len(chosen)]
			if c.name == stepShm && machine.FileSystem(shm) != "tmpfs" {
				why[c.name] = fmt.Errorf("%s is no tmpfs", shm)
				continue
			}
			one, err := inProcess(ctx, c.name, s.records, filepath.Join(dir, fmt.Sprint(r, "-", i)))
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			all[c.name] = append(all[c.name], *one)
		}
	}
	printCalls(s, chosen, all)
	printLatency(chosen, all)
	printTargets(all, why)
	return nil
}

// inProcess runs one round in a process and a folder of its own.
func inProcess(ctx context.Context, name string, records int, dir string) (*round, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-child", name, "-dir", dir, "-records", fmt.Sprint(records))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	r := new(round)
	if err := json.Unmarshal(out, r); err != nil {
		return nil, err
	}
	return r, os.RemoveAll(dir)
}

// printCalls prints what every candidate takes on average.
func printCalls(s settings, chosen []candidate, all results) {
	fmt.Printf("\nA call with a message and 7 typed fields: median of %d rounds of %d records, nothing dropped, count and hash of every text checked.\n", s.rounds, s.records)
	fmt.Printf("Bound: 8 identifiers besides. Files rotate at %d MiB here, which no round reaches; Store.Sync and every closing are within the time.\n\n", roundBytes>>20)
	fmt.Printf("%-42s %9s %9s %9s %9s %9s\n", "", "CPU ns", "wall ns", "call ns", "allocs", "bytes")
	for _, c := range chosen {
		if c.latency {
			continue
		}
		rounds := all[c.name]
		per := func(f func(*round) float64) float64 {
			return median(rounds, func(r round) float64 { return f(&r) / float64(r.Calls) })
		}
		fmt.Printf("%-42s %9.0f %9.0f %9.0f %9.2f %9.0f\n", c.name, per(cpu),
			per(func(r *round) float64 { return float64(r.Wall) }), per(calling), per(allocs),
			per(func(r *round) float64 { return float64(r.Bytes) }))
	}
	if rounds := all[stepClosed+bound]; len(rounds) > 0 {
		fmt.Printf("\nA closed file takes %.1f bytes a record; gzip -6 of its text takes %.1f\n",
			float64(rounds[0].Stored)/float64(s.records), float64(rounds[0].Gzip)/float64(s.records))
	}
}

// What is compared of rounds.
func cpu(r *round) float64     { return float64(r.CPU) }
func thread(r *round) float64  { return float64(r.Thread) }
func calling(r *round) float64 { return float64(r.Calling) }
func allocs(r *round) float64  { return float64(r.Allocs) }
func speed(r *round) float64   { return float64(r.Calls) / r.Calling.Seconds() }

// printLatency prints what single calls take.
func printLatency(chosen []candidate, all results) {
	title := false
	var empty []round
	for _, c := range chosen {
		rounds := all[c.name]
		if !c.latency || len(rounds) == 0 {
			continue
		}
		if !title {
			fmt.Printf("\nSingle calls, in ns, files rotating at %d MiB: medians of the rounds' own quantiles\n", rotatingBytes>>20)
			fmt.Printf("From when it was due: what the caller is late by is in it.\n\n")
			fmt.Printf("%-42s %9s %9s %9s %9s %9s\n", "", "median", "p99", "p99.9", "slowest", "files")
			title = true
		}
		printQuantiles(c.name, rounds, func(l *latency) quantiles { return l.Call })
		if c.at > 0 {
			printQuantiles("  from when it was due", rounds, func(l *latency) quantiles { return l.Due })
		}
		empty = append(empty, rounds...)
	}
	if title {
		printQuantiles("no call: what measuring takes", empty, func(l *latency) quantiles { return l.Empty })
	}
}

func printQuantiles(name string, rounds []round, of func(*latency) quantiles) {
	m := func(f func(quantiles) float64) float64 {
		return median(rounds, func(r round) float64 { return f(of(r.Latency)) })
	}
	files := median(rounds, func(r round) float64 { return float64(r.Files) })
	fmt.Printf("%-42s %9.0f %9.0f %9.0f %9.0f %9.0f\n", name, m(func(q quantiles) float64 { return q.Median }),
		m(func(q quantiles) float64 { return q.P99 }), m(func(q quantiles) float64 { return q.P999 }), m(func(q quantiles) float64 { return q.Most }), files)
}

// median of what f takes from each.
func median[T any](all []T, f func(T) float64) float64 {
	if len(all) == 0 {
		return 0
	}
	v := make([]float64, len(all))
	for i, a := range all {
		v[i] = f(a)
	}
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
