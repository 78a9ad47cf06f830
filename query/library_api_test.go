package query_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
)

func newReader(content []byte) io.Reader { return bytes.NewReader(content) }

// TestAPILogs proves what R3.1 asks of the library.
func TestAPILogs(t *testing.T) {
	kinds := []query.Kind{query.KindLine, query.KindEvent}
	t.Run("R3.1 library: limit and offset", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			for i := range 60 {
				s.Server("edge-1").Service("orders").Info(fmt.Sprint(i))
			}
			f := query.Filter{Kinds: kinds, Service: "orders"}
			require.Len(t, found(t, s.query, f, query.Paging{Limit: 50}), 50)
			require.Equal(t, []string{"9", "8"}, found(t, s.query, f, query.Paging{Limit: 2, Offset: 50}))
			require.Empty(t, found(t, s.query, f, query.Paging{Limit: 1000, Offset: 60}))
			require.Len(t, found(t, s.query, f, query.Paging{Limit: 1000}), 60)
		})
	})
	t.Run("R3.1 library: dates, both inclusive", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			for i := range 5 {
				s.set(noon.Add(time.Duration(i) * time.Hour))
				s.Server("edge-1").Service("orders").Info(fmt.Sprint(i))
			}
			in := func(from, to time.Time) []string {
				return found(t, s.query, query.Filter{Kinds: kinds, Service: "orders", From: from, To: to}, query.Paging{Oldest: true})
			}
			one, three := noon.Add(time.Hour), noon.Add(3*time.Hour)
			require.Equal(t, []string{"1", "2", "3"}, in(one, three))
			require.Equal(t, []string{"2"}, in(one.Add(1), three.Add(-1)))
			require.Equal(t, []string{"3", "4"}, in(three, time.Time{}))
			require.Equal(t, []string{"0", "1"}, in(time.Time{}, one))
			require.Equal(t, []string{"1"}, in(one, one))
			require.Equal(t, []string{"1"}, in(one.In(time.FixedZone("", 7200)), one), "whatever the zone")
			_, err := s.query.Records(t.Context(), query.Filter{From: three, To: one}, query.Paging{})
			require.ErrorIs(t, err, query.ErrInvalid)
		})
	})
	t.Run("R3.1 library: clocks that step back change nothing in the order", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			for i, at := range []time.Duration{2, 0, 1} {
				s.set(noon.Add(at * time.Hour))
				s.Server("edge-1").Service("orders").Info(fmt.Sprint(i))
			}
			require.Equal(t, []string{"2", "1", "0"}, found(t, s.query, query.Filter{Service: "orders"}, query.Paging{}))
		})
	})
	t.Run("R3.1 library: level, one or several", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			for _, l := range []zapcore.Level{levels.Debug, levels.Info, levels.Warn, levels.Error, levels.Fatal} {
				s.Server("edge-1").Service("orders").Log(l, levels.Name(l))
			}
			f := query.Filter{Kinds: kinds, Service: "orders", Levels: levels.Of(levels.Error)}
			require.Equal(t, []string{"error"}, found(t, s.query, f, query.Paging{}))
			f.Levels = levels.Of(levels.Error, levels.Debug)
			require.Equal(t, []string{"error", "debug"}, found(t, s.query, f, query.Paging{}))
		})
	})
	t.Run("R3.1 library: service", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			for _, service := range []string{"user-service", "payment-gateway"} {
				s.Server("edge-1").Service(service).Info("event of " + service)
				_, run := s.Server("edge-1").Service(service).Operation("op").Start(t.Context())
				run.Info("line of " + service)
			}
			f := query.Filter{Kinds: kinds, Service: "user-service"}
			require.Equal(t, []string{"line of user-service", "event of user-service"}, found(t, s.query, f, query.Paging{}))
			f.Service = "User-Service"
			require.Empty(t, found(t, s.query, f, query.Paging{}))
		})
	})
	t.Run("R3.1 library: keywords and quoted phrases in the message, whatever the case", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			log := s.Server("edge-1").Service("orders")
			log.Info("Connection refused by ERP", zap.String("hint", "payment"))
			log.Info("refused: no connection")
			log.Info("\x1b[31mCon\x1b[0mnection lost")
			log.Info("größer als erlaubt")
			search := func(text string) []string {
				return found(t, s.query, query.Filter{Kinds: kinds, Service: "orders", Search: text}, query.Paging{Oldest: true})
			}
			require.Len(t, search("connection"), 3)
			require.Equal(t, []string{"Connection refused by ERP", "refused: no connection"}, search("CONNECTION refused"))
			require.Equal(t, []string{"Connection refused by ERP"}, search(`"connection refused"`))
			require.Equal(t, []string{"Connection refused by ERP"}, search("nect erp"), "inside words")
			require.Equal(t, []string{"größer als erlaubt"}, search("GRÖẞER als"))
			require.Empty(t, search("GRÖSSER"), "ß is not SS")
		})
	})
}

