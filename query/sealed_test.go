package query_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// queries is how many random queries all tests of this package ask together, over
// memory, folders, read only and not, that are active, sealed, rebuilt, retained
// and damaged: without the flag, usually.
var queries = flag.Int("queries", usually, "random queries in all")

const usually = 18_200

// asked is how many of so many queries are asked: the race detector finds in a
// tenth of them what it finds.
func asked(n int) int {
	n = (n**queries + usually - 1) / usually
	if underRace {
		return max(n/10, 10)
	}
	return n
}

// openIndexed opens a folder for writing that indexes fields.
func openIndexed(t *testing.T, dir string, rule rotation.Rule, onProblem func(error)) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{Rule: rule, KeepOpen: func(*runs.Run) bool { return true },
		IndexFields: []string{"sku", "a.b", "tags", "nested"}, Messages: messageCodes, OnProblem: onProblem})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

// awaitSealed waits until every closed file has its sidecar and no plain form.
func awaitSealed(t *testing.T, dir string) {
	t.Helper()
	require.Eventually(t, func() bool {
		plain, err := filepath.Glob(filepath.Join(dir, "*-20*.log"))
		require.NoError(t, err)
		data, err := filepath.Glob(filepath.Join(dir, "*-20*.log.*"))
		require.NoError(t, err)
		sidecars := 0
		for _, name := range data {
			if strings.HasSuffix(name, ".tmp") {
				return false
			}
			if strings.HasSuffix(name, ".idx") {
				sidecars++
			}
		}
		return len(plain) == 0 && sidecars > 2 && len(data) == 2*sidecars
	}, 30*time.Second, 5*time.Millisecond)
}

// sidecars returns the paths of a folder's sidecars.
func sidecars(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.idx"))
	require.NoError(t, err)
	require.Greater(t, len(names), 2)
	return names
}

// TestSealedStates asks a folder in every state that its sealed files can be in,
// while it is written and read only.
func TestSealedStates(t *testing.T) {
	t.Parallel()
	ignore := func(error) {}
	fail := func(err error) { t.Error(err) }
	for _, c := range []struct {
		name      string
		rule      rotation.Rule
		onProblem func(error)
		change    func(t *testing.T, dir string)
	}{
		{"sealed", rotation.Rule{MaxBytes: 16 << 10}, fail, func(*testing.T, string) {}},
		{"sealed with zstd", rotation.Rule{MaxBytes: 24 << 10, Compression: rotation.Zstd}, fail, func(*testing.T, string) {}},
		{"without sidecars", rotation.Rule{MaxBytes: 16 << 10}, fail, func(t *testing.T, dir string) {
			for _, name := range sidecars(t, dir) {
				require.NoError(t, os.Remove(name))
			}
		}},
		{"with damaged sidecars", rotation.Rule{MaxBytes: 16 << 10}, ignore, func(t *testing.T, dir string) {
			for i, name := range sidecars(t, dir) {
				b, err := os.ReadFile(name)
				require.NoError(t, err)
				switch i % 3 {
				case 0:
					b = b[:len(b)/2]
				case 1:
					b[len(b)/3] ^= 0x10
				default:
					b[len(b)-100] ^= 0x10
				}
				require.NoError(t, os.WriteFile(name, b, 0o600))
			}
		}},
		{"with newer and foreign sidecars", rotation.Rule{MaxBytes: 16 << 10}, fail, func(t *testing.T, dir string) {
			names := sidecars(t, dir)
			for i, name := range names {
				b, err := os.ReadFile(name)
				require.NoError(t, err)
				switch i % 3 {
				case 0:
					binary.LittleEndian.PutUint32(b[16:], 2)
				case 1:
					b = []byte("no sidecar at all")
				default:
					b, err = os.ReadFile(names[(i+1)%len(names)])
					require.NoError(t, err)
				}
				require.NoError(t, os.WriteFile(name, b, 0o600))
			}
		}},
		{"deleted in part", rotation.Rule{MaxBytes: 16 << 10}, fail, func(t *testing.T, dir string) {
			for i, name := range sidecars(t, dir) {
				if strings.Contains(name, "user-") && i%2 == 0 {
					require.NoError(t, os.Remove(name))
					require.NoError(t, os.Remove(strings.TrimSuffix(name, ".idx")+".gz"))
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			j := openIndexed(t, dir, c.rule, fail)
			g := querytest.NewGenerator(21)
			appendEntries(t, j, g.Entries(1200))
			flush(t, j)
			awaitSealed(t, dir)
			ask := func(name string, e *query.Engine, seed uint64) {
				t.Helper()
				t.Log(name)
				querytest.Check(t, e, folderText(t, dir), querytest.Options{Seed: seed, Queries: asked(150)})
			}
			ask("in the process that sealed", query.New(query.OverJournal(j)), 22)
			require.NoError(t, j.Close())
			c.change(t, dir)
			e, err := query.Open(dir)
			require.NoError(t, err)
			ask("read only", e, 23)
			require.NoError(t, e.Close())
			j = openIndexed(t, dir, rotation.Rule{MaxBytes: 1 << 20}, c.onProblem)
			ask("opened again", query.New(query.OverJournal(j)), 24)
			awaitSealed(t, dir)
			appendEntries(t, j, g.Entries(100))
			flush(t, j)
			ask("with records behind it", query.New(query.OverJournal(j)), 26)
			require.NoError(t, j.Close())
		})
	}
}

// TestCapped asks for a total that no index counts, with a limit that it is over.
func TestCapped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{}, func(err error) { t.Error(err) })
	appendEntries(t, j, querytest.NewGenerator(41).Entries(900))
	flush(t, j)
	f := query.Filter{Where: query.Not(query.Eq("none", "x"))}
	whole, err := query.New(query.OverJournal(j)).Records(t.Context(), f, query.Paging{Limit: 5})
	require.NoError(t, err)
	require.Equal(t, query.Total{N: 900, Exact: true}, whole.Total)
	page, err := query.New(query.Capped(j, 20_000)).Records(t.Context(), f, query.Paging{Limit: 5})
	require.NoError(t, err)
	require.False(t, page.Total.Exact)
	require.NotEmpty(t, page.Total.Reason)
	require.Less(t, page.Total.N, int64(900))
	require.Positive(t, page.Total.N)
	require.Equal(t, whole.Items, page.Items, "the page itself is whole")
	require.NotEmpty(t, page.Next)
	require.Less(t, page.Stats.Bytes, whole.Stats.Bytes)
}

