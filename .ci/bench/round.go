package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/steplog/steplog/logger"
)

// round is what one round of one candidate took.
type round struct {
	Calls     int
	CPU, Wall time.Duration // of all calls, the sync and the closing
	Calling   time.Duration // from the first call until the last returned
	Thread    time.Duration // CPU time of the thread that called, where it did nothing else
	Allocs    uint64        // of all calls
	Bytes     int64         // of the text, 0 without one
	Stored    int64         // of the closed files as they lie on the disk
	Gzip      int64         // of the text after gzip -6
	Files     int           // of text, where they rotate meanwhile
	Mode      string        // steplog's
	Latency   *latency      `json:",omitempty"`
}

// measure logs n records with the named candidate below dir. profile names a
// file for a CPU profile of it, empty for none.
func measure(name, dir string, n int, profile string) (*round, error) {
	i := slices.IndexFunc(candidates, func(c candidate) bool { return c.name == name })
	if i < 0 {
		return nil, fmt.Errorf("no candidate %q", name)
	}
	c := candidates[i]
	if c.alone {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	t, err := c.open(dir, c.setting)
	if err != nil {
		return nil, err
	}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, err
		}
	}
	r, err := c.calls(t, n)
	pprof.StopCPUProfile()
	if err != nil {
		return nil, err
	}
	if c.text {
		if r.Bytes, err = check(t.read, n, max(c.callers, 1)); err != nil {
			return nil, err
		}
	}
	if c.size != 0 && c.text {
		names, err := filepath.Glob(filepath.Join(dir, "*.log*"))
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if b := filepath.Base(n); strings.HasPrefix(b, "out") || strings.HasPrefix(b, logger.FileUser) {
				r.Files++
			}
		}
	}
	if name == stepClosed+bound {
		if r.Stored, r.Gzip, err = sizes(dir, t.read); err != nil {
			return nil, err
		}
	}
	return r, settle(dir)
}

// calls makes the calls, and syncs and closes, and says what that took.
func (c *candidate) calls(t *target, n int) (*round, error) {
	s := samples()
	r := &round{Calls: n * max(c.times, 1), Mode: t.mode}
	loop := func(first, step int) {
		for i := first; i < r.Calls; i += step {
			t.log(i, &s[i%len(s)])
		}
	}
	switch {
	case c.latency:
		clock := newStopwatch(n)
		loop = func(int, int) { clock.time(t.log, s, c.at) }
		defer func() { r.Latency = clock.latency() }()
	case c.callers > 1:
		one := loop
		loop = func(int, int) {
			var callers sync.WaitGroup
			for i := range c.callers {
				callers.Go(func() { one(i, c.callers) })
			}
			callers.Wait()
		}
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, cpu, thread := time.Now(), processTime(), threadTime()
	loop(0, 1)
	r.Calling = time.Since(began)
	if c.alone {
		r.Thread = threadTime() - thread
	}
	r.CPU = processTime() - cpu
	runtime.ReadMemStats(&after) // it stops the world: not in the measured time
	r.Allocs = after.Mallocs - before.Mallocs

	rest, cpu := time.Now(), processTime()
	if t.sync != nil {
		if err := t.sync(); err != nil {
			return nil, err
		}
	}
	if t.close != nil {
		if err := t.close(); err != nil {
			return nil, err
		}
	}
	r.CPU += processTime() - cpu
	r.Wall = r.Calling + time.Since(rest)
	return r, nil
}

// settle makes everything below dir durable, so that no round pays for what
// the one before it left to be written.
func settle(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
}

// processTime is the CPU time of all threads of this process so far.
func processTime() time.Duration { return usage(syscall.RUSAGE_SELF) }

// threadTime is that of the thread it is called on, on Linux, and 0 elsewhere.
func threadTime() time.Duration {
	if runtime.GOOS != "linux" {
		return 0
	}
	const ownThread = 1 // RUSAGE_THREAD, which package syscall does not have
	return usage(ownThread)
}

func usage(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err) // it takes no argument that could be wrong
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
