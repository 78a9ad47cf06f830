package journal_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// Logs do not each have the folder listed when they are opened, be they new or not: a
// thousand logs would be a million names.
func TestManyLogsListTheirFolderTogether(t *testing.T) {
	t.Parallel()
	const many = 300
	var listings atomic.Int64
	disk := vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpReadDir || op.Kind == vfs.OpReadNames {
			listings.Add(1)
		}
		return nil
	})
	logAll := func(f *folder) {
		for i := range many {
			_, err := f.log(fmt.Sprint("log", i), line.Identity{}, zapcore.InfoLevel, "x")
			require.NoError(t, err)
		}
	}
	f := open(t, disk, func(o *journal.Options) { o.Mode = journal.ModeWrite })
	logAll(f)
	require.NoError(t, f.Close())
	require.Less(t, listings.Swap(0), int64(many/3), "new ones")
	f = open(t, disk, func(o *journal.Options) { o.Mode = journal.ModeWrite })
	logAll(f)
	require.NoError(t, f.Close())
	require.Less(t, listings.Load(), int64(many/3), "those that are there")
}
