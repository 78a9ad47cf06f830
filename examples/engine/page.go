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

// page returns what shows the page.
func (p *program) page() (http.HandlerFunc, error) {
	text, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, err
	}
	return func(w http.ResponseWriter, r *http.Request) {
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
	}, nil
}

// showPage serves the page on a loopback port of its own and asks for it once, so
// that there is a request to see in access_log.log.
func (p *program) showPage(ctx context.Context) error {
	page, err := p.page()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: p.store.Access().Middleware(page), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	err = errors.Join(fetch(ctx, "http://"+listener.Addr().String()+"/"), server.Shutdown(ctx))
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
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
