package query_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// A closed file of which a disk lost a part does not keep the host from its log, nor
// anybody from the records that can still be read: those of the other blocks.
func TestDamagedData(t *testing.T) {
	t.Parallel()
	for ext, c := range map[string]rotation.Compression{".gz": rotation.Gzip, ".zst": rotation.Zstd} {
		t.Run(ext, func(t *testing.T) {
			t.Parallel()
			testDamagedData(t, ext, rotation.Rule{MaxBytes: 300 << 10, Compression: c})
		})
	}
}

func testDamagedData(t *testing.T, ext string, rule rotation.Rule) {
	dir := filepath.Join(t.TempDir(), "logs")
	j := openIndexed(t, dir, rule, func(err error) { t.Error(err) })
	g := querytest.NewGenerator(61)
	for i := 0; i < 10; i++ {
		appendEntries(t, j, g.Entries(400))
	}
	flush(t, j)
	awaitSealed(t, dir)
	whole := map[uint64][]byte{}
	for r, err := range query.New(query.OverJournal(j)).All(t.Context(), query.Filter{}) {
		require.NoError(t, err)
		whole[r.Seq] = bytes.Clone(r.Raw)
	}
	require.NoError(t, j.Close())

	flip := func(at float64) func([]byte) []byte {
		return func(b []byte) []byte {
			from := int(at * float64(len(b)))
			for i := from; i < from+50; i++ {
				b[i] ^= 0x55
			}
			return b
		}
	}
	for _, c := range []struct {
		name     string
		sidecars bool
		least    float64 // of the damaged file's records can be read
		damage   func([]byte) []byte
	}{
		{"a block, with a sidecar", true, 0.5, flip(0.3)},
		{"a block, without sidecars", false, 0.5, flip(0.3)},
		{"the end is missing, with a sidecar", true, 0.2, func(b []byte) []byte { return b[:len(b)*2/3] }},
		{"the end is missing, without sidecars", false, 0.2, func(b []byte) []byte { return b[:len(b)*2/3] }},
		{"the beginning, without sidecars", false, 0, func(b []byte) []byte { clear(b[:40]); return b }},
		{"nothing is left", false, 0, func([]byte) []byte { return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			copied := filepath.Join(t.TempDir(), "logs")
			require.NoError(t, os.CopyFS(copied, os.DirFS(dir)))
			names, err := filepath.Glob(filepath.Join(copied, "user-*.log"+ext))
			require.NoError(t, err)
			require.NotEmpty(t, names)
			b, err := os.ReadFile(names[0])
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(names[0], c.damage(b), 0o600))
			if !c.sidecars {
				for _, name := range sidecars(t, copied) {
					require.NoError(t, os.Remove(name))
				}
			}
			ask := func(e *query.Engine) {
				t.Helper()
				found := map[string]int{}
				for r, err := range e.All(t.Context(), query.Filter{}) {
					require.NoError(t, err)
					require.Equal(t, string(whole[r.Seq]), string(r.Raw))
					found[r.File]++
				}
				all := 0
				for _, n := range found {
					all += n
				}
				require.Less(t, all, len(whole), "something is missing")
				for _, f := range []query.Filter{{}, {Search: "e"}, {Where: query.Not(query.Eq("none", "x"))}} {
					page, err := e.Records(t.Context(), f, query.Paging{Limit: 3})
					require.NoError(t, err)
					require.True(t, page.Total.Exact)
					require.LessOrEqual(t, page.Total.N, int64(all))
					require.Equal(t, 1, page.Stats.Damaged)
				}
				page, err := e.Records(t.Context(), query.Filter{Files: []string{"usage"}}, query.Paging{Limit: 1})
				require.NoError(t, err)
				require.Zero(t, page.Stats.Damaged, "the file has no part in it")
				_, err = e.MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
				require.NoError(t, err)
				lost := len(whole) - all
				inFile := len(whole) / (len(names) + 1) // about
				require.LessOrEqual(t, float64(lost), (1-c.least)*float64(inFile)+1, "%d of %d in %d files", lost, len(whole), len(names))
			}
			e, err := query.Open(copied)
			require.NoError(t, err)
			ask(e)
			require.NoError(t, e.Close())

			var mu sync.Mutex
			var problems []string
			j := openIndexed(t, copied, rule, func(err error) {
				mu.Lock()
				defer mu.Unlock()
				problems = append(problems, err.Error())
			})
			ask(query.New(query.OverJournal(j)))
			ask(query.New(query.OverJournal(j)))
			require.NoError(t, j.Close())
			mu.Lock()
			defer mu.Unlock()
			about := 0
			for _, p := range problems {
				if strings.Contains(p, strings.TrimSuffix(filepath.Base(names[0]), ext)) {
					about++
				}
			}
			require.NotZero(t, about, problems)
			require.Less(t, about, 4, problems)
			if kept, err := os.ReadFile(names[0]); err == nil {
				require.Equal(t, len(c.damage(bytes.Clone(b))), len(kept), "nobody touched what is left")
			}
		})
	}
}
