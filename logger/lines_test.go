package logger_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestTopics(t *testing.T) {
	t.Run("R1.1 library: start and stop of the store are system events", func(t *testing.T) {
		dir := t.TempDir()
		store, err := logger.Open(dir, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"store opened"}, messages(records(t, store, query.Filter{Topic: "system"})))
		require.NoError(t, store.Close())

		store = openDir(t, dir, nil)
		require.Equal(t, []string{"store opened", "store closed", "store opened"},
			messages(records(t, store, query.Filter{Topic: "system", Files: []string{"application"}})))
	})
	t.Run("R1.1 library: a failure is a system event", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "user.log"), []byte(`{"seq":1,"timest`), 0o600))
		store := openDir(t, dir, nil)
		opened := one(t, store, query.Filter{Topic: "system"})
		require.Equal(t, json.Number("16"), details(t, opened)["torn_bytes"], "what the crash left is said")
	})
	t.Run("R1.1 library: application events are the default", func(t *testing.T) {
		store := openMemory(t, nil)
		store.Server("edge-1").Info("configured")
		r := one(t, store, query.Filter{Topic: "application"})
		require.Equal(t, "configured", r.Message)
		require.Equal(t, query.KindEvent, r.Kind)
		require.Equal(t, "application", r.File)
	})
	t.Run("R1.1 library: security events have their topic", func(t *testing.T) {
		store := openMemory(t, nil)
		store.Server("edge-1").Warn("login failed", logger.Topic("security"), zap.String("account", "test@example.com"))
		store.Server("edge-1").With(logger.Topic("security")).Warn("access denied")
		require.Equal(t, []string{"login failed", "access denied"}, messages(records(t, store, query.Filter{Topic: "security"})))
		require.NotContains(t, details(t, records(t, store, query.Filter{Topic: "security"})[0]), "topic")
	})
	t.Run("R1.1 library: a topic of the host's own is kept", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		logger.FromContext(ctx).Info("moved", logger.Topic("warehouse"))
		run.End(nil)
		require.Equal(t, query.KindLine, one(t, store, query.Filter{Topic: "warehouse"}).Kind)
	})
}

func TestPerformance(t *testing.T) {
	t.Run("R1.1 library: figures of the process at start, each minute and at stop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := logger.OpenMemory(nil)
			begin := time.Now()
			<-time.After(150 * time.Second) // of the test's clock
			synctest.Wait()
			var at []time.Duration
			for _, r := range records(t, store, query.Filter{Topic: "performance"}) {
				require.Equal(t, query.KindEvent, r.Kind)
				require.Equal(t, "application", r.File)
				at = append(at, r.Time.Sub(begin))
			}
			require.Equal(t, []time.Duration{0, time.Minute, 2 * time.Minute}, at)
			require.NoError(t, store.Close())
		})
	})
	t.Run("R1.1 library: the last figures are those at stop", func(t *testing.T) {
		dir := t.TempDir()
		store, err := logger.Open(dir, nil)
		require.NoError(t, err)
		require.NoError(t, store.Close())
		all := lines(t, dir, "application.log")
		require.Equal(t, "performance", all[len(all)-2]["topic"])
		require.Equal(t, "store closed", all[len(all)-1]["message"])
	})
	t.Run("R1.1 library: CPU, resident memory and goroutines", func(t *testing.T) {
		store := openMemory(t, nil)
		d := details(t, one(t, store, query.Filter{Topic: "performance"}))
		for _, key := range []string{"cpu_seconds", "resident_bytes", "goroutines"} {
			n, err := d[key].(json.Number).Float64()
			require.NoError(t, err)
			require.Positive(t, n, key)
		}
	})
	t.Run("R1.1 library: per run and step duration, counts, lines per level, bytes, and no CPU", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context())
		ctx, step := logger.StartStep(ctx, "fetch")
		logger.FromContext(ctx).Warn("slow", zap.Duration("took", time.Second))
		step.Add(query.Counts{Processed: 2, Succeeded: 2})
		run.Add(query.Counts{Processed: 2, Succeeded: 2})
		step.End(nil, nil)
		run.End(nil)
		for _, kind := range []query.Kind{query.KindRun, query.KindStep} {
			all := records(t, store, query.Filter{Kinds: []query.Kind{kind}})
			var end map[string]any
			require.NoError(t, json.Unmarshal(all[len(all)-1].Raw, &end))
			require.Positive(t, end["duration_ns"])
			require.EqualValues(t, 2, end["processed"])
			require.Equal(t, map[string]any{"warn": 1.0}, end["levels"])
			require.Positive(t, end["bytes"])
			require.NotContains(t, end, "cpu_seconds")
		}
	})
	t.Run("R1.1 library: what the host adds stands in its own event", func(t *testing.T) {
		store := openMemory(t, nil)
		store.Server("edge-1").Info("queue", logger.Topic("performance"), zap.Int("waiting", 3))
		all := records(t, store, query.Filter{Topic: "performance"})
		require.Equal(t, json.Number("3"), details(t, all[len(all)-1])["waiting"])
	})
}

