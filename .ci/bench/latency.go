package main

import (
	"math"
	"slices"
	"time"
)

// latency is what single calls took, in ns.
type latency struct {
	// Call is from before to after each call. Due is from when the call was to
	// be made, which is earlier where the one before it took too long; it is
	// zero without a pace. Empty is what is measured around no call.
	Call, Due, Empty quantiles
}

// quantiles of some durations, in ns.
type quantiles struct{ Median, P99, P999, Most float64 }

// stopwatch keeps the time of every call. All its memory is there before the
// first one.
type stopwatch struct{ call, due, empty []uint32 }

func newStopwatch(n int) *stopwatch {
	all := make([]uint32, 3*n)
	for i := range all {
		all[i] = math.MaxUint32 // the pages are there from now on
	}
	return &stopwatch{call: all[:n], due: all[n : 2*n], empty: all[2*n:]}
}

func clamp(d time.Duration) uint32 { return uint32(min(d, math.MaxUint32)) }

// time makes the calls, so many in a second or, at 0, as fast as they go. It
// spins on the clock between them: a sleep would be late by more than a call
// takes. A call that is late does not move the ones after it.
func (w *stopwatch) time(log func(int, *sample), s []sample, perSecond int) {
	for i := range w.empty {
		began := time.Now()
		w.empty[i] = clamp(time.Since(began))
	}
	if perSecond == 0 {
		for i := range w.call {
			x := &s[i%len(s)]
			began := time.Now()
			log(i, x)
			w.call[i] = clamp(time.Since(began))
		}
		w.due = nil
		return
	}
	gap := time.Second / time.Duration(perSecond)
	first := time.Now()
	for i := range w.call {
		x := &s[i%len(s)]
		due := first.Add(time.Duration(i) * gap)
		began := time.Now()
		for began.Before(due) {
			began = time.Now()
		}
		log(i, x)
		took := time.Since(began)
		w.call[i], w.due[i] = clamp(took), clamp(took+began.Sub(due))
	}
}

// latency sums up. It may be called once, after time.
func (w *stopwatch) latency() *latency {
	return &latency{Call: quantilesOf(w.call), Due: quantilesOf(w.due), Empty: quantilesOf(w.empty)}
}

// quantilesOf sorts ns.
func quantilesOf(ns []uint32) quantiles {
	if len(ns) == 0 {
		return quantiles{}
	}
	slices.Sort(ns)
	at := func(share float64) float64 { return float64(ns[int(share*float64(len(ns)-1))]) }
	return quantiles{Median: at(0.5), P99: at(0.99), P999: at(0.999), Most: at(1)}
}
