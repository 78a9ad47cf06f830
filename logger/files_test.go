package logger_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
	"github.com/stretchr/testify/require"
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
		require.True(t, server.To("crm").Enabled(zap.DPanicLevel), "it counts as error")
		require.False(t, server.To("crm").Enabled(levels.Fatal))
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
