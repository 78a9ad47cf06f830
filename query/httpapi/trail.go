package httpapi

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/query"
)

// origin is where a request comes from, for records of what it does: what the
// access log's middleware says, else the other end of the connection.
func origin(r *http.Request) audit.Origin {
	if o, known := r.Context().Value(audit.OriginKey).(audit.Origin); known {
		return o
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return audit.Origin{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return audit.Origin{}
	}
	return audit.Origin{IP: ip.Unmap().WithZone(""), From: "peer"}
}

// verbs are the types of events. immutable.
var verbs = []audit.Verb{audit.VerbCreate, audit.VerbUpdate, audit.VerbDelete, audit.VerbQuery, audit.VerbOther}

// trailPage is the data of a list of audit or access records.
type trailPage struct {
	Records    any        `json:"records"`
	Pagination pagination `json:"pagination"`
	Snapshot   uint64     `json:"snapshot"`
}

// trailPaging reads the parameters of such a list.
func (p *params) trailPaging() query.Paging {
	return query.Paging{Limit: p.number("limit", 50, 1, 1000), Offset: p.number("offset", 0, 0, maxPosition), AsOf: p.snapshot()}
}

// auditRecords serves the audit trail by any combination of filters.
func (q *request) auditRecords() error {
	p := q.params("search", "startDate", "endDate", "eventType", "module", "user", "flowId", "project", "projectId", "projectid", "action",
		"limit", "offset", "snapshot")
	from, to := p.dates()
	f := query.AuditFilter{From: from, To: to, Search: p.text("search"), User: p.text("user"), FlowID: p.text("flowId"),
		Project: p.project("project", "projectId", "projectid"), Modules: list(p.text("module")), Events: list(p.text("action"))}
	for _, name := range list(p.text("eventType")) {
		verb := audit.Verb(strings.ToLower(name))
		if !slices.Contains(verbs, verb) {
			p.wrong(bad("eventType", "'eventType' must be one of create, update, delete, query and other, or several with commas between."))
		}
		f.Verbs = append(f.Verbs, verb)
	}
	paging := p.trailPaging()
	if !q.who.AllProjects && p.err == nil {
		if f.Project == "" && len(q.who.Projects) == 1 {
			f.Project = q.who.Projects[0]
		}
		if f.Project == "" {
			p.wrong(bad("project", "'project' is required of those who see several projects."))
		} else if !q.view.sees(f.Project) {
			return errForbidden
		}
	}
	if err := p.done(); err != nil {
		return err
	}
	page, err := q.engine.Audit(q.ctx, f, paging)
	if err != nil {
		return err
	}
	raw := make([]json.RawMessage, 0, len(page.Items))
	for _, r := range page.Items {
		if !q.view.sees(r.Project) {
			return errLeak
		}
		raw = append(raw, r.Raw)
	}
	return q.success(trailPage{raw, paginationOf(page, paging), page.AsOf})
}

// auditRecord serves one record of the trail with the rows of its diff: path,
// before and after of each.
func (q *request) auditRecord() error {
	if err := q.params().done(); err != nil {
		return err
	}
	id, ok := parseID(q.r.PathValue("id"))
	if !ok && q.r.PathValue("id") != "0" { // the trail counts from 0
		return notFound("There is no audit record with this number.")
	}
	page, err := q.engine.Audit(q.ctx, query.AuditFilter{}, query.Paging{Limit: 1, AsOf: id + 1})
	if err != nil {
		return err
	}
	if len(page.Items) == 0 || page.Items[0].Seq != id || !q.view.sees(page.Items[0].Project) {
		return notFound("There is no audit record with this number.")
	}
	return q.success(struct {
		Record json.RawMessage `json:"record"`
	}{page.Items[0].Raw})
}

// accessRecord is one request in the answer of /access.
type accessRecord struct {
	ID         uint64            `json:"id"`
	Timestamp  string            `json:"timestamp"`
	Account    string            `json:"account"`
	Tenant     string            `json:"tenant"`
	IP         string            `json:"ip"`
	IPFrom     string            `json:"ip_from"`
	Country    string            `json:"country"`
	City       string            `json:"city"`
	Network    string            `json:"network"`
	Method     string            `json:"method"`
	Path       string            `json:"path"`
	Status     int               `json:"status"`
	Bytes      int64             `json:"bytes"`
	DurationNS int64             `json:"duration_ns"`
	UserAgent  string            `json:"user_agent"`
	Referrer   string            `json:"referrer"`
	Request    string            `json:"request"`
	Memo       string            `json:"memo"`
	Attributes map[string]string `json:"attributes"`
}

// accessRecords serves the access log. Requests belong to no project, so who
// sees some only sees none of it.
func (q *request) accessRecords() error {
	p := q.params("account", "tenant", "project", "projectId", "projectid", "path", "ip", "method", "minStatus", "maxStatus", "search",
		"startDate", "endDate", "limit", "offset", "snapshot")
	from, to := p.dates()
	f := query.AccessFilter{From: from, To: to, Account: p.text("account"), Tenant: p.project("tenant", "project", "projectId", "projectid"),
		Method: p.text("method"), Path: p.text("path"), IP: p.text("ip"), Search: p.text("search"), MinStatus: p.number("minStatus", 0, 100, 999), MaxStatus: p.number("maxStatus", 0, 100, 999)}
	if f.MaxStatus != 0 && f.MinStatus > f.MaxStatus {
		p.wrong(bad("minStatus", "'minStatus' is above 'maxStatus'."))
	}
	paging := p.trailPaging()
	if err := p.done(); err != nil {
		return err
	}
	page, err := q.engine.Access(q.ctx, f, paging)
	if err != nil {
		return err
	}
	records := make([]accessRecord, 0, len(page.Items))
	for _, a := range page.Items {
		r := accessRecord{ID: a.Seq, Timestamp: a.Time.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"), Account: a.Account, Tenant: a.Tenant,
			IPFrom: a.IPFrom, Country: a.Origin.Country, City: a.Origin.City, Network: a.Origin.Network, Method: a.Method, Path: a.Path,
			Status: a.Status, Bytes: a.Bytes, DurationNS: int64(a.Duration), UserAgent: a.UserAgent, Referrer: a.Referrer,
			Request: a.RequestID, Memo: a.Memo, Attributes: map[string]string{}}
		if a.IP.IsValid() {
			r.IP = a.IP.String()
		}
		for name, value := range a.Attributes {
			r.Attributes[name] = value
		}
		records = append(records, r)
	}
	return q.success(trailPage{records, paginationOf(page, paging), page.AsOf})
}
