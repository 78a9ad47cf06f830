package logger_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steplog/steplog/internal/leak"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

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
		require.ErrorIs(t, err, logger.ErrClosed)
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
