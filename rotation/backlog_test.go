package rotation_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Many files that wait to be compressed do not each have the whole folder listed anew: of
// thousands that takes longer than to compress one. What is deleted meanwhile is no problem.
func TestCompressMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 300
		mem := vfs.NewMem()
		all := closedFiles(t, mem, many)
		var listings atomic.Int64
		fsys := vfs.Inject(mem, func(op vfs.Op) error {
			if op.Kind == vfs.OpReadDir || op.Kind == vfs.OpReadNames {
				listings.Add(1)
			}
			return nil
		})
		var h heard
		o := h.options(rotation.Rule{})
		sealed := 0
		o.Seal = func(_ context.Context, c rotation.Closed) error {
			if sealed++; sealed == many/2 {
				if err := mem.Remove("logs/" + all[many-1]); err != nil {
					return err
				}
			}
			f, err := mem.OpenFile(c.Temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			return f.Close()
		}
		f, err := rotation.OpenFS(fsys, "logs/user.log", o)
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, f.Close())
		require.Empty(t, h.Problems())
		require.Equal(t, many-1, sealed)
		require.LessOrEqual(t, listings.Load(), int64(10))
		for _, name := range names(t, mem, "logs") {
			require.True(t, name == "user.log" || strings.HasSuffix(name, ".gz"), name)
		}
	})
}

// Of thousands of files in the folder a log asks only about its own: otherwise a rotation
// takes longer the more other logs there are.
func TestOtherLogsAreNotAskedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		closedFiles(t, mem, 3)
		for _, other := range []string{"users.log", closedAt("users", day), closedAt("user-2", day) + ".gz", closedAt("user-2", day) + ".idx"} {
			put(t, mem, "logs/"+other, "x\n")
		}
		fsys := vfs.Inject(mem, func(op vfs.Op) error {
			name := filepath.Base(op.Name)
			if op.Kind == vfs.OpReadDir || op.Kind == vfs.OpLstat && (strings.HasPrefix(name, "users") || strings.HasPrefix(name, "user-2-")) {
				t.Errorf("%v", op)
			}
			return nil
		})
		var h heard
		f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{MaxFiles: 3}))
		require.NoError(t, err)
		synctest.Wait()
		write(t, f, numbered(0, 1)...)
		require.NoError(t, f.Rotate())
		synctest.Wait()
		require.NoError(t, f.Close())
		require.Empty(t, h.Problems())
		require.Len(t, h.Removed(), 1)
		require.Len(t, names(t, mem, "logs"), 4+4)
	})
}
