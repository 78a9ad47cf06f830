package logger_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// front is what loggers, servers, services, operations, runs and steps share.
type front interface {
	Trace(string, ...zap.Field)
	Debug(string, ...zap.Field)
	Info(string, ...zap.Field)
	Warn(string, ...zap.Field)
	Error(string, ...zap.Field)
	Fatal(string, ...zap.Field)
	Log(zapcore.Level, string, ...zap.Field)
	Enabled(zapcore.Level) bool
	With(...zap.Field) *logger.Logger
	Label(string) *logger.Logger
	To(string) *logger.Logger
	Zap() *zap.Logger
}

func TestNil(t *testing.T) {
	var noContext context.Context
	var (
		store   *logger.Store
		lg      *logger.Logger
		server  *logger.Server
		service *logger.Service
		op      *logger.Operation
		run     *logger.Run
		step    *logger.Step
	)
	all := map[string]front{
		"logger": lg, "server": server, "service": service, "operation": op, "run": run, "step": step,
		"context": logger.FromContext(t.Context()), "a nil store's server": store.Server("edge-1"),
		"zero logger": &logger.Logger{}, "zero server": &logger.Server{}, "zero run": &logger.Run{}, "zero step": &logger.Step{},
	}
	for name, l := range all {
		t.Run("R6.10 library: harmless without a store, "+name, func(t *testing.T) {
			l.Trace("m", zap.Int("n", 1))
			l.Debug("m")
			l.Info("m")
			l.Warn("m")
			l.Error("m", zap.Error(errors.New("x")))
			l.Fatal("m")
			l.Log(levels.Info, "m")
			require.False(t, l.Enabled(levels.Fatal))
			require.NotNil(t, l.With(zap.Int("n", 1)))
			require.NotNil(t, l.Label("x"))
			require.NotNil(t, l.To("email"))
			l.With().Label("x").To("no name").Info("m")
			l.Zap().Info("m")
		})
	}
	t.Run("R6.10 library: no function returns a nil run or step, and their methods do nothing", func(t *testing.T) {
		for _, o := range []*logger.Operation{op, {}, service.Operation("a"), server.Service("a").Operation("b"), store.Server("a").Service("b").Operation("c")} {
			ctx, run := o.Start(noContext, nil, logger.ID("x"), logger.Input(1))
			require.NotNil(t, ctx)
			require.NotNil(t, run)
			require.Equal(t, "x", run.ID())
			run.Add(query.Counts{Processed: 1})
			run.Info("m")
			ctx, step := logger.StartStep(ctx, "a", nil)
			require.NotNil(t, step)
			nowhere, _ := logger.StartStep(noContext, "a")
			require.NotNil(t, nowhere)
			step.Add(query.Counts{})
			step.Info("m")
			step.End(1, nil)
			step.EndAs(query.Failed, 1, nil)
			run.End(nil)
			run.EndAs(query.Failed, nil)
			_, run, err := o.Resume(ctx, "y")
			require.ErrorIs(t, err, logger.ErrRunUnknown)
			require.Equal(t, "y", run.ID())
		}
		run.Add(query.Counts{})
		run.End(nil)
		run.EndAs(query.Failed, nil)
		step.Add(query.Counts{})
		step.End(nil, nil)
		step.EndAs(query.Failed, nil, nil)
		require.Empty(t, run.ID()+step.ID())
		(&logger.Run{}).End(nil)
		(&logger.Step{}).End(nil, nil)
	})
	for name, store := range map[string]*logger.Store{"a nil store": nil, "a zero store": {}} {
		t.Run("R6.10 library: "+name, func(t *testing.T) {
			ctx, q := t.Context(), store.Query()
			for name, ask := range map[string]func() error{
				"records":   func() error { _, err := q.Records(ctx, query.Filter{}, query.Paging{}); return err },
				"main logs": func() error { _, err := q.MainLogs(ctx, query.RunFilter{}, query.Paging{}); return err },
				"sub logs":  func() error { _, err := q.SubLogs(ctx, query.StepFilter{}, query.Paging{}); return err },
				"audit":     func() error { _, err := q.Audit(ctx, query.AuditFilter{}, query.Paging{}); return err },
				"access":    func() error { _, err := q.Access(ctx, query.AccessFilter{}, query.Paging{}); return err },
				"histogram": func() error { _, err := q.Histogram(ctx, query.Filter{}, time.Hour); return err },
				"facets":    func() error { _, err := q.Facets(ctx, query.Filter{}, "level", 1); return err },
				"reader":    func() error { _, err := io.ReadAll(q.Reader(ctx, query.Filter{})); return err },
				"tail": func() error {
					for _, err := range q.Tail(ctx, query.Filter{}, query.TailOptions{}) {
						return err
					}
					return nil
				},
			} {
				require.ErrorIs(t, ask(), query.ErrClosed, name)
			}
			require.NoError(t, q.Close())
			files, err := store.Files().List()
			require.NoError(t, err)
			require.Empty(t, files)
			_, err = store.Files().Tail("user.log", 1)
			require.ErrorIs(t, err, rotation.ErrNotFound)
			store.Levels().SetLevel(ctx, levels.Scope{}, levels.Trace)
			require.False(t, store.Server("edge-1").Enabled(levels.Fatal))
			served := httptest.NewRecorder()
			store.Access().Middleware(http.NotFoundHandler()).ServeHTTP(served, httptest.NewRequest(http.MethodGet, "/", nil))
			require.Equal(t, http.StatusNotFound, served.Code)
			store.Access().Record(access.Record{})
			_, err = store.Audit().Record(ctx, audit.Entry{Event: audit.FlowUpdated})
			require.ErrorIs(t, err, audit.ErrClosed)
			require.Zero(t, store.FileRule("x"))
			require.Zero(t, store.Stats().Records)
			require.ErrorIs(t, store.SetFileRule(t.Context(), "x", logger.FileRule{}), logger.ErrClosed)
			require.ErrorIs(t, store.Rotate(t.Context(), "x"), logger.ErrClosed)
			require.ErrorIs(t, store.EndRun(t.Context(), "x", query.Failed, nil), logger.ErrClosed)
			require.ErrorIs(t, store.AddSecret("sesame"), logger.ErrClosed)
			require.ErrorIs(t, store.Sync(t.Context()), logger.ErrClosed)
			require.ErrorIs(t, store.MarkArchived(t.Context(), 1), logger.ErrClosed)
			require.Zero(t, store.RotationRule("x"))
			require.NoError(t, store.Close())
		})
	}
	t.Run("R6.10 library: nil contexts, loggers and options", func(t *testing.T) {
		require.NotNil(t, logger.FromContext(noContext))
		logger.Value(noContext, levels.Info, "x", 1)
		ctx := logger.NewContext(noContext, nil)
		logger.FromContext(ctx).Info("m")
		store := openMemory(t, nil)
		_, run := store.Server("a", nil).Service("b", nil).Operation("c", nil).Start(noContext, nil)
		run.End(nil)
		require.Equal(t, query.Succeeded, mainLog(t, store, run.ID()).Outcome)
		ctx, _, err := store.Server("a").Service("b").Operation("c").Resume(noContext, "unknown")
		require.ErrorIs(t, err, logger.ErrRunUnknown)
		require.NotNil(t, ctx)
	})
}

