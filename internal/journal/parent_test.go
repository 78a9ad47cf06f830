package journal_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

// The folder above may belong to somebody else, who lets us pass and not look.
func TestOpenBelowAFolderThatCannotBeRead(t *testing.T) {
	t.Parallel()
	f := open(t, vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpSyncDir && op.Name == "." {
			return syscall.EACCES
		}
		return nil
	}))
	f.sayAll("user", numbered(3))
	require.NoError(t, f.Close())
	require.Empty(t, f.problems)
}
