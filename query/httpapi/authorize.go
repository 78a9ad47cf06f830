package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/steplog/steplog/internal/line"
)

// Permission is what a request needs.
type Permission string

// The permissions. Records of kind access, and the files that hold access and
// audit records, need AccessRead and AuditRead, for all projects, beside the
// permission of the endpoint.
const (
	LogsRead      Permission = "logs.read"
	LogsTail      Permission = "logs.tail"
	LogsExport    Permission = "logs.export"
	AuditRead     Permission = "audit.read"
	AccessRead    Permission = "access.read"
	FilesRead     Permission = "files.read"
	FilesDelete   Permission = "files.delete"
	SettingsRead  Permission = "settings.read"
	SettingsWrite Permission = "settings.write"
)

// narrows reports whether what a permission is for can be narrowed to projects. The
// rest is refused to who sees some only.
func (p Permission) narrows() bool {
	return p == LogsRead || p == LogsTail || p == LogsExport || p == AuditRead
}

var (
	// ErrUnauthenticated is what Authorize returns when it is not known who
	// asks: the answer is 401.
	ErrUnauthenticated = errors.New("httpapi: not authenticated")
	// ErrForbidden is what Authorize returns when who asks may not: the answer is
	// 403.
	ErrForbidden = errors.New("httpapi: forbidden")
)

// Principal is who asks, and what they may see. The zero value sees nothing.
type Principal struct {
	// ID names who asks, in the audit trail too. Limits for one principal go by
	// it.
	ID string
	// Email is an address for the audit trail, "" for none.
	Email string
	// AllProjects is whether everything may be seen, records without a project,
	// files and settings included.
	AllProjects bool
	// Projects are the projects that may be seen when AllProjects is false, at
	// most [query.MaxFilterValues]; "" is none.
	Projects []string
}

// AllowAll allows everything to everybody. Use it where something in front of
// the handler has decided already.
func AllowAll() func(*http.Request, Permission) (Principal, error) {
	return func(*http.Request, Permission) (Principal, error) {
		return Principal{ID: "anonymous", AllProjects: true}, nil
	}
}

// LoopbackOnly allows everything to requests from this machine, and nothing to
// others. A request counts as one from this machine when its peer and its Host
// are loopback and no header says that a proxy passed it on: a page that has its
// name resolved to 127.0.0.1 is refused. A proxy on this machine that adds no such
// header, as nginx does not unless it is told to, lets everybody in.
func LoopbackOnly() func(*http.Request, Permission) (Principal, error) {
	return func(r *http.Request, _ Permission) (Principal, error) {
		for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
			if r.Header.Get(header) != "" {
				return Principal{}, ErrForbidden
			}
		}
		if !loopback(r.RemoteAddr) || !loopback(r.Host) {
			return Principal{}, ErrForbidden
		}
		return Principal{ID: "loopback", AllProjects: true}, nil
	}
}

// loopback reports whether a host, with or without a port, is this machine.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// Token allows everything to whoever has one secret, as the principal p. It is
// read with [RequestToken] and compared in constant time. An empty secret lets
// nobody in.
func Token(secret string, p Principal) func(*http.Request, Permission) (Principal, error) {
	want := sha256.Sum256([]byte(secret))
	return func(r *http.Request, _ Permission) (Principal, error) {
		got := sha256.Sum256([]byte(RequestToken(r)))
		if secret == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			return Principal{}, ErrUnauthenticated
		}
		return p, nil
	}
}

// RequestToken returns the token of a request: that of "Authorization: Bearer
// x", else "Authentication: x". It is "" when there is none, and when a header
// is there more than once.
func RequestToken(r *http.Request) string {
	for _, header := range []string{"Authorization", "Authentication"} {
		values := r.Header[header]
		switch len(values) {
		case 0:
			continue
		case 1:
		default:
			return ""
		}
		value := strings.TrimSpace(values[0])
		scheme, token, _ := strings.Cut(value, " ")
		switch {
		case strings.EqualFold(scheme, "Bearer"):
			return strings.TrimSpace(token)
		case header == "Authentication":
			return value
		}
	}
	return ""
}

// authorize asks the host; whatever goes wrong is no permission.
func (a *api) authorize(r *http.Request, p Permission) (who Principal, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			a.options.OnProblem(fmt.Errorf("httpapi: Authorize panicked: %s", line.PanicText(cause)))
			who, err = Principal{}, &failure{status: http.StatusServiceUnavailable, message: "Permissions cannot be checked now."}
		}
	}()
	who, err = a.options.Authorize(r, p)
	// To an engine "" is what records without a project have.
	who.Projects = slices.DeleteFunc(slices.Clone(who.Projects), func(project string) bool { return project == "" })
	switch {
	case err == nil && !who.AllProjects && len(who.Projects) == 0:
		return Principal{}, errForbidden
	case err == nil:
		return who, nil
	case errors.Is(err, ErrUnauthenticated):
		return Principal{}, errUnauthenticated
	case errors.Is(err, ErrForbidden):
		return Principal{}, errForbidden
	default:
		a.options.OnProblem(fmt.Errorf("httpapi: Authorize: %w", err))
		return Principal{}, &failure{status: http.StatusServiceUnavailable, message: "Permissions cannot be checked now."}
	}
}

// The refusals, in the words of the API's document.
var (
	errUnauthenticated = &failure{status: http.StatusUnauthorized,
		message: "Authentication required. Please provide a valid API key or token."}
	errForbidden = &failure{status: http.StatusForbidden,
		message: "You do not have permission to access API logs."}
)
