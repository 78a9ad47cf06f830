package httpapi

import (
	"errors"
	"slices"
	"strings"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
)

// filterParams are the parameters of everything that takes a whole filter.
// immutable.
var filterParams = []string{"minLevel", "level", "kind", "project", "projectId", "projectid", "server", "service", "flowId", "runId",
	"rootRunId", "stepId", "action", "topic", "field.N", "value.N", "search", "q", "in", "startDate", "endDate"}

// ordinaryKinds are the kinds that an answer has when none is asked for. Access
// records are not among them: they need a permission of their own. immutable.
var ordinaryKinds = []query.Kind{query.KindLine, query.KindCapture, query.KindRun, query.KindStep, query.KindEvent}

// filter reads the parameters of a whole filter.
func (q *request) filter(p *params) (query.Filter, error) {
	from, to := p.dates()
	f := query.Filter{
		Levels: p.levelSet("level"), From: from, To: to,
		Project: p.project("project", "projectId", "projectid"), Server: p.text("server"), Service: p.text("service"),
		Operation: p.text("flowId"), Run: p.text("runId"), RootRun: p.text("rootRunId"), Step: p.text("stepId"),
		Action: p.text("action"), Topic: p.text("topic"),
		Search: p.text("search"), Where: p.pairs("field", "value"),
	}
	if text := p.text("q"); text != "" {
		f.Where = query.And(f.Where, p.conditions("q", text))
	}
	if p.text("minLevel") != "" {
		if p.text("level") != "" {
			p.wrong(bad("minLevel", "'minLevel' and 'level' exclude each other."))
		}
		l, ok := parseLevel(p.text("minLevel"))
		if !ok {
			p.wrong(bad("minLevel", "'minLevel' must be one of TRACE, DEBUG, INFO, WARN, ERROR and FATAL."))
		}
		f.Levels = levels.AtLeast(l)
	}
	f.Files = list(p.text("in"))
	f.Kinds = ordinaryKinds
	if names := list(p.text("kind")); len(names) > 0 {
		f.Kinds = nil
		for _, name := range names {
			k := query.Kind(name)
			if k != query.KindAccess && !slices.Contains(ordinaryKinds, k) {
				p.wrong(bad("kind", "'kind' must be one of line, capture, run, step, event and access, or several with commas between."))
			}
			f.Kinds = append(f.Kinds, k)
		}
	}
	if err := p.done(); err != nil {
		return f, err
	}
	if slices.Contains(f.Kinds, query.KindAccess) {
		if err := q.further(AccessRead); err != nil {
			return f, err
		}
	}
	return f, nil
}

// conditions reads conditions in their text form.
func (p *params) conditions(name, text string) query.Expr {
	e, err := query.Parse(text)
	var syntax *query.SyntaxError
	var invalid *query.InvalidError
	switch {
	case errors.As(err, &syntax):
		p.wrong(bad(name, "'%s' is wrong at %d: %s.", name, syntax.Offset+1, syntax.Reason))
	case errors.As(err, &invalid):
		p.wrong(bad(name, "'%s' %s.", name, invalid.Reason))
	case err != nil:
		p.wrong(bad(name, "'%s' cannot be asked: %v.", name, err))
	}
	return e
}

// list splits a value at commas.
func list(value string) []string {
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}
