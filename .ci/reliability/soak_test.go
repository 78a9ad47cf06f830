//go:build linux

package reliability

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
	"go.uber.org/zap"
)

// TestSoak has a process log, rotate, compress, retain and query for a while, and
// looks whether it grows.
func TestSoak(t *testing.T) {
	start(t, "soak", nil, "DIR="+filepath.Join(t.TempDir(), "logs"), fmt.Sprint("FOR=", *soak))
}

// soakRule keeps a history of fixed size, which is full after seconds.
var soakRule = rotation.Rule{MaxBytes: 512 << 10, MaxFiles: 4}

const (
	soakWorkers  = 2
	stepsPerRun  = 20
	linesPerStep = 3
	sampleEvery  = 200 * time.Millisecond
	warmUp       = 5 * time.Second // at least
	maxGrowth    = 5               // in percent
	// What is measured in a few seconds is not told from noise so closely.
	maxGrowthBriefly = 30
	maxHeapBriefly   = 8 << 20
	briefly          = 30 * time.Second
	// maxMore is how many descriptors or goroutines a rotation that is under way may
	// add: thousands of runs that leave one behind each are far beyond it.
	maxMore = 10
	// maxMoved is what resident memory, some 35 MB, moves by anyway, with the files
	// that are mapped and what the collector keeps; maxHeap is how much more may be
	// reachable, over thousands of runs.
	maxMoved = 6 << 20
	maxHeap  = 3 << 20
)

// sample is what a process takes at one moment, garbage left out.
type sample struct{ resident, heap, descriptors, goroutines int }

func takeSample() (s sample, err error) {
	debug.FreeOSMemory() // collects first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return s, err
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		return s, err
	}
	fds, err := os.ReadDir("/proc/self/fd")
	return sample{pages * os.Getpagesize(), int(m.HeapAlloc), len(fds), runtime.NumGoroutine()}, err
}

