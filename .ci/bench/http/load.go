package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load asks a server.
type load struct {
	settings
	url    string
	memory func() (int64, error)
	shape  shape
	client *http.Client
}

// all runs every load and prints what came of it. An error is what must not
// happen at any speed.
func (l *load) all() (err error) {
	transport := &http.Transport{MaxConnsPerHost: l.connections, MaxIdleConnsPerHost: l.connections}
	defer transport.CloseIdleConnections()
	l.client = &http.Client{Transport: transport}
	if l.shape, err = shapeOf(l.url); err != nil {
		return err
	}
	fmt.Printf("some %d runs, %v to %v\n", l.shape.runs, l.shape.first.Format(time.RFC3339), l.shape.end.Format(time.RFC3339))
	for _, part := range []struct {
		name string
		do   func() error
	}{{"alone", l.alone}, {"overhead", l.overhead}, {"open", l.open}, {"closed", l.closed}, {"export", l.export}} {
		if l.only != "" && !slices.Contains(strings.Split(l.only, ","), part.name) {
			continue
		}
		before, err := l.memory()
		if err != nil {
			return err
		}
		watch := l.watch()
		err = part.do()
		seen := watch()
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		after, err := l.memory()
		if err != nil {
			return err
		}
		quarter, half := seen[len(seen)/4], seen[len(seen)/2]
		fmt.Printf("    memory of the server: %d MB before, %d after a quarter, %d after half, %d at the end; %d at most\n",
			before>>20, quarter>>20, half>>20, after>>20, slices.Max(seen)>>20)
	}
	return nil
}

// watch looks at the server's memory until the function it returns is called,
// which says what it was.
func (l *load) watch() (seen func() []int64) {
	done, found := make(chan struct{}), make(chan []int64)
	go func() {
		var all []int64
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			if now, err := l.memory(); err == nil {
				all = append(all, now)
			}
			select {
			case <-tick.C:
			case <-done:
				found <- all
				return
			}
		}
	}()
	return func() []int64 {
		close(done)
		return <-found
	}
}

// alone asks each kind of question by itself: what is slow shows here.
func (l *load) alone() error {
	fmt.Println("one at a time, milliseconds: median, slowest of 50")
	rnd := rand.New(rand.NewPCG(3, 3))
	for _, q := range questions {
		times := make([]time.Duration, 0, 50)
		for range cap(times) + 3 {
			began := time.Now()
			status, _, err := ask(l.client, l.url+q.path(l.shape, rnd))
			if err != nil || !fits(status) {
				return fmt.Errorf("%s: status %d, %w", q.name, status, err)
			}
			times = append(times, time.Since(began))
		}
		times = times[3:]
		slices.Sort(times)
		fmt.Printf("    %-40s %8.3f %8.3f\n", q.name, millis(times[len(times)/2]), millis(times[len(times)-1]))
	}
	return nil
}

func millis(d time.Duration) float64 { return float64(d) / 1e6 }

// overhead compares pages with the time that the engine says it took for them,
// and with requests that ask the engine nothing.
func (l *load) overhead() error {
	rnd := rand.New(rand.NewPCG(4, 4))
	var over, empty []time.Duration
	for range 500 {
		began := time.Now()
		if status, _, err := ask(l.client, l.url+"/healthz"); err != nil || status != http.StatusOK {
			return fmt.Errorf("/healthz: status %d, %w", status, err)
		}
		empty = append(empty, time.Since(began))
		began = time.Now()
		answer, err := l.client.Get(l.url + "/entries?limit=50&runId=" + l.shape.run(rnd))
		if err != nil {
			return err
		}
		var page struct {
			Data struct {
				Stats struct {
					Elapsed time.Duration `json:"elapsed_ns"`
				}
			}
		}
		body, err := readAll(answer)
		took := time.Since(began)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return err
		}
		over = append(over, took-page.Data.Stats.Elapsed)
	}
	slices.Sort(over)
	slices.Sort(empty)
	fmt.Printf("a page of 50 costs %.3f ms over the engine's own time (median of %d; p99 %.3f); a request that asks it nothing %.3f ms\n",
		millis(over[len(over)/2]), len(over), millis(over[len(over)*99/100]), millis(empty[len(empty)/2]))
	return nil
}

// open asks at a rate.
func (l *load) open() error {
	count := int(l.lasts.Seconds() * float64(l.rate))
	latencies := make([]time.Duration, count)
	kinds := make([]int, count)
	var failed atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for i := range count {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(l.rate))
		rnd := rand.New(rand.NewPCG(1, uint64(i)))
		kinds[i] = rnd.IntN(len(questions))
		target := l.url + questions[kinds[i]].path(l.shape, rnd)
		time.Sleep(time.Until(due))
		all.Go(func() {
			status, _, err := ask(l.client, target)
			latencies[i] = time.Since(due)
			if err != nil || !fits(status) {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d of %d questions were not answered", n, count)
	}
	perKind := make([][]time.Duration, len(questions))
	for i, k := range kinds {
		perKind[k] = append(perKind[k], latencies[i])
	}
	slices.Sort(latencies)
	fmt.Printf("open loop: %d a second for %v over %d connections: p50 %.2f ms, p90 %.2f, p99 %.2f, p99.9 %.2f, longest %.2f\n",
		l.rate, l.lasts, l.connections, millis(latencies[count/2]), millis(latencies[count*90/100]), millis(latencies[count*99/100]),
		millis(latencies[count*999/1000]), millis(latencies[count-1]))
	for k, times := range perKind {
		slices.Sort(times)
		if n := len(times); n > 0 {
			fmt.Printf("    %-40s p50 %8.2f  p99 %8.2f\n", questions[k].name, millis(times[n/2]), millis(times[n*99/100]))
		}
	}
	return nil
}

// closed asks with as many clients as there are connections, each again as soon
// as it has its answer.
func (l *load) closed() error {
	var answered, refused, failed atomic.Int64
	var all sync.WaitGroup
	end := time.Now().Add(l.lasts)
	for n := range l.connections {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(2, uint64(n)))
			for time.Now().Before(end) {
				status, _, err := ask(l.client, l.url+questions[rnd.IntN(len(questions))].path(l.shape, rnd))
				switch {
				case err == nil && fits(status):
					answered.Add(1)
				case err == nil && status == http.StatusServiceUnavailable:
					refused.Add(1)
				default:
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	fmt.Printf("closed loop: %d clients for %v: %.0f answers a second, %d told to come back, %d failed\n", l.connections, l.lasts,
		float64(answered.Load())/l.lasts.Seconds(), refused.Load(), failed.Load())
	if failed.Load() > 0 || answered.Load() == 0 {
		return fmt.Errorf("%d answers, %d failures", answered.Load(), failed.Load())
	}
	return nil
}

// export streams everything.
func (l *load) export() error {
	for range 3 {
		began := time.Now()
		answer, err := l.client.Get(l.url + "/export")
		if err != nil {
			return err
		}
		size, records, err := countLines(answer.Body)
		took := time.Since(began)
		if err != nil {
			return err
		}
		if answer.Trailer.Get("Steplog-Whole") != "true" || answer.Trailer.Get("Steplog-Records") != fmt.Sprint(records) {
			return fmt.Errorf("%d records came, and the trailer is %v", records, answer.Trailer)
		}
		fmt.Printf("export: %d records, %d MB at %.0f MB/s\n", records, size>>20, float64(size)/1e6/took.Seconds())
	}
	return nil
}
