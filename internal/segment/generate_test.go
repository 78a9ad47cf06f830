package segment_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"
)

// workflow returns the text of n records as flows log them: some runs at a
// time, a few templates of messages, details with values that repeat and values
// that do not.
func workflow(n int, seed uint64) []byte {
	rnd := rand.New(rand.NewPCG(seed, 7))
	var out bytes.Buffer
	type run struct {
		id, step  string
		op, lines int
		steps     int
	}
	id := func() string {
		return fmt.Sprintf("0193b2c4-%04x-7%03x-8%03x-%012x", rnd.IntN(1<<16), rnd.IntN(1<<12), rnd.IntN(1<<12), rnd.Int64N(1<<48))
	}
	runs := make([]*run, 200)
	now := time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC)
	seq := uint64(1000)
	words := []string{"invoice", "customer", "warehouse", "shipment", "price", "stock", "ledger", "export"}
	zipf := rand.NewZipf(rnd, 1.2, 3, 499)
	for range n {
		i := rnd.IntN(len(runs))
		if runs[i] == nil || runs[i].lines == 0 {
			runs[i] = &run{id: id(), step: id(), op: int(zipf.Uint64()), lines: 60 + rnd.IntN(240)}
		}
		r := runs[i]
		if r.lines--; r.lines%40 == 0 {
			r.step = id()
			r.steps++
		}
		now = now.Add(time.Duration(rnd.IntN(2_000_000)))
		seq += uint64(1 + rnd.IntN(10)/9)
		level := []string{"info", "info", "info", "info", "info", "info", "debug", "debug", "debug", "warn"}[rnd.IntN(10)]
		if rnd.IntN(50) == 0 {
			level = "error"
		}
		w := words[rnd.IntN(len(words))]
		var message string
		switch rnd.IntN(6) {
		case 0:
			message = fmt.Sprintf("fetched %d rows of %s from the ERP in %d ms", rnd.IntN(500), w, rnd.IntN(3000))
		case 1:
			message = fmt.Sprintf("Sent request %s to /api/v2/%s", id()[:8], w)
		case 2:
			message = fmt.Sprintf("record %s mapped, %d fields changed", w, rnd.IntN(40))
		case 3:
			message = "waiting for the next page of " + w
		case 4:
			message = "connection to " + w + " service was reset, will retry"
		default:
			message = fmt.Sprintf("wrote %s SKU-%05d", w, rnd.IntN(20000))
		}
		fmt.Fprintf(&out, `{"seq":%d,"timestamp":"%s","level":"%s","kind":"line","server":"edge-1","service":"service-%02d","project":"p-%d","operation":"flow-%03d","operation_name":"Flow %d","run":"%s","step":"%s","action":"read_data_from_erp","attempt":1,"message":"%s","details":{"sku":"SKU-%05d","order_id":"%d","duration_ms":%d,"status":%d,"email":"user%d@example.com"}}`+"\n",
			seq, now.Format("2006-01-02T15:04:05.000000000Z"), level, r.op%20, r.op%7, r.op, r.op, r.id, r.step, message,
			rnd.IntN(20000), 100000+rnd.IntN(400000), rnd.IntN(3000), []int{200, 200, 200, 404, 500}[rnd.IntN(5)], rnd.IntN(5000))
	}
	return out.Bytes()
}
