package e2e

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/httpapi"
)

var (
	records = flag.Int("records", 50_000, "how many lines the load tests run over; the full figure is 1000000")
	load    = flag.Duration("load", 2*time.Second, "how long each load lasts; the full figure is 60s")
)

// linesOfRun is how many lines a run of the load tests has.
const linesOfRun = 100

// full is a store with many runs, behind a server.
func full(t *testing.T) (*logger.Store, *httptest.Server) {
	t.Helper()
	// These tests offer what a disk may take minutes for: calls wait for it.
	store, err := logger.Open(t.TempDir(), &logger.Options{MaxWait: time.Minute})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	for n := range *records / linesOfRun {
		flow := store.Server("edge-1").Service(fmt.Sprint("service-", n%5)).Operation(fmt.Sprint("flow-", n%20))
		ctx, run := flow.Start(t.Context(), logger.Project(fmt.Sprint("p-", n%20)), logger.ID(fmt.Sprint("run-", n)))
		ctx, step := logger.StartStep(ctx, "fetch")
		log := logger.FromContext(ctx)
		for i := range linesOfRun {
			log.Info("fetched a price from the ERP", zap.Int("i", i), zap.String("sku", fmt.Sprint("A-", n*7+i)), zap.Float64("net", float64(i)/3))
		}
		if n%50 == 0 {
			log.Error("the shop refused a price")
		}
		step.End(nil, nil)
		run.End(nil)
	}
	require.Zero(t, store.Stats().Dropped)
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

// question is one of the mix, different each time.
func question(rnd *rand.Rand) string {
	run := rnd.IntN(*records / linesOfRun)
	return []string{
		fmt.Sprintf("/logs?projectid=p-%d&flowId=flow-%d&log_type=1&limit=20", run%20, run%20),
		fmt.Sprintf("/logs?projectid=p-%d&flowId=flow-%d&log_type=3&original_filename_uuid=run-%d&limit=100", run%20, run%20, run),
		fmt.Sprintf("/entries?runId=run-%d&limit=50", run),
		"/logs?level=ERROR&limit=10",
		fmt.Sprintf("/logs?service=service-%d&limit=50", run%5),
		fmt.Sprintf("/runs/run-%d/steps", run),
		fmt.Sprintf("/entries?runId=run-%d&field.1=sku&value.1=A-%d", run, run*7+3),
	}[rnd.IntN(7)]
}

// client keeps as many connections as it is asked for.
func client(t *testing.T, connections int) *http.Client {
	transport := &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func fetch(c *http.Client, url string) (int, error) {
	answer, err := c.Get(url)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// TestLoad asks mixed questions, at a rate and as fast as they are answered.
func TestLoad(t *testing.T) {
	_, server := full(t)
	c := client(t, 200)
	before := heap()

	// Open loop: a question is due at its time whatever became of those before,
	// and its latency counts from then.
	const perSecond = 300
	count := int(load.Seconds() * perSecond)
	latencies, failures := make([]time.Duration, count), atomic.Int64{}
	var all sync.WaitGroup
	began := time.Now()
	for i := range count {
		due := began.Add(time.Duration(i) * time.Second / perSecond)
		rnd := rand.New(rand.NewPCG(1, uint64(i)))
		all.Go(func() {
			timer := time.NewTimer(time.Until(due))
			<-timer.C
			status, err := fetch(c, server.URL+question(rnd))
			latencies[i] = time.Since(due)
			if err != nil || status != http.StatusOK {
				failures.Add(1)
			}
		})
	}
	all.Wait()
	require.Zero(t, failures.Load())
	slices.Sort(latencies)
	t.Logf("open loop: %d a second for %v over %d lines: p50 %v, p99 %v, longest %v", perSecond, *load, *records,
		latencies[count/2], latencies[count*99/100], latencies[count-1])

	// Closed loop: 200 clients, each with its next question when it has an answer.
	var answered, refused atomic.Int64
	end := time.Now().Add(*load)
	for n := range 200 {
		rnd := rand.New(rand.NewPCG(2, uint64(n)))
		all.Go(func() {
			for time.Now().Before(end) {
				status, err := fetch(c, server.URL+question(rnd))
				switch {
				case err == nil && status == http.StatusOK:
					answered.Add(1)
				case err == nil && status == http.StatusServiceUnavailable:
					refused.Add(1)
				default:
					failures.Add(1)
				}
			}
		})
	}
	all.Wait()
	require.Zero(t, failures.Load(), "nothing but 200, and 503 past the limit")
	after := heap()
	t.Logf("closed loop: 200 clients for %v: %d answered (%.0f a second), %d told to come back; heap %d MB before, %d MB after", *load,
		answered.Load(), float64(answered.Load())/load.Seconds(), refused.Load(), before>>20, after>>20)
	require.Positive(t, answered.Load())
	require.Less(t, after, before+64<<20, "memory is flat")
}

// heap is how much memory is in use once what is not used is gone.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestOverhead compares a page over HTTP with the engine's own time, in turns.
func TestOverhead(t *testing.T) {
	store, server := full(t)
	c := client(t, 1)
	var over []time.Duration
	for i := range 300 {
		service := fmt.Sprint("service-", i%5)
		began := time.Now()
		status, err := fetch(c, server.URL+"/logs?limit=50&service="+service)
		total := time.Since(began)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		page, err := store.Query().Records(t.Context(), query.Filter{Service: service, Kinds: []query.Kind{query.KindLine, query.KindEvent}}, query.Paging{Limit: 50})
		require.NoError(t, err)
		over = append(over, total-page.Stats.Elapsed)
	}
	slices.Sort(over)
	t.Logf("a page of 50 over HTTP costs %v more than the engine (median of %d; p99 %v)", over[len(over)/2], len(over), over[len(over)*99/100])
	require.Less(t, over[len(over)/2], 5*time.Millisecond)
}

// TestExport streams everything and watches the memory.
func TestExport(t *testing.T) {
	_, server := full(t)
	before, most := heap(), uint64(0)
	answer, err := http.Get(server.URL + "/export")
	require.NoError(t, err)
	defer answer.Body.Close()
	began, size, buf := time.Now(), int64(0), make([]byte, 1<<20)
	for step := int64(0); err == nil; {
		var n int
		n, err = answer.Body.Read(buf)
		if size += int64(n); size > step {
			step += 64 << 20
			most = max(most, heap())
		}
	}
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "true", answer.Trailer.Get("Steplog-Whole"))
	t.Logf("export: %d MB at %.0f MB/s; heap %d MB before, %d MB at most", size>>20, float64(size)/1e6/time.Since(began).Seconds(), before>>20, most>>20)
	require.Less(t, most, before+64<<20, "memory is flat")
}

// quiet waits until the process uses next to no CPU.
func quiet(t *testing.T) {
	t.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	last := used()
	require.Eventually(t, func() bool {
		now := used()
		idle := now-last < 5*time.Millisecond
		last = now
		return idle
	}, time.Minute, 50*time.Millisecond)
}

// TestSlowReaders compares a writer's time without and with 64 tails that
// nobody reads, in turns.
func TestSlowReaders(t *testing.T) {
	store, server := full(t)
	log := store.Server("edge-1").Service("orders").Logger
	dropped := int64(0) // while the time was taken
	write := func() time.Duration {
		before := store.Stats().Dropped
		defer func() { dropped += store.Stats().Dropped - before }()
		began := time.Now()
		for i := range 100_000 {
			log.Info("a line that nobody reads", zap.Int("i", i))
		}
		return time.Since(began)
	}
	write()
	var without, with []time.Duration
	for range 9 {
		quiet(t)
		without = append(without, write())
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
		write() // their buffers are full after this
		write()
		dropped = fill
		quiet(t) // and they have stopped
		with = append(with, write())
		for _, conn := range open {
			require.NoError(t, conn.Close())
		}
		require.Eventually(t, func() bool { // the handlers are gone
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/tail", nil)
			require.NoError(t, err)
			answer, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer answer.Body.Close()
			return answer.StatusCode == http.StatusOK
		}, time.Minute, 20*time.Millisecond)
	}
	slices.Sort(without)
	slices.Sort(with)
	t.Logf("100,000 lines: %v without tails, %v with 64 that nobody reads: %.2f times (medians of 9, in turns), %d records dropped",
		without[4], with[4], float64(with[4])/float64(without[4]), dropped)
}
