package vfs_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// create makes a file that is closed when the test ends.
func create(t *testing.T, fsys vfs.FS, name string) vfs.File {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func put(t *testing.T, f vfs.File, content string) {
	t.Helper()
	_, err := io.WriteString(f, content)
	require.NoError(t, err)
}

// tree is the content of every file by its name; folders end with a slash.
func tree(t *testing.T, fsys vfs.FS) map[string]string {
	t.Helper()
	all := map[string]string{}
	var walk func(dir string)
	walk = func(dir string) {
		infos, err := fsys.ReadDir(dir)
		require.NoError(t, err)
		for _, fi := range infos {
			name := path.Join(dir, fi.Name())
			if fi.IsDir() {
				all[name+"/"] = ""
				walk(name)
				continue
			}
			f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
			require.NoError(t, err)
			b, err := io.ReadAll(f)
			require.NoError(t, err)
			require.Len(t, b, int(fi.Size()))
			require.NoError(t, f.Close())
			all[name] = string(b)
		}
	}
	walk("/")
	return all
}

// outcomes counts what many power cuts leave.
func outcomes(t *testing.T, m *vfs.Mem, o vfs.CrashOptions, show func(c *vfs.Mem) string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for seed := range uint64(300) {
		seen[show(m.Crash(newRand(seed), o))]++
	}
	return seen
}

// names shows a folder.
func names(t *testing.T, dir string) func(c *vfs.Mem) string {
	return func(c *vfs.Mem) string {
		infos, err := c.ReadDir(dir)
		require.NoError(t, err)
		var s []string
		for _, fi := range infos {
			s = append(s, fi.Name())
		}
		return strings.Join(s, " ")
	}
}

// content shows a file.
func content(t *testing.T, name string) func(c *vfs.Mem) string {
	return func(c *vfs.Mem) string { return tree(t, c)[name] }
}

func TestCrashKeepsWhatWasSynced(t *testing.T) {
	m := vfs.NewMem()
	require.NoError(t, m.MkdirAll("/d", 0o700))
	require.NoError(t, m.SyncDir("/"))
	f := create(t, m, "/d/a")
	put(t, f, "synced")
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/d"))
	put(t, f, " and not")
	create(t, m, "/d/b")
	for seed := range uint64(300) {
		got := tree(t, m.Crash(newRand(seed), vfs.CrashOptions{}))
		require.True(t, strings.HasPrefix(got["/d/a"], "synced"), "seed %d: %q", seed, got["/d/a"])
	}
	require.Equal(t, map[string]string{"/d/": "", "/d/a": "synced"}, tree(t, m.Crash(nil, vfs.CrashOptions{})))
	require.Equal(t, tree(t, m), tree(t, m.Crash(nil, vfs.CrashOptions{Unsynced: vfs.SurviveAll})))
	require.Equal(t, map[string]string{"/d/": "", "/d/a": "synced and not", "/d/b": ""}, tree(t, m))
}

func TestCrashMayLoseAnEntryThatWasNotSynced(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "/a")
	put(t, f, "x")
	require.NoError(t, f.Sync())
	seen := outcomes(t, m, vfs.CrashOptions{}, names(t, "/"))
	require.Len(t, seen, 2)
	require.Positive(t, seen[""])
	require.Positive(t, seen["a"])
	require.NoError(t, m.SyncDir("/"))
	require.Equal(t, map[string]int{"a": 300}, outcomes(t, m, vfs.CrashOptions{}, names(t, "/")))
}

func TestCrashMayLoseAFolderWithAllInIt(t *testing.T) {
	m := vfs.NewMem()
	require.NoError(t, m.MkdirAll("/d", 0o700))
	f := create(t, m, "/d/a")
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/d"))
	require.Empty(t, tree(t, m.Crash(nil, vfs.CrashOptions{})))
	require.NoError(t, m.SyncDir("/"))
	require.Len(t, tree(t, m.Crash(nil, vfs.CrashOptions{})), 2)
}

func TestCrashMayUndoARename(t *testing.T) {
	m := vfs.NewMem()
	for name, text := range map[string]string{"/old": "old", "/new": "new"} {
		f := create(t, m, name)
		put(t, f, text)
		require.NoError(t, f.Sync())
	}
	require.NoError(t, m.SyncDir("/"))
	require.NoError(t, m.Rename("/new", "/old"))
	show := func(c *vfs.Mem) string { return fmt.Sprint(tree(t, c)) }
	seen := outcomes(t, m, vfs.CrashOptions{}, show)
	require.Len(t, seen, 2)
	require.Positive(t, seen["map[/new:new /old:old]"])
	require.Positive(t, seen["map[/old:new]"])
	require.NoError(t, m.SyncDir("/"))
	require.Equal(t, map[string]int{"map[/old:new]": 300}, outcomes(t, m, vfs.CrashOptions{}, show))
}

