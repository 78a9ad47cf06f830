package main

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/steplog/steplog/logger"
	"go.uber.org/zap"
)

// Counts is what one of the loopback servers did since it was started. Every
// request is exactly one of accepted, rejected, busy and timed out.
type Counts struct {
	Requests int64 `json:"requests"`
	Accepted int64 `json:"accepted"`  // answered with 200
	Rejected int64 `json:"rejected"`  // answered with a 4xx: this SKU never works
	Busy     int64 `json:"busy"`      // answered with 503: worth another attempt
	TimedOut int64 `json:"timed_out"` // never answered: the client gave up
}

// busyFirst requests to a server find it starting up, and the request hangAt is
// never answered.
const (
	busyFirst = 2
	hangAt    = 5
)

// stopped is the message with which a server logs its counts at its end.
const stopped = "stopped"

// endpoint is a real HTTP server on loopback that stands for somebody else's
// system. Like those it starts slowly, hangs now and then, and refuses some of
// what it is asked; unlike those it keeps count.
type endpoint struct {
	URL    string
	token  string
	log    *logger.Service
	accept func(sku string, r *http.Request) (status int, answer any)
	server *http.Server
	served chan struct{}

	mu     sync.Mutex
	counts Counts // guarded by mu
}

// newERP starts the system that knows prices: GET /prices/SKU.
func newERP(store *logger.Store) (*endpoint, error) {
	return listen(store, erpServer, "prices", "", func(sku string, _ *http.Request) (int, any) {
		if strings.HasPrefix(sku, "OLD-") {
			return http.StatusNotFound, map[string]any{"error": "no product has the SKU " + sku}
		}
		return http.StatusOK, map[string]any{"sku": sku, "net": netPrice(sku), "currency": "EUR"}
	})
}

// newShop starts the system that wants them: PUT /products/SKU/price with
// {"gross"}, for whoever has the token.
func newShop(store *logger.Store, token string) (*endpoint, error) {
	return listen(store, shopServer, "products", token, func(sku string, r *http.Request) (int, any) {
		var price struct {
			Gross float64 `json:"gross"`
		}
		if json.NewDecoder(r.Body).Decode(&price) != nil || price.Gross <= 0 {
			return http.StatusBadRequest, map[string]any{"error": "a price is {\"gross\": number above 0}"}
		}
		if strings.HasSuffix(sku, "-SALE") {
			return http.StatusUnprocessableEntity, map[string]any{"error": "the price of " + sku + " is fixed until the sale ends"}
		}
		return http.StatusOK, map[string]any{"sku": sku, "gross": price.Gross}
	})
}

// listen starts an endpoint on a free port of 127.0.0.1.
func listen(store *logger.Store, name, service, token string, accept func(string, *http.Request) (int, any)) (*endpoint, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &endpoint{
		URL: "http://" + listener.Addr().String(), token: token, accept: accept,
		log: store.Server(name).Service(service), served: make(chan struct{}),
	}
	e.server = &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(e.served)
		if err := e.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("server stopped by itself", zap.Error(err))
		}
	}()
	e.log.Info("listening", zap.String("url", e.URL))
	return e, nil
}

// ServeHTTP answers one request, or makes the client wait until it gives up.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, answer := e.decide(r)

	e.mu.Lock()
	e.counts.Requests++
	switch n := e.counts.Requests; {
	case n <= busyFirst:
		e.counts.Busy++
		status, answer = http.StatusServiceUnavailable, map[string]any{"error": "starting up"}
	case n == hangAt:
		e.counts.TimedOut++
		status = 0
	case status == http.StatusOK:
		e.counts.Accepted++
	default:
		e.counts.Rejected++
	}
	e.mu.Unlock()

	if status == 0 {
		_, _ = io.Copy(io.Discard, r.Body) // the server looks for the client's end only behind the body
		<-r.Context().Done()
		return
	}
	e.answer(w, status, answer)
}

// decide says what the answer is once the server is up.
func (e *endpoint) decide(r *http.Request) (status int, answer any) {
	if e.token != "" && r.Header.Get("Authorization") != "Bearer "+e.token {
		e.log.Warn("wrong token", logger.Topic("security"), zap.String("from", r.RemoteAddr))
		return http.StatusUnauthorized, map[string]any{"error": "wrong token"}
	}
	_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	sku, _, _ := strings.Cut(rest, "/")
	return e.accept(sku, r)
}

func (e *endpoint) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		e.log.Debug("answer not delivered", zap.Error(err))
	}
}

// Counts returns what the server has done so far.
func (e *endpoint) Counts() Counts {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts
}

// Close stops the server and logs its counts.
func (e *endpoint) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := e.server.Shutdown(ctx)
	if err != nil {
		err = e.server.Close()
	}
	<-e.served
	e.log.Info(stopped, zap.Any("counts", e.Counts()))
	return err
}

// netPrice makes up a price between 1.00 and 200.99 that is always the same for
// the same SKU.
func netPrice(sku string) float64 {
	hash := fnv.New32a()
	hash.Write([]byte(sku))
	n := hash.Sum32()
	return float64(1+n%200) + float64(n>>8%100)/100
}
