package journal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// Who reads one file after the other looks at no active ones but that, and of the closed
// ones a bounded number stays open.
func TestReadersOfManyLogs(t *testing.T) {
	const logs, mostClosed = 50, 32
	f := open(t, vfs.NewMem(), func(o *journal.Options) { o.Mode = journal.ModeWrite })
	name := func(n int) string { return fmt.Sprintf("log-%d", n) }
	for n := range logs {
		_, err := f.log(name(n), line.Identity{}, zapcore.InfoLevel, "one")
		require.NoError(t, err)
	}
	for n := range logs {
		require.Equal(t, []string{"one"}, messages(t, f.Journal, name(n)))
	}
	open, ordered := f.Readers()
	require.Equal(t, logs, open)
	require.Zero(t, ordered)
	for n := range logs {
		require.NoError(t, f.Rotate(name(n)))
		open, _ = f.Readers()
		require.LessOrEqual(t, open, logs+mostClosed)
	}
	require.Eventually(t, func() bool { return f.Unsealed() == 0 }, 10*time.Second, time.Millisecond)
	for n := range logs {
		require.Equal(t, []string{"one"}, messages(t, f.Journal, name(n)))
	}
	open, ordered = f.Readers()
	require.Equal(t, mostClosed, ordered)
	require.Equal(t, logs+mostClosed, open)
}
