package access

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/steplog/steplog/internal/mask"
)

// Options are the settings of a [Recorder]; nil and the zero value are ready to
// use. They are copied by New. An Attributor or Attributes that panics says
// nothing of the request, which goes on; where Clock does, the system's time holds.
type Options struct {
	// ForwardedHeader is the header in which proxies say who asked them:
	// "X-Forwarded-For", "Forwarded" (RFC 7239), or one with a single address. It
	// is believed only as far as it was written by TrustedProxies. "" believes
	// none.
	ForwardedHeader string
	// TrustedProxies are the networks of the host's own proxies.
	TrustedProxies []netip.Prefix
	// Query keeps the query of requests, with the values of keys that look like
	// secrets hidden. By default it is left out: people put secrets there.
	Query bool
	// MaskKeys are names of such keys, in addition to the built-in list. Their values
	// are hidden in the query of the referrer too.
	MaskKeys []string
	// RequestIDHeader is the header that has the request's id: "" means
	// X-Request-Id.
	RequestIDHeader string
	// Attributor says where addresses belong. It is not asked about private ones,
	// which are "LAN".
	Attributor Attributor
	// Attributes returns further facts of a request, nil for none. It is called
	// before the handler and must not change the request.
	Attributes func(*http.Request) map[string]string
	// Clock tells the time, nil for time.Now. It must be safe for concurrent use.
	Clock func() time.Time
}

// Attributor says where an address belongs. It must be safe for concurrent use;
// what it does not know it leaves "". Package audit/access/maxmind, a module of
// its own, has one over MaxMind's files.
type Attributor interface {
	Attribute(netip.Addr) Attribution
}

// Recorder records requests. It is safe for concurrent use.
type Recorder struct {
	record  func(Record)
	opts    Options
	proxies proxies
	mask    *mask.Masker // of keys
	secrets *mask.Masker // of values; may be nil
}

// New returns a Recorder that hands each request to record, which must be safe
// for concurrent use. It is called when the request has ended, by the goroutine
// that handled it.
func New(record func(Record), options *Options) *Recorder {
	return NewHosted(record, options, Host{})
}

// Host is what another package of this module lends a Recorder.
type Host struct {
	// Secrets are the values that record hides, nil for none.
	Secrets *mask.Masker
}

// NewHosted is New for the other packages of this module.
func NewHosted(record func(Record), options *Options, h Host) *Recorder {
	r := &Recorder{record: record, secrets: h.Secrets}
	if options != nil {
		r.opts = *options
	}
	if r.opts.RequestIDHeader == "" {
		r.opts.RequestIDHeader = "X-Request-Id"
	}
	r.opts.RequestIDHeader = http.CanonicalHeaderKey(r.opts.RequestIDHeader)
	r.proxies.header = http.CanonicalHeaderKey(r.opts.ForwardedHeader)
	for _, p := range r.opts.TrustedProxies {
		if p.Addr().Is4In6() && p.Bits() >= 96 { // addresses have one form here
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		r.proxies.trusted = append(r.proxies.trusted, p.Masked())
	}
	r.mask = mask.New(r.opts.MaskKeys)
	return r
}

// Record records a request that did not come through the middleware. A zero Time
// is now, and an IP without Origin is attributed. A nil Recorder drops it.
func (r *Recorder) Record(rec Record) {
	if r == nil {
		return
	}
	if rec.Time.IsZero() {
		rec.Time = r.now()
	}
	if rec.Origin == (Attribution{}) {
		rec.Origin = r.attribute(rec.IP)
	}
	r.record(rec)
}

func (r *Recorder) now() time.Time {
	if r.opts.Clock == nil {
		return time.Now().UTC()
	}
	return r.hostNow().UTC()
}

// hostNow is what the host's clock tells.
func (r *Recorder) hostNow() (now time.Time) {
	defer func() {
		if recover() != nil {
			now = time.Now()
		}
	}()
	return r.opts.Clock()
}

// attribute says where an address belongs.
func (r *Recorder) attribute(a netip.Addr) Attribution {
	switch {
	case !a.IsValid():
		return Attribution{}
	case a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast():
		return Attribution{Network: "LAN"}
	case r.opts.Attributor == nil:
		return Attribution{}
	}
	defer survive()
	return r.opts.Attributor.Attribute(a)
}

// attributes asks the host for further facts of a request.
func (r *Recorder) attributes(req *http.Request) map[string]string {
	if r.opts.Attributes == nil {
		return nil
	}
	defer survive()
	return r.opts.Attributes(req)
}

// survive is deferred around what is the host's: a panic costs what it would have
// said, not the request.
func survive() { _ = recover() }

// Limits of what a request may say, in bytes.
const (
	maxText = 1024
	maxPath = 4096
)

// begin fills in what is known of a request before it is handled.
func (r *Recorder) begin(rec *Record, req *http.Request) {
	rec.Time = r.now()
	rec.Peer = peer(req.RemoteAddr)
	rec.IP, rec.IPFrom = r.proxies.origin(rec.Peer, req.Header)
	rec.Method, rec.Path = r.clip(req.Method, maxText), r.clip(req.URL.Path, maxPath)
	rec.Host, rec.Protocol = r.clip(req.Host, maxText), req.Proto
	rec.UserAgent = r.clip(header(req, "User-Agent"), maxText)
	rec.Referrer = r.clip(r.referrer(header(req, "Referer")), maxText)
	rec.RequestID = r.clip(header(req, r.opts.RequestIDHeader), maxText)
	if r.opts.Query && req.URL.RawQuery != "" {
		rec.Query = r.clip(r.query(req.URL.RawQuery), maxPath)
	}
	rec.Attributes = r.attributes(req)
}

// header is Header.Get for a key that is canonical.
func header(req *http.Request, key string) string {
	if v := req.Header[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// clip cuts a text that is too long. The secrets in it are hidden first: of one that
// was cut nobody could tell any more what it is.
func (r *Recorder) clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = r.secrets.Head(s, n)
	return strings.ToValidUTF8(s[:min(len(s), n)], "")
}

// query hides the values of secret keys. Some take ";" for an end of a value and some
// do not: what stands behind the one of a secret key is hidden as well.
func (r *Recorder) query(raw string) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(raw, func(c rune) bool { return c == '&' }) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		between := ""
		for pair := range strings.SplitSeq(part, ";") {
			b.WriteString(between)
			between = ";"
			key, _, has := strings.Cut(pair, "=")
			if has && r.mask.Key(unescape(key)) {
				b.WriteString(key + "=" + mask.Hidden)
				break
			}
			b.WriteString(pair)
		}
	}
	return b.String()
}

// referrer is the page that a request comes from, with its query as that of a request:
// what a browser asks for next tells the whole URL.
func (r *Recorder) referrer(url string) string {
	page, query, has := strings.Cut(url, "?")
	if !has {
		return url
	}
	return page + "?" + r.query(query)
}
