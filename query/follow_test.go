package query_test

import (
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// TestTailCountsWhatItMisses: however far a tail falls behind, and however often,
// what it gives and what it says it missed are all there was.
func TestTailCountsWhatItMisses(t *testing.T) {
	t.Parallel()
	const lag = 300
	for name, f := range map[string]query.Filter{
		"by the row":  {Service: "orders"},
		"by the line": {Service: "orders", Where: query.Eq("kept", "true")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := logger.OpenMemory(nil)
			t.Cleanup(func() { require.NoError(t, store.Close()) })
			orders, others := store.Server("edge-1").Service("orders").Logger, store.Server("edge-1").Service("prices").Logger
			logged := 0
			write := func(n int) {
				for range n {
					logged++
					orders.Info("one", zap.Int("n", logged), zap.Bool("kept", true))
					others.Info("another")
				}
			}
			next, stop := iter.Pull2(store.Query().Tail(t.Context(), f, query.TailOptions{MaxLag: lag}))
			defer stop()
			seen, missed := 0, int64(0) // the number of the last record that was given
			read := func() {
				t.Helper()
				got, err, ok := next()
				require.NoError(t, err)
				require.True(t, ok)
				seen += int(got.Missed) + 1
				n, found := got.Record.Field("n")
				require.True(t, found)
				require.Equal(t, fmt.Sprint(seen), fmt.Sprint(n))
				missed += got.Missed
			}
			for _, burst := range []int{1, 299, 301, 5, 2000, 10, 40_000, 1, 1000} {
				write(burst)
				read()
			}
			for seen < logged {
				read()
			}
			require.Greater(t, missed, int64(30_000))
		})
	}
}
