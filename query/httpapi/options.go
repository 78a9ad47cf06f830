package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// ErrOptions is returned by [New], [FlowHandler] and [APIHandler] for options
// that cannot be used; the error says which.
var ErrOptions = errors.New("httpapi: invalid options")

// Options are the settings of a handler. Authorize must be set; the zero value
// of everything else is ready to use.
type Options struct {
	// Authorize decides who asks and whether they may. It is called for each
	// request but those for /healthz and /openapi.yaml, after its path and method
	// were found and before anything else is looked at, and again where an answer
	// needs a further permission. It returns [ErrUnauthenticated] or [ErrForbidden],
	// or an error that wraps one of them, to refuse; any other error, and a panic, is
	// answered with 503. It is called from many goroutines. For the access log it may
	// say who asks, by access.SetAccount with the request's context.
	//
	// [Token], [LoopbackOnly] and [AllowAll] are ready to use.
	Authorize func(*http.Request, Permission) (Principal, error)
	// Store is the store that the engine belongs to: with it the handler serves
	// files, settings and figures. nil leaves those out.
	Store *logger.Store
	// ExternalURL is where the handler's root is seen from outside, such as
	// "https://logs.example.com/api". "" makes links from each request: from its
	// path as it came in, its Host, and https when it came over TLS. Pages of that
	// host may ask for changes, by whatever Host a proxy asks.
	ExternalURL string
	// ReadOnly turns off what changes anything: PUT and DELETE.
	ReadOnly bool
	// Timeout is how long one question may take: 0 means 30 s.
	Timeout time.Duration
	// MaxQueries is how many questions are answered at a time: 0 means four for
	// each CPU, and 8 at least. Exports and downloads have as many places of
	// their own, so that slow readers do not keep questions out.
	MaxQueries int
	// OnProblem hears of errors that are answered with 500 or break an answer off,
	// and of panics. It may be called from any goroutine.
	OnProblem func(error)
}

// complete returns a checked copy with defaults filled in.
func (o *Options) complete(e *query.Engine) (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	switch {
	case e == nil:
		return c, fmt.Errorf("%w: there is no engine", ErrOptions)
	case c.Authorize == nil:
		return c, fmt.Errorf("%w: Authorize is not set; say AllowAll or LoopbackOnly if that is meant", ErrOptions)
	case c.Timeout < 0:
		return c, fmt.Errorf("%w: Timeout is negative (%v)", ErrOptions, c.Timeout)
	case c.MaxQueries < 0:
		return c, fmt.Errorf("%w: MaxQueries is negative (%d)", ErrOptions, c.MaxQueries)
	}
	if c.ExternalURL != "" {
		u, err := url.Parse(c.ExternalURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return c, fmt.Errorf("%w: ExternalURL %q is no http or https URL without a query", ErrOptions, c.ExternalURL)
		}
		c.ExternalURL = strings.TrimSuffix(c.ExternalURL, "/")
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.MaxQueries == 0 {
		c.MaxQueries = max(8, 4*runtime.GOMAXPROCS(0))
	}
	if c.OnProblem == nil {
		c.OnProblem = func(error) {}
	}
	return c, nil
}

// pageOrigin returns the origin of pages at a URL that was checked, as browsers say it:
// in lower case, and without the port that its scheme has anyway.
func pageOrigin(external string) string {
	u, _ := url.Parse(external)
	port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return u.Scheme + "://" + strings.TrimSuffix(strings.ToLower(u.Host), port)
}

// New returns a handler that serves everything the package can, over e. It
// returns an error that wraps [ErrOptions] when options.Authorize is not set or
// something else cannot be used. The handler is safe for concurrent use and
// starts nothing that outlives its requests.
func New(e *query.Engine, options *Options) (http.Handler, error) {
	return newAPI(e, options, (*api).routes)
}

// FlowHandler returns a handler for the integrator's document alone: GET /logs
// with log_type, and GET /logs/download. Options and errors are those of [New].
func FlowHandler(e *query.Engine, options *Options) (http.Handler, error) {
	return newAPI(e, options, func(*api) []route {
		return []route{
			{"GET /logs", LogsRead, question, (*request).flowLogs},
			{"GET /logs/download", LogsRead, stream, (*request).download},
		}
	})
}

// APIHandler returns a handler for the API's document alone: GET /logs with
// offset and dates. Options and errors are those of [New].
func APIHandler(e *query.Engine, options *Options) (http.Handler, error) {
	return newAPI(e, options, func(*api) []route {
		return []route{{"GET /logs", LogsRead, question, (*request).apiLogs}}
	})
}
