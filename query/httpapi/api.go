package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// api is a handler.
type api struct {
	options Options // complete; immutable
	engine  *query.Engine
	store   *logger.Store // may be nil
	mux     *http.ServeMux
	methods map[string][]string // by path, as in a pattern; immutable
	origins *http.CrossOriginProtection

	questions, streams places
	tails              tails
	rooms              sync.Pool  // of *[]byte: the bodies of pages that were sent
	settingsMu         sync.Mutex // held from the look at If-Match to the end of a change
}

// sort says which limits hold for a route.
type sort uint8

const (
	plain    sort = iota // none: it reads nothing, or limits itself
	question             // has a place among the questions and a timeout
	stream               // has a place among the streams and no timeout
)

// route is one endpoint.
type route struct {
	pattern    string     // of http.ServeMux
	permission Permission // "" for what everybody may see
	sort       sort
	handle     func(*request) error
}

// routes are the endpoints of New.
func (a *api) routes() []route {
	routes := []route{
		{"GET /logs", LogsRead, question, (*request).logs},
		{"GET /logs/download", LogsRead, stream, (*request).download},
		{"GET /logs/{id}", LogsRead, question, (*request).record},
		{"GET /logs/{id}/context", LogsRead, question, (*request).context},
		{"GET /entries", LogsRead, question, (*request).entries},
		{"GET /histogram", LogsRead, question, (*request).histogram},
		{"GET /facets", LogsRead, question, (*request).facets},
		{"GET /runs/{id}/steps", LogsRead, question, (*request).runTree},
		{"GET /export", LogsExport, stream, (*request).export},
		{"GET /tail", LogsTail, plain, (*request).tail},
		{"GET /audit", AuditRead, question, (*request).auditRecords},
		{"GET /audit/{id}", AuditRead, question, (*request).auditRecord},
		{"GET /access", AccessRead, question, (*request).accessRecords},
		{"GET /openapi.yaml", "", plain, (*request).document},
		{"GET /healthz", "", plain, (*request).health},
	}
	if a.store == nil {
		return routes
	}
	routes = append(routes,
		route{"GET /files", FilesRead, question, (*request).files},
		route{"GET /files/download", FilesRead, stream, (*request).downloadFiles},
		route{"GET /files/{name}", FilesRead, question, (*request).viewFile},
		route{"GET /files/{name}/content", FilesRead, stream, (*request).fileContent},
		route{"GET /settings", SettingsRead, question, (*request).settings},
		route{"GET /stats", SettingsRead, question, (*request).stats},
	)
	if a.options.ReadOnly {
		return routes
	}
	return append(routes,
		route{"DELETE /files/{name}", FilesDelete, question, (*request).deleteFile},
		route{"PUT /settings", SettingsWrite, question, (*request).changeSettings},
	)
}

func newAPI(e *query.Engine, options *Options, routes func(*api) []route) (*api, error) {
	o, err := options.complete(e)
	if err != nil {
		return nil, err
	}
	a := &api{
		options: o, engine: e, store: o.Store,
		mux: http.NewServeMux(), methods: map[string][]string{}, origins: http.NewCrossOriginProtection(),
		questions: newPlaces(o.MaxQueries), streams: newPlaces(o.MaxQueries),
	}
	if o.ExternalURL != "" {
		if err := a.origins.AddTrustedOrigin(pageOrigin(o.ExternalURL)); err != nil {
			return nil, fmt.Errorf("%w: ExternalURL: %w", ErrOptions, err)
		}
	}
	for _, r := range routes(a) {
		a.mux.Handle(r.pattern, a.endpoint(r))
		method, path, _ := strings.Cut(r.pattern, " ")
		a.methods[path] = append(a.methods[path], method)
		if method == http.MethodGet {
			a.methods[path] = append(a.methods[path], http.MethodHead)
		}
	}
	return a, nil
}

