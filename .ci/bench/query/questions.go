package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/steplog/steplog/ci/bench/workflow"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
)

// shape is what the constants of questions are made from.
type shape struct {
	first, end time.Time
	runs       int
	found      []pair // a run, and a value that one of its lines has
	busy       []int  // services with enough lines for a deep page
}

type pair struct{ run, sku string }

const deep = 5000

// shapeOf looks at a folder.
func shapeOf(ctx context.Context, e *query.Engine, constants int) (shape, error) {
	var s shape
	newest, err := e.LineLogs(ctx, query.Filter{}, query.Paging{Limit: 1})
	if err != nil {
		return s, err
	}
	oldest, err := e.LineLogs(ctx, query.Filter{}, query.Paging{Limit: 1, Oldest: true})
	if err != nil {
		return s, err
	}
	runs, err := e.MainLogs(ctx, query.RunFilter{}, query.Paging{Limit: 1})
	if err != nil {
		return s, err
	}
	s.first, s.end, s.runs = oldest.Items[0].Time, newest.Items[0].Time, int(runs.Total.N)
	for i := range constants {
		page, err := e.LineLogs(ctx, query.Filter{Run: s.run(i)}, query.Paging{Limit: 1 + i})
		if err != nil {
			return s, err
		}
		sku, _ := page.Items[len(page.Items)-1].Field("sku")
		s.found = append(s.found, pair{s.run(i), sku.(string)})
	}
	for i := range workflow.Services {
		page, err := e.LineLogs(ctx, query.Filter{Levels: levels.Of(levels.Debug), Service: workflow.Service(i)}, query.Paging{Limit: 1})
		if err != nil {
			return s, err
		}
		if page.Total.N > deep+50 {
			s.busy = append(s.busy, i)
		}
	}
	if len(s.busy) == 0 {
		s.busy = []int{0}
	}
	return s, nil
}

func (s *shape) run(i int) string { return workflow.Run((i*7919 + 11) % max(s.runs-200, 1)) }

// tenth returns a tenth of the time.
func (s *shape) tenth(i int) (from, to time.Time) {
	tenth := s.end.Sub(s.first) / 10
	from = s.first.Add(time.Duration(i%9)*tenth + time.Duration(i)*time.Second)
	return from, from.Add(tenth)
}

func (s *shape) since(i int) time.Time {
	return s.first.Add(s.end.Sub(s.first) / 1000 * time.Duration(i))
}

var (
	commonWords = [...]string{workflow.Common, "refused", "retry"}                                  // immutable
	substrings  = [...]string{"ousto", "edge", "hipme", "rehou", "nvoic", "econci", "fuse", "xpor"} // immutable
)

// answer is what one query returned.
type answer struct {
	total int64
	stats query.Stats
}

// question is one query, with constants that change with i, and the same for
// others.
type question struct {
	name   string
	target float64 // ms at four million lines; 0 where none was set
	ask    func(ctx context.Context, e *query.Engine, i int) (answer, error)
	// count reports whether a line, or for a question about runs the start of
	// one, is one that constant i asks for.
	runs  bool
	count func(l *textLine, i int) bool
	// page and total are SQL, with args; of SQLite, when it is another. Others are not
	// asked where there is none.
	page, total             string
	litePage, liteTotal     string
	args                    func(i int) []any
	pattern                 func(i int) string // that ripgrep finds the same lines by; nil for none
	patternMatchesMoreLines bool               // for it cannot compare times
}

