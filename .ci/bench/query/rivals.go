package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steplog/steplog/ci/bench/rival"
	"github.com/steplog/steplog/logger"
)

// beside asks the library and the others over one folder.
func beside(ctx context.Context, s settings, dir string) error {
	ours, err := measure(ctx, s, dir, s.others)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "others-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	x := exported{dir: tmp}
	if err := x.export(dir); err != nil {
		return err
	}
	fmt.Printf("\n%d lines: page and total of the library, and how many times as long others take\n\n", s.others)
	about, err := shapeFor(ctx, dir, s.constants)
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(questions(&about), func(q question) bool { return q.page == "" })
	type other struct {
		name string
		ask  func() (map[string]rival.Answer, error)
	}
	var names []string
	answers := map[string]map[string]rival.Answer{}
	for _, o := range []other{
		{"SQLite", func() (map[string]rival.Answer, error) { return x.sqlite(ctx, list, s) }},
		{"DuckDB", func() (map[string]rival.Answer, error) { return x.duckdb(ctx, list, s) }},
		{"ripgrep", func() (map[string]rival.Answer, error) {
			return x.grep(ctx, list, "rg", []string{"-c", "--no-filename", "-e"}, x.text, 3)
		}},
		{"zgrep", func() (map[string]rival.Answer, error) {
			return x.grep(ctx, list, "zgrep", []string{"-c", "-h", "-E", "-e"}, x.stored, 1)
		}},
	} {
		got, err := o.ask()
		if err != nil {
			fmt.Printf("%s is not there: %v\n", o.name, err)
			continue
		}
		names = append(names, o.name)
		answers[o.name] = got
	}
	fmt.Printf("%-36s %10s", "", "steplog ms")
	for _, name := range names {
		fmt.Printf(" %18s", name)
	}
	fmt.Println()
	for i := range ours {
		r := &ours[i]
		fmt.Printf("%-36s %10.3f", r.name, r.median)
		for _, name := range names {
			a, ok := answers[name][r.name]
			if !ok {
				fmt.Printf(" %18s", "-")
				continue
			}
			for k, n := range a.Totals {
				if n != r.answers[k].total && !(r.patternMatchesMoreLines && n > r.answers[k].total) {
					return fmt.Errorf("%s, %s with constant %d: %d, and the library counts %d", name, r.name, k, n, r.answers[k].total)
				}
			}
			fmt.Printf(" %9.2f %7.1f×", a.Median, a.Median/r.median)
		}
		fmt.Println()
	}
	fmt.Println("\nSQLite: modernc.org/sqlite with indexes and FTS5, on the same words; DuckDB: a table with indexes on run, sku and operation;\n" +
		"ripgrep counts in plain text, zgrep in the compressed files, as processes and without the time of a range.")
	return nil
}

func shapeFor(ctx context.Context, dir string, constants int) (shape, error) {
	store, err := logger.Open(dir, nil)
	if err != nil {
		return shape{}, err
	}
	defer store.Close()
	return shapeOf(ctx, store.Query(), constants)
}

// exported are a folder's lines and runs in forms that others read.
type exported struct {
	dir          string
	lines, runs  string   // tables, tab-separated
	text, stored []string // files of lines: plain, and as the library keeps them
	count        int
}

func (x *exported) export(dir string) error {
	x.lines, x.runs, x.text = filepath.Join(x.dir, "lines.tsv"), filepath.Join(x.dir, "runs.tsv"), []string{filepath.Join(x.dir, "lines.ndjson")}
	var err error
	if x.stored, err = filepath.Glob(filepath.Join(dir, "user*.log*")); err != nil {
		return err
	}
	kept := x.stored[:0]
	for _, name := range x.stored {
		if filepath.Ext(name) != ".idx" {
			kept = append(kept, name)
		}
	}
	x.stored = kept
	write := func(path string, fill func(w *bufio.Writer) error) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		w := bufio.NewWriterSize(f, 1<<20)
		return errors.Join(fill(w), w.Flush(), f.Close())
	}
	err = write(x.lines, func(w *bufio.Writer) error {
		return write(x.text[0], func(text *bufio.Writer) error {
			return eachLine(dir, "user", func(raw string) error {
				l, err := parseLine(raw)
				if err != nil || l.kind != "line" {
					return err
				}
				x.count++
				fmt.Fprintf(text, "%s\n", raw)
				_, err = fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.seq, l.time, l.level, l.service, l.operation, l.run, l.sku, l.message, raw)
				return err
			})
		})
	})
	if err != nil {
		return err
	}
	return write(x.runs, func(w *bufio.Writer) error {
		return eachLine(dir, "usage", func(raw string) error {
			l, err := parseLine(raw)
			if err == nil && l.kind == "run" && strings.Contains(raw, `"phase":"start"`) {
				_, err = fmt.Fprintf(w, "%d\t%s\t%s\n", l.seq, l.operation, l.run)
			}
			return err
		})
	})
}

