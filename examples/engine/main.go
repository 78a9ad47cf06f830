// Command engine is a small workflow engine that logs through steplog.
//
// It reads flows from JSON files, runs them against two HTTP servers that it
// starts on loopback, and then shows what the log knows: runs, failed steps,
// warnings, files. Start it with
//
//	go run ./examples/engine
//
// and read README.md in this folder for what lies where.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// The statuses of the process. That a flow failed is no failure of the program:
// saying so is its log's job.
const (
	exitDone    = 0
	exitLogging = 1 // something could not be logged, or not be read back
	exitUsage   = 2 // wrong flags, flows that cannot be read, no loopback
)

// The servers that appear in the log.
const (
	engineServer = "engine"
	erpServer    = "erp"
	shopServer   = "shop"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(start(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// config is what the command line says.
type config struct {
	dir   string
	flows string
	acks  string
	runs  int
	level zapcore.Level
	json  bool
	addr  string
	every time.Duration
}

// parseFlags reads the command line; what is wrong with it is said on stderr.
func parseFlags(args []string, stderr io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("engine", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.dir, "dir", filepath.Join("data", "logs"), "`folder` of the logs; reports are written to reports/ in it")
	flags.StringVar(&c.flows, "flows", "", "`folder` with flows (*.json) beside the ones that come with the program; the same id replaces")
	flags.IntVar(&c.runs, "runs", 1, "how often to run each flow whose start is \"repeat\" (price-sync); one whose start is\n\"once\" (dependency-report: a checkout does not change between two runs) runs once a start, after them")
	flags.StringVar(&c.acks, "acks", "", "`file` to append a word to for each line that a flow logged and the log accepted; the word is the line's details.ack")
	flags.BoolVar(&c.json, "json", false, "print the summary as JSON; progress goes to the error output")
	flags.StringVar(&c.addr, "addr", "", "serve the log's HTTP API, and a page about runs and flows, at this `address`, such as 127.0.0.1:8080, and run the flows whose start is \"repeat\"\nevery -every until the program is interrupted. With STEPLOG_TOKEN in the environment requests need that token;\nwithout it only this machine is answered, and the address must be loopback")
	flags.DurationVar(&c.every, "every", time.Minute, "how long from the end of one scheduled round of flows to the next, with -addr")
	flags.Func("level", "minimum `level` of lines: trace, debug, info (the default), warn, error or fatal", func(s string) (err error) {
		c.level, err = levels.Parse(s)
		return err
	})
	flags.Usage = func() {
		fmt.Fprintln(stderr, "engine runs flows and shows what they logged. Exit status: 0 also when a flow failed,\n1 when logging failed, 2 for wrong flags or flows.")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 || c.runs < 0 || c.every <= 0 {
		err := errors.New("flags only, -runs from 0, and -every above 0")
		fmt.Fprintln(stderr, "engine:", err)
		return c, err
	}
	return c, nil
}

// start is the program; it returns its exit status. When ctx ends, the runs in
// progress end as cancelled and everything is closed in order.
func start(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	if err != nil {
		return exitUsage
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	actions := builtin(&http.Client{Transport: transport})
	flows, err := loadFlows(c.flows, actions)
	if err != nil {
		fmt.Fprintln(stderr, "engine:", err)
		return exitUsage
	}

	store, err := logger.Open(c.dir, &logger.Options{
		Level:     c.level,
		OnProblem: func(err error) { fmt.Fprintln(stderr, "engine: logging:", err) },
	})
	if err != nil {
		fmt.Fprintln(stderr, "engine:", err)
		return exitLogging
	}
	p := &program{config: c, store: store, progress: stdout}
	key, err := store.Audit().Key()
	if err != nil {
		fmt.Fprintln(stderr, "engine:", errors.Join(err, store.Close()))
		return exitLogging
	}
	if c.json {
		p.progress = stderr
	}
	p.engine = &Engine{flows: flows, actions: actions, service: store.Server(engineServer).Service("flows")}
	status := p.run(ctx, stdout, stderr)
	err = store.Close()
	if dropped := store.Stats().Dropped; dropped > 0 {
		err = errors.Join(err, fmt.Errorf("%d records were not logged", dropped))
	}
	if err == nil {
		err = printVerified(context.WithoutCancel(ctx), p.progress, c.dir, key)
	}
	if err != nil {
		fmt.Fprintln(stderr, "engine:", err)
		return exitLogging
	}
	return status
}

// program is one start of the engine over an open store.
type program struct {
	config
	store    *logger.Store
	engine   *Engine
	progress io.Writer
	erp      *endpoint // set by runFlows
	shop     *endpoint // set by runFlows
}

// run does everything between opening and closing the store.
func (p *program) run(ctx context.Context, stdout, stderr io.Writer) (status int) {
	if p.acks != "" {
		acks, err := openAcks(p.acks, func() int64 { return p.store.Stats().Dropped })
		if err != nil {
			fmt.Fprintln(stderr, "engine:", err)
			return exitUsage
		}
		defer func() {
			if err := acks.Close(); err != nil {
				fmt.Fprintln(stderr, "engine:", err)
				status = exitLogging
			}
		}()
		p.engine.acks = acks
	}
	if p.addr != "" {
		stop, err := p.serve()
		if err != nil {
			fmt.Fprintln(stderr, "engine:", err)
			return exitUsage
		}
		defer func() {
			if err := stop(); err != nil {
				fmt.Fprintln(stderr, "engine:", err)
				status = exitLogging
			}
		}()
	}
	p.engine.service.Info(started, zap.Strings("arguments", os.Args), zap.Int("runs", p.runs))
	// What was done to the flows is on the disk before any of them runs.
	interrupted := ctx
	ctx = context.WithoutCancel(ctx) // what else is done is wanted after an interrupt, too
	if err := errors.Join(p.recordFlows(ctx), p.recordAll(ctx, audit.FlowStarted)); err != nil {
		fmt.Fprintln(stderr, "engine:", err)
		return exitLogging
	}
	if err := p.runFlows(interrupted); err != nil {
		fmt.Fprintln(stderr, "engine:", err)
		return exitUsage
	}
	if err := errors.Join(p.recordAll(ctx, audit.FlowStopped), p.showPage(ctx)); err != nil {
		fmt.Fprintln(stderr, "engine:", err)
		return exitLogging
	}
	summary, err := summarize(ctx, p.store, p.dir)
	if err == nil && p.json {
		err = summary.printJSON(stdout)
	} else if err == nil {
		err = summary.print(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "engine:", err)
		return exitLogging
	}
	return exitDone
}

// runFlows starts the servers, runs every flow that starts by itself, and stops
// the servers.
func (p *program) runFlows(ctx context.Context) (err error) {
	token := rand.Text()
	if err := p.store.AddSecret(token); err != nil {
		return err
	}
	if p.erp, err = newERP(p.store); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.erp.Close()) }()
	if p.shop, err = newShop(p.store, token); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.shop.Close()) }()
	p.engine.env = map[string]any{
		"erp": p.erp.URL, "shop": p.shop.URL, "authorization": "Bearer " + token,
		"reports": filepath.Join(p.dir, "reports"),
	}
	for n := range p.runs {
		for _, id := range p.engine.startable("repeat") {
			p.runFlow(ctx, id, fmt.Sprintf("%d/%d", n+1, p.runs), p.quiet(n))
		}
	}
	for _, id := range p.engine.startable("once") {
		p.runFlow(ctx, id, "1/1", false)
	}
	if p.addr != "" {
		p.schedule(ctx)
	}
	return nil
}

// quiet reports whether repetition n is one of many that need no line.
func (p *program) quiet(n int) bool {
	every := max(1, p.runs/20)
	return (n+1)%every != 0 && n != 0
}

// runFlow runs one flow and says how it went, in the words of the log. The
// flow's error is in the log; nothing is to be done about it here.
func (p *program) runFlow(ctx context.Context, id, which string, quiet bool, options ...logger.RunOption) {
	if ctx.Err() != nil {
		return
	}
	if options == nil {
		options = []logger.RunOption{logger.TriggeredBy("command line")}
	}
	run, _, _ := p.engine.Run(ctx, id, nil, options...)
	if quiet {
		return
	}
	page, err := p.store.Query().MainLogs(context.WithoutCancel(ctx), query.RunFilter{Run: run}, query.Paging{Limit: 1})
	if err != nil || len(page.Items) == 0 {
		fmt.Fprintf(p.progress, "%s %s: not in the log (%v)\n", id, which, err)
		return
	}
	row := runRow(page.Items[0])
	fmt.Fprintf(p.progress, "%s %s: %s in %s; %d steps, %d lines, %d processed, %d succeeded, %d failed\n",
		id, which, row.Outcome, row.Duration.Round(time.Millisecond), row.Steps, row.Lines, row.Processed, row.Succeeded, row.Failed)
	if row.Reason != "" {
		fmt.Fprintf(p.progress, "  because %s\n", short(row.Reason))
	}
}