func TestContext(t *testing.T) {
	t.Run("R6.10 library: a server's logger in a context logs to application.log", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx := logger.NewContext(t.Context(), store.Server("edge-1").With(zap.String("request", "r-1")))
		logger.FromContext(ctx).Info("m")
		actx, step := logger.StartStep(ctx, "a", logger.Input(1), logger.ID("s"))
		logger.FromContext(actx).Info("in a step without a run")
		step.Add(query.Counts{Processed: 1})
		step.End("out", nil)
		require.Equal(t, "s", step.ID())
		all := host(t, store)
		require.Len(t, all, 2, "no record of the step, no capture")
		require.Equal(t, "application", all[1].File)
		require.Equal(t, query.KindEvent, all[1].Kind)
		require.Equal(t, "a", all[1].Action)
		require.Empty(t, all[1].Step)
		require.Equal(t, map[string]any{"request": "r-1"}, details(t, all[1]))
	})
	t.Run("R6.10 library: fields bound to the context's logger are those of its steps", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		ctx = logger.NewContext(ctx, logger.FromContext(ctx).With(zap.String("request", "r-1")))
		outer, a := logger.StartStep(ctx, "outer")
		inner, b := logger.StartStep(outer, "inner")
		logger.FromContext(inner).Info("m")
		b.End(nil, nil)
		a.End(nil, nil)
		run.End(nil)
		r := one(t, store, query.Filter{Kinds: []query.Kind{query.KindLine}})
		require.Equal(t, b.ID(), r.Step)
		require.Equal(t, run.ID(), r.Run)
		require.Equal(t, map[string]any{"request": "r-1"}, details(t, r))
	})
}

