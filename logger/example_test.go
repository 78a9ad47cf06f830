package logger_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
	"go.uber.org/zap"
)

// action is a node of a flow in some engine.
type action struct {
	name string
	do   func(ctx context.Context, in any) (any, error)
}

// runFlow is all that an engine does to have its flows logged.
func runFlow(ctx context.Context, orders *logger.Service, actions []action, in any) (err error) {
	ctx, run := orders.Operation("sync-prices").Start(ctx, logger.Project("p-1"), logger.TriggeredBy("test@example.com"))
	defer func() { run.End(err) }()

	var out any
	for i, a := range actions {
		for attempt := 1; attempt <= 3; attempt++ {
			actx, step := logger.StartStep(ctx, a.name, logger.Order(i+1), logger.Attempt(attempt), logger.Input(in))
			out, err = a.do(actx, in)
			step.End(out, err)
			if err == nil {
				break
			}
		}
		if err != nil {
			return err
		}
		in = out
	}
	return nil
}

// An engine logs every flow in one place; actions find their logger in the
// context.
func Example() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	store, err := logger.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	orders := store.Server("edge-1").Service("orders")

	calls := 0
	actions := []action{
		{"read_data_from_erp", func(ctx context.Context, in any) (any, error) {
			if calls++; calls == 1 {
				return nil, errors.New("503 from the ERP")
			}
			// Inside any action; never nil, never panics.
			logger.FromContext(ctx).Info("fetched", zap.Int("rows", 42))
			return map[string]any{"sku": "A-1", "price": 19.99}, nil
		}},
		{"system/log", func(ctx context.Context, in any) (any, error) {
			logger.Value(ctx, levels.Info, "Test", in)
			return in, nil
		}},
	}
	if err := runFlow(context.Background(), orders, actions, "A-1"); err != nil {
		log.Fatal(err)
	}

	page, err := store.Query().MainLogs(context.Background(), query.RunFilter{Project: "p-1"}, query.Paging{})
	if err != nil {
		log.Fatal(err)
	}
	for _, run := range page.Items {
		fmt.Println(run.Operation, run.Outcome, "by", run.TriggeredBy)
		for _, step := range run.SubLogs {
			fmt.Printf("  %d %s attempt %d %s %q\n", step.Order, step.Action, step.Attempt, step.Outcome, step.Reason)
		}
		for line, err := range store.Query().All(context.Background(), query.Filter{Run: run.Run, Kinds: []query.Kind{query.KindLine}}) {
			if err != nil {
				log.Fatal(err)
			}
			details, _ := line.Details()
			fmt.Println(" ", levels.Name(line.Level), line.Message, details)
		}
	}
	// Output:
	// sync-prices succeeded by test@example.com
	//   1 read_data_from_erp attempt 1 failed "503 from the ERP"
	//   1 read_data_from_erp attempt 2 succeeded ""
	//   2 system/log attempt 1 succeeded ""
	//   info fetched map[rows:42]
	//   info Test map[value:map[price:19.99 sku:A-1]]
}

