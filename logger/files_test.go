package logger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steplog/steplog/internal/leak"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

func TestFilesBySubject(t *testing.T) {
	t.Run("R5.2 library: the ready-made names", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, nil)
		for file, constant := range map[string]string{
			"application.log": logger.FileApplication, "apps_objects.log": logger.FileAppsObjects,
			"inbox_channel.log": logger.FileInboxChannel, "email.log": logger.FileEmail, "database.log": logger.FileDatabase,
			"call_event.log": logger.FileCallEvent, "schedule_jobs.log": logger.FileScheduleJobs, "crm_data.log": logger.FileCRMData,
		} {
			store.Server("edge-1").To(constant).Info("to " + file)
			all := synced(t, store, dir, file)
			last := all[len(all)-1]
			require.Equal(t, "to "+file, last["message"])
			require.Equal(t, "event", last["kind"])
			require.Equal(t, "application", last["topic"])
		}
		require.Equal(t, "access_log", logger.FileAccessLog, "written by the access recorder")
	})
	t.Run("R5.2 library: any name the host chooses, in a run and outside", func(t *testing.T) {
		store := openMemory(t, nil)
		name := "x" + strings.Repeat("-_9", 21)
		require.Len(t, name, 64)
		store.Server("edge-1").To(name).Info("outside")
		ctx, run := operation(store).Start(t.Context())
		mail := logger.FromContext(ctx).To(name).With(zap.Int("n", 1))
		mail.Info("inside")
		logger.FromContext(ctx).Info("still in user.log")
		run.End(nil)
		all := records(t, store, query.Filter{Files: []string{name}})
		require.Equal(t, []string{"outside", "inside"}, messages(all))
		require.Equal(t, query.KindEvent, all[0].Kind)
		require.Equal(t, query.KindLine, all[1].Kind)
		require.Equal(t, run.ID(), all[1].Run)
		require.Equal(t, int64(2), mainLog(t, store, run.ID()).Lines[levels.Info], "it counts as the run's")
	})
	t.Run("R5.2 library: names of other records, and no names, are reported and kept in application.log", func(t *testing.T) {
		var problems heard
		store := logger.OpenMemory(&logger.Options{OnProblem: problems.hook})
		ctx, run := operation(store).Start(t.Context())
		refused := []string{"audit", "usage", "access_log", "", "User", "../x", "a/b", "a.log", "-x", "_x", strings.Repeat("x", 65), "ä", "a\x00"}
		for _, name := range refused {
			logger.FromContext(ctx).To(name).Info("kept")
		}
		run.End(nil)
		all := records(t, store, query.Filter{Search: "kept"})
		require.Len(t, all, len(refused))
		for _, r := range all {
			require.Equal(t, "application", r.File)
			require.Equal(t, query.KindEvent, r.Kind)
			require.Equal(t, run.ID(), r.Run)
		}
		require.Equal(t, int64(len(refused)), store.Stats().Problems)
		require.NoError(t, store.Close())
		require.Len(t, problems.all(), len(refused), "each is heard of once")
		for _, err := range problems.all() {
			require.ErrorIs(t, err, logger.ErrName)
		}
	})
	t.Run("R5.2 library: each file has its own level", func(t *testing.T) {
		store := openMemory(t, &logger.Options{Level: levels.Debug, Files: map[string]logger.FileRule{
			logger.FileEmail: {Levels: levels.AtLeast(levels.Warn)},
			"crm":            {Levels: levels.Of(levels.Debug, levels.Error)},
		}})
		server := store.Server("edge-1")
		for _, l := range []*logger.Logger{server.Logger, server.To(logger.FileEmail), server.To("crm")} {
			l.Trace("trace")
			l.Debug("debug")
			l.Info("info")
			l.Warn("warn")
			l.Error("error")
		}
		require.False(t, server.To(logger.FileEmail).Enabled(levels.Info))
		require.Equal(t, []string{"warn", "error"}, messages(records(t, store, query.Filter{Files: []string{"email"}})))
		require.Equal(t, []string{"debug", "error"}, messages(records(t, store, query.Filter{Files: []string{"crm"}})))
		require.Equal(t, []string{"debug", "info", "warn", "error"}, messages(records(t, store, query.Filter{Topic: "application", Files: []string{"application"}})))
	})
	t.Run("R5.2 library: each file has its own rules of rotation", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, &logger.Options{Files: map[string]logger.FileRule{
			logger.FileEmail: {Rotation: rotation.Rule{MaxBytes: 2000, Compression: rotation.None}},
		}})
		for range 40 {
			store.Server("edge-1").To(logger.FileEmail).Info(strings.Repeat("x", 100))
			store.Server("edge-1").To(logger.FileDatabase).Info(strings.Repeat("x", 100))
		}
		require.NoError(t, store.Sync(t.Context()))
		require.Greater(t, len(closed(t, dir, "email")), 2)
		require.Empty(t, closed(t, dir, "database"))
	})
	t.Run("R5.2 library: a level set never applies to run, step and capture records", func(t *testing.T) {
		none := logger.FileRule{Levels: levels.Of()}
		store := openMemory(t, &logger.Options{Files: map[string]logger.FileRule{logger.FileUser: none, logger.FileUsage: none}})
		require.Equal(t, []query.Kind{query.KindRun, query.KindStep, query.KindCapture, query.KindCapture, query.KindStep, query.KindRun}, flow(t, store))
	})
}

