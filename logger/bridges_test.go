package logger_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestZap(t *testing.T) {
	t.Run("R6.8 library: a zap logger writes where the logger does", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		ctx, step := logger.StartStep(ctx, "a")
		z := logger.FromContext(ctx).With(zap.String("bound", "b")).Zap()
		z.Named("http").Named("client").With(zap.Int("n", 1)).Info("sent", zap.String("sku", "A-1"))
		z.Debug("not recorded")
		z.Sugar().Warnw("sugared", "k", "v")
		require.NoError(t, z.Sync())
		step.End(nil, nil)
		run.End(nil)
		all := records(t, store, query.Filter{Step: step.ID(), Kinds: []query.Kind{query.KindLine}})
		require.Equal(t, []string{"sent", "sugared"}, messages(all))
		require.Equal(t, "http.client", all[0].Logger)
		require.Equal(t, "user", all[0].File)
		d := details(t, all[0])
		require.Equal(t, "b", d["bound"])
		require.Equal(t, "A-1", d["sku"])
	})
	t.Run("R6.8 library: zap's callers and stacks are kept", func(t *testing.T) {
		store := openMemory(t, nil)
		store.Server("edge-1").Zap().WithOptions(zap.AddCaller(), zap.AddStacktrace(zap.ErrorLevel)).Error("broken")
		r := host(t, store)[0]
		require.Regexp(t, `^logger/bridges_test\.go:\d+$`, r.Caller)
		require.Contains(t, r.Stack, "TestZap")
	})
	t.Run("R6.8 library: Fatal does not exit", func(t *testing.T) {
		store := openMemory(t, nil)
		store.Server("edge-1").Zap().Fatal("the end")
		store.Server("edge-1").Zap().Sugar().Fatalf("the %s", "end")
		store.Levels().SetLines(t.Context(), levels.Scope{}, false)
		store.Server("edge-1").Zap().Fatal("not recorded, and no exit either")
		var none *logger.Logger
		none.Zap().Fatal("nowhere")
		all := host(t, store)
		require.Equal(t, []string{"the end", "the end"}, messages(all))
		require.Equal(t, levels.Fatal, all[0].Level)
	})
	t.Run("R6.8 library: Panic and DPanic keep zap's behaviour and are stored as error", func(t *testing.T) {
		store := openMemory(t, nil)
		z := store.Server("edge-1").Zap()
		require.Panics(t, func() { z.Panic("panicked") })
		z.DPanic("in production")
		require.Panics(t, func() { z.WithOptions(zap.Development()).DPanic("in development") })
		all := host(t, store)
		require.Len(t, all, 3)
		for _, r := range all {
			require.Equal(t, levels.Error, r.Level)
		}
	})
	t.Run("R6.8 library: zap takes the store's time", func(t *testing.T) {
		moment := time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC)
		store := openMemory(t, &logger.Options{Clock: func() time.Time { return moment }})
		store.Server("edge-1").Zap().Info("m")
		require.Equal(t, moment, host(t, store)[0].Time)
	})
	t.Run("R6.8 library: every call of the core is served", func(t *testing.T) {
		store := openMemory(t, nil)
		core := store.Server("edge-1").Zap().Core()
		require.True(t, core.Enabled(zapcore.InfoLevel))
		require.False(t, core.Enabled(zapcore.DebugLevel))
		require.NoError(t, core.With([]zapcore.Field{zap.Int("n", 1)}).Write(zapcore.Entry{Message: "direct"}, nil))
		require.NoError(t, core.Sync())
		require.Equal(t, "direct", host(t, store)[0].Message)
	})
}

