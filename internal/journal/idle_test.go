package journal_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Closed files are sealed and deleted by their rule though the log has no active file
// and nobody logs to it: not what a full disk prevents for long.
func TestClosedFilesAlone(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	keep := func(n int) func(*journal.Options) {
		return func(o *journal.Options) { o.Rule = rotation.Rule{MaxFiles: n, Compression: rotation.None} }
	}
	f := open(t, mem, keep(9))
	for i := range 3 {
		f.sayAll("email", numbered(3 * (i + 1))[3*i:])
		f.sayAll("user", numbered(3 * (i + 1))[3*i:])
		require.NoError(t, f.Rotate("email"))
	}
	require.NoError(t, f.Close())
	require.NoError(t, mem.Remove("logs/email.log"))

	full := vfs.Inject(mem, func(op vfs.Op) error {
		if op.Kind == vfs.OpOpen && op.Name == "logs/email.log" {
			return syscall.ENOSPC
		}
		return nil
	})
	f = open(t, full, keep(1))
	require.Eventually(t, f.problemSeen, 10*time.Second, time.Millisecond)
	require.Equal(t, numbered(9), messages(t, f.Journal, "email"), "the folder is open")
	f.sayAll("user", numbered(10)[9:])
	require.NoError(t, f.Close())

	f = open(t, mem, keep(1))
	require.Eventually(t, func() bool { return len(messages(t, f.Journal, "email")) == 3 }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return f.Unsealed() == 0 }, 10*time.Second, time.Millisecond)
	require.Equal(t, numbered(9)[6:], messages(t, f.Journal, "email"))
	require.Equal(t, numbered(10), messages(t, f.Journal, "user"))
	require.NoError(t, f.Close())
	require.Empty(t, f.problems)
	infos, err := mem.ReadDir("logs")
	require.NoError(t, err)
	var email []string
	for _, info := range infos {
		if info.Name()[:3] == "ema" {
			email = append(email, info.Name())
		}
	}
	require.Len(t, email, 3, "one closed file, its sidecar and an active one: %v", email)
}
