package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/steplog/steplog/query"
)

// printJSON writes the summary for programs.
func (s *Summary) printJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(s)
}

// print writes the summary for people.
func (s *Summary) print(w io.Writer) error {
	p := &printer{out: w}
	p.runs(s)
	p.actions(s)
	p.failedSteps(s)
	p.warnings(s)
	p.histogram(s)
	p.section("Files")
	for _, file := range s.Files {
		p.row(fmt.Sprintf("%d B", file.Bytes), file.Path)
	}
	p.flush()
	p.section("Look at them")
	for _, command := range s.Commands {
		p.line("  " + command)
	}
	return p.err
}

// printer writes sections of aligned rows and keeps the first error.
type printer struct {
	out   io.Writer
	table *tabwriter.Writer
	err   error
}

func (p *printer) runs(s *Summary) {
	p.section(fmt.Sprintf("Runs, the newest %d of %d", len(s.Runs), s.RunTotal))
	p.row("run", "flow", "outcome", "started", "took", "steps", "lines", "processed", "succeeded", "failed", "why")
	for _, run := range s.Runs {
		p.run("", run)
		for _, child := range run.Children {
			p.run("└ ", child)
		}
		if more := run.ChildTotal - int64(len(run.Children)); more > 0 {
			p.row(fmt.Sprintf("└ and %d more", more), "", "", "", "", "", "", "", "", "", "")
		}
	}
	p.flush()
	for _, flow := range s.Flows {
		p.line(fmt.Sprintf("  %s: %d in all, %s", flow.Flow, flow.Runs, list(flow.Outcomes)))
	}
}

func (p *printer) run(indent string, run RunRow) {
	p.row(indent+run.Run, run.Flow, run.Outcome, clock(run.Started), run.Duration.Round(time.Millisecond).String(),
		fmt.Sprint(run.Steps), fmt.Sprint(run.Lines), fmt.Sprint(run.Processed), fmt.Sprint(run.Succeeded), fmt.Sprint(run.Failed), short(run.Reason))
}

func (p *printer) actions(s *Summary) {
	p.section("Actions since " + clock(s.Start))
	p.row("flow", "action", "attempts", "outcomes", "error codes")
	var others, attempts int64
	for _, action := range s.Actions {
		if action.Outcomes[query.Succeeded.String()] == action.Attempts {
			others, attempts = others+1, attempts+action.Attempts
			continue
		}
		p.row(action.Flow, action.Action, fmt.Sprint(action.Attempts), list(action.Outcomes), list(action.Codes))
	}
	p.flush()
	p.line(fmt.Sprintf("  %d other actions succeeded in all their %d attempts", others, attempts))
	for _, server := range s.Servers {
		p.line(fmt.Sprintf("  the %s says: %d requests, %d accepted, %d rejected, %d busy, %d timed out",
			server.Server, server.Requests, server.Accepted, server.Rejected, server.Busy, server.TimedOut))
	}
}

func (p *printer) failedSteps(s *Summary) {
	p.section(fmt.Sprintf("Failed steps, the newest %d of %d", len(s.FailedSteps), s.FailedTotal))
	for _, step := range s.FailedSteps {
		p.row(clock(step.Time), step.Flow, step.Action, fmt.Sprintf("attempt %d", step.Attempt), step.Outcome, short(step.Reason))
	}
	p.flush()
}

func (p *printer) warnings(s *Summary) {
	p.section(fmt.Sprintf("Warnings, the newest %d of %d", len(s.Warnings), s.WarnTotal))
	for _, line := range s.Warnings {
		p.row(clock(line.Time), line.Flow, line.Action, short(line.Message), short(cmp.Or(line.Error, fields(line.Details))))
	}
	p.flush()
}

func (p *printer) histogram(s *Summary) {
	if len(s.Histogram) == 0 {
		return
	}
	p.section("Records since " + clock(s.Start) + ", a bar for each " + s.Width)
	most := slices.MaxFunc(s.Histogram, func(a, b Bucket) int { return cmp.Compare(a.Count, b.Count) }).Count
	for _, bucket := range s.Histogram {
		bar := strings.Repeat("█", int((bucket.Count*40+most-1)/most))
		p.row(clock(bucket.Start), fmt.Sprintf("%6d", bucket.Count), bar, list(bucket.Levels))
	}
	p.flush()
}

func (p *printer) section(title string) {
	p.line("\n" + title)
	p.table = tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
}

func (p *printer) row(cells ...string) {
	_, err := fmt.Fprintln(p.table, "  "+strings.Join(cells, "\t"))
	p.err = cmp.Or(p.err, err)
}

func (p *printer) line(text string) {
	_, err := fmt.Fprintln(p.out, text)
	p.err = cmp.Or(p.err, err)
}

func (p *printer) flush() { p.err = cmp.Or(p.err, p.table.Flush()) }

func clock(t time.Time) string { return t.Local().Format("15:04:05.000") }

// short keeps what fits on a terminal's line.
func short(text string) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > 90 {
		return string(runes[:89]) + "…"
	}
	return string(runes)
}

// list writes counts by name: "failed 2, succeeded 3".
func list(counts map[string]int64) string {
	parts := make([]string, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}

// fields writes details as name=value.
func fields(details map[string]any) string {
	parts := make([]string, 0, len(details))
	for _, name := range slices.Sorted(maps.Keys(details)) {
		parts = append(parts, fmt.Sprintf("%s=%v", name, details[name]))
	}
	return strings.Join(parts, " ")
}
