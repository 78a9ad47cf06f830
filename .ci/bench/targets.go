package main

import (
	"cmp"
	"fmt"
	"slices"
)

// goal is what one candidate may take of what another takes.
type goal struct {
	name        string
	over, under string               // candidates; over is steplog's
	of          func(*round) float64 // what is compared, of a whole round
	most        float64              // the ratio must not be above it
	least       float64              // if not 0, it must not be below this
	noAllocs    bool                 // over must not allocate
}

var goals = []goal{
	{name: "7 fields to disk : zap → nowhere", over: stepDisk, under: zapNowhere, of: cpu, most: 0.35},
	{name: "identifiers bound : zap.With → nowhere", over: stepDisk + bound, under: zapNowhere + bound, of: cpu, most: 0.36},
	{name: "to disk : zap → lumberjack", over: stepDisk, under: zapLumberjack, of: cpu, most: 0.14},
	{name: "to disk : phuslu → FileWriter", over: stepDisk, under: phusluFile, of: cpu, most: 0.22},
	{name: "to disk : zerolog → file", over: stepDisk, under: zerologFile, of: cpu, most: 0.17},
	{name: "bound : zap → lumberjack", over: stepDisk + bound, under: zapLumberjack + bound, of: cpu, most: 0.14},
	{name: "bound : phuslu → FileWriter", over: stepDisk + bound, under: phusluFile + bound, of: cpu, most: 0.22},
	{name: "bound : zerolog → file", over: stepDisk + bound, under: zerologFile + bound, of: cpu, most: 0.17},
	{name: "disabled : zap, disabled", over: stepDisabled, under: zapDisabled, of: cpu, most: 0.14, noAllocs: true},
	{name: "journal : ring in memory, caller's thread", over: stepAlone, under: stepMemory, of: thread, most: 1.05},
	{name: "journal : ring on tmpfs", over: stepDisk + bound, under: stepShm, of: cpu, most: 1.05},
	{name: "Zap() : zap → nowhere", over: stepZap, under: zapNowhere, of: cpu, most: 0.6},
	{name: "Zap(), bound : zap.With → nowhere", over: stepZap + bound, under: zapNowhere + bound, of: cpu, most: 0.6},
	{name: "p99, full speed, rotating : zap → lumberjack", over: stepDisk + fullSpeed, under: zapLumberjack + fullSpeed, of: p99, most: 0.1},
	{name: "p99.9 at 200,000 a second : zap → nowhere", over: stepDisk + paced, under: zapNowhere + paced, of: p999, most: 2},
	{name: "16 secrets : none", over: stepSecrets + bound, under: stepDisk + bound, of: cpu, most: 1.3},
	{name: "throughput of 2 callers : of 1", over: stepTwo + bound, under: stepDisk + bound, of: speed, least: 1.3},
}

func p99(r *round) float64  { return r.Latency.Call.P99 }
func p999(r *round) float64 { return r.Latency.Call.P999 }

// printTargets prints every goal whose candidates were measured. why says why
// one was not.
func printTargets(all results, why map[string]error) {
	fmt.Printf("\nRatios: median of the rounds' own, their range, and the target\n\n")
	fmt.Printf("%-46s %8s %15s %8s %8s\n", "", "ratio", "range", "target", "allocs")
	for _, g := range goals {
		if err := cmp.Or(why[g.over], why[g.under]); err != nil {
			fmt.Printf("%-46s not measured: %v\n", g.name, err)
			continue
		}
		if len(all[g.over]) > 0 && len(all[g.under]) > 0 {
			fmt.Printf("%-46s %s\n", g.name, g.line(all))
		}
	}
	fmt.Printf("\nRing in memory: OpenMemory, the same code over memory that is not mapped; its files are in memory too, so only\n" +
		"the CPU time of the calling thread is compared. Ring on tmpfs: mapped, with no disk behind it; the texts are where they were.\n")
}

// line is the result of a goal whose candidates were measured.
func (g *goal) line(all results) string {
	for _, name := range []string{g.over, g.under} {
		for _, r := range all[name] {
			if r.Mode != "" && r.Mode != "journal" {
				return "no figure: " + name + " was in mode " + r.Mode
			}
		}
	}
	var ratios []float64
	for i := range all[g.over] {
		over, under := g.of(&all[g.over][i]), g.of(&all[g.under][i])
		if over == 0 || under == 0 {
			return "no figure: this system does not tell"
		}
		ratios = append(ratios, over/under)
	}
	ratio := median(ratios, func(f float64) float64 { return f })
	target, met := fmt.Sprintf("≤ %.2f", g.most), ratio <= g.most
	if g.least != 0 {
		target, met = fmt.Sprintf("≥ %.2f", g.least), ratio >= g.least
	}
	each := median(all[g.over], func(r round) float64 { return allocs(&r) / float64(r.Calls) })
	if g.noAllocs && each >= 0.005 {
		met = false
	}
	verdict := "missed"
	if met {
		verdict = "met"
	}
	return fmt.Sprintf("%8.3f %15s %8s %8.2f  %s", ratio,
		fmt.Sprintf("%.2f to %.2f", slices.Min(ratios), slices.Max(ratios)), target, each, verdict)
}
