//go:build unix

package query_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// replaceFile puts other content under a name, as a copy that is restored does.
func replaceFile(t *testing.T, name string, content []byte) {
	t.Helper()
	other := name + ".other"
	require.NoError(t, os.WriteFile(other, content, 0o600))
	require.NoError(t, os.Rename(other, name))
}

// flipSections changes a byte in the middle of each section of a sidecar from a
// number on, in the file itself: whoever has it mapped sees that.
func flipSections(t *testing.T, name string, from uint32) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	foot := b[len(b)-32:]
	table := b[binary.LittleEndian.Uint64(foot):]
	flipped := 0
	for i := range binary.LittleEndian.Uint32(foot[8:]) {
		entry := table[24*i:]
		at, size := binary.LittleEndian.Uint64(entry[8:]), binary.LittleEndian.Uint64(entry[16:])
		if binary.LittleEndian.Uint32(entry) < from || size == 0 {
			continue
		}
		flipped++
		_, err := f.WriteAt([]byte{b[at+size/2] ^ 0x55}, int64(at+size/2))
		require.NoError(t, err)
	}
	require.Positive(t, flipped)
}

// TestDamagedWhileOpen damages sidecars that are open, in the process that sealed
// them and in one that only reads: what is asked then is answered from the text.
func TestDamagedWhileOpen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, i int, name string)
		read   bool // all of it before
		gone   bool // whoever reads finds the damage
	}{
		{"replaced by a damaged copy", func(t *testing.T, _ int, name string) {
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			b[len(b)/2] ^= 0x10
			replaceFile(t, name, b)
		}, false, false},
		{"replaced by another", func(t *testing.T, i int, name string) {
			names := sidecars(t, filepath.Dir(name))
			b, err := os.ReadFile(names[(i+1)%len(names)])
			require.NoError(t, err)
			replaceFile(t, name, b)
		}, false, false},
		{"changed where nobody has read yet", func(t *testing.T, _ int, name string) { flipSections(t, name, 9) }, false, true},
		{"cut to nothing", func(t *testing.T, _ int, name string) { require.NoError(t, os.Truncate(name, 0)) }, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j := openIndexed(t, dir, rotation.Rule{MaxBytes: 16 << 10}, func(error) {})
			g := querytest.NewGenerator(31)
			appendEntries(t, j, g.Entries(800))
			flush(t, j)
			awaitSealed(t, dir)
			text := folderText(t, dir)
			reader, err := query.Open(dir)
			require.NoError(t, err)
			defer func() { require.NoError(t, reader.Close()) }()
			engines := map[string]*query.Engine{"read only": reader, "in the process that sealed": query.New(query.OverJournal(j))}
			if c.read {
				for _, e := range engines {
					querytest.Check(t, e, text, querytest.Options{Seed: 35, Queries: asked(150)})
				}
			}
			for i, name := range sidecars(t, dir) {
				c.damage(t, i, name)
			}
			for name, e := range engines {
				t.Log(name)
				querytest.Check(t, e, text, querytest.Options{Seed: 32, Queries: asked(75)})
			}
			if c.gone {
				require.Positive(t, j.Stats().Problems)
				awaitSealed(t, dir)
			}
			appendEntries(t, j, g.Entries(100))
			flush(t, j)
			text = folderText(t, dir)
			for name, e := range engines {
				t.Log(name, "with records behind it")
				querytest.Check(t, e, text, querytest.Options{Seed: 33, Queries: asked(75)})
			}
			require.NoError(t, j.Close())
			again := openIndexed(t, dir, rotation.Rule{MaxBytes: 16 << 10}, func(error) {})
			querytest.Check(t, query.New(query.OverJournal(again)), text, querytest.Options{Seed: 34, Queries: asked(75)})
		})
	}
}