// soakRole is the program.
func soakRole() error {
	dir := os.Getenv("DIR")
	length, err := time.ParseDuration(os.Getenv("FOR"))
	if err != nil {
		return err
	}
	var problems atomic.Int64
	store, err := logger.Open(dir, &logger.Options{Rule: soakRule, MaxWait: time.Minute, OnProblem: func(err error) {
		if problems.Add(1) <= 10 {
			fmt.Println("soak: problem:", err)
		}
	}})
	if err != nil {
		return err
	}
	beside, err := query.Open(dir)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var work sync.WaitGroup
	var runs, queries atomic.Int64
	failed := make(chan error, soakWorkers+2)
	op := store.Server("edge").Service("orders").Operation("soak")
	for range soakWorkers {
		work.Go(func() {
			for ctx.Err() == nil {
				soakRun(op)
				runs.Add(1)
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	for _, engine := range []*query.Engine{store.Query(), beside} {
		work.Go(func() {
			for ctx.Err() == nil {
				if err := soakQueries(ctx, engine); err != nil && ctx.Err() == nil && !errors.Is(err, query.ErrChanging) {
					failed <- err
					return
				}
				queries.Add(4)
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	samples, err := takeSamples(dir, length, failed)
	stats := store.Stats()
	stop()
	work.Wait()
	if err = errors.Join(err, beside.Close(), store.Close()); err != nil {
		return err
	}
	n := max(len(samples)/3, 1)
	first, last := least(samples[:n]), least(samples[len(samples)-n:])
	limit, heap := maxGrowth, maxHeap
	if length < briefly {
		limit, heap = maxGrowthBriefly, maxHeapBriefly
	}
	fmt.Printf("soak: %s after the warm-up: %d runs, %d steps, %d records, %d MB, %d queries; %d dropped, %d problems\n",
		length, runs.Load(), runs.Load()*stepsPerRun, stats.Records, stats.Bytes>>20, queries.Load(), stats.Dropped, stats.Problems)
	fmt.Printf("soak: the least of the first third and of the last: memory %.1f to %.1f MB (%+.1f %%), of it reachable %.1f to %.1f, descriptors %d to %d, goroutines %d to %d\n",
		float64(first.resident)/1e6, float64(last.resident)/1e6, growth(first.resident, last.resident),
		float64(first.heap)/1e6, float64(last.heap)/1e6, first.descriptors, last.descriptors, first.goroutines, last.goroutines)
	if last.heap > first.heap+heap || last.resident > first.resident+maxMoved && growth(first.resident, last.resident) > float64(limit) {
		err = fmt.Errorf("memory grew by more than %d %%, or what is reachable by more than %d bytes", limit, heap)
	}
	if last.descriptors > first.descriptors+maxMore || last.goroutines > first.goroutines+maxMore {
		err = errors.Join(err, fmt.Errorf("more than %d descriptors or goroutines were added", maxMore))
	}
	if stats.Dropped > 0 || stats.Problems > 0 {
		err = errors.Join(err, errors.New("records were dropped, or there were problems"))
	}
	return err
}

func growth(from, to int) float64 { return 100 * float64(to-from) / float64(from) }

// least returns the least of each: what is kept decoded comes and goes with files, by
// some MB, and what nobody lets go of is below all of it.
func least(list []sample) sample {
	of := func(f func(sample) int) int {
		n := f(list[0])
		for _, s := range list {
			n = min(n, f(s))
		}
		return n
	}
	return sample{
		of(func(s sample) int { return s.resident }),
		of(func(s sample) int { return s.heap }),
		of(func(s sample) int { return s.descriptors }),
		of(func(s sample) int { return s.goroutines }),
	}
}

// takeSamples waits until the history is full, which is when retention deletes
// of every log, and takes samples from then on.
func takeSamples(dir string, length time.Duration, failed <-chan error) (list []sample, err error) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	began := time.Now()
	var full time.Time
	for {
		select {
		case err := <-failed:
			return nil, err
		case <-tick.C:
		}
		s, err := takeSample()
		if err != nil {
			return nil, err
		}
		if full.IsZero() {
			if time.Since(began) > warmUp && historyIsFull(dir) {
				full = time.Now()
			}
			if time.Since(began) > 2*time.Minute {
				return nil, errors.New("the history does not fill")
			}
			continue
		}
		list = append(list, s)
		if time.Since(full) >= length {
			return list, nil
		}
	}
}

func historyIsFull(dir string) bool {
	for _, log := range []string{"user", "usage"} {
		closed, err := filepath.Glob(filepath.Join(dir, log+"-*.log*"))
		if err != nil || len(closed) < soakRule.MaxFiles {
			return false
		}
	}
	return true
}

func soakRun(op *logger.Operation) {
	ctx, run := op.Start(context.Background(), logger.Input(map[string]int{"steps": stepsPerRun}))
	for i := range stepsPerRun {
		inner, step := logger.StartStep(ctx, "act-"+strconv.Itoa(i%5))
		for n := range linesPerStep {
			logger.FromContext(inner).Info("working on it", zap.Int("n", n), zap.String("sku", "A-"+strconv.Itoa(i)), zap.String("pad", strings.Repeat("p", 200)))
		}
		step.Add(query.Counts{Processed: 1, Succeeded: 1})
		step.End(i, nil)
	}
	run.End(nil)
}

// soakQueries asks one question of each kind.
func soakQueries(ctx context.Context, engine *query.Engine) error {
	mains, err := engine.MainLogs(ctx, query.RunFilter{}, query.Paging{Limit: 20})
	if err != nil {
		return err
	}
	if len(mains.Items) > 0 {
		if _, err := engine.SubLogs(ctx, query.StepFilter{Run: mains.Items[len(mains.Items)-1].Run}, query.Paging{}); err != nil {
			return err
		}
	}
	if _, err := engine.LineLogs(ctx, query.Filter{Search: "working A-7"}, query.Paging{Limit: 50}); err != nil {
		return err
	}
	_, err = engine.Histogram(ctx, query.Filter{}, time.Second)
	return err
}
