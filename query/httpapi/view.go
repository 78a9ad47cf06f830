package httpapi

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/steplog/steplog/query"
)

// errLeak is returned when an engine answers with records of a project that was
// not asked for. It is an error of the engine's, and nothing is shown.
var errLeak = errors.New("httpapi: the engine's answer is not narrowed to the projects asked for")

// view is what one principal sees of an engine: every question goes through it
// and is narrowed there.
type view struct {
	engine   *query.Engine
	all      bool
	projects []string // when all is false; not empty
}

func newView(e *query.Engine, p Principal) view {
	return view{engine: e, all: p.AllProjects, projects: p.Projects}
}

// sees reports whether something of a project may be shown.
func (v *view) sees(project string) bool { return v.all || slices.Contains(v.projects, project) }

// narrow adds the projects to a filter.
func (v *view) narrow(projects *[]string) {
	if !v.all {
		*projects = v.projects
	}
}

// checked makes sure that an answer holds nothing else, whatever the engine.
func checked[T any](v *view, page query.Page[T], err error, project func(*T) string) (query.Page[T], error) {
	if err != nil {
		return page, err
	}
	for i := range page.Items {
		if !v.sees(project(&page.Items[i])) {
			return query.Page[T]{}, errLeak
		}
	}
	return page, nil
}

func recordProject(r *query.Record) string { return r.Project }

func (v *view) MainLogs(ctx context.Context, f query.RunFilter, p query.Paging) (query.Page[query.MainLog], error) {
	v.narrow(&f.Projects)
	page, err := v.engine.MainLogs(ctx, f, p)
	return checked(v, page, err, func(m *query.MainLog) string { return m.Project })
}

// newest returns the number of the newest record there is. It asks for a run
// that cannot be, which no engine has to look for: only the snapshot of the
// answer is wanted.
func (v *view) newest(ctx context.Context) (uint64, error) {
	page, err := v.engine.MainLogs(query.PartOf(ctx), query.RunFilter{Run: "\x00"}, query.Paging{Limit: 1})
	return page.AsOf, err
}

func (v *view) SubLogs(ctx context.Context, f query.StepFilter, p query.Paging) (query.Page[query.SubLog], error) {
	v.narrow(&f.Projects)
	page, err := v.engine.SubLogs(ctx, f, p)
	return checked(v, page, err, func(s *query.SubLog) string { return s.Project })
}

func (v *view) Records(ctx context.Context, f query.Filter, p query.Paging) (query.Page[query.Record], error) {
	v.narrow(&f.Projects)
	page, err := v.engine.Records(ctx, f, p)
	return checked(v, page, err, recordProject)
}

// Record returns one record; one that may not be seen is not there.
func (v *view) Record(ctx context.Context, id uint64) (query.Record, error) {
	r, err := v.engine.Record(ctx, id)
	if err == nil && !v.sees(r.Project) {
		return query.Record{}, query.ErrNotFound
	}
	return r, err
}

// Around returns a record among those of its neighbours that may be seen.
func (v *view) Around(ctx context.Context, id uint64, before, after int) ([]query.Record, error) {
	records, err := v.engine.Around(ctx, id, before, after)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(records, func(r query.Record) bool { return !v.sees(r.Project) }), nil
}

func (v *view) Histogram(ctx context.Context, f query.Filter, width time.Duration) ([]query.Bucket, error) {
	v.narrow(&f.Projects)
	return v.engine.Histogram(ctx, f, width)
}

func (v *view) Facets(ctx context.Context, f query.Filter, field string, limit int) ([]query.FacetValue, error) {
	v.narrow(&f.Projects)
	return v.engine.Facets(ctx, f, field, limit)
}

func (v *view) All(ctx context.Context, f query.Filter) iter.Seq2[query.Record, error] {
	v.narrow(&f.Projects)
	records := v.engine.All(ctx, f) // what is there now, told of before the client hears anything
	return func(yield func(query.Record, error) bool) {
		for r, err := range records {
			if err == nil && !v.sees(r.Project) {
				r, err = query.Record{}, errLeak
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// canTail returns what a tail would be refused for. A tail whose context has
// ended waits for nothing: all that it can give is an error of the question, or
// of an engine that has no tails.
func (v *view) canTail(ctx context.Context, f query.Filter, o query.TailOptions) error {
	ctx, cancel := context.WithCancel(query.PartOf(ctx))
	cancel()
	for _, err := range v.Tail(ctx, f, o) {
		return err
	}
	return nil
}

func (v *view) Tail(ctx context.Context, f query.Filter, o query.TailOptions) iter.Seq2[query.Tailed, error] {
	v.narrow(&f.Projects)
	records := v.engine.Tail(ctx, f, o) // begins now, and is told of before the client hears that it did
	return func(yield func(query.Tailed, error) bool) {
		for t, err := range records {
			if err == nil && !v.sees(t.Record.Project) {
				t, err = query.Tailed{}, errLeak
			}
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}