type hostile struct{}

func (hostile) Error() string                                { panic("error") }
func (hostile) String() string                               { panic("string") }
func (hostile) MarshalJSON() ([]byte, error)                 { panic("json") }
func (hostile) MarshalText() ([]byte, error)                 { panic("text") }
func (hostile) MarshalLogObject(zapcore.ObjectEncoder) error { panic("object") }
func (hostile) MarshalLogArray(zapcore.ArrayEncoder) error   { panic("array") }
func (hostile) Code() string                                 { panic("code") }
func (hostile) Is(error) bool                                { panic("is") }

func TestBadValues(t *testing.T) {
	var typedNil *hostile
	cycle := map[string]any{}
	cycle["self"] = cycle
	for name, v := range map[string]any{
		"methods that panic": hostile{}, "an error that panics with itself": hostileItself{}, "typed nil": typedNil, "cycle": cycle, "channel": make(chan int), "function": func() {},
		"NaN": math.NaN(), "infinity": math.Inf(1), "text that is none": "\xff\x00\x1b\u2028", "nil": nil,
		"key that panics": map[hostileKey]int{{}: 1}, "far-off time": time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		t.Run("R6.10 library: no panic and no lost record, "+name, func(t *testing.T) {
			store := openMemory(t, nil)
			ctx, run := operation(store).Start(t.Context(), logger.Input(v))
			ctx, step := logger.StartStep(ctx, "a", logger.Input(v), logger.Iteration(0, v))
			l := logger.FromContext(ctx)
			l.Info("m", zap.Any("v", v), zap.Reflect("r", v))
			l.With(zap.Any("v", v)).Slog().Info("m", "v", v)
			logger.Value(ctx, levels.Info, "x", v)
			err, _ := v.(error)
			l.Error("m", zap.Error(err))
			step.End([]any{v}, err)
			run.End(err)
			require.Zero(t, store.Stats().Dropped)
			require.Equal(t, 11, len(host(t, store)))
		})
	}
}

type hostileItself struct{}

func (h hostileItself) Error() string { panic(h) }

type hostileKey struct{}

func (hostileKey) MarshalText() ([]byte, error) { panic("key") }

func TestProblems(t *testing.T) {
	t.Run("R6.10 library: the hook may log, take the caller's locks and panic", func(t *testing.T) {
		var store *logger.Store
		var mu sync.Mutex
		ready := make(chan struct{})
		var n int
		store = logger.OpenMemory(&logger.Options{OnProblem: func(error) {
			<-ready
			store.Server("edge-1").Warn("heard")
			mu.Lock()
			n++
			mu.Unlock()
			panic("boom")
		}})
		close(ready)
		mu.Lock()
		for range 3 {
			store.Server("edge-1").To("no name")
		}
		mu.Unlock()
		require.Eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return n == 3
		}, 10*time.Second, time.Millisecond)
		require.Len(t, records(t, store, query.Filter{Search: "heard"}), 3)
		require.NoError(t, store.Close())
	})
	t.Run("R6.10 library: a hook that is too slow makes nobody wait, and all is counted", func(t *testing.T) {
		release := make(chan struct{})
		store := logger.OpenMemory(&logger.Options{OnProblem: func(error) { <-release }})
		for range 1000 {
			store.Server("edge-1").To("no name")
		}
		require.Equal(t, int64(1000), store.Stats().Problems)
		close(release)
		require.NoError(t, store.Close())
	})
	t.Run("R6.10 library: a clock that panics is not used", func(t *testing.T) {
		var problems heard
		store := logger.OpenMemory(&logger.Options{OnProblem: problems.hook, Clock: func() time.Time { panic("boom") }})
		store.Server("edge-1").Info("m")
		require.Len(t, host(t, store), 1)
		require.NoError(t, store.Close())
		require.ErrorIs(t, problems.all()[0], logger.ErrPanicked)
	})
}

