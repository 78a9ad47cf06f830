package query_test

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

// A closed file that somebody changes is read again, and that waits for records that are
// being moved to the texts: a query that meets it meanwhile waits too.
func TestFileChangesWhileTheDiskIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var slow atomic.Bool
		j, err := journal.Open("logs", journal.Options{
			FS: vfs.Inject(mem, func(op vfs.Op) error {
				if op.Kind == vfs.OpWrite && strings.HasPrefix(op.Name, "logs/user.log") && slow.Load() {
					<-time.After(50 * time.Millisecond)
				}
				return nil
			}),
			Rule: rotation.Rule{Compression: rotation.None}, RingBytes: 4 << 20,
		})
		require.NoError(t, err)
		file, err := j.File("user")
		require.NoError(t, err)
		say := func(message string) {
			_, err := file.Append(j.Owner(line.Identity{Operation: "sync"}), journal.Meta{Time: time.Now(), Kind: line.KindLine},
				fmt.Appendf(nil, `"timestamp":"2026-11-21T02:03:04Z","level":"info","kind":"line","operation":"sync","message":%q}`, message))
			require.NoError(t, err)
		}
		for i := range 100 {
			say(fmt.Sprint("message ", i))
		}
		require.NoError(t, j.Rotate("user"))
		synctest.Wait()
		infos, err := mem.ReadDir("logs")
		require.NoError(t, err)
		changed := 0
		for _, info := range infos {
			if !strings.HasPrefix(info.Name(), "user-") || !strings.HasSuffix(info.Name(), ".log") {
				continue
			}
			changed++
			f, err := mem.OpenFile("logs/"+info.Name(), os.O_RDWR, 0)
			require.NoError(t, err)
			text := make([]byte, info.Size())
			_, err = f.ReadAt(text, 0)
			require.NoError(t, err)
			_, err = f.WriteAt(append([]byte("looked at by the support\n"), text...), 0)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		require.Equal(t, 1, changed)

		slow.Store(true)
		say("last")
		time.Sleep(20 * time.Millisecond) // it is on its way to the text
		page, err := query.New(query.OverJournal(j)).Records(t.Context(), query.Filter{}, query.Paging{Limit: 1000})
		require.NoError(t, err)
		require.Len(t, page.Items, 101)
		require.NoError(t, j.Close())
	})
}
