package journal_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// What a snapshot shows can be read after its files were sealed, whether their
// lines are grouped then or not.
func TestSnapshotOutlivesSealing(t *testing.T) {
	t.Parallel()
	for _, compression := range []rotation.Compression{rotation.None, rotation.Gzip, rotation.Zstd} {
		t.Run(compression.String(), func(t *testing.T) {
			t.Parallel()
			f := open(t, vfs.NewMem(), func(o *journal.Options) { o.Rule.Compression = compression })
			for i, m := range numbered(200) {
				_, err := f.log("user", identity(i%7, 0), zapcore.InfoLevel, m)
				require.NoError(t, err)
			}
			require.NoError(t, f.Flush())
			before := f.Snapshot()
			require.NoError(t, f.Rotate("user"))
			require.Eventually(t, func() bool {
				return slices.ContainsFunc(f.Snapshot().Segments, func(s journal.Segment) bool {
					return s.File() == "user" && s.Name() != "user.log" && s.Index() != nil
				})
			}, 10*time.Second, time.Millisecond)
			list, ok := messagesIn(t, before, "user")
			require.True(t, ok)
			require.Equal(t, numbered(200), list)
		})
	}
}
