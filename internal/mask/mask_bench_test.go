package mask_test

import (
	"fmt"
	"testing"

	"github.com/steplog/steplog/internal/mask"
)

// line is the texts of a usual record, 340 bytes in eight strings.
var line = [8]string{
	"fetched the prices of all articles that changed since the last run from the ERP, page 17 of 42",
	"SKU-004711", "https://erp.example.com/api/v2/products/prices?since=2026-11-21T02%3A03%3A04Z&page=17", "application/json; charset=utf-8",
	"01938f2a-7c1e-7d30-9a55-0c1f2e3d4b5a", "read_data_from_erp", "connection reset by peer while reading the body", "orders",
}

func benchmarkMask(b *testing.B, form string, secrets int) {
	m := mask.New(nil)
	for i := range secrets {
		if err := m.AddSecret(fmt.Sprintf(form, i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range line {
			if _, changed := m.Mask(s); changed {
				b.Fatal("changed")
			}
		}
	}
}

// What do registered secrets cost on a line in which none occurs?
func BenchmarkMask(b *testing.B) {
	b.Run("none", func(b *testing.B) { benchmarkMask(b, "", 0) })
	b.Run("16 of 24 bytes", func(b *testing.B) { benchmarkMask(b, "s3cr3t-9f86d081884c7d-%02d", 16) })
	b.Run("16 of 10 bytes", func(b *testing.B) { benchmarkMask(b, "s3cr3t9f%02d", 16) })
	b.Run("16 of 4 bytes", func(b *testing.B) { benchmarkMask(b, "#!%02d", 16) })
}

// What does it cost to find out about a key?
func BenchmarkKey(b *testing.B) {
	m := mask.New(nil)
	for _, name := range []string{"rows", "order_id", "db_password"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				m.Key(name)
			}
		})
	}
}
