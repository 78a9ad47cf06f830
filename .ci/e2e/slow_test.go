package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query/httpapi"
)

// served is a store behind a server.
func served(t *testing.T) (*logger.Store, *httptest.Server) {
	t.Helper()
	// This test offers what a disk may take long for: calls wait for it.
	store, err := logger.Open(t.TempDir(), &logger.Options{MaxWait: time.Minute})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	api, err := httpapi.New(store.Query(), &httpapi.Options{Store: store, OnProblem: func(err error) { t.Errorf("the handler reports: %v", err) },
		Authorize: func(r *http.Request, _ httpapi.Permission) (httpapi.Principal, error) {
			return httpapi.Principal{ID: r.RemoteAddr, AllProjects: true}, nil
		}})
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(api)
	// Small buffers, so that who does not read is felt at once.
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		_ = c.(*net.TCPConn).SetWriteBuffer(64 << 10)
		return ctx
	}
	server.Start()
	t.Cleanup(server.Close)
	return store, server
}

// used is how much CPU the process has used.
func used(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// quiet waits until the process uses next to no CPU for half a second: on a busy
// machine it may get little for a moment and still have work.
func quiet(t *testing.T) {
	t.Helper()
	last, idle := used(t), 0
	require.Eventually(t, func() bool {
		now := used(t)
		idle++
		if now-last > 2*time.Millisecond {
			idle = 0
		}
		last = now
		return idle == 10
	}, time.Minute, 50*time.Millisecond)
}

// tailed reports whether a tail can be opened.
func tailed(t *testing.T, url string) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/tail", nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// TestSlowReaders compares a writer's time, and the CPU that the process uses
// meanwhile, without and with 64 tails that nobody reads, in turns.
func TestSlowReaders(t *testing.T) {
	store, server := served(t)
	log := store.Server("edge-1").Service("orders").Logger
	dropped := int64(0) // while the time was taken
	type cost struct{ wall, cpu []time.Duration }
	write := func(c *cost) {
		before, cpu := store.Stats().Dropped, used(t)
		defer func() { dropped += store.Stats().Dropped - before }()
		began := time.Now()
		for i := range 100_000 {
			log.Info("a line that nobody reads", zap.Int("i", i))
		}
		c.wall = append(c.wall, time.Since(began))
		c.cpu = append(c.cpu, used(t)-cpu)
	}
	const rounds = 5
	write(&cost{})
	var without, with cost
	for try := 0; len(with.wall) < rounds; try++ {
		require.Less(t, try, 5*rounds)
		quiet(t)
		write(&without)
		var open []net.Conn
		for range 64 {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
			_, err = fmt.Fprint(conn, "GET /tail HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
			_, err = conn.Read(make([]byte, 1))
			require.NoError(t, err)
			open = append(open, conn)
		}
		fill := dropped
		write(&cost{}) // their buffers are full after this
		write(&cost{})
		dropped = fill
		quiet(t) // and they have stopped
		write(&with)
		if tailed(t, server.URL) { // one more can be opened: on a busy machine some were given up by now
			n := len(with.wall) - 1
			with.wall, with.cpu = with.wall[:n], with.cpu[:n]
		}
		for _, conn := range open {
			require.NoError(t, conn.Close())
		}
		require.Eventually(t, func() bool { return tailed(t, server.URL) }, time.Minute, 20*time.Millisecond, "the handlers are gone")
	}
	for _, times := range [][]time.Duration{without.wall, without.cpu, with.wall, with.cpu} {
		slices.Sort(times)
	}
	t.Logf("100,000 lines: %v and %v of CPU without tails, %v and %v with 64 that nobody reads: %.2f and %.2f times (medians of %d, in turns), %d records dropped",
		without.wall[rounds/2], without.cpu[rounds/2], with.wall[rounds/2], with.cpu[rounds/2],
		float64(with.wall[rounds/2])/float64(without.wall[rounds/2]), float64(with.cpu[rounds/2])/float64(without.cpu[rounds/2]), rounds, dropped)
	require.Zero(t, dropped)
}