// TestTailing proves R6.6.
func TestTailing(t *testing.T) {
	follow := func(t *testing.T, s store, o query.TailOptions) (next func() query.Tailed, cancel func() bool) {
		ctx, stop := context.WithCancel(t.Context())
		pull, end := iter.Pull2(s.query.Tail(ctx, query.Filter{Service: "orders"}, o))
		t.Cleanup(func() {
			stop()
			end()
		})
		return func() query.Tailed {
				t.Helper()
				tailed, err, ok := pull()
				require.NoError(t, err)
				require.True(t, ok)
				return tailed
			}, func() bool {
				stop()
				_, _, ok := pull()
				return !ok
			}
	}
	t.Run("R6.6 library: live tail with backlog", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			log := s.Server("edge-1").Service("orders")
			for i := range 5 {
				log.Info(fmt.Sprint(i))
				s.Server("edge-1").Service("stock").Info("another service")
			}
			next, ended := follow(t, s, query.TailOptions{Backlog: 2})
			require.Equal(t, "3", next().Record.Message)
			require.Equal(t, "4", next().Record.Message)
			log.Info("5")
			require.Equal(t, "5", next().Record.Message)
			go log.Info("6")
			require.Equal(t, "6", next().Record.Message)
			require.True(t, ended())
		})
	})
	t.Run("R6.6 library: resuming from a sequence number", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			log := s.Server("edge-1").Service("orders")
			log.Info("0")
			next, ended := follow(t, s, query.TailOptions{Backlog: 1})
			seq := next().Record.Seq
			require.True(t, ended())
			log.Info("1")
			log.Info("2")
			next, _ = follow(t, s, query.TailOptions{After: seq})
			require.Equal(t, "1", next().Record.Message)
			require.Equal(t, "2", next().Record.Message)
			log.Info("3")
			require.Equal(t, "3", next().Record.Message)
		})
	})
	t.Run("R6.6 library: what a slow reader misses is counted and said", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			log := s.Server("edge-1").Service("orders")
			next, _ := follow(t, s, query.TailOptions{MaxLag: 10})
			log.Info("first")
			require.Equal(t, query.Tailed{}.Missed, next().Missed)
			for i := range 1000 {
				log.Info(fmt.Sprint(i))
			}
			got, missed := 0, int64(0)
			for got+int(missed) < 1000 {
				tailed := next()
				got++
				missed += tailed.Missed
				require.Equal(t, fmt.Sprint(got+int(missed)-1), tailed.Record.Message, "each record is given or counted")
			}
			require.Equal(t, 10, got)
			require.EqualValues(t, 990, missed)
		})
	})
	t.Run("R6.6 library: a tail ends when the store is closed", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			if s.query != s.Query() {
				return // a reader goes on: the writer may come back
			}
			pull, end := iter.Pull2(s.query.Tail(t.Context(), query.Filter{}, query.TailOptions{}))
			defer end()
			require.NoError(t, s.Close())
			for {
				_, err, ok := pull()
				require.True(t, ok)
				if err != nil {
					require.ErrorIs(t, err, query.ErrClosed)
					break
				}
			}
		})
	})
}

// TestOverview proves R6.9.
func TestOverview(t *testing.T) {
	t.Run("R6.9 library: counts per level over time", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			log := s.Server("edge-1").Service("orders")
			for _, at := range []struct {
				minute int
				level  zapcore.Level
			}{{0, levels.Info}, {0, levels.Info}, {0, levels.Error}, {1, levels.Warn}, {4, levels.Info}} {
				s.set(noon.Add(time.Duration(at.minute)*time.Minute + 59*time.Second))
				log.Log(at.level, "event")
			}
			f := query.Filter{Service: "orders"}
			buckets, err := s.query.Histogram(t.Context(), f, time.Minute)
			require.NoError(t, err)
			bucket := func(minute int, counts map[zapcore.Level]int64) query.Bucket {
				b := query.Bucket{Start: noon.Add(time.Duration(minute) * time.Minute), Levels: counts}
				for _, n := range counts {
					b.Count += n
				}
				return b
			}
			require.Equal(t, []query.Bucket{
				bucket(0, map[zapcore.Level]int64{levels.Info: 2, levels.Error: 1}),
				bucket(1, map[zapcore.Level]int64{levels.Warn: 1}),
				bucket(2, map[zapcore.Level]int64{}),
				bucket(3, map[zapcore.Level]int64{}),
				bucket(4, map[zapcore.Level]int64{levels.Info: 1}),
			}, buckets)

			f.From, f.To = noon.Add(-90*time.Second), noon
			buckets, err = s.query.Histogram(t.Context(), f, time.Minute)
			require.NoError(t, err)
			require.Equal(t, []query.Bucket{bucket(-2, map[zapcore.Level]int64{}), bucket(-1, map[zapcore.Level]int64{}),
				bucket(0, map[zapcore.Level]int64{})}, buckets)
		})
	})
	t.Run("R6.9 library: distinct values with counts", func(t *testing.T) {
		everywhere(t, func(t *testing.T, s store) {
			for i, sku := range []string{"A-1", "A-2", "A-1", "A-3"} {
				server := s.Server([]string{"edge-1", "edge-2"}[i/3])
				server.Service("orders").Info("fetched", zap.String("sku", sku), zap.Strings("tags", []string{"x", sku, "x"}))
			}
			values := func(field string, limit int) []query.FacetValue {
				v, err := s.query.Facets(t.Context(), query.Filter{Service: "orders"}, field, limit)
				require.NoError(t, err)
				return v
			}
			require.Equal(t, []query.FacetValue{{Value: "A-1", Count: 2}, {Value: "A-2", Count: 1}, {Value: "A-3", Count: 1}}, values("sku", 0))
			require.Equal(t, []query.FacetValue{{Value: "A-1", Count: 2}}, values("sku", 1))
			require.Equal(t, []query.FacetValue{{Value: "x", Count: 4}, {Value: "A-1", Count: 2}}, values("tags", 2))
			require.Equal(t, []query.FacetValue{{Value: "edge-1", Count: 3}, {Value: "edge-2", Count: 1}}, values("server", 0))
			require.Equal(t, []query.FacetValue{{Value: "info", Count: 4}}, values("level", 0))
			require.Equal(t, []query.FacetValue{{Value: "application", Count: 4}}, values("file", 0))
			require.Empty(t, values("details.level", 0))
		})
	})
}
