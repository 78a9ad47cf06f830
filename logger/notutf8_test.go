package logger_test

import (
	"errors"
	"testing"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

// TestTextThatIsNotUTF8 gives identifiers and reasons that a line cannot hold.
func TestTextThatIsNotUTF8(t *testing.T) {
	t.Run("R2.8 library: what is told of a run is the same before and after a restart", func(t *testing.T) {
		dir := t.TempDir()
		open := func() *logger.Store {
			store, err := logger.Open(dir, &logger.Options{OpenRun: func(query.MainLog) bool { return true }})
			require.NoError(t, err)
			return store
		}
		told := func(store *logger.Store) query.MainLog {
			t.Helper()
			all := mainLogs(t, store, query.RunFilter{Operation: "prices \ufffd", Project: "\ufffd\ufffd", TriggeredBy: "me\ufffd"})
			require.Len(t, all, 1)
			return all[0]
		}
		store := open()
		require.NoError(t, store.AddSecret("\xff\xfe\xfdly"))
		ctx, run := store.Server("s\xff").Service("v\xff").Operation("prices \xff", logger.DisplayName("\xc3")).Start(t.Context(),
			logger.ID("r\xff"), logger.Project("\xff\xfe"), logger.TriggeredBy("me\xff"), logger.Schedule("\xff\xfe\xfdly \xff"))
		require.Equal(t, "r\ufffd", run.ID())
		_, step := logger.StartStep(ctx, "a\xff", logger.ID("s\xff"), logger.DisplayName("A\xff"))
		step.End(nil, errors.New("no stock \xff"))
		before := told(store)
		require.Equal(t, "*** \ufffd", before.Schedule)
		require.Equal(t, "no stock \ufffd", before.SubLogs[0].Reason)
		require.NoError(t, store.Close())

		store = open()
		require.Equal(t, before, told(store))
		_, again, err := store.Server("s").Service("v").Operation("prices \xff").Resume(t.Context(), "r\xff")
		require.NoError(t, err)
		again.End(nil)
		require.Equal(t, query.Succeeded, told(store).Outcome)
		require.ErrorIs(t, store.EndRun(t.Context(), "r\xff", query.Failed, nil), logger.ErrRunEnded)
		require.NoError(t, store.Close())
	})
}
