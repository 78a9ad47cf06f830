package journal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

// Who puts a backup over a folder has an older user.log beside the closed file that has its
// records too. Both are told of, and the host hears of it at each Open until one is gone.
func TestOlderFileOverNewer(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	f := open(t, mem)
	list := numbered(30)
	f.sayAll("user", list[:10])
	require.NoError(t, f.Sync(t.Context()))
	older := contentOf(t, mem, "user.log")
	f.sayAll("user", list[10:20])
	require.NoError(t, f.Rotate("user"))
	f.sayAll("user", list[20:])
	require.NoError(t, f.Close())
	require.Empty(t, f.problems)

	f = open(t, mem)
	require.NoError(t, f.Close())
	require.Empty(t, f.problems, "they follow each other")

	require.NoError(t, mem.Remove(dir+"/user.log"))
	overwrite(t, mem, "user.log", 0, older)
	for range 2 {
		f = open(t, mem)
		require.NoError(t, f.Close())
		require.Len(t, f.told("user.log begins with record 1, and user-"), 1)
		require.Len(t, f.told("ends with 20"), 1)
	}
	require.NoError(t, mem.Remove(dir+"/user.log"))
	f = open(t, mem)
	require.NoError(t, f.Close())
	require.Empty(t, f.problems)
}
