package journal_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// A file that is grouped by run is put into the folder in pieces, as a backup is
// decompressed there. A reader that met with some of it finds all of it in the end.
func TestReaderWhileAFileIsRestored(t *testing.T) {
	t.Parallel()
	t.Run("lines", func(t *testing.T) {
		t.Parallel()
		r := restored(t, "user", func(f *folder) {
			for i, m := range numbered(100) {
				_, err := f.log("user", identity(i%7, 0), zapcore.InfoLevel, m)
				require.NoError(t, err)
			}
		})
		require.ElementsMatch(t, numbered(100), messages(t, r, "user"))
	})
	t.Run("runs and steps", func(t *testing.T) {
		t.Parallel()
		restored(t, tables.Usage, func(f *folder) {
			for _, lc := range []line.Lifecycle{
				{Phase: line.PhaseStart},
				{Phase: line.PhaseUpdate, Counted: true, Processed: 3},
				{Phase: line.PhaseEnd, Outcome: "failed", Implied: true},
				{Phase: line.PhaseResume},
				{Phase: line.PhaseUpdate, Counted: true, Processed: 5},
			} {
				for r := range 5 {
					f.lifecycle(identity(r, 0), lc)
					if lc.Phase == line.PhaseStart {
						f.lifecycle(identity(r, 1), lc)
					}
				}
			}
			for r := range 4 {
				f.lifecycle(identity(r, 1), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "success"})
				f.lifecycle(identity(r, 0), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "success"})
			}
		})
	})
}

// restored has records logged and their file restored in pieces, and returns a reader that
// looked at each piece. It checks that it knows the runs that one does which comes then.
func restored(t *testing.T, log string, logged func(f *folder)) *journal.Journal {
	mem := vfs.NewMem()
	f := open(t, mem)
	logged(f)
	require.NoError(t, f.Rotate(log))
	require.Eventually(t, func() bool { return len(named(t, mem, ".log.gz")) == 1 && len(named(t, mem, ".log")) == 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, f.Close())
	plain := filepath.Join(dir, rotation.PlainName(named(t, mem, ".log.gz")[0]))
	gunzip(t, mem, plain)
	in, err := mem.OpenFile(plain, os.O_RDONLY, 0)
	require.NoError(t, err)
	text, err := io.ReadAll(in)
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.NoError(t, mem.Remove(plain))
	require.NoError(t, mem.Remove(plain+".idx"))

	r, err := journal.OpenReader(mem, dir)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	out, err := mem.OpenFile(plain, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	require.NoError(t, err)
	for piece := range slices.Chunk(text, 777) {
		_, err = out.Write(piece)
		require.NoError(t, err)
		r.Snapshot()
	}
	require.NoError(t, out.Close())
	then, err := journal.OpenReader(mem, dir)
	require.NoError(t, err)
	defer then.Close()
	requireSameRuns(t, then, r)
	return r
}
