package rotation

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

// What is remembered of closed files does not outlive them, also where they cannot be
// sealed: a log that rotates for years keeps a few.
func TestKeeperForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sealed := 0
		f, err := OpenFS(vfs.NewMem(), "logs/user.log", &Options{
			Rule: Rule{MaxFiles: 3, Compression: None},
			Seal: func(context.Context, Closed) error {
				if sealed++; sealed%2 == 0 {
					return errors.New("refused")
				}
				return nil
			},
		})
		require.NoError(t, err)
		for range 100 {
			_, err := f.Write([]byte("a\n"))
			require.NoError(t, err)
			require.NoError(t, f.Rotate())
			synctest.Wait()
		}
		require.NoError(t, f.Close())
		require.Greater(t, sealed, 99)
		require.LessOrEqual(t, len(f.keep.sealed), 7)
		require.LessOrEqual(t, len(f.keep.failed), 7)
		require.NotEmpty(t, f.keep.sealed)
	})
}
