package logger_test

import (
	"runtime"
	"testing"
	"weak"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

// Of a store that was closed nothing stays in memory: not its rows and runs, and not the
// files of a memory store.
func TestClosedStoreIsGarbage(t *testing.T) {
	f := func(name string, open func() *logger.Store) {
		t.Run(name, func(t *testing.T) {
			left := func() weak.Pointer[logger.Store] {
				store := open()
				ctx, run := store.Server("edge-1").Service("orders").Operation("sync").Start(t.Context())
				_, step := logger.StartStep(ctx, "read")
				logger.FromContext(ctx).Info("fetched")
				step.End(nil, nil)
				run.End(nil)
				_, err := store.Audit().Record(t.Context(), audit.Entry{Event: audit.FlowStarted})
				require.NoError(t, err)
				_, err = store.Query().Records(t.Context(), query.Filter{Search: "fetched"}, query.Paging{})
				require.NoError(t, err)
				require.NoError(t, store.Close())
				return weak.Make(store)
			}()
			for range 5 {
				runtime.GC()
			}
			require.True(t, left.Value() == nil, "it is still there")
		})
	}
	f("folder", func() *logger.Store {
		store, err := logger.Open(t.TempDir(), nil)
		require.NoError(t, err)
		return store
	})
	f("memory", func() *logger.Store { return logger.OpenMemory(nil) })
}
