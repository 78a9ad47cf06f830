package export_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"go.uber.org/zap"

	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// What does exporting a record cost, its reading from memory included?
func BenchmarkNDJSON(b *testing.B) {
	benchmark(b, func(w *bytes.Buffer, s *benchStore) (int64, error) {
		return export.NDJSON(w, s.Query().All(b.Context(), query.Filter{}))
	})
}

// The same without taking lines apart.
func BenchmarkReader(b *testing.B) {
	benchmark(b, func(w *bytes.Buffer, s *benchStore) (int64, error) {
		_, err := io.Copy(w, s.Query().Reader(b.Context(), query.Filter{}))
		return int64(bytes.Count(w.Bytes(), []byte{'\n'})), err
	})
}

// The same as a table.
func BenchmarkCSV(b *testing.B) {
	benchmark(b, func(w *bytes.Buffer, s *benchStore) (int64, error) {
		return export.CSV(w, s.Query().All(b.Context(), query.Filter{}), nil)
	})
}

// The same as the download of the run, which reads it several times and
// compresses it.
func BenchmarkZip(b *testing.B) {
	benchmark(b, func(w *bytes.Buffer, s *benchStore) (int64, error) {
		return s.records, export.Zip(b.Context(), w, s.Query(), s.main)
	})
}

// benchStore holds one run of 1,000 steps with 10 lines each.
type benchStore struct {
	*logger.Store
	main    uint64
	records int64
}

func benchmark(b *testing.B, write func(*bytes.Buffer, *benchStore) (int64, error)) {
	s := &benchStore{Store: logger.OpenMemory(nil)}
	defer s.Close()
	ctx, run := s.Server("edge-1").Service("orders").Operation("sync-prices").Start(b.Context())
	for i := range 1000 {
		actx, step := logger.StartStep(ctx, "read_data_from_erp", logger.Input(i))
		for j := range 10 {
			logger.FromContext(actx).Info("fetched", zap.String("sku", fmt.Sprint("A-", i)), zap.Int("rows", j))
		}
		step.End(i, nil)
	}
	run.End(nil)
	mains, err := s.Query().MainLogs(b.Context(), query.RunFilter{}, query.Paging{})
	if err != nil {
		b.Fatal(err)
	}
	s.main = mains.Items[0].ID
	records, err := s.Query().Records(b.Context(), query.Filter{}, query.Paging{Limit: 1})
	if err != nil {
		b.Fatal(err)
	}
	s.records = records.Total.N

	var w bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		w.Reset()
		n, err := write(&w, s)
		if err != nil || n != s.records {
			b.Fatal(n, err)
		}
	}
	b.SetBytes(int64(w.Len()))
	b.ReportMetric(float64(s.records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
