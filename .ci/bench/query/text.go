package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// textLine is what questions look at, taken from a line by the texts around it.
type textLine struct {
	raw                                                string
	seq                                                int64
	time                                               int64 // Unix nanoseconds
	level, kind, service, operation, run, sku, message string
}

// parseLine finds what the generator wrote: no value has an escape.
func parseLine(raw string) (l textLine, err error) {
	l.raw = raw
	rest := raw
	take := func(before string) string {
		_, after, ok := strings.Cut(rest, before)
		if !ok {
			return ""
		}
		value, after, _ := strings.Cut(after, `"`)
		rest = after
		return value
	}
	for _, c := range strings.TrimPrefix(raw[:min(len(raw), 30)], `{"seq":`) {
		if c < '0' || c > '9' {
			break
		}
		l.seq = 10*l.seq + int64(c-'0')
	}
	at, err := time.Parse(time.RFC3339Nano, take(`"timestamp":"`))
	if err != nil {
		return l, err
	}
	l.time = at.UnixNano()
	l.level, l.kind = take(`"level":"`), take(`"kind":"`)
	l.service, l.operation, l.run = take(`"service":"`), take(`"operation":"`), take(`"run":"`)
	if l.kind == "line" {
		l.message, l.sku = take(`"message":"`), take(`"sku":"`)
	}
	return l, nil
}

// closedFiles returns the paths of a folder's closed files, without sidecars.
func closedFiles(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*-20*.log*"))
	var data []string
	for _, name := range names {
		if filepath.Ext(name) != ".idx" {
			data = append(data, name)
		}
	}
	return data, err
}

// plainName returns the path that a file had before it was compressed.
func plainName(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".tmp")
}

// eachLine calls do with every line of a log.
func eachLine(dir, log string, do func(line string) error) error {
	files, err := filepath.Glob(filepath.Join(dir, log+"*.log*"))
	if err != nil {
		return err
	}
	for _, name := range files {
		if filepath.Ext(name) == ".idx" {
			continue
		}
		if err := eachLineOf(name, do); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func eachLineOf(name string, do func(line string) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var r io.Reader = bufio.NewReaderSize(f, 1<<20)
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(r); err != nil {
			return err
		}
	}
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 1<<20), 4<<20)
	for s.Scan() {
		if err := do(s.Text()); err != nil {
			return err
		}
	}
	return s.Err()
}

// checkTotals compares totals with what a plain loop over the text counts.
func checkTotals(dir string, all []result) error {
	counts := make([][]int64, len(all))
	for n := range all {
		counts[n] = make([]int64, len(all[n].answers))
	}
	for _, log := range []string{"user", "usage"} {
		err := eachLine(dir, log, func(raw string) error {
			l, err := parseLine(raw)
			if err != nil {
				return err
			}
			start := l.kind == "run" && strings.Contains(raw, `"phase":"start"`)
			if !start && l.kind != "line" {
				return nil
			}
			for n := range all {
				if all[n].runs != start {
					continue
				}
				for i := range counts[n] {
					if all[n].count(&l, i) {
						counts[n][i]++
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for n := range all {
		for i, want := range counts[n] {
			if got := all[n].answers[i].total; got != want {
				return fmt.Errorf("%s with constant %d: the total is %d, and a loop over the text counts %d", all[n].name, i, got, want)
			}
		}
	}
	return nil
}
