package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap"
)

// The shape of the folder that is queried.
const (
	flows        = 20
	services     = 4
	stepsInRun   = 2
	linesInStep  = 25
	linesInRun   = stepsInRun * linesInStep
	skus         = 1000
	rareWords    = 30
	rareEach     = 5  // times each rare word occurs
	commonEvery  = 20 // one message in so many holds a given common word
	deep         = 5000
	buckets      = 50
	compareAgain = 3 // times the total is compared with what ripgrep counts
)

var commonWords = [...]string{"reconcile", "dispatch", "allocate", "backorder"}

// folder is what the questions are about.
type folder struct {
	dir        string
	runs       []string
	first, end time.Time
}

func flow(i int) string      { return fmt.Sprintf("flow-%02d", i%flows) }
func shop(i int) string      { return fmt.Sprintf("service-%d", i%services) }
func sku(i int) string       { return fmt.Sprintf("SKU-%04d", i%skus) }
func skuOf(line int) string  { return sku(line * 7) }
func rare(i int) string      { return fmt.Sprintf("zebra%03d", i%rareWords) }
func common(i int) string    { return commonWords[i%len(commonWords)] }
func quoted(s string) string { return regexp.QuoteMeta(s) }

// fill writes about n line logs through the library, a millisecond apart.
func fill(ctx context.Context, dir string, n int) (*folder, error) {
	f := &folder{dir: dir, first: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	var now atomic.Int64
	now.Store(f.first.UnixNano())
	store, err := logger.Open(dir, &logger.Options{
		Clock: func() time.Time { return time.Unix(0, now.Add(int64(time.Millisecond))).UTC() },
	})
	if err != nil {
		return nil, err
	}
	all := samples()
	rareGap := max(1, n/(rareWords*rareEach))
	line := 0
	for r := range max(1, n/linesInRun) {
		rctx, run := store.Server(server).Service(shop(r)).Operation(flow(r)).Start(ctx, logger.Project(project))
		f.runs = append(f.runs, run.ID())
		for s := range stepsInRun {
			sctx, step := logger.StartStep(rctx, action, logger.Order(s+1))
			log := logger.FromContext(sctx)
			for range linesInStep {
				x := &all[line%len(all)]
				message := x.message
				if line%commonEvery < len(commonWords) {
					message = common(line%commonEvery) + " " + message
				}
				if line%rareGap == rareGap/2 {
					message += " " + rare(line/rareGap)
				}
				level := levels.Info
				switch line % 100 {
				case 11, 23, 37, 41, 59, 67, 83:
					level = levels.Warn
				case 13, 53, 97:
					level = levels.Error
				}
				log.Log(level, message, zap.String("sku", skuOf(line)), zap.Int("rows", x.rows), zap.Float64("price", x.price),
					zap.String("warehouse", x.warehouse), zap.Bool("cached", x.cached))
				line++
			}
			step.End(nil, nil)
		}
		run.End(nil)
	}
	f.end = time.Unix(0, now.Load()).UTC()
	dropped := store.Stats().Dropped
	if err := store.Close(); err != nil {
		return nil, err
	}
	if dropped != 0 {
		return nil, fmt.Errorf("steplog dropped %d records", dropped)
	}
	return f, nil
}

// question is one query with changing constants, and the pattern that finds the
// same in the text.
type question struct {
	name string
	ask  func(ctx context.Context, e *query.Engine, i int) (total int64, err error)
	// log and pattern say what ripgrep looks for; pattern is nil where it
	// cannot answer. Where more is true, the pattern finds more than was asked.
	log     string
	pattern func(i int) string
	more    bool
}

func questions(f *folder) []question {
	which := func(i int) int { return (i * 7919) % len(f.runs) }
	run := func(i int) string { return f.runs[which(i)] }
	skuIn := func(i int) string { return skuOf(which(i)*linesInRun + i%linesInRun) }
	lines := func(filter func(i int) query.Filter, p query.Paging) func(context.Context, *query.Engine, int) (int64, error) {
		return func(ctx context.Context, e *query.Engine, i int) (int64, error) {
			page, err := e.LineLogs(ctx, filter(i), p)
			return exact(page.Total, err)
		}
	}
	message := func(word string) string { return `"kind":"line".*"message":"[^"]*(?i:` + quoted(word) + `)` }
	return []question{
		{name: "one run's lines, page of 100", log: "user",
			ask:     lines(func(i int) query.Filter { return query.Filter{Run: run(i)} }, query.Paging{Limit: 100}),
			pattern: func(i int) string { return `"kind":"line".*"run":"` + quoted(run(i)) + `"` }},
		{name: "a flow's newest 20 runs", log: "usage",
			ask: func(ctx context.Context, e *query.Engine, i int) (int64, error) {
				page, err := e.MainLogs(ctx, query.RunFilter{Operation: flow(i)}, query.Paging{Limit: 20})
				return exact(page.Total, err)
			},
			pattern: func(i int) string { return `"kind":"run".*"operation":"` + flow(i) + `".*"phase":"start"` }},
		{name: "level, service, 10 % of time, newest 50", log: "user", more: true,
			ask: lines(func(i int) query.Filter {
				span := f.end.Sub(f.first) / 10
				from := f.first.Add(time.Duration(i%9) * span)
				return query.Filter{Levels: levels.Of(levels.Warn), Service: shop(i), From: from, To: from.Add(span)}
			}, query.Paging{Limit: 50}),
			pattern: func(i int) string { return `"level":"warn","kind":"line".*"service":"` + shop(i) + `"` }},
		{name: "level and service, newest 50", log: "user",
			ask: lines(func(i int) query.Filter {
				return query.Filter{Levels: levels.Of(levels.Warn), Service: shop(i)}
			}, query.Paging{Limit: 50}),
			pattern: func(i int) string { return `"level":"warn","kind":"line".*"service":"` + shop(i) + `"` }},
		{name: "rare word", log: "user",
			ask:     lines(func(i int) query.Filter { return query.Filter{Search: rare(i)} }, query.Paging{Limit: 50}),
			pattern: func(i int) string { return message(rare(i)) }},
		{name: "common word (5 %)", log: "user",
			ask:     lines(func(i int) query.Filter { return query.Filter{Search: common(i)} }, query.Paging{Limit: 50}),
			pattern: func(i int) string { return message(common(i)) }},
		{name: "substring inside words", log: "user",
			ask:     lines(func(i int) query.Filter { return query.Filter{Search: common(i)[1:6]} }, query.Paging{Limit: 50}),
			pattern: func(i int) string { return message(common(i)[1:6]) }},
		{name: "field = value in one run", log: "user",
			ask: lines(func(i int) query.Filter {
				return query.Filter{Run: run(i), Where: query.Eq("sku", skuIn(i))}
			}, query.Paging{Limit: 50}),
			pattern: func(i int) string { return `"run":"` + quoted(run(i)) + `".*"sku":"` + skuIn(i) + `"` }},
		{name: "field = value over all", log: "user",
			ask:     lines(func(i int) query.Filter { return query.Filter{Where: query.Eq("sku", sku(i))} }, query.Paging{Limit: 50}),
			pattern: func(i int) string { return `"sku":"` + sku(i) + `"` }},
		{name: "service at offset " + strconv.Itoa(deep), log: "user",
			ask:     lines(func(i int) query.Filter { return query.Filter{Service: shop(i)} }, query.Paging{Limit: 50, Offset: deep}),
			pattern: func(i int) string { return `"kind":"line".*"service":"` + shop(i) + `"` }},
		{name: "histogram, level × " + strconv.Itoa(buckets) + " buckets",
			ask: func(ctx context.Context, e *query.Engine, i int) (int64, error) {
				all, err := e.Histogram(ctx, query.Filter{Kinds: []query.Kind{query.KindLine}, Service: shop(i), From: f.first, To: f.end},
					f.end.Sub(f.first)/buckets)
				var total int64
				for _, b := range all {
					total += b.Count
				}
				return total, err
			}},
	}
}

func exact(t query.Total, err error) (int64, error) {
	if err == nil && !t.Exact {
		err = fmt.Errorf("the total is not exact: %s", t.Reason)
	}
	return t.N, err
}

// compareQueries fills a folder, asks and prints the table.
func compareQueries(ctx context.Context, s settings, dir string) error {
	f, err := fill(ctx, dir, s.queryRecords)
	if err != nil {
		return err
	}
	began := time.Now()
	e, err := query.Open(dir)
	if err != nil {
		return err
	}
	defer e.Close()
	opened := time.Since(began)
	search := newSearcher()
	fmt.Printf("\nQueries over %d runs with %d line logs, opened in %v: median and slowest of %d, page and exact total\n",
		len(f.runs), len(f.runs)*linesInRun, opened.Round(time.Millisecond), s.questions)
	fmt.Printf("beside %s\n\n", search.name)
	fmt.Printf("%-42s %10s %12s %12s %12s\n", "", "total", "median ms", "slowest ms", search.tool+" ms")
	for _, q := range questions(f) {
		var took, theirs []time.Duration
		var total int64
		for i := range s.questions {
			began := time.Now()
			total, err = q.ask(ctx, e, i)
			took = append(took, time.Since(began))
			if err == nil && total == 0 {
				err = errors.New("nothing was found")
			}
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			if q.pattern == nil || i >= compareAgain {
				continue
			}
			n, d, err := search.count(ctx, dir, q.log, q.pattern(i))
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			theirs = append(theirs, d)
			if n != total && !(q.more && n > total) {
				return fmt.Errorf("%s: the total is %d, and %s counts %d for %s", q.name, total, search.tool, n, q.pattern(i))
			}
		}
		ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
		slowest := 0.0
		for _, d := range took {
			slowest = max(slowest, ms(d))
		}
		other := "-"
		if len(theirs) > 0 {
			other = fmt.Sprintf("%.1f", median(theirs, ms))
			if q.more {
				other += " *"
			}
		}
		fmt.Printf("%-42s %10d %12.3f %12.3f %12s\n", q.name, total, median(took, ms), slowest, other)
	}
	fmt.Println("\n* without the time")
	return nil
}

// searcher counts lines with a program of the system.
type searcher struct {
	tool, name string
	args       []string
}

func newSearcher() searcher {
	if _, err := exec.LookPath("rg"); err == nil {
		return searcher{"rg", "ripgrep", []string{"-c", "--no-filename", "-z", "-e"}}
	}
	return searcher{"grep", "grep, for ripgrep is not installed", []string{"-c", "-h", "-P", "-e"}}
}

// count returns how many lines of a log match, and how long the program took.
func (s searcher) count(ctx context.Context, dir, log, pattern string) (int64, time.Duration, error) {
	files, err := filepath.Glob(filepath.Join(dir, log+"*.log*"))
	if err != nil {
		return 0, 0, err
	}
	args := append(append(append([]string{}, s.args...), pattern), files...)
	began := time.Now()
	out, err := exec.CommandContext(ctx, s.tool, args...).Output()
	took := time.Since(began)
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // 1: no line
		return 0, 0, fmt.Errorf("%s: %w", s.tool, err)
	}
	var total int64
	for l := range strings.Lines(string(out)) {
		n, err := strconv.ParseInt(strings.TrimSpace(l), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", s.tool, err)
		}
		total += n
	}
	return total, took, nil
}
