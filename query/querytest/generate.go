package querytest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Generator makes records as a workflow engine logs them: runs and steps that
// start, count, log and end, side by side, with what is awkward in between:
// clocks that step back, texts with colours and quotes, fields of every shape.
// The same seed makes the same records.
type Generator struct {
	rnd  *rand.Rand
	now  time.Time
	runs []*execution // in progress
	ids  int
}

// execution is a run, or a step of one.
type execution struct {
	line  line // what all of its records say
	steps []*execution
	ended bool
}

// NewGenerator returns a Generator.
func NewGenerator(seed uint64) *Generator {
	return &Generator{rnd: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 11, 21, 2, 3, 4, 123456789, time.UTC)}
}

// line has the fixed keys in the order of the format.
type line struct {
	Timestamp       string          `json:"timestamp"`
	Level           string          `json:"level"`
	Kind            string          `json:"kind"`
	Server          string          `json:"server,omitempty"`
	ServerName      string          `json:"server_name,omitempty"`
	Service         string          `json:"service,omitempty"`
	ServiceName     string          `json:"service_name,omitempty"`
	Project         string          `json:"project,omitempty"`
	Operation       string          `json:"operation,omitempty"`
	OperationName   string          `json:"operation_name,omitempty"`
	ParentOperation string          `json:"parent_operation,omitempty"`
	Run             string          `json:"run,omitempty"`
	RootRun         string          `json:"root_run,omitempty"`
	ParentRun       string          `json:"parent_run,omitempty"`
	ParentStep      string          `json:"parent_step,omitempty"`
	Step            string          `json:"step,omitempty"`
	Action          string          `json:"action,omitempty"`
	ActionName      string          `json:"action_name,omitempty"`
	Attempt         int             `json:"attempt,omitempty"`
	Topic           string          `json:"topic,omitempty"`
	Trace           string          `json:"trace,omitempty"`
	Span            string          `json:"span,omitempty"`
	Logger          string          `json:"logger,omitempty"`
	Caller          string          `json:"caller,omitempty"`
	Label           string          `json:"label,omitempty"`
	Phase           string          `json:"phase,omitempty"`
	Outcome         string          `json:"outcome,omitempty"`
	Reason          string          `json:"reason,omitempty"`
	Implied         bool            `json:"implied,omitempty"`
	Duration        int64           `json:"duration_ns,omitempty"`
	Processed       *int64          `json:"processed,omitempty"`
	Succeeded       *int64          `json:"succeeded,omitempty"`
	Failed          *int64          `json:"failed,omitempty"`
	Fragments       *int64          `json:"fragments,omitempty"`
	TriggeredBy     string          `json:"triggered_by,omitempty"`
	Schedule        string          `json:"schedule,omitempty"`
	Inbound         bool            `json:"inbound,omitempty"`
	Order           int             `json:"order,omitempty"`
	Iteration       json.RawMessage `json:"iteration,omitempty"`
	Archived        bool            `json:"archived,omitempty"`
	Message         string          `json:"message,omitempty"`
	Error           json.RawMessage `json:"error,omitempty"`
	Stack           string          `json:"stack,omitempty"`
	Truncated       bool            `json:"truncated,omitempty"`
	Details         json.RawMessage `json:"details,omitempty"`
}

// Entries returns the next n records.
func (g *Generator) Entries(n int) []Entry {
	entries := make([]Entry, 0, n)
	for len(entries) < n {
		entries = append(entries, g.next())
	}
	return entries
}

func (g *Generator) next() Entry {
	switch n := g.rnd.IntN(100); {
	case len(g.runs) == 0 || n < 4:
		return g.startRun()
	case n < 16:
		return g.startStep()
	case n < 25:
		return g.end()
	case n < 30:
		return g.update()
	case n < 36:
		return g.capture()
	case n < 48:
		return g.event()
	default:
		return g.line()
	}
}

// entry finishes a record: its time, which usually grows, and its text.
func (g *Generator) entry(file string, l line) Entry {
	switch g.rnd.IntN(12) {
	case 0: // the same moment
	case 1:
		g.now = g.now.Add(-time.Duration(g.rnd.Int64N(int64(10 * time.Second))))
	default:
		g.now = g.now.Add(time.Duration(g.rnd.Int64N(int64(2 * time.Second))))
	}
	at := g.now
	if g.rnd.IntN(300) == 0 {
		at = at.AddDate(g.pick2(-50, 150), 0, 0)
	}
	l.Timestamp = at.Format("2006-01-02T15:04:05.000000000Z07:00")
	if l.Level == "" {
		l.Level = "info"
	}
	text, err := json.Marshal(l)
	if err != nil {
		panic(fmt.Sprintf("querytest: a generated record is no JSON: %v", err))
	}
	return Entry{File: file, Text: text}
}

