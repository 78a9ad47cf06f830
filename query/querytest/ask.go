package querytest

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest/oracle"
)

// asker makes random questions about records that exist, so that answers are
// seldom empty.
type asker struct {
	rnd   *rand.Rand
	text  *oracle.Text
	runs  []*oracle.Execution
	steps []*oracle.Execution
}

func newAsker(rnd *rand.Rand, text *oracle.Text) *asker {
	a := &asker{rnd: rnd, text: text}
	a.runs, a.steps = text.History()
	return a
}

func (a *asker) one(in int) bool { return a.rnd.IntN(in) == 0 }

// record returns some record, nil when there is none.
func (a *asker) record() *oracle.Record {
	if len(a.text.Records) == 0 {
		return nil
	}
	return &a.text.Records[a.rnd.IntN(len(a.text.Records))]
}

// filter returns a question about records.
func (a *asker) filter() query.Filter {
	var f query.Filter
	r := a.record()
	if r == nil || a.one(30) {
		return f
	}
	if a.one(4) {
		f.Kinds = []query.Kind{query.KindLine, query.KindEvent}[:1+a.rnd.IntN(2)]
		if r.Kind != "" {
			f.Kinds = append(f.Kinds, query.Kind(r.Kind))
		}
	}
	if a.one(3) {
		f.Levels = a.levels()
	}
	if a.one(4) {
		f.From = a.time()
	}
	if a.one(4) {
		f.To = a.time()
	}
	if !f.From.IsZero() && !f.To.IsZero() && f.From.After(f.To) {
		f.From, f.To = f.To, f.From
	}
	if a.one(8) {
		f.Files = []string{r.File, "user.log"}[:1+a.rnd.IntN(2)]
	}
	for _, c := range []struct {
		key   string
		field *string
	}{{"project", &f.Project}, {"server", &f.Server}, {"service", &f.Service}, {"operation", &f.Operation}, {"run", &f.Run},
		{"root_run", &f.RootRun}, {"step", &f.Step}, {"action", &f.Action}, {"topic", &f.Topic}} {
		if a.one(12) {
			*c.field = r.String(c.key)
		}
	}
	if a.one(8) {
		f.Projects = a.projects()
	}
	if f.RootRun == "" && a.one(12) {
		f.RootRun = r.String("run")
	}
	if a.one(4) {
		f.Search = a.search()
	}
	if a.one(3) {
		if f.Where = a.expr(3); a.one(3) {
			f.Where = query.And(a.onKey(rowKeys[a.rnd.IntN(len(rowKeys))], 2), a.onKey(rowKeys[a.rnd.IntN(len(rowKeys))], 2))
		}
		if a.one(2) {
			// Its text asks for the same.
			e, err := query.Parse(f.Where.String())
			if err != nil {
				panic(fmt.Sprintf("%q of %+v: %v", f.Where.String(), f.Where, err))
			}
			f.Where = e
		}
	}
	return f
}

// projects returns one to three projects, "" among them.
func (a *asker) projects() []string {
	return []string{a.record().String("project"), "p-2", "none"}[:1+a.rnd.IntN(3)]
}

func (a *asker) levels() levels.Set {
	all := []zapcore.Level{levels.Trace, levels.Debug, levels.Info, levels.Warn, levels.Error, levels.Fatal}
	if a.one(2) {
		return levels.AtLeast(all[a.rnd.IntN(len(all))])
	}
	a.rnd.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	return levels.Of(all[:a.rnd.IntN(4)]...)
}

// time returns a time at which something was logged, or one right beside.
func (a *asker) time() time.Time {
	return a.record().Time.Add(time.Duration(a.rnd.IntN(3) - 1))
}

// search returns pieces of messages in another case.
func (a *asker) search() string {
	parts := make([]string, 1+a.rnd.IntN(2))
	for i := range parts {
		message := []rune(a.record().String("message"))
		from := a.rnd.IntN(len(message) + 1)
		piece := message[from:min(len(message), from+a.rnd.IntN(8))]
		for i, r := range piece {
			switch a.rnd.IntN(3) {
			case 0:
				piece[i] = unicode.ToUpper(r)
			case 1:
				piece[i] = unicode.SimpleFold(r)
			}
		}
		parts[i] = string(piece)
		if a.one(3) {
			parts[i] = `"` + parts[i]
			if !a.one(4) {
				parts[i] += `"`
			}
		}
	}
	return strings.Join(parts, []string{" ", "  ", "\t", ""}[a.rnd.IntN(4)])
}