func TestTextFiles(t *testing.T) {
	t.Run("R1.2 library: one JSON object a line in the folder the host chose", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data", "logs")
		store := openDir(t, dir, nil)
		ctx, run := operation(store).Start(t.Context())
		for i := range 10 {
			logger.FromContext(ctx).Info("two\nlines", zap.Int("i", i))
		}
		run.End(nil)
		require.Len(t, synced(t, store, dir, "user.log"), 10)
		require.Len(t, synced(t, store, dir, "usage.log"), 2)
		require.NotEmpty(t, synced(t, store, dir, "application.log"))
	})
	t.Run("R1.2 library: readable while it is written", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, nil)
		ctx, run := operation(store).Start(t.Context())
		defer run.End(nil)
		logger.FromContext(ctx).Info("first")
		require.NoError(t, store.Sync(t.Context()))
		f, err := os.Open(filepath.Join(dir, "user.log"))
		require.NoError(t, err)
		defer f.Close()
		follow := bufio.NewReader(f)
		var read []string
		for i := range 3 { // as tail -f: read to the end, then on
			logger.FromContext(ctx).Info(fmt.Sprint("line ", i))
			require.NoError(t, store.Sync(t.Context()))
			for {
				l, err := follow.ReadString('\n')
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				var line struct{ Message string }
				require.NoError(t, json.Unmarshal([]byte(l), &line))
				read = append(read, line.Message)
			}
			require.Len(t, read, i+2, "each as soon as it is there")
		}
		require.Equal(t, []string{"first", "line 0", "line 1", "line 2"}, read)
		// as grep: a run's id finds its lines.
		text, err := os.ReadFile(filepath.Join(dir, "user.log"))
		require.NoError(t, err)
		require.Equal(t, 4, strings.Count(string(text), run.ID()))
	})
	t.Run("R1.3 library: what flows log is in user.log, what was used in usage.log", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, nil)
		service := store.Server("edge-1").Service("orders")
		service.Info("ready")
		ctx, run := service.Operation("sync-prices").Start(t.Context(), logger.Input(1))
		run.Info("in the run")
		ctx, step := logger.StartStep(ctx, "fetch")
		logger.FromContext(ctx).Info("in the step")
		logger.Value(ctx, levels.Info, "Test", 1)
		step.Add(query.Counts{Processed: 5})
		step.End("out", nil)
		run.End(errors.New("no stock"))

		var kinds []string
		for _, l := range synced(t, store, dir, "user.log") {
			kinds = append(kinds, l["kind"].(string))
		}
		require.Equal(t, []string{"capture", "line", "line", "line", "capture"}, kinds)
		usage := synced(t, store, dir, "usage.log")
		var phases []string
		for _, l := range usage {
			phases = append(phases, fmt.Sprint(l["kind"], " ", l["phase"]))
		}
		require.Equal(t, []string{"run start", "step start", "step update", "step end", "run end"}, phases)
		for _, end := range usage[3:] {
			require.Positive(t, end["duration_ns"])
			require.NotEmpty(t, end["outcome"])
			require.NotEmpty(t, end["started"])
		}
		require.EqualValues(t, 5, usage[3]["processed"])
		require.Equal(t, "failed", usage[4]["outcome"])
		require.NotContains(t, fmt.Sprint(usage), "ready")
	})
}

