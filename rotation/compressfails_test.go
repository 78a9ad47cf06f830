package rotation_test

import (
	"context"
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

// TestSealFails: of a Seal that fails nothing is taken for the file, however much it had
// written; the host hears of it, and it is called again.
func TestSealFails(t *testing.T) {
	for _, compression := range []rotation.Compression{rotation.Gzip, rotation.None} {
		t.Run(compression.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := vfs.NewMem()
				var h heard
				var called, sealed atomic.Int64
				var failing atomic.Bool
				failing.Store(true)
				o := h.options(rotation.Rule{Compression: compression})
				o.Seal = func(_ context.Context, c rotation.Closed) error {
					called.Add(1)
					if c.Temp != "" {
						put(t, mem, c.Temp, "half")
					}
					if failing.Load() {
						return errDisk
					}
					return nil
				}
				o.OnSealed = func(rotation.Closed) { sealed.Add(1) }
				f, err := rotation.OpenFS(mem, "logs/user.log", o)
				require.NoError(t, err)
				write(t, f, "line")
				require.NoError(t, f.Rotate())
				synctest.Wait()
				require.Equal(t, []string{h.Closed()[0].Name, "user.log"}, names(t, mem, "logs"))
				require.Equal(t, []string{"line"}, allLines(t, openFolder(t, mem, "logs")))
				require.Len(t, h.Problems(), 1)
				require.ErrorIs(t, h.Problems()[0], errDisk)
				require.EqualValues(t, 1, called.Load())
				require.Zero(t, sealed.Load())

				failing.Store(false)
				time.Sleep(10 * time.Minute)
				require.EqualValues(t, 2, called.Load())
				require.NoError(t, f.Close())
			})
		})
	}
}
