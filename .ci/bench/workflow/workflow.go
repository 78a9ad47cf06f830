// Package workflow makes the logs that queries are measured on: those of a
// workflow engine with hundreds of runs at a time. It logs through the public
// API, and the same seed makes the same records.
package workflow

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// The shape of the logs.
const (
	InFlight   = 200
	Operations = 500
	Services   = 20
	SKUs       = 50_000
	Orders     = 1_000_000
	RareWords  = 200
	Every      = time.Millisecond // between records
)

// Common is a word that one message in twenty has.
const Common = "reconcile"

// Start is the time of the first record.
var Start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) // immutable

// Service, Operation, SKU, Order, Run and Rare name things by number.
func Service(i int) string   { return fmt.Sprintf("service-%02d", i%Services) }
func Operation(i int) string { return fmt.Sprintf("flow-%03d", i%Operations) }
func SKU(i int) string       { return fmt.Sprintf("SKU-%05d", i%SKUs) }
func Order(i int) string     { return fmt.Sprintf("%07d", 1_000_000+i%Orders) }
func Run(i int) string {
	return fmt.Sprintf("0193b2c4-%04x-7%03x-8%03x-%012x", i>>8&0xffff, i*7&0xfff, i*13&0xfff, i*0x9e3779b1)
}
func Rare(i int) string { return fmt.Sprintf("zebra%03dx", i%RareWords) }

// Data says what was written.
type Data struct {
	Records, Runs int
	First, End    time.Time
	Dropped       int64
}

// Write logs n lines, and the records of their runs and steps, to a folder.
func Write(ctx context.Context, dir string, n int, o logger.Options) (Data, error) {
	var now atomic.Int64
	now.Store(Start.UnixNano())
	o.Clock = func() time.Time { return time.Unix(0, now.Load()).UTC() }
	o.PerformanceEvery = 100_000 * time.Hour
	o.Level = levels.Debug
	o.MaxWait = time.Minute
	store, err := logger.Open(dir, &o)
	if err != nil {
		return Data{}, err
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(rnd, 1.1, 4, Operations-1)
	type execution struct {
		ctx    context.Context
		run    *logger.Run
		step   *logger.Step
		log    *logger.Logger
		left   int
		inStep int
		number int
	}
	server := store.Server("edge-1")
	flying := make([]*execution, InFlight)
	d := Data{Records: n, First: Start}
	actions := []string{"read_data_from_erp", "map_fields", "http_request", "write_to_shop", "notify"}
	for line := range n {
		now.Add(int64(Every) - 500_000 + rnd.Int64N(1_000_000))
		i := rnd.IntN(InFlight)
		x := flying[i]
		if x == nil {
			op := int(zipf.Uint64())
			x = &execution{number: d.Runs, left: 40 + rnd.IntN(220)}
			x.ctx, x.run = server.Service(Service(op*7)).Operation(Operation(op), logger.DisplayName(fmt.Sprintf("Flow %d", op))).
				Start(ctx, logger.ID(Run(d.Runs)), logger.Project(fmt.Sprintf("p-%d", op%9)))
			d.Runs++
			flying[i] = x
		}
		if x.step == nil {
			var sctx context.Context
			sctx, x.step = logger.StartStep(x.ctx, actions[rnd.IntN(len(actions))])
			x.log = logger.FromContext(sctx)
			x.inStep = 10 + rnd.IntN(40)
		}
		level, message := text(rnd, line, n)
		x.log.Log(level, message, zap.String("sku", SKU(rnd.IntN(SKUs))), zap.String("order_id", Order(line)),
			zap.Int("duration_ms", rnd.IntN(3000)), zap.Int("status", []int{200, 200, 200, 201, 404, 500}[rnd.IntN(6)]),
			zap.String("email", fmt.Sprintf("user%d@example.com", rnd.IntN(5000))))
		x.left--
		if x.inStep--; x.inStep == 0 || x.left == 0 {
			x.step.End(nil, nil)
			x.step = nil
		}
		if x.left == 0 {
			x.run.End(nil)
			flying[i] = nil
		}
	}
	for _, x := range flying {
		if x != nil {
			x.run.End(nil)
		}
	}
	d.End = time.Unix(0, now.Load()).UTC()
	d.Dropped = store.Stats().Dropped
	if err := store.Close(); err != nil {
		return d, err
	}
	if d.Dropped != 0 {
		return d, fmt.Errorf("%d records were dropped", d.Dropped)
	}
	return d, nil
}

var things = [...]string{"invoice", "customer", "warehouse", "shipment", "price", "stock level", "ledger", "export file"} // immutable

// text returns the level and message of a line.
func text(rnd *rand.Rand, line, n int) (zapcore.Level, string) {
	thing := things[rnd.IntN(len(things))]
	if gap := max(1, n/(RareWords*10)); line%gap == gap/2 {
		return levels.Info, fmt.Sprintf("found %s in %s", Rare(line/gap), thing)
	}
	switch k := rnd.IntN(100); {
	case k < 5:
		return levels.Info, fmt.Sprintf("%s %s with the shop", Common, thing)
	case k < 30:
		return levels.Info, fmt.Sprintf("fetched %d rows of %s from the ERP", rnd.IntN(500), thing)
	case k < 50:
		return levels.Debug, fmt.Sprintf("mapped %s, %d fields changed", thing, rnd.IntN(40))
	case k < 70:
		return levels.Info, "waiting for the next page of " + thing
	case k < 90:
		return levels.Info, "wrote " + thing + " to the target system"
	case k < 97:
		return levels.Warn, "connection reset while sending " + thing + ", will retry"
	default:
		return levels.Error, fmt.Sprintf("%s was refused: status %d", thing, 400+rnd.IntN(5))
	}
}
