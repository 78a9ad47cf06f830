package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/httpapi"
)

// backend answers as a test wants it to.
type backend struct {
	find func(context.Context, query.Filter) (query.Result[query.Record], error)
}

func (b *backend) Find(ctx context.Context, f query.Filter, _ query.Window) (query.Result[query.Record], error) {
	return b.find(ctx, f)
}
func (b *backend) Runs(context.Context, query.RunFilter, query.Window) (query.Result[query.MainLog], error) {
	return query.Result[query.MainLog]{}, nil
}
func (b *backend) Steps(context.Context, query.StepFilter, query.Window) (query.Result[query.SubLog], error) {
	return query.Result[query.SubLog]{}, nil
}
func (b *backend) Close() error { return nil }

// tailer is a backend whose tails give one record and then what a test wants.
type tailer struct {
	backend
	fails func() error
}

func (b *tailer) Tail(ctx context.Context, _ query.Filter, _ query.TailOptions) iter.Seq2[query.Tailed, error] {
	return func(yield func(query.Tailed, error) bool) {
		if ctx.Err() != nil || !yield(query.Tailed{Record: query.Record{Seq: 1, Raw: []byte(`{"seq":1}`)}}, nil) {
			return
		}
		if err := b.fails(); err != nil {
			yield(query.Tailed{}, err)
		}
	}
}

func over(t *testing.T, find func(context.Context, query.Filter) (query.Result[query.Record], error), adjust func(*httpapi.Options)) http.Handler {
	return handler(t, query.New(&backend{find}), nil, adjust)
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := over(t, func(ctx context.Context, _ query.Filter) (query.Result[query.Record], error) {
			<-ctx.Done()
			return query.Result[query.Record]{}, ctx.Err()
		}, func(o *httpapi.Options) { o.Timeout = time.Minute })
		began := time.Now()
		e := refusal(t, http.StatusServiceUnavailable, do(t, h, http.MethodGet, "/logs", ""))
		require.Contains(t, e["message"], "narrow the time range")
		require.Equal(t, time.Minute, time.Since(began))
	})
}

// Who sends half of a body has no place for longer than a question has.
func TestHalfABody(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *httpapi.Options) { o.Timeout, o.MaxQueries = 200*time.Millisecond, 1 })
	server := httptest.NewServer(s)
	defer server.Close()
	client, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	_, err = io.WriteString(client, "PUT /settings HTTP/1.1\r\nHost: logs.example.com\r\nAuthorization: Bearer token\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	require.NoError(t, client.SetReadDeadline(time.Now().Add(waitFor)))
	a, err := http.ReadResponse(bufio.NewReader(client), nil)
	require.NoError(t, err)
	defer a.Body.Close()
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.Equal(t, http.StatusOK, do(t, s, http.MethodGet, "/settings", "").status)
}

func TestTooManyQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy, free := make(chan struct{}, 8), make(chan struct{})
		h := over(t, func(context.Context, query.Filter) (query.Result[query.Record], error) {
			busy <- struct{}{}
			<-free
			return query.Result[query.Record]{}, nil
		}, func(o *httpapi.Options) { o.MaxQueries = 2 })
		answers := make(chan answer, 3)
		for range 2 {
			go func() { answers <- do(t, h, http.MethodGet, "/logs", "") }()
		}
		<-busy
		<-busy
		a := do(t, h, http.MethodGet, "/logs", "")
		refusal(t, http.StatusServiceUnavailable, a)
		require.Equal(t, "1", a.header.Get("Retry-After"))
		require.Equal(t, http.StatusOK, do(t, h, http.MethodGet, "/healthz", "").status, "it needs no place")
		go func() { answers <- do(t, h, http.MethodGet, "/logs", "") }() // waits, and is in time
		synctest.Wait()
		close(free)
		for range 3 {
			require.Equal(t, http.StatusOK, (<-answers).status)
		}
	})
}

