package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/httpapi"
)

// acts is a server whose trail may keep queries, with one run and one file.
func acts(t *testing.T, queries bool) (*server, string) {
	t.Helper()
	store, err := logger.Open(t.TempDir(), &logger.Options{Audit: &audit.Options{RecordQueries: queries},
		OnProblem: func(err error) { t.Errorf("the store reports: %v", err) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	s := &server{Store: store}
	s.Handler = handler(t, store.Query(), store, func(o *httpapi.Options) {
		o.Authorize = httpapi.Token("token", httpapi.Principal{ID: "ann", Email: "ann@example.com", AllProjects: true})
	})
	_, run := s.Server("edge-1").Service("orders").Operation("flow-1").Start(t.Context(), logger.Project("p-1"), logger.ID("run-1"))
	run.Info("a line")
	run.End(nil)
	page, err := store.Query().MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
	require.NoError(t, err)
	return s, strconv.FormatUint(page.Items[0].ID, 10)
}

// trail returns what ann did, oldest first.
func (s *server) trail(t *testing.T) []audit.Record {
	t.Helper()
	page, err := s.Query().Audit(t.Context(), query.AuditFilter{User: "ann@example.com"}, query.Paging{Oldest: true, Limit: 1000})
	require.NoError(t, err)
	return page.Items
}

// TestRefusedChangeIsNotAudited: of a rule that was not set there is nothing to put back.
func TestRefusedChangeIsNotAudited(t *testing.T) {
	t.Parallel()
	s, _ := acts(t, false)
	s.Audit()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(gone, http.MethodPut, "/settings", strings.NewReader(`{"files":{"email":{"copies":1}}}`))
	r.Header.Set("Authorization", "Bearer token")
	r.Header.Set("Content-Type", "application/json")
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { s.ServeHTTP(httptest.NewRecorder(), r) })
	require.Zero(t, s.FileRule("email"))
	require.Empty(t, s.trail(t))
}

func TestTakingOutIsAudited(t *testing.T) {
	t.Parallel()
	s, id := acts(t, false)
	ask := func(target string) {
		t.Helper()
		require.Equal(t, http.StatusOK, do(t, s, http.MethodGet, target, "").status, target)
	}
	ask("/export?format=csv") // nothing is recorded before there is a trail
	s.Audit()

	ask("/export?format=ndjson&flowId=flow-1&project=p-1&search=%22a+line%22&runId=run-1")
	ask("/logs/download?projectId=p-1&flowId=flow-1&id=" + id)
	ask("/files/download?name=user.log&name=usage.log")
	ask("/files/user.log/content")
	for _, target := range []string{"/logs", "/entries", "/logs/" + id, "/files/user.log", "/audit", "/access", "/runs/run-1/steps", "/files", "/settings", "/stats"} {
		ask(target) // looking is not kept
	}
	taken := len(s.trail(t))
	for _, target := range []string{"/export", "/logs/download?projectId=p-1&flowId=flow-1&id=" + id, "/files/download", "/files/user.log/content"} {
		require.Equal(t, http.StatusOK, do(t, s, http.MethodHead, target, "").status, "%s takes nothing", target)
	}
	require.Len(t, s.trail(t), taken)

	var got []string
	for _, r := range s.trail(t) {
		got = append(got, r.Event+" "+r.Target.Type+" "+r.Target.ID)
	}
	require.Equal(t, []string{"steplog.log.exported log records", "steplog.log.exported log log " + id, "steplog.log.downloaded file user.log",
		"steplog.log.downloaded file usage.log", "steplog.log.downloaded file user.log"}, got)
	exported := s.trail(t)[0]
	require.Equal(t, "192.0.2.1", exported.IP, "httptest's peer")
	require.Equal(t, []string{"flow-1", "p-1", "run-1"}, []string{exported.FlowID, exported.Project, exported.Run})
}

func TestAnExportIsToldOfBeforeItsFirstByte(t *testing.T) {
	t.Parallel()
	s, _ := acts(t, false)
	s.Audit()
	limited := handler(t, s.Query(), s.Store, func(o *httpapi.Options) {
		o.Authorize = httpapi.Token("token", httpapi.Principal{ID: "ann", Email: "ann@example.com", Projects: []string{"p-1"}})
	})
	for _, h := range []http.Handler{s, limited} {
		for _, format := range []string{"ndjson", "csv", "otlp"} {
			r := httptest.NewRequest(http.MethodGet, "/export?kind=line&format="+format, nil)
			r.Host = "logs.example.com"
			r.Header.Set("Authorization", "Bearer token")
			before, then := len(s.trail(t)), 0
			w := &leaver{ResponseRecorder: httptest.NewRecorder(), began: func() { then = len(s.trail(t)) }}
			h.ServeHTTP(w, r)
			require.Contains(t, w.Body.String(), "a line")
			require.Equal(t, before+1, then, format)
			require.Len(t, s.trail(t), then, format)
		}
	}
}

// leaver is a client that is told of the first bytes it gets.
type leaver struct {
	*httptest.ResponseRecorder
	began func()
	once  sync.Once
}

func (l *leaver) Write(p []byte) (int, error) {
	l.once.Do(l.began)
	return l.ResponseRecorder.Write(p)
}

func (l *leaver) Flush() {
	l.ResponseRecorder.Flush()
	l.once.Do(l.began)
}

func TestLookingIsAuditedOnRequest(t *testing.T) {
	t.Parallel()
	s, id := acts(t, true)
	s.Audit()
	// looked is the target of the one act that looking at something adds.
	looked := func(t *testing.T, look func()) audit.Target {
		t.Helper()
		before := len(s.trail(t))
		look()
		acts := s.trail(t)
		require.Len(t, acts, before+1)
		require.Equal(t, "steplog.log.viewed", acts[before].Event)
		return acts[before].Target
	}
	for _, target := range []string{"/logs", "/logs?log_type=1&flowId=flow-1&projectid=p-1", "/logs/" + id, "/logs/" + id + "/context", "/entries?runId=run-1",
		"/runs/run-1/steps", "/audit", "/audit/0", "/access"} {
		require.Equal(t, "log", looked(t, func() {
			require.Equal(t, http.StatusOK, do(t, s, http.MethodGet, target, "").status, target)
		}).Type, target)
	}
	t.Run("a file", func(t *testing.T) {
		require.Equal(t, audit.Target{Type: "file", ID: "user.log"}, looked(t, func() { s.data(t, "/files/user.log?head=1") }))
	})
	t.Run("a tail, before the client hears that it began", func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/tail?search=nothing", nil)
		r.Host = "logs.example.com"
		r.Header.Set("Authorization", "Bearer token")
		before, then := len(s.trail(t)), 0
		s.ServeHTTP(&leaver{ResponseRecorder: httptest.NewRecorder(), began: func() { then = len(s.trail(t)); leave() }}, r)
		acts := s.trail(t)
		require.Len(t, acts, before+1)
		require.Equal(t, audit.Target{Type: "log", ID: "records"}, acts[before].Target)
		require.Equal(t, before+1, then)
	})
	t.Run("what was refused, and what only describes, is not", func(t *testing.T) {
		before := len(s.trail(t))
		for _, target := range []string{"/logs?limit=0", "/logs/999", "/settings", "/histogram", "/facets?field=level", "/stats", "/files", "/healthz", "/openapi.yaml"} {
			do(t, s, http.MethodGet, target, "")
			require.Equal(t, before, len(s.trail(t)), target)
		}
	})
}
