package journal_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// FuzzSavedTables reads what may be anything: it must not panic, and what was saved
// reads as it was.
func FuzzSavedTables(f *testing.F) {
	j, err := journal.Open(dir, journal.Options{FS: vfs.NewMem(), Mode: journal.ModeWrite})
	require.NoError(f, err)
	t := &testing.T{}
	at := &folder{Journal: j, t: t}
	for i := range 3 {
		at.lifecycle(identity(i, 0), line.Lifecycle{Phase: line.PhaseStart, TriggeredBy: "me"})
		at.lifecycle(identity(i, 1), line.Lifecycle{Phase: line.PhaseStart, Iterated: true, IterationValue: []byte("1")})
		_, err := at.log("user", identity(i, 1), zapcore.InfoLevel, "x")
		require.NoError(f, err)
		_, err = at.log("user", identity(i+10, 1), zapcore.InfoLevel, "of a run that is not known")
		require.NoError(f, err)
		if i > 0 {
			at.lifecycle(identity(i, 0), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "failed", Reason: "a reason"})
		}
	}
	saved := j.Saved()
	j.Settle()
	require.NoError(f, j.Close())
	runs, ok := journal.ReadSaved(saved)
	require.True(f, ok)
	require.Equal(f, 3, runs)
	f.Add(saved)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) { journal.ReadSaved(b) })
}
