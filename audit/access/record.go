// Package access records requests: who asked for what, from where, and what came
// of it. Its middleware stands around any http.Handler; what it records goes to
// a function, such as that of a logger.Store, which keeps it in access_log.log.
//
// Records are made when a request has ended and are best effort: unlike the
// audit trail, the access log does not hold requests up.
package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Record is one request. The middleware cuts the path, the query and the memo at 4
// KiB, and other texts of the request and of [SetAccount] at 1 KiB.
type Record struct {
	// Seq is its number in the folder of logs, 0 before it is stored.
	Seq uint64
	// Time is when the request came in, UTC.
	Time time.Time
	// IP is the address of whoever asked, and IPFrom how it is known: "peer" for
	// the other end of the connection, "forwarded" for what trusted proxies said,
	// "malformed" when a trusted proxy sent what is no address; IP is that
	// proxy's then. Peer is the other end of the connection, always.
	IP     netip.Addr
	IPFrom string
	Peer   netip.Addr
	// Origin is what IP is attributed to.
	Origin Attribution
	// Account and Tenant are who asked, see [SetAccount].
	Account, Tenant string
	// Method to Protocol are as in the request, before any handler changed it.
	// Query is "" unless [Options.Query] asks for it.
	Method, Path, Query, Host, Protocol string
	// Status is that of the answer, 200 when the handler did not say, and 500 when
	// it panicked before it did.
	Status int
	// Bytes is the length of the answer's body.
	Bytes int64
	// Duration is how long the handler took.
	Duration time.Duration
	// UserAgent, Referrer and RequestID are what the request's headers say.
	UserAgent, Referrer, RequestID string
	// Memo is a remark of the host's, see [SetMemo], and Attributes are further
	// facts.
	Memo       string
	Attributes map[string]string
	// Aborted is true when whoever asked went away before the end or the handler
	// broke off the answer, Panic when the handler panicked, and Hijacked when it
	// took the connection over: Status and Bytes are then those up to that moment.
	Aborted, Panic, Hijacked bool
}

// Attribution is where an address belongs.
type Attribution struct {
	// Country is an ISO 3166 code, City a name, and Network the name of who runs
	// the network: "LAN" for private addresses.
	Country, City, Network string
}

// ErrRecord is returned for a line that is no access record.
var ErrRecord = errors.New("access: not an access record")

// line is how a record is stored: under the details of its line.
type line struct {
	Seq       uint64    `json:"seq"`
	Timestamp time.Time `json:"timestamp"`
	Kind      string    `json:"kind"`
	Details   struct {
		IP         netip.Addr        `json:"ip"`
		IPFrom     string            `json:"ip_from"`
		Peer       netip.Addr        `json:"peer"`
		Country    string            `json:"country"`
		City       string            `json:"city"`
		Network    string            `json:"network"`
		Account    string            `json:"account"`
		Tenant     string            `json:"tenant"`
		Method     string            `json:"method"`
		Path       string            `json:"path"`
		Query      string            `json:"query"`
		Host       string            `json:"host"`
		Protocol   string            `json:"protocol"`
		Status     int               `json:"status"`
		Bytes      int64             `json:"bytes"`
		Duration   time.Duration     `json:"duration_ns"`
		UserAgent  string            `json:"user_agent"`
		Referrer   string            `json:"referrer"`
		Request    string            `json:"request"`
		Memo       string            `json:"memo"`
		Attributes map[string]string `json:"attributes"`
		Aborted    bool              `json:"aborted"`
		Panic      bool              `json:"panic"`
		Hijacked   bool              `json:"hijacked"`
	} `json:"details"`
}

// Parse reads the line of an access record. It returns an error that wraps
// [ErrRecord] for any other line.
func Parse(raw []byte) (Record, error) {
	var l line
	if err := json.Unmarshal(raw, &l); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if l.Kind != "access" {
		return Record{}, fmt.Errorf("%w: of kind %.40q", ErrRecord, l.Kind)
	}
	d := &l.Details
	return Record{
		Seq: l.Seq, Time: l.Timestamp, IP: d.IP, IPFrom: d.IPFrom, Peer: d.Peer,
		Origin:  Attribution{Country: d.Country, City: d.City, Network: d.Network},
		Account: d.Account, Tenant: d.Tenant, Method: d.Method, Path: d.Path, Query: d.Query,
		Host: d.Host, Protocol: d.Protocol, Status: d.Status, Bytes: d.Bytes, Duration: d.Duration,
		UserAgent: d.UserAgent, Referrer: d.Referrer, RequestID: d.Request, Memo: d.Memo, Attributes: d.Attributes,
		Aborted: d.Aborted, Panic: d.Panic, Hijacked: d.Hijacked,
	}, nil
}