type codedError struct{ code string }

func (e codedError) Error() string { return "price is negative" }
func (e codedError) Code() string  { return e.code }

func TestEntry(t *testing.T) {
	t.Run("R1.4 library: timestamp, level, message, source identifiers and further fields", func(t *testing.T) {
		moment := time.Date(2026, 11, 21, 2, 3, 4, 123456789, time.FixedZone("", 3600))
		dir := t.TempDir()
		store := openDir(t, dir, &logger.Options{Clock: func() time.Time { return moment }})
		op := store.Server("edge-1", logger.DisplayName("Edge")).Service("orders", logger.DisplayName("Orders")).
			Operation("sync-prices", logger.DisplayName("Sync prices"), logger.ParentFlow("nightly"))
		ctx, run := op.Start(t.Context(), logger.ID("run-1"), logger.Project("p-1"))
		ctx, step := logger.StartStep(ctx, "read", logger.ID("step-1"), logger.DisplayName("Read"), logger.Attempt(2))
		logger.FromContext(ctx).Label("Test").Info("fetched", zap.String("sku", "A-1"), zap.Int("rows", 42))
		step.End(nil, nil)
		run.End(nil)
		l := synced(t, store, dir, "user.log")[0]
		delete(l, "seq")
		require.Equal(t, map[string]any{
			"timestamp": "2026-11-21T01:03:04.123456789Z", "level": "info", "kind": "line",
			"server": "edge-1", "server_name": "Edge", "service": "orders", "service_name": "Orders",
			"project": "p-1", "operation": "sync-prices", "operation_name": "Sync prices", "parent_operation": "nightly",
			"run": "run-1", "step": "step-1", "action": "read", "action_name": "Read", "attempt": 2.0,
			"label": "Test", "message": "fetched", "details": map[string]any{"sku": "A-1", "rows": 42.0},
		}, l)
	})
	t.Run("R1.4 library: the error code is that of the first error in the chain with one", func(t *testing.T) {
		store := openMemory(t, nil)
		err := fmt.Errorf("row 7: %w", fmt.Errorf("check: %w", codedError{"NEGATIVE"}))
		store.Server("edge-1").Error("rejected", zap.Error(err))
		r := one(t, store, query.Filter{Levels: levels.Of(levels.Error)})
		require.Equal(t, "NEGATIVE", r.ErrorCode)
		require.Equal(t, "row 7: check: price is negative", r.ErrorMessage)
		// Of several the outermost is the first, in the text as in the record.
		store.Server("edge-1").Fatal("rejected", zap.Error(fmt.Errorf("%w, %w", codedError{"OUTER"}, err)))
		r = one(t, store, query.Filter{Levels: levels.Of(levels.Fatal)})
		require.Equal(t, "OUTER", r.ErrorCode)
		require.Contains(t, string(r.Raw), `"code":"OUTER"`)
	})
	t.Run("R1.4 library: every entry, of whatever kind, has a timestamp, a level and a message", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, nil)
		ctx, run := operation(store).Start(t.Context(), logger.Input(1))
		ctx, step := logger.StartStep(ctx, "fetch", logger.Input(1))
		logger.Value(ctx, levels.Info, "Test", 1)
		step.Add(query.Counts{Processed: 1})
		step.End(1, codedError{"NEGATIVE"})
		run.End(codedError{"NEGATIVE"})
		store.Access().Record(access.Record{Method: "GET", Path: "/"})
		kinds := map[any]bool{}
		for _, name := range []string{"user.log", "usage.log", "application.log", "access_log.log"} {
			for _, l := range synced(t, store, dir, name) {
				kinds[l["kind"]] = true
				_, err := time.Parse(time.RFC3339Nano, fmt.Sprint(l["timestamp"]))
				require.NoError(t, err)
				_, err = levels.Parse(fmt.Sprint(l["level"]))
				require.NoError(t, err)
				require.NotEmpty(t, l["message"], "%v", l)
				if l["phase"] == "end" {
					require.Equal(t, "NEGATIVE", l["error"].(map[string]any)["code"])
				}
			}
		}
		require.Len(t, kinds, 6, "all but those of the trail")
	})
	t.Run("R1.4 library: logger.Code goes before the error's own", func(t *testing.T) {
		store := openMemory(t, nil)
		store.Server("edge-1").Error("rejected", zap.Error(codedError{"NEGATIVE"}), logger.Code("E-17"))
		store.Server("edge-1").Error("no error at all", logger.Code("E-18"))
		all := records(t, store, query.Filter{Levels: levels.Of(levels.Error)})
		require.Equal(t, "E-17", all[0].ErrorCode)
		require.Equal(t, "E-18", all[1].ErrorCode)
		require.Empty(t, details(t, all[0]), "a code is no detail")
	})
	t.Run("R1.4 library: nobody can forge a fixed key", func(t *testing.T) {
		store := openMemory(t, nil)
		store.Server("edge-1").Info("m", zap.String("server", "other"), zap.String("level", "fatal"), zap.Int("seq", 0))
		r := host(t, store)[0]
		require.Equal(t, "edge-1", r.Server)
		require.Equal(t, levels.Info, r.Level)
		require.Equal(t, map[string]any{"server": "other", "level": "fatal", "seq": json.Number("0")}, details(t, r))
	})
	t.Run("R1.4 library: bound fields, labels and namespaces are in every line", func(t *testing.T) {
		store := openMemory(t, nil)
		l := store.Server("edge-1").With(zap.String("tenant", "t-1")).Label("Setup")
		l.With(zap.Namespace("db"), zap.Int("pool", 5)).Info("connected", zap.Int("idle", 2))
		l.Info("ready")
		all := host(t, store)
		require.Equal(t, map[string]any{"tenant": "t-1", "db": map[string]any{"pool": json.Number("5"), "idle": json.Number("2")}}, details(t, all[0]))
		require.Equal(t, map[string]any{"tenant": "t-1"}, details(t, all[1]))
		require.Equal(t, "Setup", all[0].Label)
	})
}

