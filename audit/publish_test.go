package audit_test

import (
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
)

// A checkpoint that cannot be published is tried again each second, and told once until it
// has succeeded.
func TestCheckpointCannotBePublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		var tries, problems atomic.Int64
		mem := vfs.NewMem()
		r, err := hosted(vfs.Inject(mem, func(op vfs.Op) error {
			if full.Load() && op.Kind == vfs.OpOpen && filepath.Base(op.Name) == "audit.checkpoint.tmp" {
				tries.Add(1)
				return syscall.ENOSPC
			}
			return nil
		}), audit.Options{OnProblem: func(error) { problems.Add(1) }})
		require.NoError(t, err)
		time.Sleep(time.Minute) // the bubble's clock
		for episode := range int64(2) {
			full.Store(true)
			tries.Store(0)
			_, err = flow(r, "on a full disk")
			require.NoError(t, err)
			time.Sleep(time.Minute)
			require.Greater(t, tries.Load(), int64(50))
			require.Equal(t, episode+1, problems.Load())
			full.Store(false)
			time.Sleep(2 * time.Second)
			require.Equal(t, r.Checkpoint(), content(t, mem, "audit.checkpoint"))
		}
		require.NoError(t, r.Close())
		require.EqualValues(t, 2, problems.Load())
	})
}
