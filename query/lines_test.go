package query_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// recordsOnly is a backend that gives out no lines, only records.
type recordsOnly struct{ query.Backend }

// TestReaderWays: lines are the same read, copied, or read so far and copied from
// there, and from a backend that gives out records only.
func TestReaderWays(t *testing.T) {
	t.Parallel()
	store, err := logger.Open(t.TempDir(), &logger.Options{PerformanceEvery: time.Hour})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	for _, name := range []string{"orders", "prices"} {
		log := store.Server("edge-1").Service(name).Logger
		for i := range 10_000 {
			log.Info("some line that is not short", zap.Int("i", i), zap.String("sku", "A-1"))
		}
		require.NoError(t, store.Rotate(t.Context(), "application"))
	}
	store.Server("edge-1").Service("orders").Info("in the active file")
	plain := query.New(recordsOnly{query.BackendOf(store.Query())})

	for name, f := range map[string]query.Filter{
		"everything":         {},
		"by the row":         {Service: "orders"},
		"by the line":        {Service: "orders", Where: query.Eq("sku", "A-1")},
		"by another line":    {Where: query.Between("i", 0, 2)},
		"nothing":            {Service: "none"},
		"nothing, by a line": {Where: query.Eq("sku", "A-2")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want []byte
			for r, err := range store.Query().All(t.Context(), f) {
				require.NoError(t, err)
				want = append(append(want, r.Raw...), '\n')
			}
			require.Equal(t, name[0] == 'n', len(want) == 0)
			read, err := io.ReadAll(store.Query().Reader(t.Context(), f))
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, read))
			for _, e := range []*query.Engine{store.Query(), plain} {
				var b bytes.Buffer
				r := e.Reader(t.Context(), f)
				_, err := io.CopyN(&b, r, min(100, int64(len(want))))
				require.NoError(t, err)
				n, err := io.Copy(&b, r)
				require.NoError(t, err)
				require.EqualValues(t, len(want)-min(100, len(want)), n)
				require.True(t, bytes.Equal(want, b.Bytes()))
				n, err = io.Copy(&b, r)
				require.NoError(t, err)
				require.Zero(t, n, "it is at its end")
				require.NoError(t, r.Close())
				_, err = io.Copy(&b, r)
				require.ErrorIs(t, err, query.ErrClosed)
			}
		})
	}
	t.Run("the error of the writer", func(t *testing.T) {
		t.Parallel()
		_, err := io.Copy(broken{}, store.Query().Reader(t.Context(), query.Filter{}))
		require.ErrorIs(t, err, errBroken)
	})
}

var errBroken = errors.New("broken")

// broken takes nothing.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