// A total is a lower bound whichever of the files has more lines than may be read: some
// before it are counted to their end, and of those after it no line has to be read.
func TestCappedInOneFile(t *testing.T) {
	t.Parallel()
	const lines, size = 400, 1 << 10
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{}, func(err error) { t.Error(err) })
	logs := []struct{ name, level string }{{"a", "warn"}, {"b", "warn"}, {"c", "info"}, {"d", "info"}, {"e", "error"}}
	for _, log := range logs {
		text := fmt.Appendf(nil, `{"timestamp":"2026-11-21T02:03:04.000000000Z","level":%q,"kind":"line","message":%q}`,
			log.level, strings.Repeat("x", size))
		appendEntries(t, j, slices.Repeat([]querytest.Entry{{File: log.name, Text: text}}, lines))
	}
	flush(t, j)
	check := func() {
		t.Helper()
		for _, c := range []struct {
			name          string
			level         zapcore.Level
			limit         int64
			atLeast, most int64
		}{
			{"in the first file", levels.Warn, lines * size / 2, 1, lines},
			{"in the second file", levels.Warn, lines * size * 3 / 2, lines, 2 * lines},
			{"in the last file", levels.Error, lines * size / 2, 1, lines},
		} {
			f := query.Filter{Levels: levels.Of(c.level), Where: query.Not(query.Eq("none", "x"))}
			for range 20 { // files are counted side by side, not the same way each time
				page, err := query.New(query.Capped(j, c.limit)).Records(t.Context(), f, query.Paging{Limit: 1})
				require.NoError(t, err)
				require.False(t, page.Total.Exact, c.name)
				require.NotEmpty(t, page.Total.Reason, c.name)
				require.GreaterOrEqual(t, page.Total.N, c.atLeast, c.name)
				require.Less(t, page.Total.N, c.most, c.name)
			}
		}
	}
	check()
	for _, log := range logs {
		require.NoError(t, j.Rotate(log.name))
	}
	awaitSealed(t, dir)
	check()
}