func TestWaysOut(t *testing.T) {
	dir := t.TempDir()
	store := openDir(t, dir, nil)
	ctx, run := operation(store).Start(t.Context())
	logger.FromContext(ctx).Info("first")
	logger.FromContext(ctx).Info("second")

	t.Run("R1.5 library: one file is downloaded with one call", func(t *testing.T) {
		r, err := store.Files().Open("user.log")
		require.NoError(t, err)
		defer r.Close()
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, 2, bytes.Count(text, []byte("\n")))
	})
	t.Run("R1.5 library: all files are downloaded as a zip with one call", func(t *testing.T) {
		var out bytes.Buffer
		require.NoError(t, export.Files(t.Context(), &out, store.Files()))
		require.True(t, bytes.HasPrefix(out.Bytes(), []byte("PK")))
	})
	t.Run("R1.5 library: the file itself lies in the folder", func(t *testing.T) {
		require.FileExists(t, filepath.Join(dir, "user.log"))
	})
	t.Run("R1.5 library: a flow's action reads a query while it is written", func(t *testing.T) {
		r := store.Query().Reader(ctx, query.Filter{Run: run.ID(), Kinds: []query.Kind{query.KindLine}})
		defer r.Close()
		logger.FromContext(ctx).Info("third, after the reader's moment")
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, 2, bytes.Count(text, []byte("\n")))
	})
	t.Run("R1.5 library: a flow's action reads a file while it is written", func(t *testing.T) {
		r, err := store.Files().Open("user.log")
		require.NoError(t, err)
		defer r.Close()
		logger.FromContext(ctx).Info("fourth")
		scan := bufio.NewScanner(r)
		n := 0
		for scan.Scan() {
			require.True(t, json.Valid(scan.Bytes()))
			n++
		}
		require.NoError(t, scan.Err())
		require.GreaterOrEqual(t, n, 3)
	})
	run.End(nil)
}
