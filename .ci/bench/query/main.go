// Command query measures queries over a folder that genlogs wrote, or writes one
// itself: page and exact total, warm, with constants that change from one query
// to the next, and checks totals against a plain loop over the text.
//
//	go run ./query -n 1000000
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/steplog/steplog/ci/bench/workflow"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

func main() {
	dir := flag.String("dir", "", "folder that genlogs wrote; a new one is written when empty")
	n := flag.Int("n", 1_000_000, "lines to write")
	rounds := flag.Int("rounds", 31, "times each query is asked; the median counts")
	flag.Parse()
	if err := run(context.Background(), *dir, *n, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "query:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, n, rounds int) error {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "steplog-query-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		dir = filepath.Join(tmp, "logs")
		if _, err := workflow.Write(ctx, dir, n, logger.Options{}); err != nil {
			return err
		}
	}
	if err := settle(dir); err != nil {
		return err
	}
	start := time.Now()
	store, err := logger.Open(dir, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	opened := time.Since(start)
	e := store.Query()
	first, err := e.LineLogs(ctx, query.Filter{}, query.Paging{Limit: 1})
	if err != nil {
		return err
	}
	fmt.Printf("%d lines; open %v, first page %v more\n", first.Total.N, opened.Round(time.Millisecond), (time.Since(start) - opened).Round(time.Millisecond))
	if err := sizes(dir); err != nil {
		return err
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	fmt.Printf("heap %d MB\n", m.HeapAlloc>>20)

	last, err := e.LineLogs(ctx, query.Filter{}, query.Paging{Limit: 1, Oldest: true})
	if err != nil {
		return err
	}
	span := shape{first: last.Items[0].Time, end: first.Items[0].Time, runs: int(first.Total.N) / 150}
	fmt.Printf("%-48s %10s %10s %12s  %s\n", "query", "median", "slowest", "total", "stats of the last")
	for _, q := range questions(span) {
		times := make([]time.Duration, 0, rounds)
		var got answer
		for i := range rounds + 3 {
			from := time.Now()
			if got, err = q.ask(ctx, e, i); err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			if !got.exact {
				return fmt.Errorf("%s: the total is not exact", q.name)
			}
			if i >= 3 {
				times = append(times, time.Since(from))
			}
		}
		slices.Sort(times)
		fmt.Printf("%-48s %10s %10s %12d  %s\n", q.name, ms(times[len(times)/2]), ms(times[len(times)-1]), got.total, got.note)
	}
	return check(ctx, dir, e)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.3f ms", float64(d)/1e6) }

// settle opens the folder until all closed files are sealed.
func settle(dir string) error {
	store, err := logger.Open(dir, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	start := time.Now()
	var bytes int64
	for {
		closed, err := filepath.Glob(filepath.Join(dir, "*-20*.log"))
		if err != nil {
			return err
		}
		if bytes == 0 {
			for _, name := range closed {
				if info, err := os.Stat(name); err == nil {
					bytes += info.Size()
				}
			}
		}
		if len(closed) == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if bytes > 0 {
		took := time.Since(start)
		fmt.Printf("sealed %d MB in %v: %.0f MB/s\n", bytes>>20, took.Round(time.Millisecond), float64(bytes)/1e6/took.Seconds())
	}
	return nil
}

// sizes compares what sealed files take with gzip -6 of each as a whole.
func sizes(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "user-*.log.gz"))
	if err != nil || len(files) == 0 {
		return err
	}
	name := files[0]
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	index, err := os.Stat(strings.TrimSuffix(name, ".gz") + ".idx")
	if err != nil {
		return err
	}
	text, err := inArrival(content)
	if err != nil {
		return err
	}
	var whole bytes.Buffer
	z := gzip.NewWriter(&whole)
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	lines := float64(bytes.Count(text, []byte("\n")))
	fmt.Printf("a sealed file: %.0f lines of %.0f B; %.1f B a line compressed, %.1f B sidecar, together %.2f × gzip -6 (%.1f B)\n", lines,
		float64(len(text))/lines, float64(len(content))/lines, float64(index.Size())/lines,
		float64(len(content)+int(index.Size()))/float64(whole.Len()), float64(whole.Len())/lines)
	return nil
}

// inArrival returns the lines of a compressed file in the order of their numbers.
func inArrival(content []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	seq := func(l []byte) string {
		s, _, _ := strings.Cut(strings.TrimPrefix(string(l[:min(len(l), 40)]), `{"seq":`), ",")
		return fmt.Sprintf("%20s", s)
	}
	slices.SortStableFunc(lines, func(a, b []byte) int { return strings.Compare(seq(a), seq(b)) })
	return bytes.Join(lines, nil), nil
}

// each calls do for every line of a log's text.
func each(dir, log string, do func(line []byte)) error {
	files, err := filepath.Glob(filepath.Join(dir, log+"*.log*"))
	if err != nil {
		return err
	}
	for _, name := range files {
		if strings.HasSuffix(name, ".idx") {
			continue
		}
		if err := eachOf(name, do); err != nil {
			return err
		}
	}
	return nil
}

func eachOf(name string, do func(line []byte)) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return err
		}
	}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 4<<20)
	for s.Scan() {
		do(s.Bytes())
	}
	return s.Err()
}

// check compares totals with what a plain loop over the text counts.
func check(ctx context.Context, dir string, e *query.Engine) error {
	words := []string{workflow.Rare(3), workflow.Common, "ousto", "connection reset", `"sku":"` + workflow.SKU(77) + `"`}
	counts := make([]int64, len(words))
	warn := int64(0)
	service := `"service":"` + workflow.Service(3) + `"`
	err := each(dir, "user", func(line []byte) {
		if !bytes.Contains(line, []byte(`"kind":"line"`)) {
			return
		}
		for i, w := range words {
			if bytes.Contains(line, []byte(w)) {
				counts[i]++
			}
		}
		if bytes.Contains(line, []byte(`"level":"warn"`)) && bytes.Contains(line, []byte(service)) {
			warn++
		}
	})
	if err != nil {
		return err
	}
	for i, w := range words {
		f := query.Filter{Search: `"` + w + `"`}
		if i == len(words)-1 {
			f = query.Filter{Where: query.Eq("sku", workflow.SKU(77))}
		}
		page, err := e.LineLogs(ctx, f, query.Paging{Limit: 1})
		if err != nil {
			return err
		}
		if page.Total.N != counts[i] {
			return fmt.Errorf("%s: %d, a loop over the text counts %d", w, page.Total.N, counts[i])
		}
	}
	page, err := e.LineLogs(ctx, query.Filter{Levels: levels.Of(levels.Warn), Service: workflow.Service(3)}, query.Paging{Limit: 1})
	if err != nil {
		return err
	}
	if page.Total.N != warn {
		return fmt.Errorf("level and service: %d, a loop over the text counts %d", page.Total.N, warn)
	}
	fmt.Println("totals equal those of a plain loop over the text")
	return nil
}
