package main

import (
	"context"
	"errors"
	"html/template"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/query"
)

// pageText is the page: the newest runs and what was done to the flows.
const pageText = `<!doctype html><title>Engine</title><h1>Runs</h1><table>
{{range .Runs}}<tr><td>{{.Started.Format "15:04:05.000"}}<td>{{.OperationName}}<td>{{.Outcome}}<td>{{.Duration}}
{{end}}</table><h1>Audit</h1><table>
{{range .Audit}}<tr><td>{{.Time.Format "15:04:05.000"}}<td>{{.Title}}<td>{{.Actor.Email}}<td>{{.Target.Name}}<td>{{len .Changes}} changes
{{end}}</table>
`

// handler serves the page behind the middleware that keeps access_log.log.
func (p *program) handler() (http.Handler, error) {
	text, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, err
	}
	show := func(w http.ResponseWriter, r *http.Request) {
		access.SetAccount(r.Context(), operator.Email, "Example Ltd")
		runs, err := p.store.Query().MainLogs(r.Context(), query.RunFilter{}, query.Paging{Limit: 20})
		if err == nil {
			var done query.Page[audit.Record]
			if done, err = p.store.Query().Audit(r.Context(), query.AuditFilter{Modules: []string{"flow"}}, query.Paging{Limit: 20}); err == nil {
				err = text.Execute(w, map[string]any{"Runs": runs.Items, "Audit": done.Items})
			}
		}
		if err != nil {
			access.SetMemo(r.Context(), err.Error())
			http.Error(w, "the log cannot be read", http.StatusInternalServerError)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", show)
	return p.store.Access().Middleware(mux), nil
}

// servePage serves the page on loopback. With an address it does so until ctx
// ends; without one it takes any port, asks for the page once, so that there is
// a request to see in the access log, and stops.
func (p *program) servePage(ctx context.Context, address string) (err error) {
	handler, err := p.handler()
	if err != nil {
		return err
	}
	wait := address != ""
	if !wait {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if wait {
		_, _ = io.WriteString(p.progress, "serving http://"+listener.Addr().String()+"/ until interrupted\n")
		<-ctx.Done()
	} else {
		err = fetch(context.WithoutCancel(ctx), "http://"+listener.Addr().String()+"/")
	}
	err = errors.Join(err, server.Shutdown(context.WithoutCancel(ctx)))
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// fetch asks for a page.
func fetch(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New("the page: " + resp.Status)
	}
	return err
}
