package otlp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/steplog/steplog/export/otlp"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

func ExampleSend() {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path, r.Header.Get("Content-Type"))
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer collector.Close()
	store := logger.OpenMemory(nil)
	defer store.Close()
	store.Server("edge-1").Service("orders").Info("started")

	ctx := context.Background()
	n, err := otlp.Send(ctx, collector.URL+"/v1/logs", store.Query().All(ctx, query.Filter{Service: "orders"}), nil)
	fmt.Println(n, err)
	// Output:
	// POST /v1/logs application/x-protobuf
	// 1 <nil>
}

func ExampleWriteJSON() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	store.Server("edge-1").Service("orders").Info("started")

	n, err := otlp.WriteJSON(io.Discard, store.Query().All(context.Background(), query.Filter{Service: "orders"}))
	fmt.Println(n, err)
	// Output: 1 <nil>
}
