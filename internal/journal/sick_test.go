package journal_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
)

// inBothModes runs a test with and without a ring.
func inBothModes(t *testing.T, test func(t *testing.T, mode func(*journal.Options))) {
	for _, mode := range []journal.Mode{journal.ModeJournal, journal.ModeWrite} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			test(t, func(o *journal.Options) { o.Mode = mode })
		})
	}
}

// killedSick returns the folder of a process that was killed after it had synced some
// records of user, and the sync of others had failed.
func killedSick(t *testing.T, mode func(*journal.Options), sure, unsure []string) *vfs.Mem {
	t.Helper()
	mem := vfs.NewMem()
	var failing atomic.Bool
	f := open(t, vfs.Inject(mem, func(op vfs.Op) error {
		if failing.Load() && op.Kind == vfs.OpSync && op.Name == dir+"/user.log" {
			return vfs.Lost(syscall.EIO)
		}
		return nil
	}), system("one"), mode)
	f.sayAll("user", sure)
	require.NoError(t, f.Sync(t.Context()))
	failing.Store(true)
	f.sayAll("user", unsure)
	require.ErrorIs(t, f.Sync(t.Context()), syscall.EIO)
	require.ErrorIs(t, f.Sync(t.Context()), syscall.EIO, "no other is believed")
	return mem.Kill()
}

// padded are messages that fill some pages.
func padded(n int) (list []string) {
	for _, m := range numbered(n) {
		list = append(list, m+strings.Repeat("p", 1000))
	}
	return list
}

// A process is killed after a sync of a text failed and before that was closed. What the
// next one logs and syncs outlives the power: it does not go to pages that the system
// never writes. The host and the log are told what may be lost.
func TestKilledAfterAFailedSync(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode func(*journal.Options)) {
		for sure := range 4 {
			list := padded(20)
			killed := killedSick(t, mode, list[:sure], list[sure:])
			g := open(t, killed, system("one"), mode)
			require.Equal(t, list, messages(t, g.Journal, "user"))
			require.Len(t, userFiles(t, killed), 2)
			g.sayAll("user", []string{"synced"})
			require.NoError(t, g.Sync(t.Context()))
			require.NoError(t, g.Flush())
			require.Contains(t, contentOf(t, killed, "user.log"),
				fmt.Sprintf(`"message":"a sync failed: records may be lost with the power","details":{"after":%d,"upto":20}`, sure))

			crashed := killed.Crash(nil, vfs.CrashOptions{Unsynced: vfs.SurviveNone})
			require.NoError(t, g.Close())
			require.Len(t, g.told("the disk does not have what the text shows"), 1)

			h := open(t, crashed, system("two"), mode)
			require.Subset(t, messages(t, h.Journal, "user"), append(list[:sure:sure], "synced"))
			require.NoError(t, h.Close())
		}
	})
}

// What cannot be closed is told, and the folder opens.
func TestSickTextThatCannotBeClosed(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode func(*journal.Options)) {
		killed := killedSick(t, mode, nil, padded(3))
		g := open(t, vfs.Inject(killed, func(op vfs.Op) error {
			if op.Kind == vfs.OpOpen && strings.HasSuffix(op.Name, ".next") {
				return syscall.ENOSPC
			}
			return nil
		}), system("one"), mode)
		require.Equal(t, padded(3), messages(t, g.Journal, "user"))
		require.NoError(t, g.Close())
		told := g.told("the disk does not have what the text shows")
		require.Len(t, told, 1)
		require.Contains(t, told[0], syscall.ENOSPC.Error())
	})
}

// A kill alone closes nothing, though nothing was synced.
func TestKilledBeforeASync(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, mode func(*journal.Options)) {
		mem := vfs.NewMem()
		f := open(t, mem, system("one"), mode)
		f.sayAll("user", padded(10))
		require.NoError(t, f.Flush())
		killed := mem.Kill()
		g := open(t, killed, system("one"), mode)
		require.Equal(t, padded(10), messages(t, g.Journal, "user"))
		require.Equal(t, []string{"user.log"}, userFiles(t, killed))
		require.NoError(t, g.Close())
		require.Empty(t, g.told(""))
	})
}