func TestConcurrency(t *testing.T) {
	t.Run("R6.10 library: what was accepted while everything changes and closes is in the folder", func(t *testing.T) {
		dir := t.TempDir()
		store, err := logger.Open(dir, &logger.Options{Rule: rotation.Rule{MaxBytes: 50_000}})
		require.NoError(t, err)
		const workers, calls = 8, 300
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				ctx, run := operation(store).Start(t.Context(), logger.ID(fmt.Sprint("run-", w)))
				ctx, step := logger.StartStep(ctx, "a")
				for i := range calls {
					logger.FromContext(ctx).Info("line", zap.Int("i", i))
					switch i % 100 {
					case 10:
						store.Levels().SetLevel(ctx, levels.Scope{Server: fmt.Sprint(w)}, levels.Debug)
					case 20:
						store.Stats()
					case 30:
						run.Add(query.Counts{Processed: 1})
					case 40:
						_ = store.Rotate(ctx, logger.FileUser)
					case 50:
						_, _ = store.Query().LineLogs(ctx, query.Filter{Run: run.ID()}, query.Paging{Limit: 5})
					}
					if w == 0 && i == 200 {
						_ = store.Close()
					}
				}
				step.End(nil, nil)
				run.End(nil)
			})
		}
		all.Wait()
		require.NoError(t, store.Close())
		stats := store.Stats()
		require.Positive(t, stats.Dropped, "some came after Close")
		require.Zero(t, stats.Problems, "which is none: %v", stats.LastProblem)

		after := openDir(t, dir, nil)
		require.Equal(t, stats.Files["user"].Records, int64(len(records(t, after, query.Filter{Files: []string{"user"}}))))
		require.Equal(t, int64(workers*calls), stats.Files["user"].Records+stats.Files["user"].Dropped)
	})
	t.Run("R6.10 library: the trail begins while rules of files change", func(t *testing.T) {
		store := openMemory(t, nil)
		begin := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			<-begin
			require.NotNil(t, store.Audit())
		})
		all.Go(func() {
			close(begin)
			for i := range 20 {
				require.NoError(t, store.SetFileRule(t.Context(), fmt.Sprint("file_", i), logger.FileRule{}))
			}
		})
		all.Wait()
	})
}

