package rotation_test

import (
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// A process died after it had made the file and before it had synced the folder:
// what the next one syncs is durable all the same.
func TestSyncOfAFileThatAnotherMade(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		mem := vfs.NewMem()
		require.NoError(t, mem.MkdirAll("logs", 0o700))
		require.NoError(t, mem.SyncDir("."))
		made, err := mem.OpenFile("logs/user.log", os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		require.NoError(t, made.Close())
		f, err := rotation.OpenFS(mem, "logs/user.log", nil)
		require.NoError(t, err)
		write(t, f, "a line")
		require.NoError(t, f.Sync())
		cut := mem.Crash(rand.New(rand.NewPCG(seed, 0)), vfs.CrashOptions{})
		require.NoError(t, f.Close())
		require.Equal(t, []string{"a line"}, allLines(t, openFolder(t, cut, "logs")), "seed %d", seed)
	}
}
