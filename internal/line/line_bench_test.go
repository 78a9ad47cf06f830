package line_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/mask"
)

var (
	benchTime     = time.Date(2026, 11, 21, 2, 3, 4, 123456789, time.UTC)
	benchIdentity = line.Identity{
		Server: "edge-1", Service: "orders", Project: "p-1", Operation: "sync-prices",
		Run: "01938f2a-7c1e-7d30-9a55-0c1f2e3d4b5a", Step: "01938f2a-7c1e-7d31-8b66-1d2f3e4c5b6a",
		Action: "read_data_from_erp", Attempt: 1,
	}
	errBench  = errors.New("connection reset by peer")
	sinkBytes []byte
)

// benchFields are the fields of a usual record: a message and seven of them.
func benchFields(i int) [7]zap.Field {
	return [7]zap.Field{
		zap.String("sku", "SKU-004711"),
		zap.Int("rows", 1000+i&1023),
		zap.Int64("bytes", 48213377),
		zap.Float64("price", 129.95),
		zap.Bool("retry", i&1 == 0),
		zap.Duration("elapsed", 1234567*time.Nanosecond),
		zap.String("endpoint", "/api/v2/products/prices"),
	}
}

func appendBench(b *testing.B, e *line.Encoder, id []byte) {
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		f := benchFields(i)
		en := line.Entry{Time: benchTime, Kind: line.KindLine, Identity: id, Message: "fetched prices from ERP"}
		buf = e.Append(line.AppendPrefix(buf[:0], uint64(i)), &en, f[:])
		i++
	}
	b.SetBytes(int64(len(buf)))
	sinkBytes = buf
}

// What does one line cost, with bound identifiers and the default mask?
func BenchmarkAppend(b *testing.B) {
	m := mask.New(nil)
	appendBench(b, line.NewEncoder(line.Options{Mask: m}), line.AppendIdentity(nil, &benchIdentity))
}

// What does one line cost outside a run, with the topic that it has there?
func BenchmarkAppendEvent(b *testing.B) {
	e := line.NewEncoder(line.Options{Mask: mask.New(nil)})
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		f := benchFields(i)
		en := line.Entry{Time: benchTime, Kind: line.KindEvent, Topic: "application", Message: "fetched prices from ERP"}
		buf = e.Append(buf[:0], &en, f[:])
		i++
	}
	sinkBytes = buf
}

// What do 16 registered secrets add?
func BenchmarkAppendSecrets(b *testing.B) {
	m := mask.New(nil)
	addSecrets(b, m)
	appendBench(b, line.NewEncoder(line.Options{Mask: m}), line.AppendIdentity(nil, &benchIdentity))
}

// What does an error add?
func BenchmarkAppendError(b *testing.B) {
	m := mask.New(nil)
	e := line.NewEncoder(line.Options{Mask: m})
	id := line.AppendIdentity(nil, &benchIdentity)
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		f := [2]zap.Field{zap.String("sku", "SKU-004711"), zap.Error(errBench)}
		en := line.Entry{Time: benchTime, Level: zapcore.ErrorLevel, Kind: line.KindLine, Identity: id, Message: "fetched prices from ERP"}
		buf = e.Append(line.AppendPrefix(buf[:0], 1), &en, f[:])
	}
	sinkBytes = buf
}

// The same record through zap's own encoder, to nowhere: the yardstick.
func BenchmarkZap(b *testing.B) {
	c := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.InfoLevel)
	l := zap.New(c).With(zap.String("server", "edge-1"), zap.String("service", "orders"), zap.String("project", "p-1"),
		zap.String("operation", "sync-prices"), zap.String("run", benchIdentity.Run), zap.String("step", benchIdentity.Step),
		zap.String("action", "read_data_from_erp"), zap.Int("attempt", 1))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		f := benchFields(i)
		l.Info("fetched prices from ERP", f[:]...)
		i++
	}
}

// zap's encoder alone.
func BenchmarkZapEncoder(b *testing.B) {
	enc := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	enc.AddString("run", benchIdentity.Run)
	enc.AddString("step", benchIdentity.Step)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		f := benchFields(i)
		buf, err := enc.EncodeEntry(zapcore.Entry{Time: benchTime, Message: "fetched prices from ERP"}, f[:])
		if err != nil {
			b.Fatal(err)
		}
		buf.Free()
		i++
	}
}

// What does reading a line cost, into a fresh record, into one that is used
// again, and with a Parser that has met its identifiers?
func BenchmarkParse(b *testing.B) {
	m := mask.New(nil)
	e := line.NewEncoder(line.Options{Mask: m})
	f := benchFields(1)
	raw := e.Append(line.AppendPrefix(nil, 48213), &line.Entry{
		Time: benchTime, Kind: line.KindLine,
		Identity: line.AppendIdentity(nil, &benchIdentity), Message: "fetched prices from ERP",
	}, f[:])
	b.Run("fresh", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			var r line.Record
			if err := line.Parse(raw, &r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		var r line.Record
		for b.Loop() {
			if err := line.Parse(raw, &r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by a Parser", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		var r line.Record
		var p line.Parser
		for b.Loop() {
			if err := p.Parse(raw, &r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func addSecrets(tb testing.TB, m *mask.Masker) {
	tb.Helper()
	for i := range 16 {
		secret := "s3cr3t-" + string(rune('a'+i)) + "-9f86d081884c7d65" + string(rune('A'+i))
		if err := m.AddSecret(secret); err != nil {
			tb.Fatal(err)
		}
	}
}
