package query_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

// In the process that writes a folder its store has the engine; any other opens
// one beside it.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := logger.Open(dir, nil)
	if err != nil {
		panic(err)
	}
	store.Server("edge-1").Service("orders").Error("no stock", zap.String("sku", "A-1"))
	if err := store.Close(); err != nil {
		panic(err)
	}

	engine, err := query.Open(dir)
	if err != nil {
		panic(err)
	}
	defer engine.Close()
	page, err := engine.Records(context.Background(), query.Filter{
		Service: "orders", Levels: levels.AtLeast(levels.Warn), Where: query.Eq("sku", "A-1"),
	}, query.Paging{Limit: 20})
	if err != nil {
		panic(err)
	}
	for _, r := range page.Items {
		sku, _ := r.Field("sku")
		fmt.Println(levels.Name(r.Level), r.Service, r.Message, sku)
	}
	fmt.Println(page.Total.N, page.Total.Exact)
	// Output:
	// error orders no stock A-1
	// 1 true
}

// Pages go on where the one before ended, by its cursor, or by an offset as of the
// first page: what arrives meanwhile moves neither.
func ExamplePaging() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	orders := store.Server("edge-1").Service("orders")
	for i := range 5 {
		orders.Info(fmt.Sprint("line ", i))
	}
	ctx, engine, filter := context.Background(), store.Query(), query.Filter{Service: "orders"}
	show := func(p query.Paging) query.Page[query.Record] {
		page, err := engine.Records(ctx, filter, p)
		if err != nil {
			panic(err)
		}
		for _, r := range page.Items {
			fmt.Print(r.Message, ", ")
		}
		fmt.Println("of", page.Total.N)
		return page
	}
	first := show(query.Paging{Limit: 2})
	orders.Info("line 5")
	show(query.Paging{Limit: 2, Cursor: first.Next})
	show(query.Paging{Limit: 2, Offset: 4, AsOf: first.AsOf})
	show(query.Paging{Limit: 2})
	// Output:
	// line 4, line 3, of 5
	// line 2, line 1, of 5
	// line 0, of 5
	// line 5, line 4, of 6
}

// A run with its steps, failed attempts among them.
func ExampleEngine_MainLogs() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	ctx, run := store.Server("edge-1").Service("orders").Operation("sync-prices").Start(context.Background())
	for attempt := 1; attempt <= 2; attempt++ {
		_, step := logger.StartStep(ctx, "fetch", logger.Attempt(attempt))
		var err error
		if attempt == 1 {
			err = fmt.Errorf("connection reset")
		}
		step.End(nil, err)
	}
	run.Add(query.Counts{Processed: 3, Succeeded: 3})
	run.End(nil)

	page, err := store.Query().MainLogs(ctx, query.RunFilter{Operation: "sync-prices"}, query.Paging{Limit: 20})
	if err != nil {
		panic(err)
	}
	for _, run := range page.Items {
		fmt.Println(run.Operation, run.Outcome, run.Counts.Processed)
		for _, step := range run.SubLogs {
			fmt.Println("-", step.Action, step.Attempt, step.Outcome, step.Reason)
		}
	}
	// Output:
	// sync-prices succeeded 3
	// - fetch 1 failed connection reset
	// - fetch 2 succeeded
}

// Lines a minute, by level, and the flows that log most.
func ExampleEngine_Histogram() {
	now := time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC)
	store := logger.OpenMemory(&logger.Options{Clock: func() time.Time { return now }})
	defer store.Close()
	orders := store.Server("edge-1").Service("orders")
	orders.Operation("sync-prices").Info("begun")
	now = now.Add(2 * time.Minute)
	orders.Operation("sync-prices").Info("goes on")
	orders.Operation("sync-stock").Warn("no stock")

	ctx, engine, filter := context.Background(), store.Query(), query.Filter{Service: "orders"}
	buckets, err := engine.Histogram(ctx, filter, time.Minute)
	if err != nil {
		panic(err)
	}
	for _, b := range buckets {
		fmt.Println(b.Start.Format("15:04"), b.Count, b.Levels[levels.Warn])
	}
	flows, err := engine.Facets(ctx, filter, "operation", 10)
	fmt.Println(flows, err)
	// Output:
	// 02:03 1 0
	// 02:04 0 0
	// 02:05 2 1
	// [{sync-prices 2} {sync-stock 1}] <nil>
}

