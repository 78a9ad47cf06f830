package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query/httpapi"
)

func ExampleNew() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	store.Server("edge-1").Service("orders").Info("started")

	api, err := httpapi.New(store.Query(), &httpapi.Options{
		Store:     store,
		Authorize: httpapi.Token("s3cret", httpapi.Principal{ID: "admin", AllProjects: true}),
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", http.StripPrefix("/api", api))
	server := httptest.NewServer(mux)
	defer server.Close()

	for _, token := range []string{"wrong", "s3cret"} {
		r, err := http.NewRequest(http.MethodGet, server.URL+"/api/export?format=csv&service=orders&columns=level,message", nil)
		if err != nil {
			panic(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		fmt.Print(answer.StatusCode, " ", string(body))
	}
	http.DefaultClient.CloseIdleConnections()
	// Output:
	// 401 {"status":"error","message":"Authentication required. Please provide a valid API key or token."}
	// 200 level,message
	// info,started
}

// The integrator's document and the API's have one path: a host that wants only
// one of them, or each at a place of its own, mounts them apart.
func ExampleFlowHandler() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	options := &httpapi.Options{Authorize: httpapi.LoopbackOnly()}
	flows, err := httpapi.FlowHandler(store.Query(), options)
	if err != nil {
		panic(err)
	}
	logs, err := httpapi.APIHandler(store.Query(), options)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/integrator/", http.StripPrefix("/integrator", flows))
	mux.Handle("/v1/", http.StripPrefix("/v1", logs))
	r := httptest.NewRequest(http.MethodGet, "http://localhost/v1/logs?service=nobody", nil)
	r.RemoteAddr = "127.0.0.1:50000"
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output: 200
}

// A live tail would keep Shutdown waiting: its context ends first, then the server,
// then the store.
func ExampleNew_shutdown() {
	store := logger.OpenMemory(nil)
	api, err := httpapi.New(store.Query(), &httpapi.Options{Authorize: httpapi.AllowAll()})
	if err != nil {
		panic(err)
	}
	tails, stop := context.WithCancel(context.Background())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := &http.Server{Handler: api, BaseContext: func(net.Listener) context.Context { return tails }}
	go server.Serve(listener)

	answer, err := http.Get("http://" + listener.Addr().String() + "/tail?service=orders")
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	store.Server("edge-1").Service("orders").Info("started")
	for events := bufio.NewScanner(answer.Body); events.Scan(); {
		if data, ok := strings.CutPrefix(events.Text(), "data: "); ok {
			fmt.Println(strings.Contains(data, `"message":"started"`))
			break
		}
	}

	stop()
	fmt.Println(server.Shutdown(context.Background()), store.Close())
	// Output:
	// true
	// <nil> <nil>
}
