package rotation_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// TestOtherFormCannotBeRemoved: while the form that another program had begun cannot be
// removed, the plain one stays, without which the other might count.
func TestOtherFormCannotBeRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		name := closedAt("user", day)
		lines := numbered(0, 100)
		put(t, mem, "logs/"+name, strings.Join(lines, "\n")+"\n")
		put(t, mem, "logs/"+name+".zst", "half")
		var failing atomic.Bool
		failing.Store(true)
		var h heard
		f, err := rotation.OpenFS(vfs.Inject(mem, func(op vfs.Op) error {
			if failing.Load() && op.Kind == vfs.OpRemove && strings.HasSuffix(op.Name, ".zst") {
				return errDisk
			}
			return nil
		}), "logs/user.log", h.options(rotation.Rule{}))
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []string{name, name + ".gz", name + ".zst", "user.log"}, names(t, mem, "logs"))
		require.Equal(t, lines, allLines(t, openFolder(t, mem, "logs")))
		require.NotEmpty(t, h.Problems())
		require.ErrorIs(t, h.Problems()[0], errDisk)

		failing.Store(false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{name + ".gz", "user.log"}, names(t, mem, "logs"))
		require.Equal(t, lines, allLines(t, openFolder(t, mem, "logs")))
		require.NoError(t, f.Close())
	})
}

// TestFolderCannotBeListed: while nobody can tell which files there are to compress the
// host hears of it, and they are compressed later.
func TestFolderCannotBeListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var failing atomic.Bool
		var h heard
		f, err := rotation.OpenFS(vfs.Inject(mem, func(op vfs.Op) error {
			if failing.Load() && (op.Kind == vfs.OpReadDir || op.Kind == vfs.OpReadNames) {
				return errDisk
			}
			return nil
		}), "logs/user.log", h.options(rotation.Rule{}))
		require.NoError(t, err)
		synctest.Wait()
		failing.Store(true)
		write(t, f, "line")
		require.NoError(t, f.Rotate())
		time.Sleep(10 * time.Minute)
		require.Equal(t, []string{h.Closed()[0].Name, "user.log"}, names(t, mem, "logs"))
		require.NotEmpty(t, h.Problems())
		for _, p := range h.Problems() {
			require.ErrorIs(t, p, errDisk)
		}
		failing.Store(false)
		time.Sleep(10 * time.Minute)
		require.Equal(t, []string{h.Closed()[0].Name + ".gz", "user.log"}, names(t, mem, "logs"))
		require.NoError(t, f.Close())
	})
}
