package audit_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
)

// The folder above may belong to somebody else, who lets us pass and not look.
func TestOpenBelowAFolderThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r, err := hosted(vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpSyncDir && op.Name == "." {
			return syscall.EACCES
		}
		return nil
	}), audit.Options{})
	require.NoError(t, err)
	_, err = flow(r, "a")
	require.NoError(t, err)
	require.NoError(t, r.Close())
}