// questions are those of the targets, and some more that rows answer.
func questions(s *shape) []question {
	lines := func(filter func(i int) query.Filter, p query.Paging) func(context.Context, *query.Engine, int) (answer, error) {
		return func(ctx context.Context, e *query.Engine, i int) (answer, error) {
			page, err := e.LineLogs(ctx, filter(i), p)
			return exact(page.Total, page.Stats, err)
		}
	}
	histogram := func(ctx context.Context, e *query.Engine, f query.Filter) (a answer, err error) {
		buckets, err := e.Histogram(ctx, f, f.To.Sub(f.From)/50)
		for _, b := range buckets {
			a.total += b.Count
		}
		return a, err
	}
	word := func(w string) string { return `"message":"[^"]*` + w }
	service := func(i int) string { return workflow.Service(i * 3) }
	busy := func(i int) string { return workflow.Service(s.busy[i%len(s.busy)]) }
	but := func(i int) string { return [...]string{"info", "debug"}[i%2] }
	rare := func(i int) string { return workflow.Rare(i * 13) }
	common := func(i int) string { return commonWords[i%len(commonWords)] }
	substring := func(i int) string { return substrings[i%len(substrings)] }
	sku := func(i int) string { return workflow.SKU(i * 31) }
	newest := func(limit int) string { return fmt.Sprintf(" order by seq desc limit %d", limit) }
	return []question{
		{name: "a run's lines, page of 100", target: 0.1,
			ask:   lines(func(i int) query.Filter { return query.Filter{Run: s.run(i)} }, query.Paging{Limit: 100}),
			count: func(l *textLine, i int) bool { return l.run == s.run(i) },
			page:  "select raw from lines where run = ?" + newest(100), total: "select count(*) from lines where run = ?",
			args:    func(i int) []any { return []any{s.run(i)} },
			pattern: func(i int) string { return `"run":"` + s.run(i) + `"` }},
		{name: "a flow's newest 20 runs", target: 0.05, runs: true,
			ask: func(ctx context.Context, e *query.Engine, i int) (answer, error) {
				page, err := e.MainLogs(ctx, query.RunFilter{Operation: workflow.Operation(i)}, query.Paging{Limit: 20})
				return exact(page.Total, page.Stats, err)
			},
			count: func(l *textLine, i int) bool { return l.operation == workflow.Operation(i) },
			page:  "select run from runs where operation = ?" + newest(20), total: "select count(*) from runs where operation = ?",
			args: func(i int) []any { return []any{workflow.Operation(i)} }},
		{name: "level + service + 10 % of time", target: 0.5,
			ask: lines(func(i int) query.Filter {
				from, to := s.tenth(i)
				return query.Filter{Levels: levels.Of(levels.Warn), Service: service(i), From: from, To: to}
			}, query.Paging{Limit: 50}),
			count: func(l *textLine, i int) bool {
				from, to := s.tenth(i)
				return l.level == "warn" && l.service == service(i) && l.time >= from.UnixNano() && l.time <= to.UnixNano()
			},
			page:  "select raw from lines where level = 'warn' and service = ? and time between ? and ?" + newest(50),
			total: "select count(*) from lines where level = 'warn' and service = ? and time between ? and ?",
			args: func(i int) []any {
				from, to := s.tenth(i)
				return []any{service(i), from.UnixNano(), to.UnixNano()}
			},
			pattern:                 func(i int) string { return `"level":"warn".*"service":"` + service(i) + `"` },
			patternMatchesMoreLines: true},
		{name: "rare word", target: 0.6,
			ask:   lines(func(i int) query.Filter { return query.Filter{Search: rare(i)} }, query.Paging{Limit: 50}),
			count: func(l *textLine, i int) bool { return strings.Contains(l.message, rare(i)) },
			page:  "select raw from lines where contains(message, ?)" + newest(50), total: "select count(*) from lines where contains(message, ?)",
			litePage:  "select raw from lines where seq in (select rowid from words where words match ? order by rowid desc limit 50) order by seq desc",
			liteTotal: "select count(*) from words where words match ?",
			args:      func(i int) []any { return []any{rare(i)} },
			pattern:   func(i int) string { return word(rare(i)) }},
		{name: "common word (3, 5 and 7 %)", target: 1.5,
			ask:   lines(func(i int) query.Filter { return query.Filter{Search: common(i)} }, query.Paging{Limit: 50}),
			count: func(l *textLine, i int) bool { return strings.Contains(l.message, common(i)) },
			page:  "select raw from lines where contains(message, ?)" + newest(50), total: "select count(*) from lines where contains(message, ?)",
			litePage:  "select raw from lines where seq in (select rowid from words where words match ? order by rowid desc limit 50) order by seq desc",
			liteTotal: "select count(*) from words where words match ?",
			args:      func(i int) []any { return []any{common(i)} },
			pattern:   func(i int) string { return word(common(i)) }},
		{name: "field = value in one run", target: 0.1,
			ask: lines(func(i int) query.Filter {
				return query.Filter{Run: s.found[i].run, Where: query.Eq("sku", s.found[i].sku)}
			}, query.Paging{Limit: 50}),
			count: func(l *textLine, i int) bool { return l.sku == s.found[i].sku && l.run == s.found[i].run },
			page:  "select raw from lines where run = ? and sku = ?" + newest(50), total: "select count(*) from lines where run = ? and sku = ?",
			args:    func(i int) []any { return []any{s.found[i].run, s.found[i].sku} },
			pattern: func(i int) string { return `"run":"` + s.found[i].run + `".*"sku":"` + s.found[i].sku + `"` }},
		{name: "field = value over all", target: 0.1,
			ask:   lines(func(i int) query.Filter { return query.Filter{Where: query.Eq("sku", sku(i))} }, query.Paging{Limit: 50}),
			count: func(l *textLine, i int) bool { return l.sku == sku(i) },
			page:  "select raw from lines where sku = ?" + newest(50), total: "select count(*) from lines where sku = ?",
			args:    func(i int) []any { return []any{sku(i)} },
			pattern: func(i int) string { return `"sku":"` + sku(i) + `"` }},
		{name: "level + service at offset 5000", target: 1.5,
			ask: lines(func(i int) query.Filter {
				return query.Filter{Levels: levels.Of(levels.Debug), Service: busy(i)}
			}, query.Paging{Limit: 50, Offset: deep}),
			count:   func(l *textLine, i int) bool { return l.level == "debug" && l.service == busy(i) },
			page:    "select raw from lines where level = 'debug' and service = ? order by seq desc limit 50 offset 5000",
			total:   "select count(*) from lines where level = 'debug' and service = ?",
			args:    func(i int) []any { return []any{busy(i)} },
			pattern: func(i int) string { return `"level":"debug".*"service":"` + busy(i) + `"` }},
		{name: "histogram, level × 50 buckets", target: 0.3,
			ask: func(ctx context.Context, e *query.Engine, i int) (answer, error) {
				return histogram(ctx, e, query.Filter{Kinds: []query.Kind{query.KindLine}, From: s.since(i), To: s.end})
			},
			count:    func(l *textLine, i int) bool { return l.time >= s.since(i).UnixNano() && l.time <= s.end.UnixNano() },
			page:     "select time / ? as bucket, level, count(*) from lines where time >= ? group by bucket, level",
			litePage: "select time / ? as bucket, level, count(*) from lines indexed by times where time >= ? group by bucket, level",
			args:     func(i int) []any { return []any{int64(s.end.Sub(s.since(i)) / 50), s.since(i).UnixNano()} }},
		{name: "substring inside words", target: 1.5,
			ask:   lines(func(i int) query.Filter { return query.Filter{Search: substring(i)} }, query.Paging{Limit: 50}),
			count: func(l *textLine, i int) bool { return strings.Contains(l.message, substring(i)) },
			page:  "select raw from lines where contains(message, ?)" + newest(50), total: "select count(*) from lines where contains(message, ?)",
			litePage:  "select raw from lines where instr(message, ?) > 0" + newest(50),
			liteTotal: "select count(*) from lines where instr(message, ?) > 0",
			args:      func(i int) []any { return []any{substring(i)} },
			pattern:   func(i int) string { return word(substring(i)) }},
		{name: "all levels but one",
			ask: lines(func(i int) query.Filter {
				return query.Filter{Where: query.Not(query.OnKey(query.Eq("level", but(i))))}
			}, query.Paging{Limit: 50}),
			count: func(l *textLine, i int) bool { return l.level != but(i) }},
		{name: "all services but one",
			ask: lines(func(i int) query.Filter {
				return query.Filter{Where: query.Not(query.OnKey(query.Eq("service", service(i))))}
			}, query.Paging{Limit: 50}),
			count: func(l *textLine, i int) bool { return l.service != service(i) }},
		{name: "all lines but those with a word",
			ask: lines(func(i int) query.Filter {
				return query.Filter{Where: query.Not(query.Folded(query.OnKey(query.Contains("message", common(i)))))}
			}, query.Paging{Limit: 50}),
			count: func(l *textLine, i int) bool { return !strings.Contains(l.message, common(i)) }},
		{name: "a level or a service",
			ask: lines(func(i int) query.Filter {
				return query.Filter{Where: query.OnKey(query.Or(query.Eq("level", "error"), query.Eq("service", service(i))))}
			}, query.Paging{Limit: 50}),
			count: func(l *textLine, i int) bool { return l.level == "error" || l.service == service(i) }},
		{name: "a service, level × 50 buckets",
			ask: func(ctx context.Context, e *query.Engine, i int) (answer, error) {
				return histogram(ctx, e, query.Filter{Kinds: []query.Kind{query.KindLine}, Service: service(i), From: s.since(i), To: s.end})
			},
			count: func(l *textLine, i int) bool {
				return l.service == service(i) && l.time >= s.since(i).UnixNano() && l.time <= s.end.UnixNano()
			}},
		{name: "a level's lines by service",
			ask: func(ctx context.Context, e *query.Engine, i int) (a answer, err error) {
				values, err := e.Facets(ctx, query.Filter{Kinds: []query.Kind{query.KindLine}, Levels: levels.Of(levels.Warn)}, "service", 100)
				for _, v := range values {
					a.total += v.Count
				}
				return a, err
			},
			count: func(l *textLine, _ int) bool { return l.level == "warn" }},
	}
}

var errInexact = errors.New("the total is not exact")

func exact(t query.Total, s query.Stats, err error) (answer, error) {
	if err == nil && !t.Exact {
		err = fmt.Errorf("%w: %s", errInexact, t.Reason)
	}
	return answer{t.N, s}, err
}