func TestSlog(t *testing.T) {
	t.Run("R6.8 library: the slog handler passes testing/slogtest", func(t *testing.T) {
		// slogtest wants records without a time to stay without one; ours
		// always have one, so the store's clock marks them.
		unset := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
		store := openMemory(t, &logger.Options{Clock: func() time.Time { return unset }})
		results := func() []map[string]any {
			var all []map[string]any
			for _, r := range host(t, store) {
				m := map[string]any{slog.LevelKey: levels.ToSlog(r.Level), slog.MessageKey: r.Message}
				if r.Time != unset {
					m[slog.TimeKey] = r.Time
				}
				maps.Copy(m, details(t, r))
				all = append(all, m)
			}
			return all
		}
		require.NoError(t, slogtest.TestHandler(store.Server("edge-1").Slog().Handler(), results))
	})
	t.Run("R6.8 library: levels, groups, errors and values that panic", func(t *testing.T) {
		store := openMemory(t, &logger.Options{Level: levels.Trace})
		l := store.Server("edge-1").Slog()
		l.Log(t.Context(), slog.LevelDebug-4, "trace")
		l.Log(t.Context(), slog.LevelError+4, "fatal")
		l.WithGroup("req").With("id", 7).WithGroup("user").Error("failed", "err", errors.New("boom"),
			slog.Group("", slog.String("inline", "x")), slog.Any("bad", badValue{}), slog.Duration("took", time.Second),
			slog.Uint64("u", 1), slog.Float64("f", 1.5), slog.Bool("b", true), slog.Time("at", time.Unix(0, 0)))
		all := host(t, store)
		require.Equal(t, levels.Trace, all[0].Level)
		require.Equal(t, levels.Fatal, all[1].Level)
		require.Equal(t, "boom", all[2].ErrorMessage)
		inline, ok := all[2].Field("req.user.inline")
		require.True(t, ok, string(all[2].Raw))
		require.Equal(t, "x", inline)
		id, _ := all[2].Field("req.id")
		require.EqualValues(t, "7", id)
	})
	t.Run("R6.8 library: a value that says its own JSON has that of slog's handler", func(t *testing.T) {
		store := openMemory(t, nil)
		var text bytes.Buffer
		price := &cents{1999}
		for _, l := range []*slog.Logger{slog.New(slog.NewJSONHandler(&text, nil)), store.Server("edge-1").Slog()} {
			l.Info("m", "price", price, "size", big.NewInt(7), "none", (*cents)(nil), "at", netip.MustParseAddr("::1"))
		}
		var want map[string]any
		decoder := json.NewDecoder(&text)
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&want))
		maps.DeleteFunc(want, func(key string, _ any) bool { return key == "time" || key == "level" || key == "msg" })
		require.Equal(t, want, details(t, host(t, store)[0]))
	})
	t.Run("R6.8 library: trace and span ids come from the context of the call", func(t *testing.T) {
		store := openMemory(t, &logger.Options{TraceIDs: traceIDs})
		l := store.Server("edge-1").Slog()
		l.InfoContext(withTrace(t.Context(), "t1", "s1"), "m")
		l.Info("none")
		all := host(t, store)
		require.Equal(t, "t1 s1", all[0].Trace+" "+all[0].Span)
		require.Empty(t, all[1].Trace)
	})
	t.Run("R6.8 library: a nil logger's slog logger does nothing", func(t *testing.T) {
		var none *logger.Logger
		none.Slog().Error("nowhere")
		logger.FromContext(t.Context()).Slog().With("k", 1).Error("nowhere")
	})
}

// cents is a price that people read in another form than programs.
type cents struct{ n int }

func (c *cents) String() string { return fmt.Sprintf("%d.%02d EUR", c.n/100, c.n%100) }

func (c *cents) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `{"cents":%d}`, c.n), nil }

type badValue struct{}

func (badValue) LogValue() slog.Value { panic("boom") }

// selfLogging logs itself when it is logged.
type selfLogging struct{ to *slog.Logger }

func (v selfLogging) LogValue() slog.Value {
	v.to.Info("inside", "value", v)
	return slog.StringValue("logged")
}

// employee knows a boss and a deputy, who may be the employee.
type employee struct {
	name         string
	boss, deputy *employee
}

func (e *employee) LogValue() slog.Value {
	if e == nil {
		return slog.Value{}
	}
	return slog.GroupValue(slog.String("name", e.name), slog.Any("boss", e.boss), slog.Any("deputy", e.deputy))
}

// unnamed is a group without a name, of itself.
type unnamed struct{}

func (unnamed) LogValue() slog.Value { return slog.GroupValue(slog.Any("", unnamed{})) }

