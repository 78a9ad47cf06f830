package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query/httpapi"
)

// listening is a tail that is being read.
type listening struct {
	t      testing.TB
	answer *http.Response
	lines  *bufio.Reader
	cancel context.CancelFunc
	id     string // the last one that came
}

// event is one server-sent event.
type event struct{ name, id, data string }

// listen opens a tail; it is there when the call returns.
func listen(t testing.TB, url string, header ...string) *listening {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	l := &listening{t: t, answer: answer, lines: bufio.NewReader(answer.Body), cancel: cancel}
	t.Cleanup(l.close)
	return l
}

func (l *listening) close() {
	l.cancel()
	_ = l.answer.Body.Close()
}

// next returns the next event that has a name.
func (l *listening) next() event {
	l.t.Helper()
	var e event
	for {
		line, err := l.lines.ReadString('\n')
		require.NoError(l.t, err)
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "event":
			e.name = value
		case "id":
			e.id, l.id = value, value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				return e
			}
			e = event{}
		}
	}
}

// message is the next line's.
func (l *listening) message() string {
	l.t.Helper()
	e := l.next()
	require.Equal(l.t, "line", e.name, e.data)
	v := decode(l.t, e.data)
	require.Equal(l.t, e.id, v["seq"].(json.Number).String())
	return v["message"].(string)
}

// live is a server that listens.
func live(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	l := httptest.NewServer(h)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		l.CloseClientConnections()
		l.Close()
	})
	return l
}

func TestTail(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	at := live(t, s)
	log := s.Server("edge-1").Service("orders").Logger

	t.Run("R6.6 http: lines come as they are logged, within 50 ms", func(t *testing.T) {
		l := listen(t, at.URL+"/tail?service=orders")
		require.Equal(t, "text/event-stream", l.answer.Header.Get("Content-Type"))
		var took []time.Duration
		for i := range 21 {
			began := time.Now()
			log.Info(fmt.Sprint("n", i))
			require.Equal(t, fmt.Sprint("n", i), l.message())
			took = append(took, time.Since(began))
		}
		// A tail that looked now and then only would be late each time; a machine that has
		// other things to do is not.
		require.Less(t, slices.Min(took), 50*time.Millisecond)
	})
	t.Run("R6.6 http: a backlog first, filtered as asked", func(t *testing.T) {
		log.Error("bad 1")
		log.Error("bad 2")
		log.Info("good")
		l := listen(t, at.URL+"/tail?backfill=2&minLevel=error")
		require.Equal(t, "bad 1", l.message())
		require.Equal(t, "bad 2", l.message())
		log.Info("good")
		log.Error("bad 3")
		require.Equal(t, "bad 3", l.message())
	})
	t.Run("R6.6 http: resumes with Last-Event-ID, without gap or repeat", func(t *testing.T) {
		l := listen(t, at.URL+"/tail?service=orders&search=r")
		for i := range 5 {
			log.Info(fmt.Sprint("r", i))
		}
		for i := range 3 {
			require.Equal(t, fmt.Sprint("r", i), l.message())
		}
		l.close()
		again := listen(t, at.URL+"/tail?service=orders&search=r&backfill=1000", "Last-Event-ID", l.id)
		log.Info("r5")
		for i := 3; i < 6; i++ {
			require.Equal(t, fmt.Sprint("r", i), again.message())
		}
	})
	t.Run("R6.6 http: broken again and again while it is written, it has every line once", func(t *testing.T) {
		const count = 5000 // fewer than a tail may fall behind
		busy := s.Server("edge-1").Service("busy").Logger
		l := listen(t, at.URL+"/tail?service=busy")
		var writer sync.WaitGroup
		writer.Go(func() {
			for i := range count {
				busy.Info(fmt.Sprint("b", i))
			}
		})
		defer writer.Wait()
		rnd := rand.New(rand.NewPCG(1, 1))
		for seen := 0; seen < count; {
			for range min(count-seen, 1+rnd.IntN(500)) {
				require.Equal(t, fmt.Sprint("b", seen), l.message())
				seen++
			}
			l.close()
			l = listen(t, at.URL+"/tail?service=busy", "Last-Event-ID", l.id)
		}
	})
	t.Run("R6.6 http: a connection that saw nothing resumes too", func(t *testing.T) {
		l := listen(t, at.URL+"/tail?search=unique")
		for l.id == "" {
			line, err := l.lines.ReadString('\n')
			require.NoError(t, err)
			if id, found := strings.CutPrefix(line, "id: "); found {
				l.id = strings.TrimSpace(id)
			}
		}
		l.close()
		log.Info("unique, while nobody listened")
		require.Equal(t, "unique, while nobody listened", listen(t, at.URL+"/tail?search=unique", "Last-Event-ID", l.id).message())
	})
	t.Run("R6.6 http: what a slow reader missed is counted and said", func(t *testing.T) {
		first := listen(t, at.URL+"/tail?service=flood")
		s.Server("edge-1").Service("flood").Info("first")
		require.Equal(t, "first", first.message())
		first.close()
		flood := s.Server("edge-1").Service("flood").Logger
		for range 10_500 {
			flood.Info("many")
		}
		l := listen(t, at.URL+"/tail?service=flood", "Last-Event-ID", first.id)
		require.Equal(t, event{name: "gap", data: `{"missed":500}`}, l.next())
		require.Equal(t, "many", l.message())
	})
	t.Run("R6.6 http: resumes in a folder that was made anew, where numbers are smaller", func(t *testing.T) {
		fresh := serve(t, nil)
		at := live(t, fresh)
		log, url := fresh.Server("edge-1").Service("orders").Logger, at.URL+"/tail?service=orders"
		early := listen(t, url, "Last-Event-ID", "5000000")
		log.Info("new 1")
		require.Equal(t, "new 1", early.message())
		l := listen(t, url, "Last-Event-ID", "5000000")
		require.Equal(t, "new 1", l.message(), "all that is there is new to who comes from another folder")
		log.Info("new 2")
		require.Equal(t, "new 2", l.message())
		l.close()
		for range 1100 {
			log.Info("many")
		}
		require.Equal(t, "many", listen(t, url, "Last-Event-ID", l.id).message())
		many := listen(t, url, "Last-Event-ID", "5000000")
		require.Equal(t, event{name: "gap", data: `{"missed":102}`}, many.next())
		require.Equal(t, "many", many.message())
	})
	t.Run("HEAD ends at once", func(t *testing.T) {
		require.Equal(t, "text/event-stream", do(t, s, http.MethodHead, "/tail", "").header.Get("Content-Type"))
	})
	t.Run("what is wrong with the question is said before the stream begins", func(t *testing.T) {
		e := refusal(t, http.StatusBadRequest, do(t, s, http.MethodGet, "/tail?in=No+Log", ""))
		require.Equal(t, "in", e["param"])
		e = refusal(t, http.StatusBadRequest, do(t, s, http.MethodGet, "/tail?runId="+strings.Repeat("x", 2000), ""))
		require.Equal(t, "runId", e["param"])
	})
	t.Run("a wrong Last-Event-ID", func(t *testing.T) {
		for _, id := range []string{"x", "0", "-1", "9007199254740992"} {
			refusal(t, http.StatusBadRequest, do(t, s, http.MethodGet, "/tail", "", "Last-Event-ID", id))
		}
	})
}