// ServeHTTP answers a request.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	// A path that is not clean would be redirected, and a redirect under
	// http.StripPrefix would lose the prefix. An id in it may hold anything, escaped.
	if p := r.URL.EscapedPath(); p == "" || p[0] != '/' || path.Clean(p) != p {
		fail(w, &failure{status: http.StatusNotFound, message: "There is nothing at this path."})
		return
	}
	if !a.found(r) {
		a.noRoute(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// found reports whether a route is the request's. What GET has by its own name is not
// a file or a record that another method takes by any name.
func (a *api) found(r *http.Request) bool {
	_, pattern := a.mux.Handler(r)
	if pattern == "" || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return pattern != ""
	}
	_, path, _ := strings.Cut(pattern, " ")
	return path == a.place(r)
}

// place returns the path, as in a pattern, of the route that GET has where a request
// goes: there is one wherever there is something. It is "" for nothing.
func (a *api) place(r *http.Request) string {
	get := *r
	get.Method = http.MethodGet
	_, pattern := a.mux.Handler(&get)
	_, path, _ := strings.Cut(pattern, " ")
	return path
}

// noRoute answers what no route is for, in the form of all errors.
func (a *api) noRoute(w http.ResponseWriter, r *http.Request) {
	allowed := a.methods[a.place(r)]
	if len(allowed) == 0 {
		fail(w, &failure{status: http.StatusNotFound, message: "There is nothing at this path."})
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	fail(w, &failure{status: http.StatusMethodNotAllowed, message: "The method is not allowed here."})
}

// request is one request on its way.
type request struct {
	*api
	w     http.ResponseWriter
	r     *http.Request
	ctx   context.Context // of this request, with its timeout
	who   Principal
	view  view // what who may see
	wrote bool // the status is out, or may be
	// control is of an answer that is written piece by piece, else nil.
	control *http.ResponseController
}

// endpoint does for a route what all have in common.
func (a *api) endpoint(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &request{api: a, w: w, r: r, ctx: r.Context()}
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler {
				panic(cause) // the answer is not whole, and the client must see that
			}
			q.fail(q.problem(fmt.Errorf("panic: %s", line.PanicText(cause))))
		}()
		if err := q.serve(rt); err != nil {
			q.fail(err)
		}
		if q.control != nil {
			writing(q.control, writeTimeout) // what net/http holds back until now
		}
	})
}

// serve checks who asks and finds a place, and calls the route's handler.
func (q *request) serve(rt route) error {
	if err := q.origins.Check(q.r); err != nil {
		return &failure{status: http.StatusForbidden, message: "The request comes from another site."}
	}
	if rt.permission != "" {
		who, err := q.authorize(q.r, rt.permission)
		if err != nil {
			return err
		}
		if !who.AllProjects && !rt.permission.narrows() {
			return errForbidden
		}
		q.who, q.view = who, newView(q.engine, who)
		// What the store records of its own acts names who asked for them.
		q.ctx = audit.WithOrigin(audit.WithActor(q.ctx, audit.Actor{ID: who.ID, Email: who.Email, Type: "user"}), origin(q.r))
	}
	waiting := &q.questions
	switch rt.sort {
	case plain:
		return rt.handle(q)
	case stream:
		waiting = &q.streams
	case question:
		ctx, cancel := context.WithTimeout(q.ctx, q.options.Timeout)
		defer cancel()
		q.ctx = ctx
	}
	if err := waiting.take(q.ctx); err != nil {
		return err
	}
	defer waiting.give()
	return rt.handle(q)
}

// further checks a permission that an answer needs beside its route's, for records that
// are not narrowed here: whom it is given for some projects only sees none of them.
func (q *request) further(p Permission) error {
	who, err := q.authorize(q.r, p)
	if err == nil && !who.AllProjects {
		err = errForbidden
	}
	return err
}

// may reports whether who asks has a further permission.
func (q *request) may(p Permission) (bool, error) {
	err := q.further(p)
	if errors.Is(err, errForbidden) || errors.Is(err, errUnauthenticated) {
		return false, nil
	}
	return err == nil, err
}
