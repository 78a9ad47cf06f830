package query

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
)

// AccessFilter chooses access records. Its conditions are combined with and; a
// field left at its zero value is no condition.
type AccessFilter struct {
	// From and To are the times wanted, both inclusive.
	From, To time.Time
	// Account, Tenant, Method and RequestID must be equal to what the record
	// says, case and all.
	Account, Tenant, Method, RequestID string
	// IP is an address, or a prefix of addresses such as "10.0.0.0/8".
	IP string
	// Path is what the record's path must begin with: "/flows" finds "/flows/7".
	Path string
	// MinStatus and MaxStatus are the statuses wanted, both inclusive; 0 is no
	// limit.
	MinStatus, MaxStatus int
	// Search is one or more keywords, quoted phrases among them; see "Keywords"
	// in the package comment. Each must occur in the account, the tenant, the
	// path or the memo. At most 63 different ones, and [MaxSearchBytes], in UTF-8.
	Search string
}

func (f AccessFilter) complete() (AccessFilter, error) {
	if err := checkTimes(f.From, f.To); err != nil {
		return f, err
	}
	if f.MinStatus < 0 || f.MaxStatus < 0 || f.MaxStatus != 0 && f.MinStatus > f.MaxStatus {
		return f, invalid("MinStatus", "and MaxStatus are no range")
	}
	if _, ok := parsePrefix(f.IP); f.IP != "" && !ok {
		return f, invalid("IP", "is neither an address nor a prefix of addresses")
	}
	return f, checkSearch(f.Search)
}

// parsePrefix reads a prefix of addresses; an address is one of itself alone. An
// IPv4 address that is written as one of IPv6 is the IPv4 address.
func parsePrefix(text string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, false
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

// Accessor is a [Backend] that has an access log.
type Accessor interface {
	// Access returns access records, by seq.
	Access(ctx context.Context, f AccessFilter, w Window) (Result[access.Record], error)
}

// Access returns the access records that f selects, newest first. It returns
// [ErrUnsupported] when the backend is no [Accessor].
func (e *Engine) Access(ctx context.Context, f AccessFilter, p Paging) (Page[access.Record], error) {
	f, err := f.complete()
	if err != nil {
		return Page[access.Record]{}, err
	}
	b, ok := e.backend.(Accessor)
	if !ok {
		return Page[access.Record]{}, ErrUnsupported
	}
	found, err := ask(ctx, f, p, cursorAccess, b.Access, func(r access.Record) uint64 { return r.Seq })
	return told(ctx, e, Read{What: "access records"}, found, err)
}

// Access returns access records.
func (b *journalBackend) Access(ctx context.Context, f AccessFilter, w Window) (Result[access.Record], error) {
	found, err := tries(ctx, b, indexFirst, func(snap *journal.Snapshot) (Result[Record], error) {
		s := newScan(ctx, b.j, snap, Filter{Kinds: []Kind{KindAccess}, From: f.From, To: f.To}, w.AsOf)
		if m := newAccessMatcher(&f); m != nil {
			// Sidecars know nothing of these conditions.
			s.match.text, s.unplanned = &textMatcher{access: m}, true
		}
		return s.page(w)
	})
	result := Result[access.Record]{Items: make([]access.Record, 0, len(found.Items)), Total: found.Total,
		More: found.More, AsOf: found.AsOf, Stats: found.Stats}
	if err != nil {
		return result, err
	}
	for _, r := range found.Items {
		a, err := access.Parse(r.Raw)
		if err != nil {
			return result, fmt.Errorf("query: record %d: %w", r.Seq, err)
		}
		result.Items = append(result.Items, a)
	}
	return result, nil
}

// accessMatcher decides about the details of access records.
type accessMatcher struct {
	equal    map[string]string // by path
	path     string            // what it begins with
	ips      *netip.Prefix     // nil for all
	min, max int
	parts    []string
}

// accessText are the details that a search looks at.
var accessText = []string{"account", "tenant", "path", "memo"} // immutable

// newAccessMatcher returns nil when there is no condition on details.
func newAccessMatcher(f *AccessFilter) *accessMatcher {
	m := &accessMatcher{equal: map[string]string{}, path: f.Path, min: f.MinStatus, max: f.MaxStatus, parts: folded(f.Search)}
	if p, ok := parsePrefix(f.IP); ok {
		m.ips = &p
	}
	for path, want := range map[string]string{"account": f.Account, "tenant": f.Tenant, "method": f.Method, "request": f.RequestID} {
		if want != "" {
			m.equal[path] = want
		}
	}
	if len(m.equal) == 0 && m.path == "" && m.ips == nil && m.min == 0 && m.max == 0 && len(m.parts) == 0 {
		return nil
	}
	return m
}

func (m *accessMatcher) match(rec *line.Record) bool {
	for path, want := range m.equal {
		if detail(rec, path) != want {
			return false
		}
	}
	if m.path != "" && !strings.HasPrefix(detail(rec, "path"), m.path) {
		return false
	}
	if m.ips != nil {
		a, err := netip.ParseAddr(detail(rec, "ip"))
		if err != nil || !m.ips.Contains(a.Unmap().WithZone("")) {
			return false
		}
	}
	if m.min != 0 || m.max != 0 {
		status, err := strconv.Atoi(detail(rec, "status"))
		if err != nil || status < m.min || m.max != 0 && status > m.max {
			return false
		}
	}
	if len(m.parts) == 0 {
		return true
	}
	var found uint64
	for _, path := range accessText {
		found |= keywordsIn(line.Fold(line.StripANSI(detail(rec, path))), m.parts)
	}
	return found == 1<<len(m.parts)-1
}

// detail is the text of a field under the details, "" when there is none.
func detail(rec *line.Record, path string) (text string) {
	line.Field(rec.Details, path, func(scalar string) bool {
		text = scalar
		return false
	})
	return text
}