// show prints what flows and services logged.
func show(store *logger.Store, f query.Filter) {
	for r, err := range store.Query().All(context.Background(), f) {
		if err != nil {
			log.Fatal(err)
		}
		if r.Topic == "system" || r.Topic == "performance" {
			continue
		}
		fmt.Printf("%s.log %s %s\n", r.File, levels.Name(r.Level), r.Message)
	}
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := logger.Open(dir, &logger.Options{
		Level: levels.Debug,
		Files: map[string]logger.FileRule{
			logger.FileEmail: {Levels: levels.AtLeast(levels.Warn), Rotation: rotation.Rule{MaxBytes: 10 << 20, MaxFiles: 7}},
		},
		OnProblem: func(err error) { fmt.Fprintln(os.Stderr, "log:", err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	server := store.Server("edge-1", logger.DisplayName("Edge 1"))
	server.Debug("configured")
	server.To(logger.FileEmail).Info("polled the mailbox")
	server.To(logger.FileEmail).Warn("the mailbox is full")
	show(store, query.Filter{})
	// Output:
	// application.log debug configured
	// email.log warn the mailbox is full
}

func ExampleOpenMemory() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	store.Server("edge-1").Info("nothing on disk")
	show(store, query.Filter{})
	// Output: application.log info nothing on disk
}

// Settings change while the program runs, for loggers handed out before.
func ExampleStore_Levels() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	orders := store.Server("edge-1").Service("orders")
	orders.Debug("too low")

	ctx := context.Background()
	store.Levels().SetLevel(ctx, levels.Scope{Server: "edge-1", Service: "orders"}, levels.Debug)
	orders.Debug("recorded now")
	store.Levels().SetLines(ctx, levels.Scope{Server: "edge-1"}, false)
	orders.Error("silent")
	show(store, query.Filter{})
	// Output: application.log debug recorded now
}

func ExampleStore_AddSecret() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	if err := store.AddSecret("hunter2!"); err != nil {
		log.Fatal(err)
	}
	store.Server("edge-1").Info("connecting to postgres://app:hunter2!@db/orders", zap.String("password", "other"))
	for r := range store.Query().All(context.Background(), query.Filter{Topic: "application"}) {
		details, _ := r.Details()
		fmt.Println(r.Message, details)
	}
	// Output: connecting to postgres://app:***@db/orders map[password:***]
}

// A run started inside a step of another needs nothing special.
func ExampleOperation_Start() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	orders := store.Server("edge-1").Service("orders")

	ctx, run := orders.Operation("nightly").Start(context.Background(), logger.ID("run-1"), logger.Schedule("0 3 * * *"))
	actx, step := logger.StartStep(ctx, "flow/run", logger.ID("step-1"))
	_, child := orders.Operation("sync-prices").Start(actx, logger.ID("run-2"))
	child.Add(query.Counts{Processed: 3, Succeeded: 2, Failed: 1})
	child.End(nil)
	step.End(nil, nil)
	run.End(nil)

	page, err := store.Query().MainLogs(context.Background(), query.RunFilter{RootRun: "run-1"}, query.Paging{Oldest: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range page.Items {
		fmt.Printf("%s %s parent=%s/%s %d of %d\n", m.Operation, m.Outcome, m.ParentRun, m.ParentStep, m.Counts.Succeeded, m.Counts.Processed)
	}
	// Output:
	// nightly succeeded parent=/ 0 of 0
	// sync-prices succeeded parent=run-1/step-1 2 of 3
}

func ExampleStartStep() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	ctx, run := store.Server("edge-1").Service("orders").Operation("sync-prices").Start(context.Background())
	for i, sku := range []string{"A-1", "A-2"} {
		_, step := logger.StartStep(ctx, "write_to_shop", logger.DisplayName("Write to shop"), logger.Iteration(i, sku))
		step.Warn("the shop is slow")
		step.End(nil, nil)
	}
	run.End(nil)
	page, err := store.Query().SubLogs(context.Background(), query.StepFilter{Run: run.ID()}, query.Paging{Oldest: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range page.Items {
		fmt.Println(s.ActionName, s.RowNum, string(s.Iteration.Value), s.Lines[levels.Warn], "warning")
	}
	// Output:
	// Write to shop 1 "A-1" 1 warning
	// Write to shop 2 "A-2" 1 warning
}

// A durable engine goes on with a run in a new process, and with the step that was
// open.
func ExampleOperation_Resume() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	process := func(work func(*logger.Operation)) {
		store, err := logger.Open(dir, &logger.Options{
			OpenRun: func(run query.MainLog) bool { return run.Operation == "sync-prices" }, // what the engine will resume
		})
		if err != nil {
			log.Fatal(err)
		}
		defer store.Close()
		work(store.Server("edge-1").Service("orders").Operation("sync-prices"))
	}

	process(func(op *logger.Operation) { // it dies in the middle of its second step
		ctx, _ := op.Start(context.Background(), logger.ID("run-1"))
		_, read := logger.StartStep(ctx, "read", logger.ID("run-1/1"))
		read.End(nil, nil)
		_, write := logger.StartStep(ctx, "write", logger.ID("run-1/2"))
		write.Info("half")
	})
	process(func(op *logger.Operation) {
		ctx, run, err := op.Resume(context.Background(), "run-1")
		if err != nil {
			log.Fatal(err)
		}
		_, write := logger.StartStep(ctx, "write", logger.ID("run-1/2"))
		write.Info("all")
		write.End(nil, nil)
		run.End(nil)
	})
	process(func(op *logger.Operation) {
		_, _, err := op.Resume(context.Background(), "run-1")
		fmt.Println(err, errors.Is(err, logger.ErrRunEnded))
	})

	engine, err := query.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	page, err := engine.MainLogs(context.Background(), query.RunFilter{Run: "run-1"}, query.Paging{})
	if err != nil {
		log.Fatal(err)
	}
	for _, run := range page.Items {
		fmt.Println(run.Run, run.Outcome)
		for _, step := range run.SubLogs {
			fmt.Println("-", step.Action, step.Outcome, step.Lines[levels.Info])
		}
	}
	// Output:
	// resume run "run-1": logger: the run has ended true
	// run-1 succeeded
	// - read succeeded 0
	// - write succeeded 2
}

func ExampleNewContext() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	ctx := logger.NewContext(context.Background(), store.Server("edge-1").With(zap.String("request", "r-1")))
	logger.FromContext(ctx).Info("served")
	logger.FromContext(context.Background()).Info("nowhere")
	show(store, query.Filter{})
	// Output: application.log info served
}

func ExampleTopic() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	store.Server("edge-1").Warn("log-in failed", logger.Topic("security"), logger.Code("AUTH-7"), zap.Error(errors.New("wrong password")))
	for r := range store.Query().All(context.Background(), query.Filter{Topic: "security"}) {
		fmt.Println(r.Message, r.ErrorCode, r.ErrorMessage)
	}
	// Output: log-in failed AUTH-7 wrong password
}

