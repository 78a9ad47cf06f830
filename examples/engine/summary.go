package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap/zapcore"
)

// How much of each list the summary shows.
const (
	showRuns     = 12
	showChildren = 12
	showSteps    = 10
	showWarnings = 8
	showBuckets  = 20
)

// Summary is what the program shows at its end. All of it comes out of the log,
// by queries: nothing that the program counted itself is in it.
type Summary struct {
	Start       time.Time      `json:"start"`        // of the newest start of the program
	Flows       []FlowTotal    `json:"flows"`        // all runs in the folder
	Runs        []RunRow       `json:"runs"`         // the newest ones that no run started
	RunTotal    int64          `json:"run_total"`    // how many of those there are
	Actions     []ActionTotal  `json:"actions"`      // steps since Start
	Servers     []ServerCounts `json:"servers"`      // what the loopback servers said of themselves since Start
	FailedSteps []StepRow      `json:"failed_steps"` // the newest
	FailedTotal int64          `json:"failed_total"`
	Warnings    []Line         `json:"warnings"` // the newest
	WarnTotal   int64          `json:"warning_total"`
	Width       string         `json:"bucket_width"`
	Histogram   []Bucket       `json:"histogram"` // all records since Start
	Files       []File         `json:"files"`
	Commands    []string       `json:"commands"`
}

// FlowTotal counts the runs of one flow.
type FlowTotal struct {
	Flow     string           `json:"flow"`
	Runs     int64            `json:"runs"`
	Outcomes map[string]int64 `json:"outcomes"`
}

// RunRow is one run, with the runs it started.
type RunRow struct {
	ID         uint64        `json:"id"`
	Run        string        `json:"run"`
	Flow       string        `json:"flow"`
	Outcome    string        `json:"outcome"`
	Reason     string        `json:"reason,omitempty"`
	Started    time.Time     `json:"started"`
	Duration   time.Duration `json:"duration_ns"`
	Processed  int64         `json:"processed"`
	Succeeded  int64         `json:"succeeded"`
	Failed     int64         `json:"failed"`
	Steps      int           `json:"steps"`
	Lines      int64         `json:"lines"`
	Children   []RunRow      `json:"children,omitempty"`
	ChildTotal int64         `json:"child_total,omitempty"`
}

// ActionTotal counts the attempts of one action.
type ActionTotal struct {
	Flow     string           `json:"flow"`
	Action   string           `json:"action"`
	Attempts int64            `json:"attempts"`
	Outcomes map[string]int64 `json:"outcomes"`
	Codes    map[string]int64 `json:"codes"` // error codes
}

// ServerCounts is what a loopback server logged when it stopped.
type ServerCounts struct {
	Server string `json:"server"`
	Counts
}

// StepRow is a step that failed.
type StepRow struct {
	ID      uint64    `json:"id"`
	Time    time.Time `json:"time"`
	Flow    string    `json:"flow"`
	Run     string    `json:"run"`
	Action  string    `json:"action"`
	Item    string    `json:"item,omitempty"` // what the loop was at
	Attempt int       `json:"attempt"`
	Outcome string    `json:"outcome"`
	Reason  string    `json:"reason"`
}

// Line is one line of the log.
type Line struct {
	Seq     uint64         `json:"seq"`
	Time    time.Time      `json:"time"`
	Flow    string         `json:"flow"`
	Action  string         `json:"action"`
	Message string         `json:"message"`
	Error   string         `json:"error,omitempty"`
	Details map[string]any `json:"details"`
}

// Bucket is one bar of the histogram.
type Bucket struct {
	Start  time.Time        `json:"start"`
	Count  int64            `json:"count"`
	Levels map[string]int64 `json:"levels"`
}

// File is one file of the folder.
type File struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

// summarize asks the log for everything that the summary shows.
func summarize(ctx context.Context, store *logger.Store, dir string) (*Summary, error) {
	s := &summarizer{log: store.Query(), Summary: &Summary{}}
	for _, part := range []func(context.Context) error{
		s.start, s.flows, s.runs, s.actions, s.servers, s.failedSteps, s.warnings, s.histogram,
	} {
		if err := part(ctx); err != nil {
			return nil, fmt.Errorf("summary: %w", err)
		}
	}
	if err := s.files(store, dir); err != nil {
		return nil, fmt.Errorf("summary: %w", err)
	}
	s.commands(dir)
	return s.Summary, nil
}

