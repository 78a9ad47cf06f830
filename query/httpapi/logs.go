package httpapi

import (
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/steplog/steplog/internal/document"
	"github.com/steplog/steplog/query"
)

// Parameters that only one of the two documents has. immutable.
var (
	flowOnly = []string{"log_type", "flowId", "projectid", "projectId", "page", "filename_uuid", "original_filename_uuid",
		"search_field.N", "search_value.N"}
	apiOnly = []string{"offset", "startDate", "endDate", "level", "service", "search"}
)

// logs serves two documents that have one path: the parameters tell them apart.
func (q *request) logs() error {
	p := q.params(slices.Concat(flowOnly, apiOnly, []string{"limit", "snapshot"})...)
	if err := p.done(); err != nil {
		return err
	}
	flow, other := "", ""
	for _, name := range sortedNames(p.values) {
		family, _, numbered := strings.Cut(name, ".")
		switch {
		case slices.Contains(flowOnly, name), numbered && slices.Contains(flowOnly, family+".N"):
			flow = name
		case slices.Contains(apiOnly, name):
			other = name
		}
	}
	switch {
	case flow != "" && other != "":
		return bad(other, "'%s' and '%s' belong to different lists; give the parameters of one.", other, flow)
	case flow != "":
		return q.flowLogs()
	default:
		return q.apiLogs()
	}
}

// flowPage is the answer of the integrator's list.
type flowPage struct {
	Count    int64           `json:"count"`
	Limit    int             `json:"limit"`
	Page     int             `json:"page"`
	Previous string          `json:"previous"`
	Next     string          `json:"next"`
	Results  json.RawMessage `json:"results"` // a hole
}

// flowLogs serves the integrator's list.
func (q *request) flowLogs() error {
	p := q.params(append([]string{"limit", "snapshot"}, flowOnly...)...)
	f := flowList{
		project: p.project("projectid", "projectId"), flow: p.required("flowId"),
		uuid: p.text("filename_uuid"), original: p.text("original_filename_uuid"),
		where: p.pairs("search_field", "search_value"),
	}
	if f.project == "" {
		p.wrong(bad("projectid", "'projectid' is required."))
	}
	p.required("log_type")
	kind := p.number("log_type", 0, document.TypeMain, document.TypeLine)
	limit, page := p.number("limit", 25, 1, 100), p.number("page", 1, 1, maxPosition)
	f.paging = query.Paging{Limit: limit, Offset: min(page-1, math.MaxInt/limit) * limit, AsOf: p.snapshot()}
	if kind != document.TypeLine && f.where.Op != query.OpEvery {
		p.wrong(bad("search_field.1", "'search_field.N' can be used with line logs only, log_type=3."))
	}
	if err := p.done(); err != nil {
		return err
	}
	list := map[int]func(*flowList) (results, error){
		document.TypeMain: q.mainLogs, document.TypeSub: q.subLogs, document.TypeLine: q.lineLogs}[kind]
	found, err := list(&f)
	if err != nil {
		return err
	}
	if found.empty {
		return notFound("No logs were found.")
	}
	q.tellExact(found.total)
	answer := flowPage{Count: found.total.N, Limit: limit, Page: page, Results: hole}
	if page > 1 {
		answer.Previous = q.link(p.values, page-1, found.snapshot)
	}
	if found.more {
		answer.Next = q.link(p.values, page+1, found.snapshot)
	}
	return q.filled(answer, 1, limit*documentSize, func(dst []byte, _ int) ([]byte, error) { return found.put(dst) })
}

// tellExact says in a header when a total is a lower bound: the documents of these lists
// have no place for it.
func (q *request) tellExact(total query.Total) {
	if !total.Exact {
		q.w.Header().Set("Steplog-Total-Exact", "false")
	}
}

// documentSize is what room is made for, in bytes, for each document of a page.
const documentSize = 1024

// results are a page of documents.
type results struct {
	empty    bool
	more     bool // there are documents after the last one
	total    query.Total
	snapshot uint64
	put      func(dst []byte) ([]byte, error) // appends the documents as one array
}

func resultsOf[T any](page query.Page[T], put func(dst []byte) ([]byte, error)) results {
	return results{len(page.Items) == 0, page.Next != "", page.Total, page.AsOf, put}
}

// flowList is what the integrator's list is asked for.
type flowList struct {
	project, flow, uuid, original string
	where                         query.Expr
	paging                        query.Paging
}

