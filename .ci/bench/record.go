package main

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"
)

// The identifiers that every candidate binds once, before the first call.
const (
	server    = "edge-1"
	service   = "orders"
	project   = "p-1"
	operation = "sync-prices"
	runID     = "0193a6f2-7c1e-7b54-9d1a-3f0c5b7a9e01"
	stepID    = "0193a6f2-7c20-7d11-8a42-77b0f4c2d605"
	action    = "read_data_from_erp"
)

// sample is what one call logs: a message and seven typed fields, the first of
// which numbers the calls.
type sample struct {
	message   string
	sku       string
	warehouse string
	rows      int
	price     float64
	cached    bool
	took      time.Duration
}

var messages = [...]string{
	"fetched a page of prices from the ERP",
	"price is unchanged",
	"price updated in the shop",
	"stock level read",
	"the answer was served from the cache",
	"row transformed",
	"waiting for the next page",
	"order lines matched",
}

// samples are the records that all candidates log, over and over. The seed is
// fixed, so every process offers the same.
func samples() []sample {
	r := rand.New(rand.NewPCG(20261121, 1))
	s := make([]sample, 1024)
	for i := range s {
		s[i] = sample{
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

// sum is an order-dependent hash of records. The duration is not in it: the
// libraries write it in different units.
type sum uint64

func (h *sum) add(n int, message, sku, warehouse string, rows int, price float64, cached bool) {
	f := fnv.New64a()
	fmt.Fprintf(f, "%x %d %q %q %q %d %x %t", uint64(*h), n, message, sku, warehouse, rows, math.Float64bits(price), cached)
	*h = sum(f.Sum64())
}

// offered is the sum of the calls first, first+step, first+2*step ... below n.
func offered(n, first, step int) sum {
	var h sum
	s := samples()
	for i := first; i < n; i += step {
		r := &s[i%len(s)]
		h.add(i, r.message, r.sku, r.warehouse, r.rows, r.price, r.cached)
	}
	return h
}
