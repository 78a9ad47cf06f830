package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"
)

// exchange is a request of the handler's tests with its answer.
type exchange struct {
	Method        string      `json:"method"`
	URL           string      `json:"url"`
	RequestHeader http.Header `json:"requestHeader"`
	Status        int         `json:"status"`
	Header        http.Header `json:"header"`
	Body          string      `json:"body"`
}

// document loads the OpenAPI document.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join("..", "..", "query", "httpapi", "openapi.yaml"))
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context(), openapi3.IsOpenAPI31OrLater()))
	at, err := url.Parse("https://logs.example.com/api/openapi.yaml")
	require.NoError(t, err)
	server, err := at.Parse(doc.Servers[0].URL)
	require.NoError(t, err)
	require.Equal(t, "/api/", server.Path, "a client that is made from the document asks elsewhere than where the handler is mounted")
	doc.Servers = nil // the router takes paths for whole ones
	return doc
}

// TestAnswersAreThoseOfTheDocument runs the handler's tests and holds every
// answer against the OpenAPI document.
func TestAnswersAreThoseOfTheDocument(t *testing.T) {
	doc := document(t)
	router, err := gorillamux.NewRouter(doc)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "answers")
	command(t, "go", "test", "-count=1", "./query/httpapi", "-record", file)
	text, err := os.ReadFile(file)
	require.NoError(t, err)

	checked, ok := 0, map[string]bool{}
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		var e exchange
		err := d.Decode(&e)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if check(t, router, &e, ok) {
			checked++
		}
	}
	t.Logf("%d answers checked", checked)
	require.Greater(t, checked, 500)
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if path != "/tail" { // its answer does not end
				require.True(t, ok[method+" "+path], "no test has %s %s succeed", method, path)
			}
		}
	}
}

// check validates one answer; it reports whether the document has a word on it.
func check(t *testing.T, router routers.Router, e *exchange, ok map[string]bool) bool {
	t.Helper()
	method := e.Method
	if method == http.MethodHead {
		method, e.Body = http.MethodGet, ""
	}
	u, err := url.ParseRequestURI(strings.TrimPrefix(e.URL, "/api/v1"))
	if err != nil {
		return false // no path at all
	}
	route, params, err := router.FindRoute(&http.Request{Method: method, URL: u, Header: e.RequestHeader})
	if err != nil {
		require.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, e.Status, "%s %s", e.Method, e.URL)
		return false
	}
	// Where the handler without a store or for reading only was asked, a path of
	// the document is not there.
	if e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusNotFound && strings.Contains(e.Body, "nothing at this path") {
		return false
	}
	plain := !strings.HasPrefix(e.Header.Get("Content-Type"), "application/json") || e.Method == http.MethodHead
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: &http.Request{Method: method, URL: u}, PathParams: params, Route: route},
		Status:                 e.Status, Header: e.Header, Body: io.NopCloser(strings.NewReader(e.Body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: plain},
	})
	require.NoError(t, err, "%s %s: %d %s", e.Method, e.URL, e.Status, e.Body)
	if plain && e.Status/100 == 2 && e.Status != http.StatusNoContent && e.Method != http.MethodHead {
		kind, _, _ := strings.Cut(e.Header.Get("Content-Type"), ";")
		content := route.Operation.Responses.Status(e.Status).Value.Content
		require.True(t, slices.Contains(slices.Collect(keys(content)), kind), "%s %s: %s is not among the document's types", e.Method, e.URL, kind)
	}
	if e.Status/100 == 2 {
		ok[method+" "+route.Path] = true
	}
	return true
}

func keys(c openapi3.Content) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range c {
			if !yield(key) {
				return
			}
		}
	}
}
