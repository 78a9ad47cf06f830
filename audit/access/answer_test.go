package access_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit/access"
)

// over serves one request over a connection, and returns what the client got and the record.
func over(t *testing.T, h http.HandlerFunc) (*http.Response, access.Record) {
	t.Helper()
	var b book
	server := httptest.NewServer(access.New(b.add, nil).Middleware(h))
	resp, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body) // ends early where the handler says less than it announced
	require.NoError(t, resp.Body.Close())
	server.Close()
	return resp, b.last(t)
}

// A source that has nothing to read sends no status: what the handler says next is the answer.
func TestNothingToCopy(t *testing.T) {
	for name, c := range map[string]struct {
		src  io.Reader
		want int
	}{
		"empty":  {struct{ io.Reader }{strings.NewReader("")}, http.StatusNotFound},
		"fails":  {iotest.ErrReader(io.ErrUnexpectedEOF), http.StatusNotFound},
		"begins": {io.MultiReader(strings.NewReader("a"), iotest.ErrReader(io.ErrUnexpectedEOF)), http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			resp, rec := over(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.Copy(w, c.src)
				w.WriteHeader(http.StatusNotFound)
			})
			require.Equal(t, c.want, resp.StatusCode)
			require.Equal(t, c.want, rec.Status)
			require.False(t, rec.Aborted)
		})
	}
}

// An answer that is shorter than announced was broken off, whoever did.
func TestShortAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		status int
		body   string
		want   bool
	}{
		"short":        {"GET", 200, "abc", true},
		"nothing":      {"GET", 206, "", true},
		"whole":        {"GET", 200, "0123456789", false},
		"HEAD":         {"HEAD", 200, "abc", false},
		"not modified": {"GET", 304, "", false},
		"no content":   {"GET", 204, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			rec, _ := serve(t, nil, httptest.NewRequest(c.method, "/", nil), func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "10")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			require.Equal(t, c.want, rec.Aborted)
		})
	}

	// A file goes past the server's buffers, and so does the news that nobody takes it.
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, make([]byte, 16<<20), 0o600))
	for range 10 {
		var b book
		server := httptest.NewServer(access.New(b.add, nil).Middleware(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			http.ServeFile(w, req, path)
		})))
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_, err = conn.Read(make([]byte, 16))
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).SetLinger(0))
		require.NoError(t, conn.Close())
		server.Close()
		require.Less(t, b.last(t).Bytes, int64(16<<20))
		require.True(t, b.last(t).Aborted)
	}
}

// notifier is a server's writer that tells of a connection that closed, and pushes.
type notifier struct {
	*httptest.ResponseRecorder
	gone   chan bool
	pushed string
}

func (n *notifier) CloseNotify() <-chan bool { return n.gone }

func (n *notifier) Push(target string, _ *http.PushOptions) error {
	n.pushed = target
	return nil
}

// What handlers may ask of a server's writer they may ask of ours: frameworks do so without
// looking whether it can.
func TestAbilitiesOfAServersWriter(t *testing.T) {
	type closeNotifier interface{ CloseNotify() <-chan bool }
	served := func(w http.ResponseWriter, ctx context.Context, h http.HandlerFunc) {
		access.New(func(access.Record) {}, nil).Middleware(h).ServeHTTP(w, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	}
	able := &notifier{httptest.NewRecorder(), make(chan bool, 1), ""}
	able.gone <- true
	served(able, t.Context(), func(w http.ResponseWriter, _ *http.Request) {
		require.True(t, <-w.(closeNotifier).CloseNotify())
		require.NoError(t, w.(http.Pusher).Push("/style.css", nil))
	})
	require.Equal(t, "/style.css", able.pushed)

	ctx, cancel := context.WithCancel(t.Context())
	served(httptest.NewRecorder(), ctx, func(w http.ResponseWriter, _ *http.Request) {
		gone := w.(closeNotifier).CloseNotify()
		require.Empty(t, gone)
		cancel()
		require.True(t, <-gone)
		require.ErrorIs(t, w.(http.Pusher).Push("/style.css", nil), http.ErrNotSupported)
	})
}

// TestWhatTheHandlerSays: of an answer without WriteHeader the status is out with its first
// byte, however that is written; its bytes and its time are counted.
func TestWhatTheHandlerSays(t *testing.T) {
	for name, write := range map[string]func(w http.ResponseWriter){
		"Write":       func(w http.ResponseWriter) { _, _ = w.Write([]byte("12345")) },
		"WriteString": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "12345") },
		"ReadFrom":    func(w http.ResponseWriter) { _, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader("12345")}) },
		"Flush":       func(w http.ResponseWriter) { w.(http.Flusher).Flush(); _, _ = io.WriteString(w, "12345") },
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC)
			var b book
			o := &access.Options{RequestIDHeader: "x-trace-id", Clock: func() time.Time { return now },
				Attributes: func(r *http.Request) map[string]string { return map[string]string{"shop": r.Header.Get("Shop")} }}
			server := httptest.NewServer(access.New(b.add, o).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				now = now.Add(7 * time.Second)
				write(w)
				panic(http.ErrAbortHandler)
			})))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
			require.NoError(t, err)
			req.Header.Set("Shop", "zurich")
			req.Header.Set("X-Trace-Id", "t-1")
			if resp, err := server.Client().Do(req); err == nil {
				_ = resp.Body.Close()
			}
			server.Close()
			rec := b.last(t)
			require.Equal(t, http.StatusOK, rec.Status)
			require.EqualValues(t, 5, rec.Bytes)
			require.Equal(t, 7*time.Second, rec.Duration)
			require.Equal(t, "t-1", rec.RequestID)
			require.Equal(t, map[string]string{"shop": "zurich"}, rec.Attributes)
		})
	}
}

// A record that the host makes has the time that it says, or that of now.
func TestRecordOfTheHost(t *testing.T) {
	at := time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC)
	var b book
	r := access.New(b.add, &access.Options{Clock: func() time.Time { return at }})
	r.Record(access.Record{Path: "/a"})
	require.Equal(t, at, b.last(t).Time)
	r.Record(access.Record{Path: "/b", Time: at.Add(-time.Hour)})
	require.Equal(t, at.Add(-time.Hour), b.last(t).Time)
	(*access.Recorder)(nil).Record(access.Record{})
	require.Len(t, b.all, 2)
}
