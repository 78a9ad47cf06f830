package httpapi_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/httpapi"
)

// pipes is a listener without a network, for servers in a bubble of synctest.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, more := <-p
	if !more {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial connects to it.
func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p <- there
	return here, nil
}

// piped serves h over HTTP/1.1 and HTTP/2 without TLS, and returns what to dial and a
// client that speaks HTTP/2.
func piped(t *testing.T, h http.Handler, writeTimeout time.Duration) (pipes, *http.Client) {
	t.Helper()
	var protocols, second http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	second.SetUnencryptedHTTP2(true)
	server, at := &http.Server{Handler: h, Protocols: &protocols, WriteTimeout: writeTimeout}, make(pipes)
	go func() { _ = server.Serve(at) }()
	transport := &http.Transport{Protocols: &second, DialContext: at.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		synctest.Wait()
	})
	return at, &http.Client{Transport: transport}
}

// TestHTTP2 is about the deadline of a stream of HTTP/2: it ends the stream, also while
// nobody writes.
func TestHTTP2(t *testing.T) {
	for _, writeTimeout := range []time.Duration{0, 5 * time.Second} {
		t.Run(fmt.Sprint("a tail without anything to tell goes on, server's timeout ", writeTimeout), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := logger.OpenMemory(nil)
				defer store.Close()
				_, client := piped(t, handler(t, store.Query(), store, nil), writeTimeout)
				answer, err := client.Get("http://logs.example.com/tail?service=orders")
				require.NoError(t, err)
				defer answer.Body.Close()
				require.Equal(t, "HTTP/2.0", answer.Proto)
				time.Sleep(10 * time.Minute)
				store.Server("edge-1").Service("orders").Info("still there")
				lines := bufio.NewScanner(answer.Body)
				for lines.Scan() && !strings.Contains(lines.Text(), "still there") {
				}
				require.NoError(t, lines.Err())
			})
		})
		t.Run(fmt.Sprint("an export that finds little is whole, server's timeout ", writeTimeout), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := uint64(0)
				h := over(t, func(context.Context, query.Filter) (query.Result[query.Record], error) {
					time.Sleep(time.Minute)
					asked++
					line := `{"seq":1,"message":"` + strings.Repeat("x", 10_000) + `"}`
					return query.Result[query.Record]{AsOf: 9, More: asked < 5, Items: []query.Record{{Seq: asked, Raw: []byte(line)}}}, nil
				}, nil)
				_, client := piped(t, h, writeTimeout)
				answer, err := client.Get("http://logs.example.com/export")
				require.NoError(t, err)
				defer answer.Body.Close()
				text, err := io.ReadAll(answer.Body)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(strings.Count(string(text), "\n")), answer.Trailer.Get("Steplog-Records"))
				require.Equal(t, "true", answer.Trailer.Get("Steplog-Whole"))
			})
		})
	}
}

// TestAnswerThatNobodyReads: it does not keep its place for ever.
func TestAnswerThatNobodyReads(t *testing.T) {
	for _, path := range []string{"/entries", "/logs", "/files/user.log"} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := logger.OpenMemory(nil)
				defer store.Close()
				_, run := store.Server("edge-1").Service("orders").Operation("flow-1").Start(t.Context())
				for range 100 {
					run.Info(strings.Repeat("x", 1000))
				}
				run.End(nil)
				at, client := piped(t, handler(t, store.Query(), store, func(o *httpapi.Options) { o.MaxQueries = 1 }), 0)
				conn, err := at.dial(t.Context(), "", "")
				require.NoError(t, err)
				defer conn.Close()
				_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: logs.example.com\r\n\r\n", path)
				require.NoError(t, err)
				synctest.Wait()
				time.Sleep(time.Minute)
				answer, err := client.Get("http://logs.example.com" + path)
				require.NoError(t, err)
				defer answer.Body.Close()
				require.Equal(t, http.StatusOK, answer.StatusCode)
			})
		})
	}
}

// TestDownloadThatIsReadSlowly: it has no place among the questions.
func TestDownloadThatIsReadSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := logger.OpenMemory(nil)
		defer store.Close()
		_, run := store.Server("edge-1").Service("orders").Operation("flow-1").Start(t.Context(), logger.Project("p-1"))
		for range 100 {
			run.Info(rand.Text()) // the zip is longer than what the server holds back
		}
		run.End(nil)
		logs, err := store.Query().MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
		require.NoError(t, err)
		at, client := piped(t, handler(t, store.Query(), store, func(o *httpapi.Options) { o.MaxQueries = 1 }), 0)
		conn, err := at.dial(t.Context(), "", "")
		require.NoError(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "GET /logs/download?id=%d&projectId=p-1&flowId=flow-1 HTTP/1.1\r\nHost: logs.example.com\r\n\r\n", logs.Items[0].ID)
		require.NoError(t, err)
		status, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1 200 OK\r\n", status)
		answer, err := client.Get("http://logs.example.com/entries")
		require.NoError(t, err)
		defer answer.Body.Close()
		require.Equal(t, http.StatusOK, answer.StatusCode)
	})
}
