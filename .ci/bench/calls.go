package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// round is what one round of one candidate took.
type round struct {
	Calls     int
	CPU, Wall time.Duration // of all calls and the closing
	Allocs    uint64        // of all calls
	Bytes     int64         // of the text, 0 without one
	Stored    int64         // of the closed files as they lie on the disk
	Gzip      int64         // of the text after gzip -6
}

// measure logs n records with the named candidate below dir.
func measure(name, dir string, n int) (*round, error) {
	i := slices.IndexFunc(candidates, func(c candidate) bool { return c.name == name })
	if i < 0 {
		return nil, fmt.Errorf("no candidate %q", name)
	}
	c := candidates[i]
	s := samples()
	t, err := c.open(dir)
	if err != nil {
		return nil, err
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, cpu := time.Now(), processTime()
	for i := range n * max(c.times, 1) {
		t.log(i, &s[i%len(s)])
	}
	calls := processTime() - cpu
	runtime.ReadMemStats(&after) // it stops the world: not in the measured time
	cpu = processTime()
	if t.close != nil {
		if err := t.close(); err != nil {
			return nil, err
		}
	}
	r := &round{Calls: n * max(c.times, 1), CPU: calls + processTime() - cpu, Wall: time.Since(began), Allocs: after.Mallocs - before.Mallocs}
	if c.text {
		if r.Bytes, err = check(t.read, n); err != nil {
			return nil, err
		}
	}
	if c.name == closedCandidate {
		r.Stored, r.Gzip, err = sizes(dir, t.read)
	}
	return r, err
}

// processTime is the CPU time of all threads of this process so far.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it takes no argument that could be wrong
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// compareCalls runs the rounds and prints the table.
func compareCalls(ctx context.Context, s settings, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var chosen []candidate
	for _, c := range candidates {
		if s.only == "" || slices.ContainsFunc(strings.Split(s.only, ","), func(w string) bool { return strings.Contains(c.name, w) }) {
			chosen = append(chosen, c)
		}
	}
	rounds := map[string][]round{}
	for r := range s.rounds {
		for i := range chosen {
			// Each round begins with another one, so that none always follows
			// the same neighbour.
			c := chosen[(i+r)%len(chosen)]
			below := filepath.Join(dir, fmt.Sprint(r, "-", i))
			if err := os.MkdirAll(below, 0o700); err != nil {
				return err
			}
			cmd := exec.CommandContext(ctx, self, "-child", c.name, "-dir", below, "-records", fmt.Sprint(s.records))
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			var one round
			if err := json.Unmarshal(out, &one); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			rounds[c.name] = append(rounds[c.name], one)
			if err := os.RemoveAll(below); err != nil {
				return err
			}
		}
	}

	cpu := func(name string) float64 {
		return median(rounds[name], func(r round) float64 { return float64(r.CPU) / float64(r.Calls) })
	}
	ratio := func(name, base string) string {
		if len(rounds[base]) == 0 {
			return "-"
		}
		return fmt.Sprintf("%.2f", cpu(name)/cpu(base))
	}
	fmt.Printf("\nA call with a message and 7 typed fields, 8 identifiers bound: median of %d rounds of %d records, nothing dropped\n\n",
		s.rounds, s.records)
	fmt.Printf("%-34s %10s %10s %10s %10s %12s %12s\n", "", "CPU ns", "wall ns", "allocs", "bytes", "× nowhere", "× lumberjack")
	for _, c := range chosen {
		disabled := strings.HasSuffix(c.name, ", disabled")
		nowhere, lumber := ratio(c.name, candidates[0].name), ratio(c.name, candidates[1].name)
		if disabled {
			nowhere, lumber = ratio(c.name, "zap, disabled")+" of zap", "-"
		}
		all := rounds[c.name]
		fmt.Printf("%-34s %10.0f %10.0f %10.2f %10.0f %12s %12s\n", c.name, cpu(c.name),
			median(all, func(r round) float64 { return float64(r.Wall) / float64(r.Calls) }),
			median(all, func(r round) float64 { return float64(r.Allocs) / float64(r.Calls) }),
			median(all, func(r round) float64 { return float64(r.Bytes) / float64(r.Calls) }), nowhere, lumber)
	}
	if all := rounds[closedCandidate]; len(all) > 0 {
		fmt.Printf("\nA closed file takes %.1f bytes a record; gzip -6 of its text takes %.1f\n",
			float64(all[0].Stored)/float64(s.records), float64(all[0].Gzip)/float64(s.records))
	}
	return nil
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
