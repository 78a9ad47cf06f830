package access_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

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
