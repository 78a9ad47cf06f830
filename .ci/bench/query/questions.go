package main

import (
	"context"
	"fmt"
	"time"

	"github.com/steplog/steplog/ci/bench/workflow"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
)

// shape is what the constants of questions are made from.
type shape struct {
	first, end time.Time
	runs       int
}

// answer is what one query returned.
type answer struct {
	total int64
	exact bool
	note  string
}

// question is one query, with constants that change with i.
type question struct {
	name string
	ask  func(ctx context.Context, e *query.Engine, i int) (answer, error)
}

// questions are those of the specification's table.
func questions(s shape) []question {
	lines := func(name string, filter func(i int) query.Filter, p query.Paging) question {
		return question{name, func(ctx context.Context, e *query.Engine, i int) (answer, error) {
			page, err := e.LineLogs(ctx, filter(i), p)
			st := page.Stats
			return answer{page.Total.N, page.Total.Exact, fmt.Sprintf("rows %d, lines %d, bytes %d", st.Rows, st.Lines, st.Bytes)}, err
		}}
	}
	run := func(i int) string { return workflow.Run(i * 7919 % max(s.runs-200, 1)) }
	tenth := s.end.Sub(s.first) / 10
	return []question{
		lines("one run's lines, page of 100", func(i int) query.Filter { return query.Filter{Run: run(i)} }, query.Paging{Limit: 100}),
		{"newest 20 runs of a flow, count", func(ctx context.Context, e *query.Engine, i int) (answer, error) {
			page, err := e.MainLogs(ctx, query.RunFilter{Operation: workflow.Operation(i)}, query.Paging{Limit: 20})
			return answer{page.Total.N, page.Total.Exact, ""}, err
		}},
		lines("level + service + 10 % of time, 50 newest", func(i int) query.Filter {
			from := s.first.Add(time.Duration(i%10) * tenth)
			return query.Filter{Levels: levels.Of(levels.Warn), Service: workflow.Service(i), From: from, To: from.Add(tenth)}
		}, query.Paging{Limit: 50}),
		lines("rare word, 50 newest", func(i int) query.Filter { return query.Filter{Search: workflow.Rare(i * 13)} }, query.Paging{Limit: 50}),
		lines("common word (5 %), 50 newest", func(i int) query.Filter {
			return query.Filter{Search: workflow.Common, From: s.first.Add(time.Duration(i) * time.Microsecond)}
		}, query.Paging{Limit: 50}),
		lines("field = value in one run", func(i int) query.Filter {
			return query.Filter{Run: run(i), Where: query.Eq("sku", workflow.SKU(i))}
		}, query.Paging{Limit: 50}),
		lines("field = value over all", func(i int) query.Filter { return query.Filter{Where: query.Eq("sku", workflow.SKU(i*31))} }, query.Paging{Limit: 50}),
		lines("level + service, offset 5000", func(i int) query.Filter {
			return query.Filter{Levels: levels.Of(levels.Warn), Service: workflow.Service(i)}
		}, query.Paging{Limit: 50, Offset: 5000}),
		{"histogram, level × 50 buckets", func(ctx context.Context, e *query.Engine, i int) (answer, error) {
			from := s.first.Add(time.Duration(i) * time.Microsecond)
			buckets, err := e.Histogram(ctx, query.Filter{Kinds: []query.Kind{query.KindLine}, From: from}, s.end.Sub(from)/50)
			a := answer{exact: true}
			for _, b := range buckets {
				a.total += b.Count
			}
			return a, err
		}},
		lines("substring inside words, 50 newest", func(i int) query.Filter {
			return query.Filter{Search: []string{"ousto", "edge", "hipme", "rehou", "nvoic"}[i%5], From: s.first.Add(time.Duration(i) * time.Microsecond)}
		}, query.Paging{Limit: 50}),
	}
}
