package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/steplog/steplog/ci/bench/machine"
	"github.com/steplog/steplog/query"
)

// result is what a question took.
type result struct {
	question
	answers []answer // by constant
	median  float64  // ms, as are the others
	fastest float64
	slowest float64
	// allocated is how many kilobytes each takes from the heap.
	allocated float64
	first     float64 // median of the first time with each constant
	processor float64 // what it takes of the processors, on average
	atPace    float64 // median, each time divided by the machine's pace just before
	pace      float64 // median
}

// askAll asks every question with every constant, again and again.
func askAll(ctx context.Context, s settings, e *query.Engine) ([]result, error) {
	about, err := shapeOf(ctx, e, s.constants)
	if err != nil {
		return nil, err
	}
	if s.profile != "" {
		out, err := os.Create(s.profile)
		if err != nil {
			return nil, err
		}
		defer out.Close()
		if err := pprof.StartCPUProfile(out); err != nil {
			return nil, err
		}
		defer pprof.StopCPUProfile()
	}
	if s.allocs != "" {
		heap, err := os.Create(s.allocs)
		if err != nil {
			return nil, err
		}
		defer heap.Close()
		defer func() {
			runtime.GC() // allocations show when they were collected
			_ = pprof.Lookup("allocs").WriteTo(heap, 0)
		}()
	}
	pacer := machine.NewPacer()
	var all []result
	for _, q := range questions(&about) {
		if !strings.Contains(q.name, s.only) {
			continue
		}
		r := result{question: q, answers: make([]answer, s.constants)}
		var first, warm, atPace, paces []float64
		var used time.Duration
		for round := range s.rounds + 1 {
			pace := pacer.Pace()
			paces = append(paces, pace)
			from := processorTime()
			for i := range s.constants {
				from := time.Now()
				a, err := q.ask(ctx, e, i)
				took := float64(time.Since(from)) / 1e6
				if err != nil {
					return nil, fmt.Errorf("%s: %w", q.name, err)
				}
				if round == 0 {
					r.answers[i] = a
					first = append(first, took)
					continue
				}
				if a.total != r.answers[i].total {
					return nil, fmt.Errorf("%s: the total was %d and is %d", q.name, r.answers[i].total, a.total)
				}
				warm = append(warm, took)
				atPace = append(atPace, took/pace)
			}
			if round > 0 {
				used += processorTime() - from
			}
		}
		r.processor = float64(used) / 1e6 / float64(max(len(warm), 1))
		r.allocated = allocated(func() {
			for i := range s.constants {
				_, _ = q.ask(ctx, e, i)
			}
		}) / float64(s.constants)
		r.atPace, r.pace = middle(atPace), middle(paces)
		r.first, r.median, r.fastest, r.slowest = middle(first), middle(warm), slices.Min(warm), slices.Max(warm)
		all = append(all, r)
	}
	return all, nil
}

func middle(list []float64) float64 {
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}

func allocated(do func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / 1e3
}