func (g *Generator) startRun() Entry {
	l := line{Server: g.pick("edge-1", "edge-2"), Service: g.pick("orders", "stock", ""), Project: g.pick("p-1", "p-2", ""),
		Operation: g.pick("sync-prices", "sync-stock", "import", "report"), Run: g.id("run")}
	if g.rnd.IntN(3) == 0 {
		l.ServerName, l.ServiceName, l.OperationName = "Edge", "Service of \"orders\"", "Sync über alles"
		l.ParentOperation = "nightly"
	}
	if len(g.runs) > 0 && g.rnd.IntN(3) == 0 {
		if parent := g.runs[g.rnd.IntN(len(g.runs))]; len(parent.steps) > 0 {
			above := parent.steps[g.rnd.IntN(len(parent.steps))].line
			l.ParentRun, l.ParentStep, l.RootRun = above.Run, above.Step, above.RootRun
			if l.RootRun == "" {
				l.RootRun = above.Run
			}
		}
	}
	g.runs = append(g.runs, &execution{line: l})
	l.Kind, l.Phase = "run", "start"
	l.TriggeredBy = g.pick("", "", "System", " test@example.com\n", "ops@example.com")
	l.Schedule = g.pick("", "", "0 * * * *")
	l.Inbound = g.rnd.IntN(4) == 0
	return g.entry("usage", l)
}

func (g *Generator) startStep() Entry {
	run := g.runs[g.rnd.IntN(len(g.runs))]
	l := run.line
	l.Step, l.Attempt = g.id("step"), 1+g.rnd.IntN(3)
	l.Action = g.pick("login", "read_data_from_erp", "write", "http/request", "x.y")
	l.ActionName = g.pick("", "Read Data From ERP")
	run.steps = append(run.steps, &execution{line: l})
	l.Kind, l.Phase = "step", "start"
	if g.rnd.IntN(3) == 0 {
		l.Order = 1 + g.rnd.IntN(9)
	}
	switch g.rnd.IntN(4) {
	case 0:
		l.Iteration = json.RawMessage(fmt.Sprintf(`{"index":%d}`, g.rnd.IntN(5)))
	case 1:
		l.Iteration = json.RawMessage(fmt.Sprintf(`{"index":%d,"value":{"sku":"A-%[1]d"}}`, g.rnd.IntN(5)))
	}
	return g.entry("usage", l)
}

// some returns a run in progress, or one of its steps.
func (g *Generator) some() *execution {
	run := g.runs[g.rnd.IntN(len(g.runs))]
	if len(run.steps) > 0 && g.rnd.IntN(4) > 0 {
		return run.steps[g.rnd.IntN(len(run.steps))]
	}
	return run
}

// lifecycle returns a record of a run or step.
func (e *execution) lifecycle(phase string) line {
	l := e.line
	l.Kind, l.Phase = "run", phase
	if l.Step != "" {
		l.Kind = "step"
	}
	return l
}

func (g *Generator) count(l *line) {
	n := func() *int64 { v := int64(g.rnd.IntN(3)); return &v }
	l.Processed, l.Succeeded, l.Failed, l.Fragments = n(), n(), n(), n()
}

// end ends a run or step, at times twice, at times for its host, and at times
// takes such an end back.
func (g *Generator) end() Entry {
	e := g.some()
	if e.ended && e.line.Step == "" && g.rnd.IntN(4) == 0 {
		e.ended = false
		return g.entry("usage", e.lifecycle("resume"))
	}
	l := e.lifecycle("end")
	l.Outcome = g.pick("succeeded", "succeeded", "succeeded", "failed", "cancelled", "timed_out", "terminated", "continued",
		"skipped", "panicked")
	l.Duration = 1 + g.rnd.Int64N(1e12)
	if g.rnd.IntN(3) == 0 {
		g.count(&l)
	}
	if g.rnd.IntN(4) == 0 {
		l.Implied, l.Outcome, l.Reason = true, "failed", "the run ended first"
	}
	if l.Outcome != "succeeded" {
		l.Level = "error"
	}
	e.ended = true
	if l.Kind == "run" && !l.Implied && len(g.runs) > 3 {
		for i, run := range g.runs {
			if run == e {
				g.runs = append(g.runs[:i], g.runs[i+1:]...)
				break
			}
		}
	}
	return g.entry("usage", l)
}

func (g *Generator) update() Entry {
	l := g.some().lifecycle("update")
	if g.rnd.IntN(4) == 0 {
		l.Archived = true
	} else {
		g.count(&l)
	}
	return g.entry("usage", l)
}

