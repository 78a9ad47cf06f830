package logger_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
	"github.com/stretchr/testify/require"
)

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
