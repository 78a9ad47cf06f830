package query_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/query/querytest/oracle"
	"github.com/steplog/steplog/rotation"
)

// TestBackends runs the suite over every way to reach a journal.
func TestBackends(t *testing.T) {
	often := rotation.Rule{MaxBytes: 16 << 10}
	zstandard := rotation.Rule{MaxBytes: 24 << 10, Compression: rotation.Zstd}
	for _, c := range []struct {
		name    string
		options querytest.Options
		open    func(t *testing.T) querytest.Subject
	}{
		{"memory", querytest.Options{Seed: 1, Queries: asked(3000)}, inMemory},
		{"folder", querytest.Options{Seed: 2, Queries: asked(3000)}, inFolder(rotation.Rule{})},
		{"folder with rotated files", querytest.Options{Seed: 3, Queries: asked(2000), Records: 900}, inFolder(often)},
		{"read only", querytest.Options{Seed: 4, Queries: asked(2000)}, readOnly(rotation.Rule{})},
		{"read only with rotated files", querytest.Options{Seed: 5, Queries: asked(1000), Records: 900}, readOnly(zstandard)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			querytest.Run(t, c.options, c.open)
		})
	}
}

// TestReopened asks about a folder that was written, rotated and closed before.
func TestReopened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := querytest.NewGenerator(6)
	for range 3 {
		j := openJournal(t, nil, dir, rotation.Rule{MaxBytes: 32 << 10})
		appendEntries(t, j, g.Entries(200))
		require.NoError(t, j.Close())
	}
	text := folderText(t, dir)
	require.Len(t, text, 600)

	t.Run("read only", func(t *testing.T) {
		before := listing(t, dir)
		e, err := query.Open(dir)
		require.NoError(t, err)
		querytest.Check(t, e, text, querytest.Options{Seed: 7, Queries: asked(600)})
		require.NoError(t, e.Close())
		require.Equal(t, before, listing(t, dir), "a reader changes nothing")
	})
	t.Run("for writing", func(t *testing.T) {
		e := query.New(query.OverJournal(openJournal(t, nil, dir, rotation.Rule{})))
		querytest.Check(t, e, text, querytest.Options{Seed: 8, Queries: asked(600)})
	})
}

// listing returns the sizes of a folder's files by name.
func listing(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	require.NoError(t, filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		sizes[name] = info.Size()
		return err
	}))
	return sizes
}

// TestDeleted deletes files while they are asked about.
func TestDeleted(t *testing.T) {
	t.Parallel()
	fill := func(t *testing.T, dir string) querytest.Subject {
		// What is removed under the writer is a problem that it tells of.
		j := openIndexed(t, dir, rotation.Rule{MaxBytes: 16 << 10, Compression: rotation.None}, func(error) {})
		s := subject(j, nil, dir)
		s.Append(t, querytest.NewGenerator(9).Entries(500))
		flush(t, j)
		return s
	}
	closed := func(t *testing.T, dir string) []string {
		names, err := filepath.Glob(filepath.Join(dir, "user-*.log"))
		require.NoError(t, err)
		require.Greater(t, len(names), 2)
		return names
	}
	t.Run("before they were read", func(t *testing.T) {
		dir := t.TempDir()
		s := fill(t, dir)
		e, err := query.Open(dir)
		require.NoError(t, err)
		defer func() { require.NoError(t, e.Close()) }()
		for _, name := range closed(t, dir)[1:] {
			require.NoError(t, os.Remove(name))
		}
		want := recordsOf(t, s.Text(t)).Select(oracle.Filter{Search: "e"}, 0)
		newest := want[len(want)-1].Seq
		page, err := e.Records(t.Context(), query.Filter{Search: "e"}, query.Paging{Limit: 10})
		require.NoError(t, err)
		require.EqualValues(t, len(want), page.Total.N)
		require.Equal(t, newest, page.Items[0].Seq)

		// The process that writes may still have them open, and notices later.
		require.Eventually(t, func() bool {
			page, err := s.Engine.Records(t.Context(), query.Filter{Search: "e"}, query.Paging{Limit: 10})
			return err == nil && page.Total.N == int64(len(want)) && page.Items[0].Seq == newest
		}, 10*time.Second, 10*time.Millisecond)
	})
	t.Run("while they are read", func(t *testing.T) {
		dir := t.TempDir()
		s := fill(t, dir)
		all := recordsOf(t, s.Text(t)).Records
		names := closed(t, dir)
		seen := map[uint64]bool{}
		for r, err := range s.Engine.All(t.Context(), query.Filter{}) {
			require.NoError(t, err)
			require.False(t, seen[r.Seq], "twice")
			seen[r.Seq] = true
			if len(names) > 0 {
				require.NoError(t, os.Remove(names[0]))
				names = names[1:]
			}
		}
		for _, r := range all {
			require.True(t, seen[r.Seq] || r.File == "user", "record %d of %s, which nobody deleted", r.Seq, r.File)
		}
	})
	t.Run("all of them", func(t *testing.T) {
		dir := t.TempDir()
		fill(t, dir)
		e, err := query.Open(dir)
		require.NoError(t, err)
		defer func() { require.NoError(t, e.Close()) }()
		names, err := filepath.Glob(filepath.Join(dir, "*.log"))
		require.NoError(t, err)
		for _, name := range names {
			require.NoError(t, os.Remove(name))
		}
		page, err := e.Records(t.Context(), query.Filter{}, query.Paging{})
		require.NoError(t, err)
		require.Empty(t, page.Items)
	})
}

func recordsOf(t testing.TB, lines []oracle.Line) *oracle.Text {
	t.Helper()
	text, err := oracle.Read(lines)
	require.NoError(t, err)
	return text
}

func TestOpen(t *testing.T) {
	t.Run("no folder", func(t *testing.T) {
		none := filepath.Join(t.TempDir(), "none")
		_, err := query.Open(none)
		require.ErrorIs(t, err, os.ErrNotExist)
		require.True(t, strings.HasPrefix(err.Error(), "query: open folder "+none+": "), err)
	})
	t.Run("no name", func(t *testing.T) {
		_, err := query.Open("")
		require.ErrorIs(t, err, os.ErrNotExist)
		require.ErrorContains(t, err, "query: open folder: its name is empty")
	})
	t.Run("closed", func(t *testing.T) {
		dir := t.TempDir()
		j := openJournal(t, nil, dir, rotation.Rule{})
		appendEntries(t, j, querytest.NewGenerator(10).Entries(20))
		flush(t, j)
		e, err := query.Open(dir)
		require.NoError(t, err)
		tail := e.Tail(t.Context(), query.Filter{}, query.TailOptions{})
		require.NoError(t, e.Close())
		require.NoError(t, e.Close(), "closing twice is fine")
		_, err = e.Records(t.Context(), query.Filter{}, query.Paging{})
		require.ErrorIs(t, err, query.ErrClosed)
		_, err = e.MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
		require.ErrorIs(t, err, query.ErrClosed)
		_, err = e.SubLogs(t.Context(), query.StepFilter{}, query.Paging{})
		require.ErrorIs(t, err, query.ErrClosed)
		n := 0
		for _, err := range tail {
			require.ErrorIs(t, err, query.ErrClosed)
			n++
		}
		require.Equal(t, 1, n)
	})
	t.Run("an engine of a store closes nothing", func(t *testing.T) {
		e := query.New(query.OverJournal(openJournal(t, nil, t.TempDir(), rotation.Rule{})))
		require.NoError(t, e.Close())
		_, err := e.Records(t.Context(), query.Filter{}, query.Paging{})
		require.NoError(t, err)
	})
}
