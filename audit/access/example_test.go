package access_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"time"

	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// The middleware of a store keeps access_log.log. Whoever finds out further in who
// asks says so through the request's context.
func ExampleRecorder_Middleware() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	flows := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		access.SetAccount(r.Context(), "admin@example.com", "Example Ltd")
		http.Error(w, "no such flow", http.StatusNotFound)
	})
	handler := store.Access().Middleware(flows)
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/flows/7", nil))

	page, err := store.Query().Access(context.Background(), query.AccessFilter{MinStatus: 400}, query.Paging{})
	if err != nil {
		panic(err)
	}
	for _, r := range page.Items {
		fmt.Println(r.Account, r.IP, r.Method, r.Path, r.Status)
	}
	// Output:
	// admin@example.com 192.0.2.1 GET /flows/7 404
}

// Without a store the records go where the host says.
func ExampleNew() {
	recorder := access.New(func(r access.Record) {
		fmt.Println(r.Method, r.Path, r.Status, r.Bytes)
	}, nil)
	handler := recorder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/hello", nil))
	// Output:
	// GET /hello 200 5
}

// requests yields two requests.
func requests(yield func(access.Record, error) bool) {
	first := access.Record{
		Time: time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC), IP: netip.MustParseAddr("203.0.113.7"), Account: "ada", Tenant: "Example Ltd",
		Method: "GET", Path: "/flows", Protocol: "HTTP/1.1", Status: 200, Bytes: 512, Duration: 20 * time.Millisecond, UserAgent: "curl/8.5",
	}
	second := first
	second.Method, second.Path, second.Status, second.Bytes = "DELETE", "/flows/7", 403, 0
	_ = yield(first, nil) && yield(second, nil)
}

// The form that log analysers read. A store has the records by Query().AllAccess.
func ExampleNCSA() {
	if err := access.NCSA(os.Stdout, requests); err != nil {
		panic(err)
	}
	// Output:
	// 203.0.113.7 - ada [21/Nov/2026:02:03:04 +0000] "GET /flows HTTP/1.1" 200 512 "-" "curl/8.5"
	// 203.0.113.7 - ada [21/Nov/2026:02:03:04 +0000] "DELETE /flows/7 HTTP/1.1" 403 - "-" "curl/8.5"
}

func ExampleW3C() {
	if err := access.W3C(os.Stdout, requests); err != nil {
		panic(err)
	}
	// Output:
	// #Version: 1.0
	// #Start-Date: 2026-11-21 02:03:04
	// #Fields: date time c-ip cs-username cs-method cs-uri-stem cs-uri-query cs-version sc-status sc-bytes time-taken cs-host cs(User-Agent) cs(Referer) x-tenant x-request-id
	// 2026-11-21 02:03:04.000 203.0.113.7 ada GET /flows - HTTP/1.1 200 512 0.020000 - curl/8.5 - Example+Ltd -
	// 2026-11-21 02:03:04.000 203.0.113.7 ada DELETE /flows/7 - HTTP/1.1 403 0 0.020000 - curl/8.5 - Example+Ltd -
}