// The lines of one run, as they are stored, for a file or another program.
func ExampleEngine_Reader() {
	at := time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC)
	store := logger.OpenMemory(&logger.Options{Clock: func() time.Time { return at }})
	defer store.Close()
	_, run := store.Server("edge-1").Service("orders").Operation("sync-prices").Start(context.Background(), logger.ID("run-1"))
	run.Info("fetched", zap.Int("rows", 42))
	run.End(nil)

	lines := store.Query().Reader(context.Background(), query.Filter{Run: "run-1", Kinds: []query.Kind{query.KindLine}})
	defer lines.Close()
	if _, err := io.Copy(os.Stdout, lines); err != nil {
		panic(err)
	}
	// Output:
	// {"seq":4,"timestamp":"2026-11-21T02:03:04.000000000Z","level":"info","kind":"line","server":"edge-1","service":"orders","operation":"sync-prices","run":"run-1","message":"fetched","details":{"rows":42}}
}

// Who changed a flow, and what.
func ExampleEngine_Audit() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	ctx := audit.WithActor(context.Background(), audit.User("admin@example.com"))
	_, err := store.Audit().Record(ctx, audit.Entry{Event: audit.FlowUpdated, FlowID: "sync-prices",
		Before: map[string]any{"limit": 10}, After: map[string]any{"limit": 20}})
	if err != nil {
		panic(err)
	}
	page, err := store.Query().Audit(context.Background(), query.AuditFilter{
		FlowID: "sync-prices", User: "admin@example.com", Verbs: []audit.Verb{audit.VerbUpdate},
	}, query.Paging{})
	if err != nil {
		panic(err)
	}
	for _, r := range page.Items {
		for _, c := range r.Changes {
			fmt.Printf("%s by %s: %s %s, before %s, after %s\n", r.Title, r.Actor.Email, c.Op, c.Path, c.Before, c.After)
		}
	}
	// Output:
	// Flow Updated by admin@example.com: replace /limit, before 10, after 20
}

// A tail begins with what was there, here the newest record, and goes on until its
// context ends.
func ExampleEngine_Tail() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	orders := store.Server("edge-1").Service("orders")
	orders.Info("before")

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for t, err := range store.Query().Tail(ctx, query.Filter{Service: "orders"}, query.TailOptions{Backlog: 1}) {
		if err != nil {
			panic(err)
		}
		fmt.Println(t.Record.Message)
		if t.Record.Message == "after" {
			cancel()
			continue
		}
		orders.Info("after")
	}
	// Output:
	// before
	// after
}

// The functions that make conditions are about the details; OnKey is about what
// every record has.
func ExampleOnKey() {
	fmt.Println(query.Or(query.OnKey(query.Prefix("message", "no ")), query.Eq("sku", "A-1")))
	fmt.Println(query.OnKey(query.Eq("level", "error")))
	fmt.Println(query.Eq("level", "error"))
	// Output:
	// message:"no "* OR sku:"A-1"
	// level:"error"
	// details.level:"error"
}