func TestCrashMayBringBackARemovedFile(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "/a")
	put(t, f, "x")
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	require.NoError(t, f.Close())
	require.NoError(t, m.Remove("/a"))
	require.Zero(t, m.Used())
	back := m.Crash(nil, vfs.CrashOptions{})
	require.Equal(t, map[string]string{"/a": "x"}, tree(t, back))
	require.Equal(t, int64(4096), back.Used())
	require.NoError(t, m.SyncDir("/"))
	require.Empty(t, tree(t, m.Crash(nil, vfs.CrashOptions{})))
}

func TestCrashMayRenameWithoutContent(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "/tmp")
	put(t, f, "content")
	require.NoError(t, m.Rename("/tmp", "/name"))
	require.NoError(t, m.SyncDir("/"))
	seen := outcomes(t, m, vfs.CrashOptions{}, content(t, "/name"))
	require.Positive(t, seen[""], "the size is old")
	require.Positive(t, seen["content"])
	require.Positive(t, seen[strings.Repeat("\x00", 7)], "the size is new, the content is not there")
	require.NoError(t, f.Sync())
	require.Equal(t, map[string]int{"content": 300}, outcomes(t, m, vfs.CrashOptions{}, content(t, "/name")))
}

func TestCrashMovesBetweenFoldersWholly(t *testing.T) {
	m := vfs.NewMem()
	require.NoError(t, m.MkdirAll("/x", 0o700))
	require.NoError(t, m.MkdirAll("/y", 0o700))
	create(t, m, "/x/a")
	for _, dir := range []string{"/", "/x"} {
		require.NoError(t, m.SyncDir(dir))
	}
	create(t, m, "/y/b")
	require.NoError(t, m.Rename("/x/a", "/y/a"))
	show := func(c *vfs.Mem) string { return names(t, "/x")(c) + "|" + names(t, "/y")(c) }
	seen := outcomes(t, m, vfs.CrashOptions{}, show)
	require.Len(t, seen, 3)
	for _, want := range []string{"a|", "a|b", "|a b"} {
		require.Positive(t, seen[want], want)
	}
	create(t, m, "/y/c")
	require.NotContains(t, outcomes(t, m, vfs.CrashOptions{}, show), "a|b c", "what came after the move has it")
	require.NoError(t, m.SyncDir("/x"))
	require.Equal(t, []string{"|a b", "|a b c"}, slices.Sorted(maps.Keys(outcomes(t, m, vfs.CrashOptions{}, show))),
		"saving one side of a move saves the move and what came before it")
}

func TestCrashKeepsTheOrderInAFolder(t *testing.T) {
	m := vfs.NewMem()
	require.NoError(t, m.MkdirAll("/x", 0o700))
	require.NoError(t, m.MkdirAll("/y", 0o700))
	require.NoError(t, m.SyncDir("/"))
	for i := range 4 {
		create(t, m, fmt.Sprintf("/x/%d", i))
		create(t, m, fmt.Sprintf("/y/%d", i))
	}
	prefixes := []string{"", "0", "0 1", "0 1 2", "0 1 2 3"}
	apart := false
	for seed := range uint64(300) {
		for _, ordered := range []bool{false, true} {
			c := m.Crash(newRand(seed), vfs.CrashOptions{Ordered: ordered})
			x := slices.Index(prefixes, names(t, "/x")(c))
			y := slices.Index(prefixes, names(t, "/y")(c))
			require.NotEqual(t, -1, x)
			require.NotEqual(t, -1, y)
			if ordered {
				require.True(t, x == y || x == y+1, "seed %d: %d of x and %d of y", seed, x, y)
			}
			apart = apart || y > x
		}
	}
	require.True(t, apart, "folders come apart unless ordered")
}

func TestCrashTearsPagesIntoSectors(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "/a")
	put(t, f, strings.Repeat("o", 8*4096))
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	_, err := f.WriteAt(bytes.Repeat([]byte("n"), 8*4096), 0)
	require.NoError(t, err)
	count := func(o vfs.CrashOptions) (torn, old, whole int) {
		for seed := range uint64(300) {
			got := content(t, "/a")(m.Crash(newRand(seed), o))
			require.Len(t, got, 8*4096)
			for page := range slices.Chunk([]byte(got), 4096) {
				for sector := range slices.Chunk(page, 512) {
					require.Len(t, bytes.Trim(sector, string(sector[:1])), 0)
				}
				switch bytes.Count(page, []byte("n")) {
				case 0:
					old++
				case 4096:
					whole++
				default:
					torn++
				}
			}
		}
		return torn, old, whole
	}
	torn, old, whole := count(vfs.CrashOptions{})
	require.Positive(t, torn)
	require.Positive(t, old)
	require.Positive(t, whole)
	torn, old, whole = count(vfs.CrashOptions{WholePages: true})
	require.Zero(t, torn)
	require.Positive(t, old)
	require.Positive(t, whole)
}

