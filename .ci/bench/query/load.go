package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/steplog/steplog/ci/bench/machine"
	"github.com/steplog/steplog/ci/bench/workflow"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap"
)

// copyFolder copies a folder: sealed files, which never change, as links.
func copyFolder(from, to string) error {
	return filepath.WalkDir(from, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch filepath.Ext(path) {
		case ".gz", ".idx":
			return os.Link(path, target)
		}
		if e.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.Create(target)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			out.Close()
			return err
		}
		return out.Close()
	})
}

// openings measures the first query of a folder after a clean close, and after a
// kill: of a copy that is made while a writer has it open.
func openings(ctx context.Context, dir string) error {
	const rounds = 5
	killed := filepath.Clean(dir) + ".killed"
	defer os.RemoveAll(killed)
	ask := func(dir string) (float64, int64, error) {
		start := time.Now()
		store, err := logger.Open(dir, nil)
		if err != nil {
			return 0, 0, err
		}
		page, err := store.Query().LineLogs(ctx, query.Filter{Levels: levels.Of(levels.Warn), Service: workflow.Service(3)}, query.Paging{Limit: 50})
		took := float64(time.Since(start)) / 1e6
		if cerr := store.Close(); err == nil {
			err = cerr
		}
		return took, page.Total.N, err
	}
	info, err := os.Stat(filepath.Join(dir, "user.log"))
	if err != nil {
		return err
	}
	for _, c := range []struct {
		what, dir string
		target    float64
	}{{"a clean close", dir, 50}, {"a kill", killed, 400}} {
		var times []float64
		pacer, paces := machine.NewPacer(), []float64(nil)
		for range rounds {
			if c.dir == killed {
				if err := os.RemoveAll(killed); err != nil {
					return err
				}
				store, err := logger.Open(dir, nil)
				if err != nil {
					return err
				}
				err = copyFolder(dir, killed)
				if cerr := store.Close(); err == nil {
					err = cerr
				}
				if err != nil {
					return err
				}
			}
			paces = append(paces, pacer.Pace())
			took, _, err := ask(c.dir)
			if err != nil {
				return err
			}
			times = append(times, took)
		}
		m := middle(times)
		fmt.Printf("open and first query after %s, %.0f MB of it not sealed: %.0f ms, %.2f of %.0f: %s, %.2f at the machine's pace\n", c.what, float64(info.Size())/1e6, m,
			m/c.target, c.target, verdict(m <= c.target), m/c.target/middle(paces))
	}
	return nil
}

// together measures writing while questions are asked and asking while lines are
// written, on a copy.
func together(ctx context.Context, dir string) error {
	const (
		batch  = 100_000
		rounds = 7
		asks   = 100     // a second
		writes = 200_000 // a second
	)
	copied := filepath.Clean(dir) + ".both"
	defer os.RemoveAll(copied)
	if err := copyFolder(dir, copied); err != nil {
		return err
	}
	store, err := logger.Open(copied, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	e := store.Query()
	about, err := shapeOf(ctx, e, 10)
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(questions(&about), func(q question) bool { return q.target == 0 })
	_, run := store.Server("edge-1").Service(workflow.Service(1)).Operation(workflow.Operation(1)).Start(ctx)
	defer run.End(nil)
	line := func(i int) {
		run.Info("wrote customer to the target system", zap.String("sku", workflow.SKU(i)), zap.String("order_id", workflow.Order(i)),
			zap.Int("duration_ms", i%3000), zap.Int("status", 200), zap.String("email", "user1@example.com"))
	}
	// A total may be capped while lines wait for their index: that is counted.
	var asked, capped int
	ask := func() (float64, error) {
		q := &list[asked%len(list)]
		asked++
		start := time.Now()
		_, err := q.ask(ctx, e, asked/len(list)%10)
		if errors.Is(err, errInexact) {
			capped++
			err = nil
		}
		return float64(time.Since(start)) / 1e6, err
	}
	for range 10 * len(list) {
		if _, err := ask(); err != nil {
			return err
		}
	}
	// beside runs do again and again until stop says so, each at its time.
	beside := func(every time.Duration, do func(i int) error) (stop func() error) {
		var done atomic.Bool
		ended := make(chan error, 1)
		go func() {
			start := time.Now()
			for i := 0; !done.Load(); i++ {
				if err := do(i); err != nil {
					ended <- err
					return
				}
				time.Sleep(time.Until(start.Add(time.Duration(i+1) * every)))
			}
			ended <- nil
		}()
		return func() error {
			done.Store(true)
			return <-ended
		}
	}
	var alone, both, quiet, loud, paces []float64
	write := func() float64 {
		start := time.Now()
		for i := range batch {
			line(i)
		}
		return float64(time.Since(start)) / 1e6
	}
	// settle closes the file that is written and waits until it is sealed: each part
	// of a round finds the same folder, and none pays for the files of another.
	settle := func() error {
		if err := store.Rotate(ctx, "user"); err != nil {
			return err
		}
		for {
			closed, err := filepath.Glob(filepath.Join(copied, "*-20*.log"))
			if err != nil || len(closed) == 0 {
				return err
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	for n := range 2 * rounds { // in turns, so that neither is always the first
		if err := settle(); err != nil {
			return err
		}
		if n%2 == 0 {
			alone = append(alone, write())
			continue
		}
		stop := beside(time.Second/asks, func(int) error { _, err := ask(); return err })
		both = append(both, write())
		if err := stop(); err != nil {
			return err
		}
	}
	for range rounds {
		if err := settle(); err != nil {
			return err
		}
		for range 3 * len(list) {
			took, err := ask()
			if err != nil {
				return err
			}
			quiet = append(quiet, took)
		}
		started, written, since := make(chan struct{}), 0, time.Now()
		stop := beside(time.Millisecond, func(i int) error {
			for k := range writes / 1000 {
				line(i + k)
			}
			written += writes / 1000
			if i == 0 {
				close(started)
			}
			return nil
		})
		<-started
		for time.Since(since) < 200*time.Millisecond {
			took, err := ask()
			if err != nil {
				return err
			}
			loud = append(loud, took)
		}
		if err := stop(); err != nil {
			return err
		}
		paces = append(paces, float64(written)/time.Since(since).Seconds())
	}
	slower := middle(both) / middle(alone)
	fmt.Printf("writing %d lines while %d questions a second are asked: %.0f ms, alone %.0f ms, %.2f ×, at most 1.1: %s\n", batch, asks, middle(both),
		middle(alone), slower, verdict(slower <= 1.1))
	slower = middle(loud) / middle(quiet)
	fmt.Printf("a question of all while %.0f lines a second are written, of %d tried: %.3f ms, alone %.3f ms, %.2f ×, at most 2: %s; %d of %d totals were capped\n",
		middle(paces), writes, middle(loud), middle(quiet), slower, verdict(slower <= 2), capped, asked)
	if n := store.Stats().Dropped; n > 0 {
		return fmt.Errorf("%d records were dropped", n)
	}
	return nil
}
