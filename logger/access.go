package logger

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/levels"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Access returns what records requests in access_log.log: its Middleware goes
// around the host's handlers. Records are best effort, as lines are; Stats counts
// what was dropped. After Close they are counted only.
func (s *Store) Access() *access.Recorder {
	if s.none() {
		return nil
	}
	return s.access
}

// openAccess makes the recorder.
func (s *Store) openAccess() {
	var o access.Options
	if s.options.Access != nil {
		o = *s.options.Access
	}
	if clock := o.Clock; clock == nil {
		o.Clock = s.now
	} else {
		o.Clock = func() time.Time { return s.hostNow("Options.Access.Clock", clock) }
	}
	if hook := o.Attributes; hook != nil {
		o.Attributes = func(req *http.Request) map[string]string {
			defer s.survive("Options.Access.Attributes")
			return hook(req)
		}
	}
	if o.Attributor != nil {
		o.Attributor = attributor{s, o.Attributor}
	}
	o.MaskKeys = append(o.MaskKeys[:len(o.MaskKeys):len(o.MaskKeys)], s.options.maskKeys()...)
	f, owner := s.file(FileAccessLog), s.journal.Owner(line.Identity{})
	s.access = access.NewHosted(func(r access.Record) { s.logAccess(f, owner, &r) }, &o, access.Host{Secrets: s.masker})
}

// attributor is the host's, whose panics are reported.
type attributor struct {
	store *Store
	host  access.Attributor
}

func (a attributor) Attribute(addr netip.Addr) access.Attribution {
	defer a.store.survive("Options.Access.Attributor")
	return a.host.Attribute(addr)
}

// survive is deferred around a hook of the host's that may panic.
func (s *Store) survive(what string) {
	if p := recover(); p != nil {
		_ = s.panicked(what, p)
	}
}

// topicSecurity is what requests are about that were refused.
const topicSecurity = "security"

// accessLevel is info, warn for requests that were wrong and error for those
// that went wrong here.
func accessLevel(status int) zapcore.Level {
	switch {
	case status >= 500:
		return levels.Error
	case status >= 400:
		return levels.Warn
	default:
		return levels.Info
	}
}

// logAccess writes one request.
func (s *Store) logAccess(f *file, owner *runs.Owner, r *access.Record) {
	level := accessLevel(r.Status)
	if !f.takes(level) {
		return
	}
	var room [24]zap.Field
	fields := room[:0]
	text := func(key, value string) {
		if value != "" {
			fields = append(fields, zap.String(key, value))
		}
	}
	flag := func(key string, value bool) {
		if value {
			fields = append(fields, zap.Bool(key, true))
		}
	}
	if r.IP.IsValid() {
		text("ip", r.IP.String())
	}
	text("ip_from", r.IPFrom)
	if r.Peer.IsValid() {
		text("peer", r.Peer.String())
	}
	text("country", r.Origin.Country)
	text("city", r.Origin.City)
	text("network", r.Origin.Network)
	text("account", r.Account)
	text("tenant", r.Tenant)
	text("method", r.Method)
	text("path", r.Path)
	text("query", r.Query)
	text("host", r.Host)
	text("protocol", r.Protocol)
	fields = append(fields, zap.Int("status", r.Status), zap.Int64("bytes", r.Bytes), zap.Int64("duration_ns", int64(r.Duration)))
	text("user_agent", r.UserAgent)
	text("referrer", r.Referrer)
	text("request", r.RequestID)
	text("memo", r.Memo)
	if len(r.Attributes) > 0 {
		fields = append(fields, zap.Any("attributes", r.Attributes))
	}
	flag("aborted", r.Aborted)
	flag("panic", r.Panic)
	flag("hijacked", r.Hijacked)

	e := line.Entry{Time: r.Time, Level: level, Kind: line.KindAccess, Topic: topicApplication, Message: r.Method + " " + r.Path}
	if r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden {
		e.Topic = topicSecurity
	}
	_, _ = s.append(f, owner, &e, fields)
}