func TestClose(t *testing.T) {
	t.Run("R6.10 library: Close waits at most CloseTimeout for a disk that does not answer", func(t *testing.T) {
		var stuck atomic.Pointer[chan struct{}]
		disk := vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
			if wait := stuck.Load(); wait != nil && op.Writes() {
				<-*wait
			}
			return nil
		})
		const timeout = 50 * time.Millisecond
		store, err := logger.OpenFS(disk, "logs", &logger.Options{CloseTimeout: timeout})
		require.NoError(t, err)
		release := make(chan struct{})
		stuck.Store(&release)
		begin := time.Now()
		require.ErrorIs(t, store.Close(), logger.ErrTimeout)
		require.GreaterOrEqual(t, time.Since(begin), timeout)
		require.Less(t, time.Since(begin), 5*time.Second, "the default")
		require.ErrorIs(t, store.Close(), logger.ErrTimeout, "the first error")
		close(release) // what still runs then ends by itself
	})
	t.Run("R6.10 library: the folder is free after Close, and locked before", func(t *testing.T) {
		dir := t.TempDir()
		store, err := logger.Open(dir, nil)
		require.NoError(t, err)
		_, err = logger.Open(dir, nil)
		require.ErrorIs(t, err, logger.ErrLocked)
		require.EqualError(t, err, "open "+dir+": logger: the folder is written by another process, or by another store of this one; query.Open reads beside it", "said once")
		require.NoError(t, store.Close())
		openDir(t, dir, nil)
	})
	t.Run("R6.10 library: queries of a closed store are refused, of the trail too", func(t *testing.T) {
		store := openDir(t, t.TempDir(), nil)
		store.Server("edge-1").Info("m")
		_, err := store.Audit().Record(t.Context(), audit.Entry{Event: audit.FlowUpdated})
		require.NoError(t, err)
		require.NoError(t, store.Close())
		_, err = store.Query().Records(t.Context(), query.Filter{}, query.Paging{})
		require.ErrorIs(t, err, query.ErrClosed)
		_, err = store.Query().Audit(t.Context(), query.AuditFilter{}, query.Paging{})
		require.ErrorIs(t, err, query.ErrClosed)
		for _, err := range store.Query().AllAudit(t.Context(), query.AuditFilter{}) {
			require.ErrorIs(t, err, query.ErrClosed)
		}
	})
	t.Run("R6.10 library: Sync ends with its context", func(t *testing.T) {
		store := openMemory(t, nil)
		store.Server("edge-1").Info("m")
		require.NoError(t, store.Sync(t.Context()))
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, store.Sync(cancelled), context.Canceled)
	})
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]logger.Options{
		"SyncEvery": {SyncEvery: -1}, "MaxWait": {MaxWait: -1}, "CloseTimeout": {CloseTimeout: -1}, "PerformanceEvery": {PerformanceEvery: -1},
		"Level": {Level: 6}, "Mode": {Mode: 2}, "RingBytes": {RingBytes: 1}, "RingBytes is 1073741824, outside": {RingBytes: 1 << 30}, "CaptureBytes": {CaptureBytes: 255},
		"MaskKeys": {MaskKeys: []string{""}}, "IndexFields": {IndexFields: []string{"a", ""}}, "Rule": {Rule: rotation.Rule{MaxFiles: -1}},
		"Files": {Files: map[string]logger.FileRule{"A": {}}},
		"Audit": {Audit: &audit.Options{Timeout: -1}}, "Audit cannot be used: audit: not an event that can be recorded: the name": {Audit: &audit.Options{Events: []audit.Event{{Name: "copied"}}}},
	} {
		t.Run("R6.10 library: options that cannot be used are refused by name, "+name, func(t *testing.T) {
			_, err := logger.Open(t.TempDir(), &o)
			require.ErrorIs(t, err, logger.ErrOptions)
			require.ErrorContains(t, err, name)
			var problems heard
			o.OnProblem = problems.hook
			store := logger.OpenMemory(&o)
			store.Server("edge-1").Info("m")
			require.NoError(t, store.Close())
			require.ErrorIs(t, problems.all()[0], logger.ErrOptions)
		})
	}
	t.Run("R6.10 library: options are copied, those of a trail that begins later too", func(t *testing.T) {
		shipped := audit.Event{Name: "order.shipped", Module: "order", Verb: audit.VerbUpdate, Title: "Order Shipped"}
		trail := &audit.Options{Server: "first", Events: []audit.Event{shipped}}
		store := openMemory(t, &logger.Options{Audit: trail})
		trail.Server, trail.Events[0] = "second", audit.Event{}
		_, err := store.Audit().Record(t.Context(), audit.Entry{Event: shipped})
		require.NoError(t, err)
		page, err := store.Query().Audit(t.Context(), query.AuditFilter{Events: []string{shipped.Name}}, query.Paging{})
		require.NoError(t, err)
		require.Equal(t, "first", page.Items[0].Actor.ID)
	})
	t.Run("R5.2 library: the rule of a file is checked by its name", func(t *testing.T) {
		_, err := logger.Open(t.TempDir(), &logger.Options{Files: map[string]logger.FileRule{"email": {Rotation: rotation.Rule{MaxFiles: -1}}}})
		require.ErrorContains(t, err, `"email"`)
		require.True(t, strings.HasPrefix(err.Error(), "logger: "))
	})
	t.Run("R1.2 library: a folder that cannot be made is an error", func(t *testing.T) {
		_, err := logger.Open("/dev/null/logs", nil)
		require.ErrorContains(t, err, "open /dev/null/logs: ")
		_, err = logger.Open("", nil)
		require.ErrorIs(t, err, logger.ErrOptions, "a variable that is not set")
		require.Equal(t, "journal write Mode(9)", fmt.Sprint(logger.ModeJournal, logger.ModeWrite, logger.Mode(9)))
	})
}