// closed are the files of a log that are not active.
func closed(t *testing.T, dir, log string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, log+"-*.log*"))
	require.NoError(t, err)
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, ".idx") || strings.HasSuffix(name, ".tmp") })
}

func TestRules(t *testing.T) {
	fill := func(l *logger.Logger, n int) {
		for range n {
			l.Info(strings.Repeat("x", 1000))
		}
	}
	t.Run("R5.4 library: the output level is set at run time", func(t *testing.T) {
		store := openMemory(t, nil)
		mail := store.Server("edge-1").To(logger.FileEmail)
		mail.Info("before")
		require.NoError(t, store.SetFileRule(t.Context(), logger.FileEmail, logger.FileRule{Levels: levels.AtLeast(levels.Error)}))
		mail.Info("between")
		mail.Error("error")
		require.NoError(t, store.SetFileRule(t.Context(), logger.FileEmail, logger.FileRule{}))
		mail.Info("after")
		require.Equal(t, []string{"before", "error", "after"}, messages(records(t, store, query.Filter{Files: []string{"email"}})))
	})
	t.Run("R5.4 library: maximum size and number of copies; the excess is deleted automatically", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, nil)
		mail := store.Server("edge-1").To(logger.FileEmail)
		rule := rotation.Rule{MaxBytes: 5000, Compression: rotation.None}
		require.Equal(t, rotation.Rule{}, store.RotationRule(logger.FileEmail), "Options.Rule")
		require.NoError(t, store.SetFileRule(t.Context(), logger.FileEmail, logger.FileRule{Rotation: rule}))
		require.Equal(t, rule, store.RotationRule(logger.FileEmail))
		fill(mail, 50)
		require.NoError(t, store.Sync(t.Context()))
		require.Greater(t, len(closed(t, dir, "email")), 5)
		rule.MaxFiles = 3
		require.NoError(t, store.SetFileRule(t.Context(), logger.FileEmail, logger.FileRule{Rotation: rule}))
		require.Eventually(t, func() bool { return len(closed(t, dir, "email")) == 3 }, 10*time.Second, 5*time.Millisecond)
		require.Equal(t, logger.FileRule{Rotation: rule}, store.FileRule(logger.FileEmail))
		require.Eventually(t, func() bool {
			page, err := store.Query().Records(t.Context(), query.Filter{Files: []string{"email"}}, query.Paging{})
			return err == nil && page.Total.N < 50
		}, 10*time.Second, 5*time.Millisecond, "what is deleted is not found")
	})
	t.Run("R5.4 library: total size", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, nil)
		mail := store.Server("edge-1").To(logger.FileEmail)
		require.NoError(t, store.SetFileRule(t.Context(), logger.FileEmail, logger.FileRule{
			Rotation: rotation.Rule{MaxBytes: 5000, MaxTotalBytes: 20_000, Compression: rotation.None}}))
		fill(mail, 100)
		require.Eventually(t, func() bool {
			total := int64(0)
			for _, name := range append(closed(t, dir, "email"), filepath.Join(dir, "email.log")) {
				if info, err := os.Stat(name); err == nil {
					total += info.Size()
				}
			}
			return total <= 20_000
		}, 10*time.Second, 5*time.Millisecond)
	})
	t.Run("R5.4 library: age", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, nil)
		mail := store.Server("edge-1").To(logger.FileEmail)
		fill(mail, 1)
		require.NoError(t, store.Rotate(t.Context(), logger.FileEmail))
		require.Len(t, closed(t, dir, "email"), 1)
		require.NoError(t, store.SetFileRule(t.Context(), logger.FileEmail, logger.FileRule{Rotation: rotation.Rule{MaxAge: time.Nanosecond}}))
		require.Eventually(t, func() bool { return len(closed(t, dir, "email")) == 0 }, 10*time.Second, 5*time.Millisecond)
	})
	t.Run("R5.4 library: kept across restarts when the host asks for it", func(t *testing.T) {
		dir := t.TempDir()
		rule := logger.FileRule{Levels: levels.Of(levels.Warn, levels.Fatal), Rotation: rotation.Rule{MaxBytes: 5000, MaxFiles: 3, MaxAge: time.Hour, Compression: rotation.Zstd}}
		given := map[string]logger.FileRule{"email": {Levels: levels.AtLeast(levels.Error)}, "database": {Levels: levels.AtLeast(levels.Error)}}
		store, err := logger.Open(dir, &logger.Options{KeepSettings: true, Files: given})
		require.NoError(t, err)
		require.NoError(t, store.SetFileRule(t.Context(), "email", rule))
		store.Levels().SetLevel(t.Context(), levels.Scope{Server: "edge-1"}, levels.Error)
		store.Levels().SetLines(t.Context(), levels.Scope{Server: "edge-2"}, false)
		require.NoError(t, store.Close())

		given["database"] = logger.FileRule{Levels: levels.AtLeast(levels.Fatal)}
		store, err = logger.Open(dir, &logger.Options{KeepSettings: true, Files: given})
		require.NoError(t, err)
		require.Equal(t, rule, store.FileRule("email"), "what was set while running goes before what is given")
		require.Equal(t, given["database"], store.FileRule("database"), "what was not is as given")
		require.False(t, store.Server("edge-1").Enabled(levels.Warn))
		require.False(t, store.Server("edge-2").Enabled(levels.Fatal))
		require.False(t, store.Server("edge-1").To("email").Enabled(levels.Error))
		require.NoError(t, store.Close())

		store = openDir(t, dir, nil)
		require.Zero(t, store.FileRule("email"), "who does not ask gets the defaults")
		require.True(t, store.Server("edge-1").Enabled(levels.Warn))
	})
	t.Run("R5.4 library: kept settings that cannot be read stop the open, not the program", func(t *testing.T) {
		for name, text := range map[string]string{
			"torn": `{"version":1,"lev`, "none": `{"levels":{}}`, "level": `{"version":1,"files":{"email":{"levels":["loud"]}}}`,
			"name": `{"version":1,"files":{"../x":{}}}`, "rule": `{"version":1,"files":{"email":{"rotation":{"max_files":-1}}}}`,
			"tree": `{"version":1,"levels":{"settings":[{"level":"loud"}]}}`,
		} {
			dir := t.TempDir()
			require.NoError(t, os.MkdirAll(filepath.Join(dir, ".journal"), 0o700))
			path := filepath.Join(dir, ".journal", "settings.json")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			_, err := logger.Open(dir, &logger.Options{KeepSettings: true})
			require.ErrorContains(t, err, "settings.json", name)
			require.NoError(t, os.Remove(path))
			openDir(t, dir, &logger.Options{KeepSettings: true})
		}
	})
	t.Run("R5.4 library: settings that cannot be kept are in force, and the host hears", func(t *testing.T) {
		broken := errors.New("no space")
		disk := vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
			if strings.Contains(op.Name, "settings.json") && op.Kind != vfs.OpOpen {
				return broken
			}
			return nil
		})
		var problems heard
		store, err := logger.OpenFS(disk, "logs", &logger.Options{KeepSettings: true, OnProblem: problems.hook})
		require.NoError(t, err)
		require.ErrorIs(t, store.SetFileRule(t.Context(), "email", logger.FileRule{Levels: levels.Of()}), broken)
		require.False(t, store.Server("edge-1").To("email").Enabled(levels.Fatal))
		store.Levels().SetLevel(t.Context(), levels.Scope{}, levels.Error)
		require.False(t, store.Server("edge-1").Enabled(levels.Warn))
		require.NoError(t, store.Close())
		require.Len(t, problems.all(), 1)
		require.ErrorIs(t, problems.all()[0], broken)
	})
	t.Run("R5.4 library: rules that cannot be used are refused and change nothing", func(t *testing.T) {
		store := openMemory(t, nil)
		good := logger.FileRule{Levels: levels.AtLeast(levels.Warn)}
		require.NoError(t, store.SetFileRule(t.Context(), "email", good))
		for _, r := range []rotation.Rule{{MaxBytes: -1}, {MaxBytes: 1<<30 + 1}, {MaxFiles: -1}, {MaxAge: -1}, {MaxTotalBytes: -1}, {Compression: 9}} {
			require.ErrorIs(t, store.SetFileRule(t.Context(), "email", logger.FileRule{Rotation: r}), logger.ErrRule)
		}
		require.ErrorIs(t, store.SetFileRule(t.Context(), "../x", good), logger.ErrName)
		require.ErrorIs(t, store.SetFileRule(t.Context(), "audit", good), logger.ErrName)
		require.ErrorContains(t, store.SetFileRule(t.Context(), "audit", good), "Store.Audit", "who can act is told where")
		require.ErrorIs(t, store.Rotate(t.Context(), "audit"), logger.ErrName)
		require.ErrorContains(t, store.Rotate(t.Context(), "audit"), "Store.Audit")
		require.ErrorIs(t, store.Rotate(t.Context(), "../x"), logger.ErrName)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, store.SetFileRule(cancelled, "email", logger.FileRule{}), context.Canceled)
		require.ErrorIs(t, store.Rotate(cancelled, "email"), context.Canceled)
		require.Equal(t, good, store.FileRule("email"))
	})

	t.Run("R1.6 library: files rotate and are retained by rule", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, &logger.Options{Rule: rotation.Rule{MaxBytes: 5000, MaxFiles: 2}})
		ctx, run := operation(store).Start(t.Context())
		fill(logger.FromContext(ctx), 50)
		run.End(nil)
		require.Eventually(t, func() bool { return len(closed(t, dir, "user")) == 2 }, 10*time.Second, 5*time.Millisecond)
	})
	t.Run("R5.5 library: at 100 MB by default", func(t *testing.T) {
		require.EqualValues(t, 100<<20, rotation.DefaultMaxBytes)
	})
	t.Run("R5.5 library: closed, compressed and named after its date; no line lost, repeated or split", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, &logger.Options{Rule: rotation.Rule{MaxBytes: 20_000}})
		ctx, run := operation(store).Start(t.Context())
		const n = 500
		for i := range n {
			logger.FromContext(ctx).Info(fmt.Sprint("line ", i))
		}
		run.End(nil)
		require.Eventually(t, func() bool {
			all := closed(t, dir, "user")
			return len(all) >= 4 && !slices.ContainsFunc(all, func(name string) bool { return !strings.HasSuffix(name, ".log.gz") })
		}, 10*time.Second, 5*time.Millisecond)
		dated := regexp.MustCompile(`^user-` + time.Now().UTC().Format("2006") + `-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log\.gz$`)
		for _, name := range closed(t, dir, "user") {
			require.Regexp(t, dated, filepath.Base(name))
		}
		found := messages(records(t, store, query.Filter{Files: []string{"user"}}))
		require.Len(t, found, n)
		for i, m := range found {
			require.Equal(t, fmt.Sprint("line ", i), m)
		}
		infos, err := store.Files().List()
		require.NoError(t, err)
		var text []string
		for _, info := range infos {
			if info.Log == "user" {
				part, err := store.Files().Lines(info.Name, 1, 10_000)
				require.NoError(t, err)
				text = append(text, part...)
			}
		}
		require.Len(t, text, n)
	})
	t.Run("R5.5 library: a file is closed on demand", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, &logger.Options{Rule: rotation.Rule{Compression: rotation.None}})
		store.Server("edge-1").To("email").Info("one")
		require.NoError(t, store.Rotate(t.Context(), "email"))
		require.NoError(t, store.Rotate(t.Context(), "email"), "an empty file stays")
		require.Len(t, closed(t, dir, "email"), 1)
		require.Len(t, records(t, store, query.Filter{Files: []string{"email"}}), 1)
	})
}

