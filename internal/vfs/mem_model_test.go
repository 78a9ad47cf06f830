package vfs_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

// history is what a test knows of a file system with one folder: every state
// that may come back after a power cut.
type history struct {
	entries []map[string]int // name to file, oldest first, the first one synced
	files   map[int][]string // contents of each file, oldest first, the first one synced
	next    int
}

func newHistory() *history {
	return &history{entries: []map[string]int{{}}, files: map[int][]string{}}
}

func (h *history) now() map[string]int { return h.entries[len(h.entries)-1] }

// entry notes a change of the folder.
func (h *history) entry(change func(map[string]int)) {
	next := maps.Clone(h.now())
	change(next)
	h.entries = append(h.entries, next)
}

// content notes a change of a file.
func (h *history) content(name string, change func(string) string) {
	file := h.now()[name]
	states := h.files[file]
	h.files[file] = append(states, change(states[len(states)-1]))
}

// check requires that the folder is as it was at one moment since its last
// sync, and that each byte of each file is as it was at some moment since the
// sync of that file.
func (h *history) check(t *testing.T, got map[string]string, msg string) {
	t.Helper()
	listing := slices.Sorted(maps.Keys(got))
	var fits []map[string]int
	for _, state := range h.entries {
		if slices.Equal(listing, slices.Sorted(maps.Keys(state))) {
			fits = append(fits, state)
		}
	}
	require.NotEmpty(t, fits, "%s: a folder with %v never was", msg, listing)
	ok := slices.ContainsFunc(fits, func(state map[string]int) bool {
		for name, file := range state {
			if !possible(h.files[file], got[name]) {
				return false
			}
		}
		return true
	})
	require.True(t, ok, "%s: contents that never were together: %v", msg, runs(got))
}

// requireSame compares two trees, and shows what differs in a few words.
func requireSame(t *testing.T, want, got map[string]string, msg string, args ...any) {
	t.Helper()
	if !maps.Equal(want, got) {
		require.Fail(t, "not the same: wanted "+runs(want)+" got "+runs(got), append([]any{msg}, args...)...)
	}
}

// runs shows the contents of files as bytes and how often each is repeated.
func runs(tree map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		fmt.Fprintf(&b, "%s=", name)
		for rest := tree[name]; rest != ""; {
			n := len(rest) - len(strings.TrimLeft(rest, rest[:1]))
			fmt.Fprintf(&b, "%q*%d ", rest[0], n)
			rest = rest[n:]
		}
	}
	return b.String()
}

// possible reports whether content may be what is left of a file that had these
// contents one after the other, of which the first was synced.
func possible(states []string, content string) bool {
	smallest, largest := len(states[0]), len(states[0])
	for _, s := range states {
		smallest, largest = min(smallest, len(s)), max(largest, len(s))
	}
	if len(content) < smallest || len(content) > largest {
		return false
	}
	for i := range len(content) {
		if !slices.ContainsFunc(states, func(s string) bool {
			return i < len(s) && s[i] == content[i] || i >= len(s) && content[i] == 0
		}) {
			return false
		}
	}
	return true
}

// randomStep does one operation on a file system and notes it.
func randomStep(t *testing.T, m *vfs.Mem, rng *rand.Rand, h *history) {
	t.Helper()
	if h == nil {
		h = newHistory()
		infos, err := m.ReadDir("/")
		require.NoError(t, err)
		for _, fi := range infos {
			h.now()["/"+fi.Name()] = h.next
			h.files[h.next] = []string{tree(t, m)["/"+fi.Name()]}
			h.next++
		}
	}
	present := slices.Sorted(maps.Keys(h.now()))
	name := fmt.Sprintf("/%d", rng.IntN(6))
	if len(present) > 0 && rng.IntN(4) > 0 {
		name = present[rng.IntN(len(present))]
	}
	_, there := h.now()[name]
	f, err := m.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	if !there {
		file := h.next
		h.next++
		h.files[file] = []string{""}
		h.entry(func(e map[string]int) { e[name] = file })
	}
	size := len(h.files[h.now()[name]][len(h.files[h.now()[name]])-1])
	text := make([]byte, 1+rng.IntN(5000))
	mark := byte('a' + rng.IntN(26))
	for i := range text {
		text[i] = mark
	}
	switch rng.IntN(10) {
	case 0, 1, 2: // append
		_, err = f.WriteAt(text, int64(size))
		h.content(name, func(s string) string { return s + string(text) })
	case 3: // overwrite
		at := rng.IntN(size + 1)
		_, err = f.WriteAt(text, int64(at))
		h.content(name, func(s string) string {
			return s[:at] + string(text) + s[min(len(s), at+len(text)):]
		})
	case 4: // cut or stretch
		to := rng.IntN(size + 5000)
		err = f.Truncate(int64(to))
		h.content(name, func(s string) string {
			return s[:min(to, len(s))] + string(make([]byte, max(0, to-len(s))))
		})
	case 5: // rename
		to := fmt.Sprintf("/%d", rng.IntN(6))
		err = m.Rename(name, to)
		if to != name {
			h.entry(func(e map[string]int) {
				e[to] = e[name]
				delete(e, name)
			})
		}
	case 6: // remove
		err = m.Remove(name)
		h.entry(func(e map[string]int) { delete(e, name) })
	case 7: // sync
		err = f.Sync()
		file := h.now()[name]
		h.files[file] = h.files[file][len(h.files[file])-1:]
	case 8: // sync the folder
		err = m.SyncDir("/")
		h.entries = h.entries[len(h.entries)-1:]
	case 9: // the system writes something by itself
		m.WriteBack(rng)
	}
	require.NoError(t, err)
}

// TestCrashesLeaveOnlyWhatWas does random operations, with a power cut after
// each, and goes on from a cut now and then.
func TestCrashesLeaveOnlyWhatWas(t *testing.T) {
	cuts := 0
	for seed := range uint64(80) {
		m, h, rng := vfs.NewMem(), newHistory(), newRand(seed)
		type world struct {
			m    *vfs.Mem
			tree map[string]string
		}
		var earlier []world
		for step := range 60 {
			randomStep(t, m, rng, h)
			msg := fmt.Sprintf("seed %d, step %d", seed, step)
			o := vfs.CrashOptions{WholePages: rng.IntN(2) == 0, Ordered: rng.IntN(2) == 0}
			c := m.Crash(rng, o)
			cuts++
			left := tree(t, c)
			h.check(t, left, msg)
			h.check(t, tree(t, m.Crash(nil, vfs.CrashOptions{})), msg+", nothing survives")
			requireSame(t, tree(t, m), tree(t, m.Crash(nil, vfs.CrashOptions{Unsynced: vfs.SurviveAll})), "%s, all survives", msg)
			requireSame(t, tree(t, m), tree(t, m.Kill()), "%s, killed", msg)
			requireSame(t, left, tree(t, c.Crash(nil, vfs.CrashOptions{})), "%s: what a cut left is durable", msg)
			if rng.IntN(4) == 0 {
				earlier = append(earlier, world{c.Kill(), left}, world{m.Kill(), tree(t, m)})
			}
			if rng.IntN(20) == 0 {
				m, h = c, newHistory()
				for name, content := range left {
					h.now()[name] = h.next
					h.files[h.next] = []string{content}
					h.next++
				}
			}
		}
		for _, w := range earlier {
			requireSame(t, w.tree, tree(t, w.m), "seed %d: a world changed from another one", seed)
		}
	}
	t.Logf("%d power cuts", cuts)
}