func TestWhatGoesWrongInside(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err    error
		status int
	}{
		"an error":       {errors.New("disk: /secret/path"), http.StatusInternalServerError},
		"closed":         {query.ErrClosed, http.StatusServiceUnavailable},
		"changing":       {query.ErrChanging, http.StatusServiceUnavailable},
		"not supported":  {query.ErrUnsupported, http.StatusNotImplemented},
		"a wrong filter": {&query.InvalidError{Param: "Search", Reason: "is odd", Err: query.ErrInvalid}, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var heard error
			h := over(t, func(context.Context, query.Filter) (query.Result[query.Record], error) {
				return query.Result[query.Record]{}, test.err
			}, func(o *httpapi.Options) { o.OnProblem = func(err error) { heard = err } })
			for _, target := range []string{"/logs", "/entries", "/export", "/export?format=csv", "/export?format=otlp"} {
				e := refusal(t, test.status, do(t, h, http.MethodGet, target, ""))
				require.NotContains(t, e["message"], "secret", "nothing of the inside gets out")
			}
			if test.status == http.StatusInternalServerError {
				require.ErrorIs(t, heard, test.err)
			} else {
				require.NoError(t, heard)
			}
		})
	}
	t.Run("a panic", func(t *testing.T) {
		t.Parallel()
		var heard error
		h := over(t, func(context.Context, query.Filter) (query.Result[query.Record], error) { panic("no") },
			func(o *httpapi.Options) { o.OnProblem = func(err error) { heard = err } })
		refusal(t, http.StatusInternalServerError, do(t, h, http.MethodGet, "/logs", ""))
		require.ErrorContains(t, heard, "panic: no")
	})
	for what, test := range map[string]struct {
		fails func() error
		heard string
	}{
		"an error":   {func() error { return errors.New("disk: /secret/path") }, "disk: /secret/path"},
		"a panic":    {func() error { panic("no") }, "panic: no"},
		"is closed":  {func() error { return query.ErrClosed }, ""},
		"just stops": {func() error { return nil }, ""},
	} {
		t.Run("a tail that "+what, func(t *testing.T) {
			t.Parallel()
			var heard error
			h := handler(t, query.New(&tailer{fails: test.fails}), nil, func(o *httpapi.Options) { o.OnProblem = func(err error) { heard = err } })
			a := do(t, h, http.MethodGet, "/tail", "")
			require.Equal(t, http.StatusOK, a.status)
			require.Contains(t, a.body, "event: line")
			require.Contains(t, a.body, "event: end")
			require.NotContains(t, a.body, "secret")
			if test.heard == "" {
				require.NoError(t, heard)
			} else {
				require.ErrorContains(t, heard, test.heard)
			}
		})
	}
	t.Run("histogram, facets and tail of a backend without them", func(t *testing.T) {
		t.Parallel()
		h := over(t, func(context.Context, query.Filter) (query.Result[query.Record], error) {
			return query.Result[query.Record]{AsOf: 1}, nil
		}, nil)
		refusal(t, http.StatusNotImplemented, do(t, h, http.MethodGet, "/histogram", ""))
		refusal(t, http.StatusNotImplemented, do(t, h, http.MethodGet, "/facets?field=level", ""))
		refusal(t, http.StatusNotImplemented, do(t, h, http.MethodGet, "/tail", ""))
		refusal(t, http.StatusNotImplemented, do(t, h, http.MethodGet, "/tail?backfill=3", ""))
	})
}

func TestClosedStore(t *testing.T) {
	t.Parallel()
	s, _ := folder(t, nil)
	s.Server("edge-1").Info("a line")
	s.Audit()
	require.NoError(t, s.Close())
	for _, target := range []string{"/logs", "/logs/1", "/entries", "/histogram", "/facets?field=level", "/export", "/export?format=csv", "/tail", "/audit",
		"/audit/0", "/access", "/files", "/files/download", "/files/application.log", "/files/application.log/content", "/settings", "/stats"} {
		require.Equal(t, "The log is closed.", refusal(t, http.StatusServiceUnavailable, do(t, s, http.MethodGet, target, ""))["message"], target)
	}
	refusal(t, http.StatusServiceUnavailable, do(t, s, http.MethodDelete, "/files/application.log?rotate=1", ""))
	refusal(t, http.StatusServiceUnavailable, put(t, s, `{"files":{"email":{"copies":1}}}`))
}

// TestEngineThatLeaks: an engine that does not narrow shows nothing.
func TestEngineThatLeaks(t *testing.T) {
	t.Parallel()
	var asked query.Filter
	h := over(t, func(_ context.Context, f query.Filter) (query.Result[query.Record], error) {
		asked = f
		return query.Result[query.Record]{AsOf: 1, Items: []query.Record{{Seq: 1, Project: "theirs", Kind: query.KindLine,
			Raw: []byte(`{"seq":1,"message":"secret"}`)}}}, nil
	}, func(o *httpapi.Options) {
		o.OnProblem = func(error) {}
		o.Authorize = httpapi.Token("token", httpapi.Principal{ID: "x", Projects: []string{"mine"}})
	})
	for _, target := range []string{"/logs", "/entries", "/logs/1", "/logs/1/context"} {
		a := do(t, h, http.MethodGet, target, "")
		require.GreaterOrEqual(t, a.status, 400)
		require.NotContains(t, a.body, "secret")
	}
	do(t, h, http.MethodGet, "/entries", "")
	require.Equal(t, []string{"mine"}, asked.Projects)
	require.NotContains(t, do(t, h, http.MethodGet, "/export", "").body, "secret")
}

