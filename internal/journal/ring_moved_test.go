package journal_test

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// elsewhere is a file system whose files are not mapped for writing.
type elsewhere struct{ vfs.FS }

func (elsewhere) Kind(string) string { return "btrfs" }

// A folder that comes from a file system with a ring, as a copy does, has none where files
// are not mapped safely, and one again on its way back.
func TestRingIsElsewhere(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	for i, at := range []struct {
		fs   vfs.FS
		mode journal.Mode
	}{{mem, journal.ModeJournal}, {elsewhere{mem}, journal.ModeWrite}, {elsewhere{mem}, journal.ModeWrite}, {mem, journal.ModeJournal}} {
		f := open(t, at.fs)
		require.Equal(t, at.mode, f.Stats().Mode, i)
		_, err := mem.Lstat(filepath.Join(dir, ".journal", "ring"))
		if at.mode == journal.ModeWrite {
			require.ErrorIs(t, err, fs.ErrNotExist)
		} else {
			require.NoError(t, err)
		}
		_, err = f.log("application", line.Identity{}, zapcore.InfoLevel, "a message")
		require.NoError(t, err)
		require.Len(t, messages(t, f.Journal, "application"), i+1)
		require.NoError(t, f.Close())
		require.False(t, f.problemSeen())
	}
}