func TestSlogValuesWithoutEnd(t *testing.T) {
	t.Run("R6.8 library: a value whose groups lead back to it is cut", func(t *testing.T) {
		store := openMemory(t, nil)
		boss := &employee{name: "boss"}
		boss.boss, boss.deputy = boss, boss
		l := store.Server("edge-1").Slog()
		l.Info("logged", "who", &employee{name: "a", boss: boss}, "after", 1)
		l.With("who", boss).WithGroup("g").Info("bound", "after", 1)
		l.Info("unnamed", "who", unnamed{}, "after", 1)
		all := host(t, store)
		require.Equal(t, []string{"logged", "bound", "unnamed"}, messages(all))
		for _, r := range all {
			require.True(t, r.Truncated, "%.200s", r.Raw)
		}
		name, _ := all[0].Field("who.boss.boss.name")
		require.Equal(t, "boss", name)
		_, ok := all[1].Field("g.after")
		require.True(t, ok)
		_, ok = all[2].Field("after")
		require.True(t, ok)
	})
	t.Run("R6.8 library: a value that is merely deep is whole", func(t *testing.T) {
		store := openMemory(t, nil)
		deep := &employee{name: "a"}
		for range 30 {
			deep = &employee{name: "a", boss: deep}
		}
		store.Server("edge-1").Slog().Info("m", "who", deep)
		require.False(t, host(t, store)[0].Truncated)
	})
	t.Run("R6.8 library: a value that logs itself is not asked for ever", func(t *testing.T) {
		store := openMemory(t, nil)
		l := store.Server("edge-1").Slog()
		l.Info("outside", "value", selfLogging{l})
		page, err := store.Query().Records(t.Context(), query.Filter{Server: "edge-1", Search: `"outside"`}, query.Paging{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		value, _ := page.Items[0].Field("value")
		require.Equal(t, "logged", value)
	})
}

type traceKey struct{}

func withTrace(ctx context.Context, trace, span string) context.Context {
	return context.WithValue(ctx, traceKey{}, [2]string{trace, span})
}

func traceIDs(ctx context.Context) (trace, span string) {
	ids, _ := ctx.Value(traceKey{}).([2]string)
	return ids[0], ids[1]
}

func TestTraceIDs(t *testing.T) {
	t.Run("R6.8 library: trace and span ids from the context", func(t *testing.T) {
		store := openMemory(t, &logger.Options{TraceIDs: traceIDs})
		ctx, run := operation(store).Start(withTrace(t.Context(), "t1", "s1"))
		logger.FromContext(ctx).Info("of the run")
		inner := withTrace(ctx, "t1", "s2")
		logger.FromContext(inner).Info("of a call")
		logger.Value(inner, levels.Info, "value", 1)
		_, step := logger.StartStep(inner, "a", logger.Input(1))
		step.Info("of the step")
		step.End(nil, nil)
		run.End(nil)
		var spans []string
		for _, r := range host(t, store) {
			require.Equal(t, "t1", r.Trace, string(r.Raw))
			spans = append(spans, fmt.Sprint(r.Kind, " ", r.Span))
		}
		require.Equal(t, []string{"run s1", "line s1", "line s2", "line s2", "step s2", "capture s2", "line s2", "step s2", "run s1"}, spans)
	})
	t.Run("R6.8 library: a run that goes on has those of who goes on with it", func(t *testing.T) {
		disk, o := vfs.NewMem(), &logger.Options{TraceIDs: traceIDs}
		store, err := logger.OpenFS(disk, "logs", o)
		require.NoError(t, err)
		operation(store).Start(withTrace(t.Context(), "t1", "s1"), logger.ID("run-1"))
		require.NoError(t, store.Close())
		store, err = logger.OpenFS(disk, "logs", o)
		require.NoError(t, err)
		defer func() { require.NoError(t, store.Close()) }()
		_, run, err := operation(store).Resume(withTrace(t.Context(), "t2", "s2"), "run-1")
		require.NoError(t, err)
		run.Info("going on")
		run.End(nil)
		all := records(t, store, query.Filter{Run: "run-1"})
		for _, r := range all[len(all)-2:] {
			require.Equal(t, "t2 s2", r.Trace+" "+r.Span, string(r.Raw))
		}
	})
	t.Run("R6.10 library: a hook that panics costs the ids only", func(t *testing.T) {
		var problems heard
		store := logger.OpenMemory(&logger.Options{OnProblem: problems.hook, TraceIDs: func(context.Context) (string, string) { panic("boom") }})
		ctx, run := operation(store).Start(t.Context())
		logger.FromContext(ctx).Info("m")
		run.End(nil)
		require.Len(t, host(t, store), 3)
		require.NoError(t, store.Close())
		require.ErrorIs(t, problems.all()[0], logger.ErrPanicked)
	})
}

func TestWriter(t *testing.T) {
	write := func(t *testing.T, w io.Writer, parts ...string) {
		t.Helper()
		for _, p := range parts {
			n, err := io.WriteString(w, p)
			require.NoError(t, err)
			require.Equal(t, len(p), n)
		}
	}
	t.Run("R6.8 library: an io.Writer for a subprocess's output", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		ctx, step := logger.StartStep(ctx, "shell/exec")
		out := logger.FromContext(ctx).Writer(levels.Info)
		cmd := exec.Command("printf", `one\ntwo\r\n\nlast`)
		cmd.Stdout = out
		require.NoError(t, cmd.Run())
		require.NoError(t, out.Close())
		step.End(nil, nil)
		run.End(nil)
		require.Equal(t, []string{"one", "two", "", "last"},
			messages(records(t, store, query.Filter{Step: step.ID(), Kinds: []query.Kind{query.KindLine}})))
	})
	t.Run("R6.8 library: lines may come in any parts", func(t *testing.T) {
		store := openMemory(t, nil)
		w := store.Server("edge-1").Writer(levels.Warn)
		write(t, w, "o", "", "ne\r", "\ntw", "o\nthree\n", "fo")
		require.Equal(t, []string{"one", "two", "three"}, messages(host(t, store)))
		require.NoError(t, w.Close())
		require.NoError(t, w.Close())
		_, err := w.Write([]byte("x"))
		require.ErrorIs(t, err, logger.ErrClosed)
		all := host(t, store)
		require.Equal(t, []string{"one", "two", "three", "fo"}, messages(all))
		require.Equal(t, levels.Warn, all[0].Level)
	})
	t.Run("R6.5 library: ANSI is kept raw in the file and stripped for search", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, nil)
		ctx, run := operation(store).Start(t.Context())
		w := logger.FromContext(ctx).Writer(levels.Info)
		write(t, w, "\x1b[1;31mno \x1b[0mstock\n")
		run.End(nil)
		require.Equal(t, "\x1b[1;31mno \x1b[0mstock", synced(t, store, dir, "user.log")[0]["message"])
		page, err := store.Query().LineLogs(t.Context(), query.Filter{Search: `"no stock"`}, query.Paging{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
	})
	t.Run("R6.5 library: multi-line text is one entry", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, nil)
		ctx, run := operation(store).Start(t.Context())
		logger.FromContext(ctx).Error("panic: boom\n\tat a.go:1\n\tat b.go:2")
		run.End(nil)
		all := synced(t, store, dir, "user.log")
		require.Len(t, all, 1)
		require.Equal(t, "panic: boom\n\tat a.go:1\n\tat b.go:2", all[0]["message"])
	})
	t.Run("R6.3 library: a long line is cut on a rune boundary, marked, with its size, and the next one is whole", func(t *testing.T) {
		store := openMemory(t, nil)
		w := store.Server("edge-1").Writer(levels.Info)
		long := "x" + strings.Repeat("ä", 100_000)
		for part := range slices.Chunk([]byte(long), 777) {
			write(t, w, string(part))
		}
		write(t, w, "\nnext\n")
		all := host(t, store)
		require.Len(t, all, 2)
		require.True(t, all[0].Truncated)
		require.True(t, strings.HasPrefix(long, all[0].Message))
		require.InDelta(t, 64<<10, len(all[0].Message), 2)
		size, _ := all[0].Field("bytes")
		require.EqualValues(t, fmt.Sprint(len(long)), size)
		require.Equal(t, "next", all[1].Message)
		require.False(t, all[1].Truncated)
		write(t, w, long, "\r", "\n")
		size, _ = host(t, store)[2].Field("bytes")
		require.EqualValues(t, fmt.Sprint(len(long)), size, "the carriage return is not of the line")
	})
	t.Run("R6.3 library: a line of just the largest size is whole, carriage return or not", func(t *testing.T) {
		store := openMemory(t, nil)
		w := store.Server("edge-1").Writer(levels.Info)
		fits := strings.Repeat("x", 64<<10)
		write(t, w, fits+"\n", fits+"\r\n", fits+"y\n")
		all := host(t, store)
		require.False(t, all[0].Truncated || all[1].Truncated)
		require.Equal(t, fits, all[1].Message)
		require.True(t, all[2].Truncated)
	})
	t.Run("R6.8 library: what the level does not let through is discarded", func(t *testing.T) {
		store := openMemory(t, nil)
		var none *logger.Logger
		for _, l := range []*logger.Logger{none, logger.FromContext(t.Context()), store.Server("edge-1").Logger} {
			w := l.Writer(levels.Debug)
			write(t, w, "x\ny")
			require.NoError(t, w.Close())
		}
		require.Empty(t, host(t, store))
	})
}