func (q *request) mainLogs(f *flowList) (results, error) {
	run := f.uuid
	if f.original != "" {
		run = f.original
	}
	if f.uuid != "" && f.uuid != run {
		return results{empty: true}, nil // a main log has one execution under both names
	}
	page, err := q.view.MainLogs(q.ctx, query.RunFilter{Project: f.project, Operation: f.flow, Run: run}, f.paging)
	if err != nil {
		return results{}, err
	}
	return resultsOf(page, func(dst []byte) ([]byte, error) { return document.AppendMains(dst, page.Items) }), nil
}

func (q *request) subLogs(f *flowList) (results, error) {
	page, err := q.view.SubLogs(q.ctx,
		query.StepFilter{Project: f.project, Operation: f.flow, Run: f.original, Step: f.uuid}, f.paging)
	if err != nil {
		return results{}, err
	}
	return resultsOf(page, func(dst []byte) ([]byte, error) { return document.AppendSubs(dst, page.Items) }), nil
}

func (q *request) lineLogs(f *flowList) (results, error) {
	lines := query.Filter{Kinds: []query.Kind{query.KindLine},
		Project: f.project, Operation: f.flow, Run: f.original, Step: f.uuid, Where: f.where}
	page, err := q.view.Records(q.ctx, lines, f.paging)
	if err != nil {
		return results{}, err
	}
	// The engine ends a page of very long lines early. Pages by number have as many as
	// they should, or the next one would leave some out.
	for page.Next != "" && len(page.Items) < f.paging.Limit {
		rest, err := q.view.Records(query.PartOf(q.ctx), lines, query.Paging{Limit: f.paging.Limit - len(page.Items), Cursor: page.Next})
		if err != nil {
			return results{}, err
		}
		page.Items, page.Next = append(page.Items, rest.Items...), rest.Next
	}
	return resultsOf(page, func(dst []byte) ([]byte, error) {
		return document.AppendLines(q.ctx, dst, q.engine, page.Items)
	}), nil
}

// link returns the URL of another page of this list: with every parameter, and
// the snapshot, so that pages do not shift while records arrive.
func (q *request) link(values url.Values, page int, snapshot uint64) string {
	more := url.Values{}
	for name, v := range values {
		more[name] = v
	}
	more.Set("page", strconv.Itoa(page))
	more.Set("snapshot", strconv.FormatUint(snapshot, 10))
	return q.external() + "?" + more.Encode()
}

// external returns the absolute URL of this request without its query.
func (q *request) external() string {
	if q.options.ExternalURL != "" {
		return q.options.ExternalURL + q.r.URL.EscapedPath()
	}
	// The path as it came in has what http.StripPrefix took away.
	path := q.r.URL.EscapedPath()
	if u, err := url.ParseRequestURI(q.r.RequestURI); err == nil && strings.HasSuffix(u.EscapedPath(), path) {
		path = u.EscapedPath()
	}
	scheme := "http"
	if q.r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + q.r.Host + path
}

// apiPage is the data of the API's list.
type apiPage struct {
	Logs       json.RawMessage `json:"logs"` // a hole
	Pagination pagination      `json:"pagination"`
}

type pagination struct {
	Total      int64 `json:"total"`
	Limit      int   `json:"limit"`
	Offset     int   `json:"offset"`
	NextOffset *int  `json:"nextOffset"`
}

// paginationOf says where a page is. The next one begins behind its last item: one of
// very long records ends before its limit.
func paginationOf[T any](page query.Page[T], p query.Paging) pagination {
	at := pagination{Total: page.Total.N, Limit: p.Limit, Offset: p.Offset}
	if page.Next != "" {
		at.NextOffset = new(p.Offset + len(page.Items))
	}
	return at
}

// apiLogs serves the API's list.
func (q *request) apiLogs() error {
	p := q.params(append([]string{"limit", "snapshot"}, apiOnly...)...)
	from, to := p.dates()
	f := query.Filter{Kinds: []query.Kind{query.KindLine, query.KindEvent}, Levels: p.levelSet("level"),
		Service: p.text("service"), From: from, To: to, Search: p.text("search")}
	paging := query.Paging{Limit: p.number("limit", 50, 1, 1000), Offset: p.number("offset", 0, 0, maxPosition), AsOf: p.snapshot()}
	if err := p.done(); err != nil {
		return err
	}
	page, err := q.view.Records(q.ctx, f, paging)
	if err != nil {
		return err
	}
	data := apiPage{Logs: hole, Pagination: paginationOf(page, paging)}
	q.w.Header().Set("Steplog-Snapshot", strconv.FormatUint(page.AsOf, 10))
	q.tellExact(page.Total)
	return q.filled(success{"success", data}, 1, len(page.Items)*documentSize, func(dst []byte, _ int) ([]byte, error) {
		return document.AppendEntries(dst, page.Items)
	})
}