// The system/log action: what the data was at that moment of the flow.
func ExampleValue() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	ctx, run := store.Server("edge-1").Service("orders").Operation("sync-prices").Start(context.Background())
	actx, step := logger.StartStep(ctx, "system/log")
	logger.Value(actx, levels.Info, "Test", map[string]any{"sku": "A-1", "price": 19.99})
	logger.Value(actx, levels.Debug, "below the minimum level", 1)
	step.End(nil, nil)
	run.End(nil)
	for r := range store.Query().All(ctx, query.Filter{Kinds: []query.Kind{query.KindLine}}) {
		value, _ := r.Field("value")
		fmt.Println(levels.Name(r.Level), r.Label, value)
	}
	// Output: info Test map[price:19.99 sku:A-1]
}

// Any name is a file of its own.
func ExampleLogger_To() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	orders := store.Server("edge-1").Service("orders")
	orders.To(logger.FileDatabase).Warn("slow query", zap.Int("ms", 1200))
	orders.To("payments").Info("settled")
	show(store, query.Filter{Files: []string{"database", "payments"}})
	// Output:
	// database.log warn slow query
	// payments.log info settled
}

// What a file takes and keeps can be changed while it is written.
func ExampleStore_SetFileRule() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	email := store.Server("edge-1").To(logger.FileEmail)
	err := store.SetFileRule(context.Background(), logger.FileEmail, logger.FileRule{
		Levels:   levels.AtLeast(levels.Warn),
		Rotation: rotation.Rule{MaxBytes: 10 << 20, MaxFiles: 7, MaxAge: 30 * 24 * time.Hour},
	})
	fmt.Println(err)
	email.Info("polled the mailbox")
	email.Warn("the mailbox is full")
	show(store, query.Filter{Files: []string{logger.FileEmail}})

	err = store.SetFileRule(context.Background(), logger.FileEmail, logger.FileRule{Rotation: rotation.Rule{MaxFiles: -1}})
	fmt.Println(errors.Is(err, logger.ErrRule), store.FileRule(logger.FileEmail).Rotation.MaxFiles)
	// Output:
	// <nil>
	// email.log warn the mailbox is full
	// true 7
}

// A run whose end the host hears of from elsewhere: of its worker, say, that is gone.
func ExampleStore_EndRun() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	ctx := context.Background()
	store.Server("edge-1").Service("orders").Operation("sync-prices").Start(ctx, logger.ID("run-1"))

	fmt.Println(store.EndRun(ctx, "run-1", query.Terminated, errors.New("the worker was shut down")))
	fmt.Println(errors.Is(store.EndRun(ctx, "run-1", query.Succeeded, nil), logger.ErrRunEnded))
	fmt.Println(errors.Is(store.EndRun(ctx, "run-2", query.Succeeded, nil), logger.ErrRunUnknown))
	page, err := store.Query().MainLogs(ctx, query.RunFilter{Run: "run-1"}, query.Paging{})
	if err != nil {
		log.Fatal(err)
	}
	for _, run := range page.Items {
		fmt.Println(run.Run, run.Outcome, run.Reason)
	}
	// Output:
	// <nil>
	// true
	// true
	// run-1 terminated the worker was shut down
}

// The files as they are: to list, to look into, to delete.
func ExampleStore_Files() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	at := store.Server("edge-1").To("orders")
	for i := range 3 {
		at.Info(fmt.Sprint("line ", i))
	}
	files, err := store.Files().List()
	if err != nil {
		log.Fatal(err)
	}
	for _, file := range files {
		fmt.Println(file.Name, file.Active)
	}
	last, err := store.Files().Tail("orders.log", 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(last), strings.Contains(last[0], `"message":"line 2"`))
	fmt.Println(store.Files().Delete(context.Background(), "orders.log"))
	// Output:
	// application.log true
	// orders.log true
	// 1 true
	// delete "orders.log": rotation: the active file cannot be deleted
}

// The record is on the disk and signed before the flow is changed.
func ExampleStore_Audit() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	ctx := audit.WithActor(context.Background(), audit.User("admin@example.com"))
	_, err := store.Audit().Record(ctx, audit.Entry{Event: audit.FlowUpdated, FlowID: "sync-prices",
		Before: map[string]any{"limit": 10}, After: map[string]any{"limit": 20}})
	fmt.Println(err)
	store.Levels().SetLevel(ctx, levels.Scope{Server: "edge-1"}, levels.Debug) // an act of the library's own

	page, err := store.Query().Audit(ctx, query.AuditFilter{User: "admin@example.com"}, query.Paging{})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range page.Items {
		fmt.Println(r.Title, "by", r.Actor.Email)
	}
	// Output:
	// <nil>
	// Log Level Changed by admin@example.com
	// Flow Updated by admin@example.com
}
