package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query/httpapi"
	"go.uber.org/zap"
)

// tokenVariable is the environment variable with the token of the HTTP API.
const tokenVariable = "STEPLOG_TOKEN"

// serve serves the log's HTTP API, and the page, until stop is called. Requests
// are in access_log.log.
func (p *program) serve() (stop func() error, err error) {
	authorize, err := p.authorizer()
	if err != nil {
		return nil, err
	}
	site, err := p.site(authorize)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", p.addr)
	if err != nil {
		return nil, err
	}
	// Live tails last as long as their context: it ends before Shutdown waits.
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{
		Handler: p.store.Access().Middleware(site), BaseContext: func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintf(p.progress, "serving http://%s\n", listener.Addr())
	return func() error {
		cancel()
		wait, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		err := server.Shutdown(wait)
		if err != nil {
			err = errors.Join(err, server.Close())
		}
		if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
			err = errors.Join(err, failed)
		}
		return err
	}, nil
}

// authorizer decides who may ask: whoever has the token where one is set, else
// this machine alone.
func (p *program) authorizer() (func(*http.Request, httpapi.Permission) (httpapi.Principal, error), error) {
	allow := httpapi.LoopbackOnly()
	if token := os.Getenv(tokenVariable); token != "" {
		allow = httpapi.Token(token, httpapi.Principal{ID: "token", AllProjects: true})
		if err := p.store.AddSecret(token); err != nil {
			return nil, fmt.Errorf("%s: %w", tokenVariable, err)
		}
	} else if !isLoopback(p.addr) {
		return nil, fmt.Errorf("-addr %s is seen by others: set %s, or use 127.0.0.1", p.addr, tokenVariable)
	}
	// The access log says whose token it was.
	return func(r *http.Request, permission httpapi.Permission) (httpapi.Principal, error) {
		who, err := allow(r, permission)
		if err == nil {
			access.SetAccount(r.Context(), who.ID, "")
		}
		return who, err
	}, nil
}

// site is the HTTP API, with the page at its root.
func (p *program) site(authorize func(*http.Request, httpapi.Permission) (httpapi.Principal, error)) (http.Handler, error) {
	log := p.store.Server(engineServer).Service("http").Logger
	api, err := httpapi.New(p.store.Query(), &httpapi.Options{
		Authorize: authorize, Store: p.store,
		OnProblem: func(err error) { log.Error("an answer failed", zap.Error(err)) },
	})
	if err != nil {
		return nil, err
	}
	page, err := p.page()
	if err != nil {
		return nil, err
	}
	// An http.ServeMux would answer //logs with a redirect; the API says 404.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" || r.Method != http.MethodGet {
			api.ServeHTTP(w, r)
			return
		}
		_, err := authorize(r, httpapi.LogsRead)
		if err == nil {
			_, err = authorize(r, httpapi.AuditRead)
		}
		if err != nil {
			http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
			return
		}
		page(w, r)
	}), nil
}

// isLoopback reports whether an address to listen at is seen by this machine
// only.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// schedule runs the flows that repeat, round by round, until ctx ends.
func (p *program) schedule(ctx context.Context) {
	every := time.NewTimer(p.every)
	defer every.Stop()
	for round := 1; ; round++ {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		for _, id := range p.engine.startable("repeat") {
			p.runFlow(ctx, id, fmt.Sprintf("scheduled %d", round), false, logger.Schedule("@every "+p.every.String()))
		}
		every.Reset(p.every)
	}
}
