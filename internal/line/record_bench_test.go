package line_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/mask"
	"go.uber.org/zap"
)

// call is what one call logs: a message and seven typed fields.
type call struct {
	message, sku, warehouse string
	rows                    int
	price                   float64
	cached                  bool
	took                    time.Duration
}

// calls are records whose values differ, so that what the processor learns from
// one does not fit the next. The seed is fixed.
func calls() []call {
	messages := [...]string{
		"fetched a page of prices from the ERP", "price is unchanged", "price updated in the shop", "stock level read",
		"the answer was served from the cache", "row transformed", "waiting for the next page", "order lines matched",
	}
	r := rand.New(rand.NewPCG(20261121, 1))
	s := make([]call, 1024)
	for i := range s {
		s[i] = call{
			message:   messages[r.IntN(len(messages))],
			sku:       fmt.Sprintf("SKU-%06d", r.IntN(1_000_000)),
			warehouse: fmt.Sprintf("wh-%02d", r.IntN(40)),
			rows:      r.IntN(5_000),
			price:     float64(r.IntN(1_000_000)) / 100,
			cached:    r.IntN(2) == 0,
			took:      time.Duration(r.IntN(50_000_000)),
		}
	}
	return s
}

func recordBench(b *testing.B, m *mask.Masker, id []byte) {
	e := line.NewEncoder(line.Options{Mask: m})
	buf := make([]byte, 0, 1024)
	all := calls()
	at := benchTime
	size := 0
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s := &all[i%len(all)]
		f := [...]zap.Field{
			zap.Int("n", i), zap.String("sku", s.sku), zap.String("warehouse", s.warehouse),
			zap.Int("rows", s.rows), zap.Float64("price", s.price), zap.Bool("cached", s.cached), zap.Duration("took", s.took),
		}
		at = at.Add(1234567)
		en := line.Entry{Time: at, Kind: line.KindLine, Identity: id, Message: s.message}
		buf = e.Append(buf[:0], &en, f[:])
		size += len(buf)
		i++
	}
	b.SetBytes(int64(size / i))
	sinkBytes = buf
}

// What does a line cost whose values differ from call to call?
func BenchmarkRecord(b *testing.B) {
	m := mask.New(nil)
	secrets := mask.New(nil)
	addSecrets(b, secrets)
	id := line.AppendIdentity(nil, &benchIdentity)
	b.Run("plain", func(b *testing.B) { recordBench(b, m, nil) })
	b.Run("bound", func(b *testing.B) { recordBench(b, m, id) })
	b.Run("16 secrets", func(b *testing.B) { recordBench(b, secrets, nil) })
}