func TestCrashMixesMappedPagesOfManyMoments(t *testing.T) {
	const pages = 16
	m := vfs.NewMem()
	f := create(t, m, "/ring")
	require.NoError(t, f.Allocate(pages*4096, false))
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	mapping, err := m.Map(f, pages*4096)
	require.NoError(t, err)
	fill := func(b byte) {
		for i := range mapping.Bytes() {
			mapping.Bytes()[i] = b
		}
	}
	for moment := byte(1); moment <= 3; moment++ {
		fill('0' + moment)
		m.WriteBack(newRand(uint64(moment)))
	}
	fill('4')
	seen := map[string]bool{}
	for seed := range uint64(100) {
		c := m.Crash(newRand(seed), vfs.CrashOptions{WholePages: true})
		ring := content(t, "/ring")(c)
		require.Len(t, ring, pages*4096)
		for page := range slices.Chunk([]byte(ring), 4096) {
			require.Empty(t, bytes.Trim(page, string(page[:1])))
			seen[string(page[:1])] = true
		}
	}
	require.Greater(t, len(seen), 2, "only %v", seen)
	require.NoError(t, f.Sync())
	require.Equal(t, strings.Repeat("4", pages*4096), content(t, "/ring")(m.Crash(nil, vfs.CrashOptions{})))
	fill('5')
	require.Equal(t, strings.Repeat("4", pages*4096), content(t, "/ring")(m.Crash(nil, vfs.CrashOptions{})))
	require.NoError(t, mapping.Unmap())
	require.Equal(t, strings.Repeat("5", pages*4096), content(t, "/ring")(m.Crash(nil, vfs.CrashOptions{Unsynced: vfs.SurviveAll})))
}

func TestCrashAfterTruncate(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "/a")
	put(t, f, "good line\ntorn li")
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	require.NoError(t, f.Truncate(10))
	seen := outcomes(t, m, vfs.CrashOptions{}, content(t, "/a"))
	require.Positive(t, seen["good line\n"])
	require.Positive(t, seen["good line\ntorn li"], "a cut that was not synced may be undone")
	require.NoError(t, f.Sync())
	require.Equal(t, map[string]int{"good line\n": 300}, outcomes(t, m, vfs.CrashOptions{}, content(t, "/a")))
}

func TestCrashKeepsBlocksOfACutApart(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "/a")
	put(t, f, strings.Repeat("o", 8192))
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	require.NoError(t, f.Truncate(2))
	_, err := f.WriteAt([]byte("n"), 6000)
	require.NoError(t, err)
	sizes := map[int]bool{}
	for seed := range uint64(300) {
		got := content(t, "/a")(m.Crash(newRand(seed), vfs.CrashOptions{}))
		sizes[len(got)] = true
		if len(got) == 8192 {
			require.NotContains(t, got[4096:], "n", "the cut is lost: its successors have no block")
		} else {
			require.NotContains(t, got[2:], "o", "the cut is kept: what it cut is gone")
		}
	}
	require.Contains(t, sizes, 8192)
	require.Contains(t, sizes, 2)
	require.Contains(t, sizes, 6001)
}

func TestMemCutsMappedPages(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "/a")
	require.NoError(t, f.Allocate(2*4096, false))
	mapping, err := m.Map(f, 2*4096)
	require.NoError(t, err)
	for i := range mapping.Bytes() {
		mapping.Bytes()[i] = 'x'
	}
	require.NoError(t, f.Truncate(10))
	require.NoError(t, f.Allocate(2*4096, false))
	want := strings.Repeat("x", 10) + strings.Repeat("\x00", 2*4096-10)
	require.Equal(t, want, tree(t, m)["/a"])
	require.Equal(t, want, string(mapping.Bytes()))
	require.NoError(t, mapping.Unmap())
}

func TestCrashIsTheSameForTheSameSeed(t *testing.T) {
	build := func() *vfs.Mem {
		m := vfs.NewMem()
		rng := newRand(7)
		for range 200 {
			randomStep(t, m, rng, nil)
		}
		return m
	}
	one, two := build(), build()
	for seed := range uint64(50) {
		requireSame(t, tree(t, one.Crash(newRand(seed), vfs.CrashOptions{})),
			tree(t, two.Crash(newRand(seed), vfs.CrashOptions{})), "seed %d", seed)
	}
}