// job makes the questions of a database.
func job(list []question, s settings, lite bool) rival.Job {
	j := rival.Job{Rounds: s.rounds}
	for i := range list {
		q := &list[i]
		r := rival.Question{Name: q.name, Page: q.page, Total: q.total}
		if lite && q.litePage != "" {
			r.Page, r.Total = q.litePage, q.liteTotal
		}
		for c := range s.constants {
			r.Args = append(r.Args, q.args(c))
		}
		j.Questions = append(j.Questions, r)
	}
	return j
}

func (x *exported) sqlite(ctx context.Context, list []question, s settings) (map[string]rival.Answer, error) {
	j := job(list, s, true)
	j.DSN = filepath.Join(x.dir, "lines.sqlite")
	j.Create = []string{"pragma journal_mode = off", "pragma synchronous = off", "pragma cache_size = -262144", "pragma mmap_size = 4294967296",
		"create table lines (seq integer primary key, time integer, level text, service text, operation text, run text, sku text, message text, raw text)",
		"create table runs (seq integer primary key, operation text, run text)"}
	j.Loads = []rival.Load{{Path: x.lines, Insert: "insert into lines values (?, ?, ?, ?, ?, ?, ?, ?, ?)"}, {Path: x.runs, Insert: "insert into runs values (?, ?, ?)"}}
	j.Setup = []string{"create index runs_of on lines (run, seq)", "create index levels on lines (level, service, time)",
		"create index newest on lines (level, service, seq)", "create index skus on lines (sku, seq)", "create index times on lines (time, level)",
		"create index flows on runs (operation, seq)", "create virtual table words using fts5(message, content='lines', content_rowid='seq', detail='none')",
		"insert into words(words) values ('rebuild')", "insert into words(words) values ('optimize')", "analyze"}
	return x.program(ctx, "sqlite", j)
}

func (x *exported) duckdb(ctx context.Context, list []question, s settings) (map[string]rival.Answer, error) {
	j := job(list, s, false)
	j.DSN = filepath.Join(x.dir, "lines.duckdb")
	j.Create = []string{
		"create table lines as select * from read_csv('" + x.lines + "', delim='\t', quote='', escape='', header=false, columns={'seq':'bigint','time':'bigint'," +
			"'level':'varchar','service':'varchar','operation':'varchar','run':'varchar','sku':'varchar','message':'varchar','raw':'varchar'})",
		"create table runs as select * from read_csv('" + x.runs + "', delim='\t', quote='', escape='', header=false, columns={'seq':'bigint','operation':'varchar','run':'varchar'})",
		"create index runs_of on lines (run)", "create index skus on lines (sku)", "create index flows on runs (operation)", "checkpoint",
	}
	return x.program(ctx, "duckdb", j)
}

// program builds the program of a database, a module of its own, and has it do a
// job.
func (x *exported) program(ctx context.Context, name string, j rival.Job) (map[string]rival.Answer, error) {
	program := filepath.Join(x.dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir, build.Env = name, append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	in, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	run := exec.CommandContext(ctx, program)
	run.Stdin, run.Stderr = bytes.NewReader(in), os.Stderr
	out, err := run.Output()
	if err != nil {
		return nil, err
	}
	var o rival.Outcome
	if err := json.Unmarshal(out, &o); err != nil {
		return nil, err
	}
	info, err := os.Stat(j.DSN)
	if err != nil {
		return nil, err
	}
	fmt.Printf("%s: %.1f µs and %.0f B a line to load\n", name, o.Loading*1e6/float64(x.count), float64(info.Size())/float64(x.count))
	m := map[string]rival.Answer{}
	for _, a := range o.Answers {
		m[a.Name] = a
	}
	return m, nil
}

// grep counts lines with a program of the system.
func (x *exported) grep(ctx context.Context, list []question, program string, args, files []string, constants int) (map[string]rival.Answer, error) {
	if _, err := exec.LookPath(program); err != nil {
		return nil, err
	}
	m := map[string]rival.Answer{}
	for i := range list {
		q := &list[i]
		if q.pattern == nil {
			continue
		}
		a := rival.Answer{Name: q.name}
		var took []float64
		for c := range constants {
			start := time.Now()
			out, err := exec.CommandContext(ctx, program, append(append(append([]string{}, args...), q.pattern(c)), files...)...).Output()
			took = append(took, float64(time.Since(start))/1e6)
			var exit *exec.ExitError
			if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // 1: no line
				return nil, err
			}
			var n int64
			for l := range strings.Lines(string(out)) {
				k, err := strconv.ParseInt(strings.TrimSpace(l), 10, 64)
				if err != nil {
					return nil, err
				}
				n += k
			}
			a.Totals = append(a.Totals, n)
		}
		a.Median = middle(took)
		m[q.name] = a
	}
	return m, nil
}