func (a *asker) expr(depth int) query.Expr {
	if depth == 0 || a.one(2) {
		return a.comparison()
	}
	args := make([]query.Expr, a.rnd.IntN(4))
	for i := range args {
		args[i] = a.expr(depth - 1)
	}
	switch a.rnd.IntN(7) {
	case 0, 1:
		return query.And(args...)
	case 2, 3:
		return query.Or(args...)
	case 4:
		return query.Expr{}
	default:
		return query.Not(a.expr(depth - 1))
	}
}

var paths = []string{"sku", "rows", "a", "a.b", "a.b.c", "tags", "größe", "level", "price", "nested", "nested.a", "tags.sku", "value.a",
	"value", "a.a", "b.b", "b.c", ".", "a.", "none"}

var keys = []string{"level", "kind", "file", "service", "operation", "run", "step", "action", "topic", "label", "caller", "error_code",
	"message", "phase"}

// rowKeys are the fixed keys by which a store may find records without their lines.
var rowKeys = []string{"level", "kind", "server", "server_name", "service", "service_name", "project", "operation", "operation_name",
	"parent_operation", "run", "root_run", "parent_run", "parent_step", "step", "action", "action_name"}

// onKey returns conditions on one fixed key.
func (a *asker) onKey(key string, depth int) query.Expr {
	switch n := a.rnd.IntN(6); {
	case depth > 0 && n < 2:
		return query.Not(a.onKey(key, depth-1))
	case depth > 0 && n == 2:
		return query.Or(a.onKey(key, depth-1), a.onKey(key, depth-1))
	case depth > 0 && n == 3:
		return query.And(a.onKey(key, depth-1), query.Expr{}, a.onKey(key, depth-1))
	default:
		return a.compared(query.Expr{Op: query.OpEq, Field: key, Key: true, Value: a.record().String(key)})
	}
}

// comparison returns a condition on one field: a path or a fixed key.
func (a *asker) comparison() query.Expr {
	e := a.eq()
	if a.one(3) {
		e.Field, e.Key = keys[a.rnd.IntN(len(keys))], true
		if e.Value = a.record().String(e.Field); e.Field == "message" {
			e.Value = strings.ReplaceAll(e.Value, "\x1b", "")
		}
	}
	return a.compared(e)
}

// compared returns a condition with any operation in place of equality.
func (a *asker) compared(e query.Expr) query.Expr {
	value := []rune(e.Value)
	from := a.rnd.IntN(len(value) + 1)
	part := string(value[from:min(len(value), from+a.rnd.IntN(6))])
	switch a.rnd.IntN(10) {
	case 0:
		e.Op, e.Values, e.Value = query.OpIn, []string{e.Value, "A-2", part}[:a.rnd.IntN(4)], ""
	case 1:
		e.Op, e.Value = query.OpPrefix, string(value[:from])
	case 2:
		e.Op, e.Value = query.OpContains, part
	case 3:
		e.Op, e.Value = query.OpMatch, []string{"^A-[12]", "[0-9]+", ".", "time(d )?out", "a/b", "^$"}[a.rnd.IntN(6)]
		if a.one(2) {
			e.Value = regexp.QuoteMeta(part)
		}
	case 4, 5:
		e.Op, e.Value = []query.Op{query.OpLess, query.OpAtMost, query.OpMore, query.OpAtLeast}[a.rnd.IntN(4)], fmt.Sprint(a.rnd.IntN(50))
		return e
	case 6:
		e.Op, e.Value = query.OpExists, ""
		return e
	}
	if a.one(3) {
		e = query.Folded(e)
	}
	return e
}

func (a *asker) eq() query.Expr {
	path := paths[a.rnd.IntN(len(paths))]
	for range 8 {
		if values := a.record().Values(path); len(values) > 0 {
			return query.Eq(path, values[a.rnd.IntN(len(values))])
		}
	}
	return query.Eq(path, "A-1")
}

// paging returns a part to ask for; n is how much there may be.
func (a *asker) paging(n int) query.Paging {
	p := query.Paging{Limit: 1 + a.rnd.IntN(30), Oldest: a.one(2)}
	if a.one(4) {
		p.Limit = 0
	}
	if a.one(3) {
		p.Offset = a.rnd.IntN(n + 3)
	}
	if r := a.record(); r != nil && a.one(3) {
		p.AsOf = r.Seq + uint64(a.rnd.IntN(2))
	}
	return p
}