func (g *Generator) capture() Entry {
	l := g.some().line
	l.Kind, l.Level, l.Phase = "capture", "debug", g.pick("input", "output")
	l.Details = json.RawMessage(`{"value":` + g.value(2) + `}`)
	l.Truncated = g.rnd.IntN(5) == 0
	return g.entry("user", l)
}

func (g *Generator) event() Entry {
	l := line{Kind: g.pick("event", "event", "event", "access", "novel"), Level: g.level(), Server: g.pick("edge-1", "edge-2", ""),
		Service: g.pick("orders", ""), Topic: g.pick("application", "system", "security", "performance", ""), Message: g.message()}
	file := g.pick("application", "application", "email", "database")
	if l.Kind == "access" {
		file = "access_log"
	}
	if g.rnd.IntN(2) == 0 {
		l.Details = g.details()
	}
	return g.entry(file, l)
}

func (g *Generator) line() Entry {
	l := g.some().line
	if g.rnd.IntN(40) == 0 {
		l = line{Run: "elsewhere"} // a run that this store knows nothing of
	}
	l.Kind, l.Level, l.Message = "line", g.level(), g.message()
	l.Label = g.pick("", "", "Test", "Größe")
	l.Details = g.details()
	if g.rnd.IntN(4) == 0 {
		l.Trace, l.Span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
		l.Logger, l.Caller = "erp.client", "erp/client.go:17"
	}
	if l.Level == "error" || l.Level == "fatal" {
		l.Error = json.RawMessage(g.pick(`{"message":"connection refused"}`, `{"message":"no","code":"E42","causes":["a","b"]}`))
		l.Stack = g.pick("", "main.main()\n\tmain.go:3")
	}
	return g.entry(g.pick("user", "user", "user", "email"), l)
}

func (g *Generator) level() string {
	return g.pick("trace", "debug", "debug", "info", "info", "info", "info", "warn", "warn", "error", "fatal")
}

// message returns a text of a few words, some of them awkward.
func (g *Generator) message() string {
	words := make([]string, g.rnd.IntN(7))
	for i := range words {
		words[i] = g.pick("fetched", "Price", "SKU", "A-1", "rows", "Fehler", "größer", "STRASSE", "ΟΔΟΣ", "οδος", "273 \u212a",
			"\x1b[31mred\x1b[0m", "\x1b]0;t\x07itle", "\x1b[", "\"quoted\"", "back\\slash", "two\nlines", "tab\t", "<a&b>",
			"日本語", "İstanbul", "ſame", "\u2028", "x")
	}
	return strings.Join(words, g.pick(" ", " ", " ", "", "  "))
}

// details returns an object, which may have a key twice, or nothing.
func (g *Generator) details() json.RawMessage {
	n := g.rnd.IntN(6)
	if n == 0 {
		return nil
	}
	members := make([]string, n)
	for i := range members {
		key, err := json.Marshal(g.pick("sku", "rows", "a", "a.b", "a.b.c", "tags", "größe", "level", "", "price", "nested", "b"))
		if err != nil {
			panic(err)
		}
		members[i] = string(key) + ":" + g.value(3)
	}
	return json.RawMessage("{" + strings.Join(members, ",") + "}")
}

// value returns a JSON value.
func (g *Generator) value(depth int) string {
	if depth > 0 && g.rnd.IntN(3) == 0 {
		members := make([]string, g.rnd.IntN(4))
		array := g.rnd.IntN(2) == 0
		for i := range members {
			members[i] = g.value(depth - 1)
			if !array {
				members[i] = g.pick(`"a"`, `"b"`, `"c"`, `"b.c"`, `"sku"`) + ":" + members[i]
			}
		}
		if array {
			return "[" + strings.Join(members, ",") + "]"
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	return g.pick(`"A-1"`, `"a-1"`, `"A-2"`, `"x"`, `""`, `"1"`, `1`, `2`, `1.0`, `-0`, `1e3`, `9007199254740993`, `true`, `false`,
		`null`, `"null"`, `"größe"`, `"quo\"te"`, `"\u0041-1"`, `"a\nb"`, `"\ud83d\ude00"`, `"\ud800"`)
}

func (g *Generator) id(prefix string) string {
	g.ids++
	return fmt.Sprintf("%s-%d", prefix, g.ids)
}

func (g *Generator) pick(from ...string) string { return from[g.rnd.IntN(len(from))] }

func (g *Generator) pick2(a, b int) int {
	if g.rnd.IntN(2) == 0 {
		return a
	}
	return b
}
