package audit_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
)

// A file that cannot be opened now, by a user without the rights or a process without a
// descriptor left, is not missing, and its trail not damaged.
func TestVerifyUnreadable(t *testing.T) {
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{})
	require.NoError(t, err)
	_, err = flow(r, "one")
	require.NoError(t, err)
	require.NoError(t, r.Close())
	for _, cause := range []syscall.Errno{syscall.EACCES, syscall.EMFILE} {
		_, err = verify(t, vfs.Inject(mem, func(op vfs.Op) error {
			if op.Kind == vfs.OpRootOpen && strings.HasSuffix(op.Name, "audit.log") {
				return cause
			}
			return nil
		}))
		require.ErrorIs(t, err, cause)
		require.NotErrorIs(t, err, audit.ErrDamaged)
	}
	_, err = verify(t, mem)
	require.NoError(t, err)
}