func TestTailEnds(t *testing.T) {
	t.Parallel()
	store := logger.OpenMemory(nil)
	at := live(t, handler(t, store.Query(), store, nil))
	l := listen(t, at.URL+"/tail?search=nothing")
	require.NoError(t, store.Close())
	require.Equal(t, event{name: "end", data: `{"reason":"closed"}`}, l.next())
}

// noFlush is what a careless middleware makes of a ResponseWriter.
type noFlush struct{ w http.ResponseWriter }

func (n noFlush) Header() http.Header         { return n.w.Header() }
func (n noFlush) WriteHeader(status int)      { n.w.WriteHeader(status) }
func (n noFlush) Write(p []byte) (int, error) { return n.w.Write(p) }

func TestTailNeedsFlush(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	hidden := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(noFlush{w}, r) })
	e := refusal(t, http.StatusInternalServerError, do(t, hidden, http.MethodGet, "/tail", ""))
	require.Contains(t, e["message"], "cannot flush")
}

func TestTailLimits(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *httpapi.Options) {
		o.Authorize = func(r *http.Request, _ httpapi.Permission) (httpapi.Principal, error) {
			return httpapi.Principal{ID: r.Header.Get("X-Who"), AllProjects: true}, nil
		}
	})
	at := live(t, s)
	for who := range 8 {
		for range 8 {
			listen(t, at.URL+"/tail", "X-Who", fmt.Sprint(who))
		}
		status := http.StatusTooManyRequests
		if who == 7 {
			status = http.StatusServiceUnavailable
		}
		a := do(t, s, http.MethodGet, "/tail", "", "X-Who", fmt.Sprint(who))
		refusal(t, status, a)
		require.Equal(t, "10", a.header.Get("Retry-After"))
	}
}

// TestTailOutlivesWriteTimeout: the server's WriteTimeout is for short answers.
func TestTailOutlivesWriteTimeout(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	at := httptest.NewUnstartedServer(s)
	at.Config.WriteTimeout = 50 * time.Millisecond
	at.Start()
	t.Cleanup(at.Close)
	l := listen(t, at.URL+"/tail?service=orders")
	began := time.Now()
	for time.Since(began) < 200*time.Millisecond {
		s.Server("edge-1").Service("orders").Info("still there")
		require.Equal(t, "still there", l.message())
	}
	l.close()
}

// TestSlowReaders: readers that do not read hold no writer up, and are gone
// when the server closes.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *httpapi.Options) {
		o.Authorize = func(r *http.Request, _ httpapi.Permission) (httpapi.Principal, error) {
			return httpapi.Principal{ID: r.RemoteAddr, AllProjects: true}, nil
		}
	})
	s.Levels().SetLevel(t.Context(), levels.Scope{}, levels.Info)
	at := live(t, s)
	address := strings.TrimPrefix(at.URL, "http://")
	var connections []net.Conn
	for range 64 {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		_, err = fmt.Fprintf(c, "GET /tail HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		first := make([]byte, 1)
		_, err = c.Read(first) // it is open, and nothing more will be read
		require.NoError(t, err)
		connections = append(connections, c)
	}
	log := s.Server("edge-1").Service("orders").Logger
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for i := range 5000 {
				log.Info("a line that nobody reads", zap.Int("i", i))
			}
		})
	}
	writers.Wait()
	require.Zero(t, s.Stats().Dropped)
	for _, c := range connections {
		require.NoError(t, c.Close())
	}
}