func TestHealth(t *testing.T) {
	t.Run("R5.7 library: Stats has records, bytes, drops, problems and open runs", func(t *testing.T) {
		store := openMemory(t, nil)
		_, run := operation(store).Start(t.Context())
		run.Info("one")
		run.To(logger.FileEmail).Info("two")
		run.To("no name").Info("three")
		s := store.Stats()
		require.Equal(t, logger.ModeJournal, s.Mode, "the mode in force")
		require.Equal(t, int64(8<<20), s.RingBytes)
		require.Positive(t, s.Waiting)
		require.NoError(t, store.Sync(t.Context()))
		require.Zero(t, store.Stats().Waiting)
		require.Equal(t, int64(1), s.Files["user"].Records)
		require.Equal(t, int64(1), s.Files["email"].Records)
		require.Equal(t, int64(1), s.Files["usage"].Records)
		require.Equal(t, s.Records, s.Files["user"].Records+s.Files["email"].Records+s.Files["usage"].Records+s.Files["application"].Records)
		require.Positive(t, s.Bytes)
		require.Zero(t, s.Dropped)
		require.Equal(t, int64(1), s.Problems)
		require.ErrorIs(t, s.LastProblem, logger.ErrName)
		require.Equal(t, 1, s.OpenRuns)
		run.End(nil)
		require.Zero(t, store.Stats().OpenRuns)
	})
	t.Run("R5.7 library: the newest performance event is one query away", func(t *testing.T) {
		store := openMemory(t, nil)
		newest := func() query.Record {
			page, err := store.Query().Records(t.Context(), query.Filter{Topic: "performance"}, query.Paging{Limit: 1})
			require.NoError(t, err)
			require.Len(t, page.Items, 1)
			return page.Items[0]
		}
		first := newest()
		for _, figure := range []string{"cpu_seconds", "resident_bytes", "goroutines"} {
			require.Contains(t, details(t, first), figure)
		}
		store.Server("edge-1").Info("queue", logger.Topic("performance"), zap.Int("waiting", 3))
		store.Server("edge-1").Info("of something else")
		require.Greater(t, newest().Seq, first.Seq)
		require.Equal(t, map[string]any{"waiting": json.Number("3")}, details(t, newest()))
	})
	for _, mode := range []logger.Mode{logger.ModeJournal, logger.ModeWrite} {
		t.Run("R6.10 library: every drop is counted, by level, and said in the file once there is room, mode "+mode.String(), func(t *testing.T) {
			disk := vfs.NewMem()
			var problems heard
			store, err := logger.OpenFS(disk, "logs", &logger.Options{OnProblem: problems.hook, Level: levels.Debug, Mode: mode, RingBytes: 4 << 20})
			require.NoError(t, err)
			require.Equal(t, mode, store.Stats().Mode)
			ctx, run := operation(store).Start(t.Context())
			l := logger.FromContext(ctx)
			l.Info("fits")
			require.NoError(t, store.Sync(t.Context()))
			require.False(t, store.Stats().Failing)
			disk.SetSpace(disk.Used())
			offered := int64(0)
			for range 200 {
				l.Debug(strings.Repeat("x", 20_000))
				l.Error(strings.Repeat("x", 20_000))
				offered += 2
			}
			s := store.Stats()
			written := int64(len(records(t, store, query.Filter{Files: []string{"user"}, Kinds: []query.Kind{query.KindLine}}))) - 1
			require.Positive(t, s.Dropped)
			require.Equal(t, offered, written+s.Dropped, "accepted and dropped are what was offered")
			require.Equal(t, s.Dropped, s.DroppedByLevel[levels.Debug]+s.DroppedByLevel[levels.Error])
			require.GreaterOrEqual(t, s.DroppedByLevel[levels.Debug], s.DroppedByLevel[levels.Error])
			require.Equal(t, s.Dropped, s.Files["user"].Dropped)
			require.Positive(t, s.Problems)
			require.True(t, s.Failing)

			disk.SetSpace(-1)
			require.Eventually(t, func() bool { return store.Sync(t.Context()) == nil }, 10*time.Second, time.Millisecond)
			var said []query.Record
			require.Eventually(t, func() bool {
				said = records(t, store, query.Filter{Files: []string{"user"}, Kinds: []query.Kind{query.KindEvent}})
				sum := int64(0)
				for _, r := range said {
					count, err := details(t, r)["count"].(json.Number).Int64()
					require.NoError(t, err)
					sum += count
				}
				return sum == s.Dropped
			}, 10*time.Second, time.Millisecond)
			require.Equal(t, "system", said[0].Topic)
			require.Equal(t, levels.Warn, said[0].Level)
			if mode == logger.ModeJournal {
				require.Len(t, said, 1, "one record says what was dropped")
			}
			require.Eventually(t, func() bool { return !store.Stats().Failing }, 10*time.Second, time.Millisecond, "it ends by itself")
			l.Info("again")
			require.Equal(t, "again", records(t, store, query.Filter{Search: "again"})[0].Message)
			run.End(nil)
			require.NoError(t, store.Close())
			require.NotEmpty(t, problems.all())
			require.LessOrEqual(t, len(problems.all()), 10+len(said), "not one for each drop")
			require.Less(t, int64(len(said)), s.Dropped/3)
		})
	}
	t.Run("R6.10 library: a file that cannot be made drops and counts, and works once it can", func(t *testing.T) {
		full := errors.New("too many open files")
		var failing atomic.Bool // looked at by the journal's goroutines too
		disk := vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
			if failing.Load() && strings.Contains(op.Name, "email") {
				return full
			}
			return nil
		})
		var problems heard
		store, err := logger.OpenFS(disk, "logs", &logger.Options{OnProblem: problems.hook})
		require.NoError(t, err)
		mail := store.Server("edge-1").To("email")
		failing.Store(true)
		mail.Info("lost")
		mail.Fatal("lost")
		failing.Store(false)
		mail.Info("kept")
		s := store.Stats()
		require.Equal(t, int64(2), s.Dropped)
		require.Equal(t, int64(1), s.DroppedByLevel[levels.Fatal])
		require.Equal(t, int64(2), s.Files["email"].Dropped)
		require.Equal(t, int64(2), s.Files["email"].Records)
		require.Equal(t, []string{"dropped 2", "kept"}, messages(records(t, store, query.Filter{Files: []string{"email"}})))
		require.NoError(t, store.Close())
		require.Len(t, problems.all(), 1)
		require.ErrorIs(t, problems.all()[0], full)
	})
	t.Run("R6.10 library: calls after Close are counted drops", func(t *testing.T) {
		store := logger.OpenMemory(nil)
		service := store.Server("edge-1").Service("orders")
		ctx, run := service.Operation("a").Start(t.Context())
		ctx, step := logger.StartStep(ctx, "a")
		z, s, w := service.Zap(), service.Slog(), service.Writer(levels.Info)
		require.NoError(t, store.Close())
		require.NoError(t, store.Close())
		require.Zero(t, store.Stats().Dropped)

		service.Info("late")
		service.To("never-seen").Info("late")
		logger.FromContext(ctx).Error("late")
		logger.Value(ctx, levels.Info, "late", 1)
		z.Info("late")
		s.Info("late")
		_, err := w.Write([]byte("late\n"))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		run.Add(query.Counts{Processed: 1})
		_, again := service.Operation("a").Start(ctx, logger.Input(1))
		_, resumed, err := service.Operation("a").Resume(ctx, "x")
		require.ErrorIs(t, err, logger.ErrRunUnknown)
		resumed.End(nil)
		step.End("out", nil)
		again.End(nil)
		run.End(nil)
		require.GreaterOrEqual(t, store.Stats().Dropped, int64(14))
		require.ErrorIs(t, store.EndRun(ctx, "x", query.Failed, nil), logger.ErrClosed)
		require.ErrorIs(t, store.SetFileRule(ctx, "email", logger.FileRule{}), logger.ErrClosed)
		require.ErrorIs(t, store.Rotate(ctx, "email"), logger.ErrClosed)
		require.ErrorIs(t, store.Sync(ctx), logger.ErrClosed)
		require.NoError(t, store.AddSecret("sesame"))
		store.Levels().SetLevel(ctx, levels.Scope{}, levels.Debug)
	})
	t.Run("R6.10 library: no goroutine is left after Close", func(t *testing.T) {
		before := append(leak.Options(), goleak.IgnoreCurrent())
		for range 20 {
			store := logger.OpenMemory(&logger.Options{OnProblem: func(error) {}})
			flow(t, store)
			require.NoError(t, store.Close())
		}
		goleak.VerifyNone(t, before...)
	})
}