// summarizer fills a summary, part by part.
type summarizer struct {
	*Summary
	log *query.Engine
}

// started is the message of the event that each start of the program logs.
const started = "engine started"

func (s *summarizer) start(ctx context.Context) error {
	page, err := s.log.Records(ctx, query.Filter{
		Kinds: []query.Kind{query.KindEvent}, Server: engineServer, Search: `"` + started + `"`,
	}, query.Paging{Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return err
	}
	s.Start = page.Items[0].Time
	return nil
}

func (s *summarizer) flows(ctx context.Context) error {
	ids, err := s.log.Facets(ctx, query.Filter{Kinds: []query.Kind{query.KindRun}}, "operation", 0)
	if err != nil {
		return err
	}
	for _, id := range ids {
		total := FlowTotal{Flow: id.Value, Outcomes: make(map[string]int64)}
		total.Runs, err = outcomes(total.Outcomes, func(of ...query.Outcome) (query.Total, error) {
			page, err := s.log.MainLogs(ctx, query.RunFilter{Operation: id.Value, Outcomes: of}, query.Paging{Limit: 1})
			return page.Total, err
		})
		if err != nil {
			return err
		}
		s.Flows = append(s.Flows, total)
	}
	return nil
}

func (s *summarizer) runs(ctx context.Context) error {
	page, err := s.log.MainLogs(ctx, query.RunFilter{Roots: true}, query.Paging{Limit: showRuns})
	if err != nil {
		return err
	}
	s.RunTotal = page.Total.N
	for _, run := range page.Items {
		row := runRow(run)
		children, err := s.log.MainLogs(ctx, query.RunFilter{ParentRun: run.Run}, query.Paging{Limit: showChildren, Oldest: true})
		if err != nil {
			return err
		}
		row.ChildTotal = children.Total.N
		for _, child := range children.Items {
			row.Children = append(row.Children, runRow(child))
		}
		s.Runs = append(s.Runs, row)
	}
	return nil
}

func runRow(run query.MainLog) RunRow {
	row := RunRow{
		ID: run.ID, Run: run.Run, Flow: run.Operation, Outcome: run.Outcome.String(), Reason: run.Reason,
		Started: run.Started, Duration: run.Duration, Steps: run.Steps,
		Processed: run.Counts.Processed, Succeeded: run.Counts.Succeeded, Failed: run.Counts.Failed,
	}
	for _, n := range run.Lines {
		row.Lines += n
	}
	return row
}

func (s *summarizer) actions(ctx context.Context) error {
	for _, flow := range s.Flows {
		steps := query.Filter{Kinds: []query.Kind{query.KindStep}, Operation: flow.Flow, From: s.Start}
		ids, err := s.log.Facets(ctx, steps, "action", 0)
		if err != nil {
			return err
		}
		slices.SortFunc(ids, func(a, b query.FacetValue) int { return int(b.Count - a.Count) })
		for _, id := range ids {
			total := ActionTotal{Flow: flow.Flow, Action: id.Value, Outcomes: make(map[string]int64), Codes: make(map[string]int64)}
			total.Attempts, err = outcomes(total.Outcomes, func(of ...query.Outcome) (query.Total, error) {
				page, err := s.log.SubLogs(ctx, query.StepFilter{
					Operation: flow.Flow, Action: id.Value, From: s.Start, Outcomes: of,
				}, query.Paging{Limit: 1})
				return page.Total, err
			})
			if err != nil {
				return err
			}
			steps.Action = id.Value
			codes, err := s.log.Facets(ctx, steps, "error_code", 0)
			if err != nil {
				return err
			}
			for _, code := range codes {
				total.Codes[code.Value] = code.Count
			}
			s.Actions = append(s.Actions, total)
		}
	}
	return nil
}

// outcomes asks for the number of runs or steps in all and for each outcome,
// and puts those that occur into counts.
func outcomes(counts map[string]int64, ask func(...query.Outcome) (query.Total, error)) (int64, error) {
	for outcome := query.Running; outcome <= query.Panicked; outcome++ {
		total, err := ask(outcome)
		if err != nil {
			return 0, err
		}
		if total.N > 0 {
			counts[outcome.String()] = total.N
		}
	}
	all, err := ask()
	return all.N, err
}

func (s *summarizer) servers(ctx context.Context) error {
	for _, name := range []string{erpServer, shopServer} {
		page, err := s.log.Records(ctx, query.Filter{
			Kinds: []query.Kind{query.KindEvent}, Server: name, From: s.Start, Search: stopped,
		}, query.Paging{Limit: 1})
		if err != nil {
			return err
		}
		for _, record := range page.Items {
			var line struct {
				Details struct {
					Counts Counts `json:"counts"`
				} `json:"details"`
			}
			if err := json.Unmarshal(record.Raw, &line); err != nil {
				return err
			}
			s.Servers = append(s.Servers, ServerCounts{Server: name, Counts: line.Details.Counts})
		}
	}
	return nil
}

func (s *summarizer) failedSteps(ctx context.Context) error {
	page, err := s.log.SubLogs(ctx, query.StepFilter{Statuses: []int{query.StatusFailed}}, query.Paging{Limit: showSteps})
	if err != nil {
		return err
	}
	s.FailedTotal = page.Total.N
	for _, step := range page.Items {
		row := StepRow{
			ID: step.ID, Time: step.Started, Flow: step.Operation, Run: step.Run, Action: step.Action,
			Attempt: step.Attempt, Outcome: step.Outcome.String(), Reason: step.Reason,
		}
		if step.Iteration != nil {
			row.Item = string(step.Iteration.Value)
		}
		s.FailedSteps = append(s.FailedSteps, row)
	}
	return nil
}

func (s *summarizer) warnings(ctx context.Context) error {
	page, err := s.log.LineLogs(ctx, query.Filter{Levels: levels.Of(levels.Warn)}, query.Paging{Limit: showWarnings})
	if err != nil {
		return err
	}
	s.WarnTotal = page.Total.N
	for _, record := range page.Items {
		details, err := record.Details()
		if err != nil {
			return err
		}
		s.Warnings = append(s.Warnings, Line{
			Seq: record.Seq, Time: record.Time, Flow: record.Operation, Action: record.Action,
			Message: record.Message, Error: record.ErrorMessage, Details: details,
		})
	}
	return nil
}

func (s *summarizer) histogram(ctx context.Context) error {
	page, err := s.log.Records(ctx, query.Filter{From: s.Start}, query.Paging{Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return err
	}
	width := niceWidth(page.Items[0].Time.Sub(s.Start) / showBuckets)
	buckets, err := s.log.Histogram(ctx, query.Filter{From: s.Start}, width)
	if err != nil {
		return err
	}
	s.Width = width.String()
	for _, bucket := range buckets {
		s.Histogram = append(s.Histogram, Bucket{Start: bucket.Start, Count: bucket.Count, Levels: named(bucket.Levels)})
	}
	return nil
}

// niceWidth rounds up to 1, 2 or 5 times a power of ten, from 10 ms on.
func niceWidth(d time.Duration) time.Duration {
	for width := 10 * time.Millisecond; ; width *= 10 {
		for _, factor := range []time.Duration{1, 2, 5} {
			if width*factor >= d {
				return width * factor
			}
		}
	}
}

func named(counts map[zapcore.Level]int64) map[string]int64 {
	out := make(map[string]int64, len(counts))
	for level, n := range counts {
		out[levels.Name(level)] += n
	}
	return out
}

func (s *summarizer) files(store *logger.Store, dir string) error {
	infos, err := store.Files().List()
	if err != nil {
		return err
	}
	for _, info := range infos {
		s.Files = append(s.Files, File{Path: filepath.Join(dir, info.Name), Bytes: info.Bytes})
	}
	return nil
}

// commands are what a person types next, with a run of theirs filled in.
func (s *summarizer) commands(dir string) {
	user, usage := filepath.Join(dir, "user.log"), filepath.Join(dir, "usage.log")
	if len(s.Runs) > 0 {
		s.Commands = append(s.Commands, fmt.Sprintf("grep -h %s %s %s", s.Runs[0].Run, usage, user))
	}
	s.Commands = append(s.Commands,
		fmt.Sprintf(`jq -c 'select(.level=="error") | {operation, action, message, error: .error.message}' %s`, user),
		fmt.Sprintf(`jq -r 'select(.kind=="run" and .phase=="end") | [.operation, .outcome, .duration_ns/1e6] | @tsv' %s`, usage),
		fmt.Sprintf("tail -f %s | jq -c '{level, action, message}'", user),
	)
}
