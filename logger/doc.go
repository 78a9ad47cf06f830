// Package logger is the front door of steplog: it opens a folder of logs and
// hands out leveled loggers for servers, services, operations, runs and steps.
//
//	store, err := logger.Open("data/logs", nil)
//	if err != nil { ... }
//	defer store.Close()
//	orders := store.Server("edge-1").Service("orders")
//
//	ctx, run := orders.Operation("sync-prices").Start(ctx, logger.TriggeredBy("test@example.com"))
//	defer func() { run.End(err) }()
//	actx, step := logger.StartStep(ctx, "read_data_from_erp", logger.Input(in))
//	logger.FromContext(actx).Info("fetched", zap.Int("rows", 42))
//	step.End(out, err)
//
// # Where records go
//
// What is logged inside a run goes to user.log, what servers and services log
// outside one to application.log, and the starts and ends of runs and steps to
// usage.log. [Logger.To] chooses another file; any name that matches
// ^[a-z0-9][a-z0-9_-]{0,63}$ is a file of its own, except audit, usage and
// access_log. Each line is one JSON object; a record can be queried through
// [Store.Query] as soon as the call that logged it has returned.
//
// # What is recorded
//
// [Store.Levels] holds the settings that change while the program runs: the
// minimum level, the switch for lines and the switch for captures, for each
// server, service, operation and action. At first lines are recorded from
// Options.Level up, and inputs and outputs are captured. A file can have levels of
// its own ([FileRule]). Neither ever suppresses the records of runs and steps: they
// are the history. A call that is not recorded costs one atomic load.
//
// # Audit and access
//
// [Store.Audit] records who did what, durable and signed before the call returns;
// the store's own acts are recorded there too. [Store.Access] has the middleware
// that keeps access_log.log. Both are queried through [Store.Query].
//
// # What the host can rely on
//
// No call panics, ends the process or returns an error that is not in its
// signature: bad values are written as what could be made of them, nil loggers,
// runs and steps do nothing, Fatal does not exit, and a record that could not be
// written is counted ([Store.Stats]) and reported ([Options.OnProblem]). The one
// exception is what the host asks for: the Panic methods of [Logger.Zap] panic.
// What cannot be survived is a value that another goroutine changes during the
// call, such as a map written to meanwhile: the Go runtime ends the process.
//
// Field values are encoded before a call returns; nothing that was passed in is
// kept. Secrets are masked before anything is written: the values of keys that
// sound like secrets, and every value given to [Store.AddSecret].
package logger