// TestGivenUp: who cannot be answered any more is not told that there is nothing.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	h := over(t, func(ctx context.Context, _ query.Filter) (query.Result[query.Record], error) {
		<-ctx.Done()
		return query.Result[query.Record]{}, ctx.Err()
	}, nil)
	ask := func(ctx context.Context) (*http.Response, error) {
		at := httptest.NewUnstartedServer(h)
		at.Config.BaseContext = func(net.Listener) context.Context { return ctx }
		at.Start()
		defer at.Close()
		return at.Client().Get(at.URL + "/logs")
	}
	t.Run("a server that ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := ask(ctx)
		require.Error(t, err)
	})
	t.Run("a middleware that gives a request its own time", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		answer, err := ask(ctx)
		require.NoError(t, err)
		defer answer.Body.Close()
		require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	})
}

// broken is a writer that panics after the first bytes.
type broken struct {
	*httptest.ResponseRecorder
	wrote bool
}

func (b *broken) Write(p []byte) (int, error) {
	if b.wrote {
		panic("no")
	}
	b.wrote = true
	return b.ResponseRecorder.Write(p)
}

// TestWhatGoesWrongOnTheWay: what breaks an answer off that has begun is told, for nobody
// else will say it.
func TestWhatGoesWrongOnTheWay(t *testing.T) {
	t.Parallel()
	t.Run("a panic", func(t *testing.T) {
		t.Parallel()
		var heard error
		h := over(t, func(context.Context, query.Filter) (query.Result[query.Record], error) {
			line := []byte(`{"seq":1,"message":"` + strings.Repeat("x", 1<<20) + `"}`)
			return query.Result[query.Record]{AsOf: 1, Items: []query.Record{{Seq: 1, Raw: line}}}, nil
		}, func(o *httpapi.Options) { o.OnProblem = func(err error) { heard = err } })
		require.PanicsWithValue(t, http.ErrAbortHandler, func() {
			h.ServeHTTP(&broken{ResponseRecorder: httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/entries", nil))
		})
		require.ErrorContains(t, heard, "panic: no")
	})
	for _, format := range []string{"ndjson", "csv", "otlp"} {
		t.Run("an export as "+format, func(t *testing.T) {
			t.Parallel()
			var heard error
			asked := uint64(0)
			h := over(t, func(context.Context, query.Filter) (query.Result[query.Record], error) {
				if asked++; asked > 9 {
					return query.Result[query.Record]{}, errors.New("the disk is gone")
				}
				message := strings.Repeat("x", 1<<20)
				line := fmt.Appendf(nil, `{"seq":%d,"message":"%s"}`, asked, message)
				return query.Result[query.Record]{AsOf: 99, More: true, Items: []query.Record{{Seq: asked, Message: message, Raw: line}}}, nil
			}, func(o *httpapi.Options) { o.OnProblem = func(err error) { heard = err } })
			done := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(done)
				h.ServeHTTP(w, r)
			}))
			defer server.Close()
			answer, err := server.Client().Get(server.URL + "/export?format=" + format)
			require.NoError(t, err)
			defer answer.Body.Close()
			_, err = io.Copy(io.Discard, answer.Body)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "a client that looks at no trailer takes half for all")
			require.Empty(t, answer.Trailer.Get("Steplog-Whole"))
			<-done
			require.ErrorContains(t, heard, "the disk is gone")
		})
	}
	t.Run("a zip with a file that is damaged", func(t *testing.T) {
		t.Parallel()
		var heard error
		s, dir := folder(t, func(o *httpapi.Options) { o.OnProblem = func(err error) { heard = err } })
		packed := s.closed(t, 0, 300)
		file := filepath.Join(dir, packed)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		clear(text[len(text)/2 : len(text)/2+200])
		require.NoError(t, os.WriteFile(file, text, 0o600))
		require.PanicsWithValue(t, http.ErrAbortHandler, func() { do(t, s, http.MethodGet, "/files/download?name="+packed, "") })
		require.ErrorContains(t, heard, packed)
	})
}
