//go:build unix

package query_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// Somebody moves the folder away under a process that writes it and one that reads it. The
// first makes it anew, and both find there what comes after.
func TestFolderMoved(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	j := openIndexed(t, dir, rotation.Rule{MaxBytes: 32 << 10}, nil)
	g := querytest.NewGenerator(72)
	appendEntries(t, j, g.Entries(200))
	flush(t, j)
	reader, err := query.Open(dir)
	require.NoError(t, err)
	defer reader.Close()
	engines := map[string]*query.Engine{"read only": reader, "for writing": query.New(query.OverJournal(j))}
	whole := func(e *query.Engine) (n int, err error) {
		for _, err := range e.All(t.Context(), query.Filter{}) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	for name, e := range engines {
		n, err := whole(e)
		require.NoError(t, err, name)
		require.Equal(t, 200, n, name)
	}
	require.NoError(t, os.Rename(dir, dir+".old"))
	require.Eventually(t, func() bool { // a file that nobody writes stays away
		appendEntries(t, j, g.Entries(50))
		_, err := os.Stat(filepath.Join(dir, "user.log"))
		return err == nil && j.Flush() == nil
	}, 30*time.Second, 10*time.Millisecond)
	newest := j.Stats().Newest
	for name, e := range engines {
		require.Eventually(t, func() bool {
			_, err := whole(e)
			page, err2 := e.Records(t.Context(), query.Filter{}, query.Paging{Limit: 1})
			// The journal may say of itself that a sync failed.
			return errors.Join(err, err2) == nil && len(page.Items) == 1 && page.Items[0].Seq >= newest
		}, 30*time.Second, 10*time.Millisecond, name)
	}
	// What could not be synced while there was no folder is told once.
	require.Eventually(t, func() bool { return j.Sync(t.Context()) == nil }, 30*time.Second, 10*time.Millisecond)
}