// The lines of a run from warn up that are about one thing.
func ExampleEngine_LineLogs() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	ctx, run := store.Server("edge-1").Service("orders").Operation("sync-prices").Start(context.Background())
	actx, step := logger.StartStep(ctx, "write_to_shop")
	logger.FromContext(actx).Info("written", zap.String("sku", "A-1"))
	logger.FromContext(actx).Warn("the price is missing", zap.String("sku", "A-1"))
	logger.FromContext(actx).Warn("the price is missing", zap.String("sku", "A-2"))
	step.End(nil, nil)
	run.End(nil)

	page, err := store.Query().LineLogs(ctx, query.Filter{
		Run: run.ID(), Levels: levels.AtLeast(levels.Warn), Where: query.Eq("sku", "A-1"),
	}, query.Paging{Limit: 20})
	if err != nil {
		panic(err)
	}
	for _, line := range page.Items {
		fmt.Println(line.Action, levels.Name(line.Level), line.Message)
	}
	// Output:
	// write_to_shop warn the price is missing
}

// Everything that a run wrote, in the order in which it did.
func ExampleEngine_All() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	ctx, run := store.Server("edge-1").Service("orders").Operation("sync-prices").Start(context.Background())
	_, step := logger.StartStep(ctx, "fetch", logger.Input(map[string]any{"page": 1}))
	step.Info("asking")
	step.End(map[string]any{"rows": 42}, nil)
	run.End(nil)

	for record, err := range store.Query().All(ctx, query.Filter{Run: run.ID()}) {
		if err != nil {
			panic(err)
		}
		value, _ := record.Field("value")
		fmt.Println(record.Kind, record.Phase, record.Action, record.Message, value)
	}
	// Output:
	// run start  run started <nil>
	// step start fetch step started <nil>
	// capture input fetch input map[page:1]
	// line  fetch asking <nil>
	// capture output fetch output map[rows:42]
	// step end fetch step succeeded <nil>
	// run end  run succeeded <nil>
}

// What stands around an error that was found: of its run, or of its file where it
// belongs to none.
func ExampleEngine_Around() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	ctx, orders := context.Background(), store.Server("edge-1").Service("orders")
	orders.Info("connecting")
	orders.Error("no answer")
	orders.Info("connecting again")
	orders.Info("connected")

	found, err := store.Query().Records(ctx, query.Filter{Levels: levels.AtLeast(levels.Error)}, query.Paging{Limit: 1})
	if err != nil {
		panic(err)
	}
	records, err := store.Query().Around(ctx, found.Items[0].Seq, 1, 1)
	if err != nil {
		panic(err)
	}
	for _, r := range records {
		fmt.Println(levels.Name(r.Level), r.Message)
	}
	// Output:
	// info connecting
	// error no answer
	// info connecting again
}

// Who asked for what, by company and network.
func ExampleEngine_Access() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	for i, path := range []string{"/flows", "/flows/7", "/users"} {
		store.Access().Record(access.Record{
			Account: "ada@example.com", Tenant: "Example Ltd", IP: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}),
			Method: "GET", Path: path, Status: 200,
		})
	}
	page, err := store.Query().Access(context.Background(), query.AccessFilter{
		Search: "example ltd", IP: "203.0.113.0/24", Path: "/flows",
	}, query.Paging{Limit: 20})
	if err != nil {
		panic(err)
	}
	for _, r := range page.Items {
		fmt.Println(r.Account, r.IP, r.Method, r.Path, r.Status)
	}
	// Output:
	// ada@example.com 203.0.113.1 GET /flows/7 200
	// ada@example.com 203.0.113.0 GET /flows 200
}

// Whether the closed files of a folder, or of its backup, are whole.
func ExampleVerify() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := logger.Open(dir, &logger.Options{Rule: rotation.Rule{Compression: rotation.None}})
	if err != nil {
		panic(err)
	}
	store.Server("edge-1").Info("started")
	if err := store.Rotate(context.Background(), logger.FileApplication); err != nil {
		panic(err)
	}
	if err := store.Close(); err != nil {
		panic(err)
	}

	report, err := query.Verify(context.Background(), dir)
	if err != nil {
		panic(err)
	}
	fmt.Println(report.Files, "closed file,", len(report.Damaged), "damaged")
	// Output: 1 closed file, 0 damaged
}
