package rotation_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Logs that share the listing of their folder find each file that one of them closed, and
// the first name that is free behind those that somebody else has put there.
func TestLogsOfOneFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		require.NoError(t, mem.MkdirAll("logs", 0o700))
		folder := openFolder(t, mem, "logs")
		var h heard
		o := h.options(rotation.Rule{MaxFiles: 1, Compression: rotation.None})
		o.Folder = folder
		o.Clock = (&clock{at: day}).now
		var files []*rotation.File
		for _, log := range []string{"user", "mail"} {
			f, err := rotation.OpenFS(mem, "logs/"+log+".log", o)
			require.NoError(t, err)
			files = append(files, f)
		}
		const others, rounds = 30, 3
		for i := range others {
			put(t, mem, "logs/"+closedAt("user", day.Add(time.Duration(i)*time.Millisecond)), "x\n")
		}
		for range rounds {
			for _, f := range files {
				write(t, f, numbered(0, 1)...)
				require.NoError(t, f.Rotate())
			}
			synctest.Wait()
		}
		for _, f := range files {
			require.NoError(t, f.Close())
		}
		require.Empty(t, h.Problems())
		require.Equal(t, []string{
			closedAt("mail", day.Add((rounds-1)*time.Millisecond)), "mail.log",
			closedAt("user", day.Add((others+rounds-1)*time.Millisecond)), "user.log",
		}, names(t, mem, "logs"))
	})
}
