package query_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// Somebody copied a closed file to a name that a log's file may have: its numbers are
// there twice. Questions end all the same.
func TestFileThatIsThereTwice(t *testing.T) {
	t.Parallel()
	for _, sidecar := range []bool{true, false} {
		dir := t.TempDir()
		j := openIndexed(t, dir, rotation.Rule{MaxBytes: 16 << 10}, func(err error) { t.Error(err) })
		appendEntries(t, j, querytest.NewGenerator(5).Entries(300))
		flush(t, j)
		awaitSealed(t, dir)
		require.NoError(t, j.Close()) // it would change what is being copied
		copied := filepath.Join(t.TempDir(), "logs")
		require.NoError(t, os.CopyFS(copied, os.DirFS(dir)))
		require.NoError(t, os.RemoveAll(filepath.Join(copied, ".journal")))
		packed, err := filepath.Glob(filepath.Join(copied, "user-*.log.gz"))
		require.NoError(t, err)
		require.NotEmpty(t, packed)
		for _, ext := range []string{".gz", ".idx"} {
			name := strings.TrimSuffix(packed[0], ".gz") + ext
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			if ext == ".gz" || sidecar {
				base := filepath.Join(copied, "user-2033-01-02T03-04-05.006.log")
				require.NoError(t, os.WriteFile(base+ext, b, 0o600))
			}
		}
		e, err := query.Open(copied)
		require.NoError(t, err)
		askTwice(t, e)
		require.NoError(t, e.Close())
		askTwice(t, query.New(query.OverJournal(openIndexed(t, copied, rotation.Rule{MaxBytes: 16 << 10}, func(error) {}))))
	}
}

// askTwice asks what goes over several files in the order of their numbers.
func askTwice(t *testing.T, e *query.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, oldest := range []bool{true, false} {
		page, err := e.Records(ctx, query.Filter{}, query.Paging{Limit: 1000, Oldest: oldest})
		require.NoError(t, err)
		require.Len(t, page.Items, int(page.Total.N))
		n := 0
		for _, err := range e.All(ctx, query.Filter{Search: "a"}) {
			require.NoError(t, err)
			n++
		}
		require.Positive(t, n)
		paging := query.Paging{Limit: 7, Oldest: oldest}
		for pages := 0; ; pages++ {
			require.Less(t, pages, 1000)
			page, err := e.Records(ctx, query.Filter{}, paging)
			require.NoError(t, err)
			if paging.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		_, err = e.Around(ctx, page.Items[page.Total.N/2].Seq, 20, 20)
		require.NoError(t, err)
	}
	_, err := e.Histogram(ctx, query.Filter{Search: "a"}, 24*365*time.Hour)
	require.NoError(t, err)
	_, err = e.Facets(ctx, query.Filter{}, "level", 0)
	require.NoError(t, err)
}

// Who copies a folder while a file of it is rotated, or puts an old copy back over it, has
// lines twice: under the name of the active file and under the one that it got. Every
// question about them ends all the same.
func TestLinesTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openJournal(t, nil, dir, rotation.Rule{})
	appendEntries(t, j, querytest.NewGenerator(71).Entries(300))
	require.NoError(t, j.Close())
	once, err := os.ReadFile(filepath.Join(dir, "user.log"))
	require.NoError(t, err)
	for _, at := range []string{"123", "124", "125"} {
		name := "user-2026-11-21T02-03-04." + at + ".log"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), once, 0o600))
	}
	ask := func(t *testing.T, e *query.Engine) {
		var up []uint64
		times := map[uint64]int{}
		for r, err := range e.All(t.Context(), query.Filter{}) {
			require.NoError(t, err)
			up = append(up, r.Seq)
			times[r.Seq]++
		}
		require.True(t, slices.IsSorted(up))
		require.Len(t, times, 300, "none is missing")
		page, err := e.Records(t.Context(), query.Filter{}, query.Paging{Limit: 1000})
		require.NoError(t, err)
		var down []uint64
		for _, r := range page.Items {
			down = append(down, r.Seq)
		}
		require.EqualValues(t, len(down), page.Total.N)
		slices.Reverse(down)
		require.Equal(t, down, up)
		page, err = e.Records(t.Context(), query.Filter{}, query.Paging{Limit: 1000, Oldest: true})
		require.NoError(t, err)
		require.Len(t, page.Items, len(down))
	}
	t.Run("read only", func(t *testing.T) {
		e, err := query.Open(dir)
		require.NoError(t, err)
		defer e.Close()
		ask(t, e)
	})
	t.Run("for writing", func(t *testing.T) {
		j := openIndexed(t, dir, rotation.Rule{}, nil)
		awaitSealed(t, dir)
		ask(t, query.New(query.OverJournal(j)))
	})
}