// history returns a question about runs or about steps.
func (a *asker) history(all []*oracle.Execution) oracle.HistoryFilter {
	var f oracle.HistoryFilter
	if len(all) == 0 || a.one(10) {
		return f
	}
	e := all[a.rnd.IntN(len(all))]
	r := e.Start
	for _, c := range []struct {
		key   string
		field *string
	}{{"project", &f.Project}, {"server", &f.Server}, {"service", &f.Service}, {"operation", &f.Operation}, {"run", &f.Run},
		{"root_run", &f.RootRun}, {"parent_run", &f.ParentRun}, {"parent_step", &f.ParentStep}, {"step", &f.Step},
		{"action", &f.Action}} {
		if a.one(9) {
			*c.field = r.String(c.key)
		}
	}
	if a.one(8) {
		f.Projects = a.projects()
	}
	if a.one(9) {
		f.RootRun = e.Run
	}
	if a.one(9) {
		f.TriggeredBy = e.TriggeredBy
	}
	if a.one(20) {
		f.ID = e.ID
	}
	if a.one(9) && f.ParentRun == "" && f.ParentStep == "" {
		f.Roots = true
	}
	if a.one(6) {
		f.From = e.Started
	}
	if a.one(6) {
		f.To = all[a.rnd.IntN(len(all))].Started
	}
	if !f.From.IsZero() && !f.To.IsZero() && f.From.After(f.To) {
		f.From, f.To = f.To, f.From
	}
	if a.one(6) {
		f.States = []int{1 + a.rnd.IntN(3)}
	}
	if a.one(6) {
		f.Statuses = []int{1 + a.rnd.IntN(4), 1 + a.rnd.IntN(4)}
	}
	if a.one(8) {
		f.Outcomes = []string{e.Outcome, "running"}[:1+a.rnd.IntN(2)]
	}
	return f
}

// toOracle says the same to the oracle.
func toOracle(f query.Filter) oracle.Filter {
	o := oracle.Filter{From: f.From, To: f.To, Projects: f.Projects, Project: f.Project, Server: f.Server, Service: f.Service,
		Operation: f.Operation, Run: f.Run, RootRun: f.RootRun, Step: f.Step, Action: f.Action, Topic: f.Topic, Search: f.Search,
		Where: toOracleExpr(f.Where)}
	for _, k := range f.Kinds {
		o.Kinds = append(o.Kinds, string(k))
	}
	for _, name := range f.Files {
		o.Files = append(o.Files, strings.TrimSuffix(name, ".log"))
	}
	for _, name := range []string{"trace", "debug", "info", "warn", "error", "fatal"} {
		if l, err := levels.Parse(name); err == nil && f.Levels.Has(l) {
			o.Levels = append(o.Levels, name)
		}
	}
	o.NoLevel = len(o.Levels) == 0
	return o
}

func toOracleExpr(e query.Expr) *oracle.Expr {
	names := map[query.Op]string{query.OpEvery: "every", query.OpEq: "eq", query.OpAnd: "and", query.OpOr: "or", query.OpNot: "not",
		query.OpIn: "in", query.OpPrefix: "prefix", query.OpContains: "contains", query.OpMatch: "match", query.OpLess: "less",
		query.OpAtMost: "atmost", query.OpMore: "more", query.OpAtLeast: "atleast", query.OpExists: "exists"}
	o := &oracle.Expr{Op: names[e.Op], Field: e.Field, Value: e.Value, Values: e.Values, Key: e.Key, Fold: e.Fold}
	for _, arg := range e.Args {
		o.Args = append(o.Args, toOracleExpr(arg))
	}
	return o
}

func outcomes(names []string) []query.Outcome {
	var all []query.Outcome
	for _, name := range names {
		if o, ok := query.ParseOutcome(name); ok {
			all = append(all, o)
		}
	}
	return slices.Clip(all)
}

func toRunFilter(f oracle.HistoryFilter) query.RunFilter {
	return query.RunFilter{ID: f.ID, Projects: f.Projects, Project: f.Project, Server: f.Server, Service: f.Service, Operation: f.Operation,
		Run: f.Run, RootRun: f.RootRun, ParentRun: f.ParentRun, ParentStep: f.ParentStep, Roots: f.Roots, From: f.From, To: f.To,
		States: f.States, Statuses: f.Statuses, Outcomes: outcomes(f.Outcomes), TriggeredBy: f.TriggeredBy}
}

func toStepFilter(f oracle.HistoryFilter) query.StepFilter {
	return query.StepFilter{ID: f.ID, Projects: f.Projects, Project: f.Project, Server: f.Server, Service: f.Service, Operation: f.Operation,
		Run: f.Run, RootRun: f.RootRun, Step: f.Step, Action: f.Action, From: f.From, To: f.To,
		States: f.States, Statuses: f.Statuses, Outcomes: outcomes(f.Outcomes), TriggeredBy: f.TriggeredBy}
}
