package httpapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/httpapi"
)

var (
	update = flag.Bool("update", false, "write the golden files under testdata anew")
	record = flag.String("record", "", "`file` to append every request and its answer to, as JSON a line")
)

// server is a store in memory behind a handler.
type server struct {
	*logger.Store
	http.Handler
	now atomic.Pointer[time.Time]
}

// start is when the document's example was logged.
const start = "2023-06-23T11:33:17.186Z"

// serve returns a server; adjust may change the options.
func serve(t testing.TB, adjust func(*httpapi.Options)) *server {
	t.Helper()
	s := new(server)
	s.set(t, start)
	s.Store = logger.OpenMemory(&logger.Options{
		Level:     levels.Trace,
		Clock:     func() time.Time { return *s.now.Load() },
		OnProblem: func(err error) { t.Errorf("the store reports: %v", err) },
	})
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	s.Handler = handler(t, s.Query(), s.Store, adjust)
	return s
}

// handler returns a handler that fails the test when something goes wrong
// inside.
func handler(t testing.TB, e *query.Engine, store *logger.Store, adjust func(*httpapi.Options)) http.Handler {
	t.Helper()
	options := &httpapi.Options{Authorize: httpapi.AllowAll(), Store: store, ExternalURL: "https://logs.example.com/api",
		OnProblem: func(err error) { t.Errorf("the handler reports: %v", err) }}
	if adjust != nil {
		adjust(options)
	}
	h, err := httpapi.New(e, options)
	require.NoError(t, err)
	return h
}

func (s *server) set(t testing.TB, now string) {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, now)
	require.NoError(t, err)
	s.now.Store(&at)
}

// answer is what a request was answered with.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request to a handler and keeps request and answer when -record
// asks for it.
func do(t testing.TB, h http.Handler, method, target, body string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "logs.example.com"
	r.Header.Set("Authorization", "Bearer token")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	result := w.Result()
	text, err := io.ReadAll(result.Body)
	require.NoError(t, err)
	a := answer{result.StatusCode, result.Header, string(text)}
	keep(t, r, body, a)
	return a
}

var recording sync.Mutex

func keep(t testing.TB, r *http.Request, body string, a answer) {
	if *record == "" {
		return
	}
	line, err := json.Marshal(map[string]any{"method": r.Method, "url": r.URL.RequestURI(), "requestHeader": r.Header, "request": body,
		"status": a.status, "header": a.header, "body": a.body})
	require.NoError(t, err)
	recording.Lock()
	defer recording.Unlock()
	file, err := os.OpenFile(*record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = file.Write(append(line, '\n'))
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// get asks for something that must be there, and returns the answer's JSON.
func (s *server) get(t testing.TB, target string) map[string]any {
	t.Helper()
	a := do(t, s, http.MethodGet, target, "")
	require.Equal(t, http.StatusOK, a.status, "%s: %s", target, a.body)
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	return decode(t, a.body)
}

// data is the part of an answer that the envelope holds.
func (s *server) data(t testing.TB, target string) map[string]any {
	t.Helper()
	whole := s.get(t, target)
	require.Equal(t, "success", whole["status"])
	require.Len(t, whole, 2)
	return whole["data"].(map[string]any)
}

// refused asks for something that must be refused, and returns the message.
func (s *server) refused(t testing.TB, status int, target string) string {
	t.Helper()
	a := do(t, s, http.MethodGet, target, "")
	return refusal(t, status, a)["message"].(string)
}

// refusal checks the form of an error.
func refusal(t testing.TB, status int, a answer) map[string]any {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	e := decode(t, a.body)
	require.Equal(t, "error", e["status"])
	require.NotEmpty(t, e["message"])
	return e
}

// decode keeps numbers as they are written.
func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v map[string]any
	require.NoError(t, d.Decode(&v), text)
	return v
}

// golden compares JSON with a file under testdata, which -update writes.
func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		var b bytes.Buffer
		require.NoError(t, json.Indent(&b, []byte(got), "", "  "))
		require.NoError(t, os.MkdirAll("testdata", 0o700))
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.JSONEq(t, string(want), got)
}

// example logs what the integrator's document shows, and some lines.
func (s *server) example(t testing.TB) {
	t.Helper()
	flow := s.Server("edge-1").Service("orders").Operation("123456-12345-1234", logger.DisplayName("price"))
	ctx, run := flow.Start(t.Context(), logger.ID("asdefgh-12345-9875"), logger.Project("98765-9876-9875"),
		logger.TriggeredBy("test@akinon.com\n"), logger.Input(map[string]any{"full": true}))
	s.set(t, "2023-06-23T11:33:17.898Z")
	stepCtx, login := logger.StartStep(ctx, "login", logger.DisplayName("Login"), logger.ID("step-login"), logger.Order(2))
	login.Add(query.Counts{Processed: 1})
	logger.FromContext(stepCtx).Info("logged in", zap.String("user", "erp"))
	s.set(t, "2023-06-23T11:33:18.46Z")
	stepCtx, read := logger.StartStep(ctx, "read_data_from_erp", logger.DisplayName("Read Data From ERP"), logger.ID("step-read"),
		logger.Order(4), logger.Input(map[string]any{"table": "prices"}))
	read.Add(query.Counts{Processed: 1})
	for _, sku := range []string{"examplesku", "othersku"} {
		logger.FromContext(stepCtx).Label("price").Info("read", zap.String("sku", sku), zap.Dict("price", zap.Int("net", 42)))
	}
	s.set(t, "2023-06-23T11:33:42.00073Z")
	login.End(nil, nil)
	s.set(t, "2023-06-23T11:33:42.000768Z")
	read.End(map[string]any{"rows": 2}, nil)
	_ = run
}

// pathOf is a path with parameters in pairs.
func pathOf(path string, pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return path + "?" + v.Encode()
}
