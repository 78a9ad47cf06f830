package tiles_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/tiles"
	"github.com/steplog/steplog/rotation"
)

// served reads tiles as a client of a transparency log does.
type served struct{ dir string }

func (s served) Height() int                     { return 8 }
func (s served) SaveTiles([]tlog.Tile, [][]byte) {}
func (s served) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range want {
		path := fmt.Sprintf("tile/%d/%03d", tile.L, tile.N)
		if tile.W < 256 {
			path += fmt.Sprintf(".p/%d", tile.W)
		}
		text, err := os.ReadFile(filepath.Join(s.dir, path))
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}

func TestExport(t *testing.T) {
	dir, out := filepath.Join(t.TempDir(), "logs"), t.TempDir()
	r, err := audit.Open(dir, nil)
	require.NoError(t, err)
	text, err := r.Key()
	require.NoError(t, err)
	key, err := note.NewVerifier(text)
	require.NoError(t, err)
	for range 2 {
		for range 300 {
			_, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowStarted})
			require.NoError(t, err)
		}
		require.NoError(t, r.Rotate(t.Context()))
		_, err := tiles.Export(t.Context(), dir, out) // also of a trail that is written
		require.NoError(t, err)
	}
	require.NoError(t, r.Close())

	signed, err := os.ReadFile(filepath.Join(out, "checkpoint"))
	require.NoError(t, err)
	point, err := audit.OpenCheckpoint(signed, note.VerifierList(key))
	require.NoError(t, err)
	require.EqualValues(t, 601, point.Size)
	hashes := tlog.TileHashReader(tlog.Tree{N: 601, Hash: point.Root}, served{out}) // checks each tile
	n := int64(0)
	for _, bundle := range []string{"000", "001", "002.p/89"} {
		text, err := os.ReadFile(filepath.Join(out, "tile", "entries", bundle))
		require.NoError(t, err)
		for len(text) > 0 {
			size := int(binary.BigEndian.Uint16(text))
			line := text[2 : 2+size]
			text = text[2+size:]
			proof, err := tlog.ProveRecord(601, n, hashes)
			require.NoError(t, err)
			require.NoError(t, tlog.CheckRecord(proof, 601, point.Root, n, tlog.RecordHash(line)))
			n++
		}
	}
	require.EqualValues(t, 601, n)
}

func TestRetained(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	r, err := audit.Open(dir, &audit.Options{Rule: rotation.Rule{MaxTotalBytes: 1}})
	require.NoError(t, err)
	require.NoError(t, r.Rotate(t.Context()))
	require.Eventually(t, func() bool {
		p, err := audit.OpenProver(dir)
		if err != nil {
			return false
		}
		defer p.Close()
		return p.First() > 0
	}, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, r.Close())
	_, err = tiles.Export(t.Context(), dir, t.TempDir())
	require.ErrorIs(t, err, tiles.ErrRetained)
}

// Tiles are numbered as c2sp.org/tlog-tiles has it, in groups of three digits.
func TestNumber(t *testing.T) {
	for _, c := range []struct {
		n    int64
		w    int
		path string
	}{
		{0, 256, "000"}, {999, 256, "999"}, {1000, 256, "x001/000"}, {1_234_067, 256, "x001/x234/067"}, {1_234_067, 5, "x001/x234/067.p/5"},
	} {
		require.Equal(t, filepath.FromSlash(c.path), tiles.Number(c.n, c.w))
	}
}

// TestExportIntoAnother: a folder has one trail. What is there of another, or of a state
// that this one no longer has, is neither mixed with it nor taken away.
func TestExportIntoAnother(t *testing.T) {
	t.Parallel()
	trail := func() (*audit.Recorder, string) {
		dir := filepath.Join(t.TempDir(), "logs")
		r, err := audit.Open(dir, nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, r.Close()) })
		return r, dir
	}
	record := func(r *audit.Recorder, n int) {
		for range n {
			_, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowStarted})
			require.NoError(t, err)
		}
	}
	one, dir := trail()
	record(one, 299)
	old := filepath.Join(t.TempDir(), "old")
	require.NoError(t, os.CopyFS(old, os.DirFS(dir)))
	record(one, 300)
	out := t.TempDir()
	point, err := tiles.Export(t.Context(), dir, out)
	require.NoError(t, err)
	unchanged := func() {
		signed, err := os.ReadFile(filepath.Join(out, "checkpoint"))
		require.NoError(t, err)
		require.Equal(t, string(point.Note), string(signed))
		_, err = tlog.ProveRecord(600, 0, tlog.TileHashReader(tlog.Tree{N: 600, Hash: point.Root}, served{out}))
		require.NoError(t, err)
	}

	_, err = tiles.Export(t.Context(), old, out)
	require.ErrorIs(t, err, tiles.ErrOther)
	unchanged()
	again, err := audit.Open(old, nil) // goes on from there, and signs with the same key
	require.NoError(t, err)
	record(again, 400)
	require.NoError(t, again.Close())
	_, err = tiles.Export(t.Context(), old, out)
	require.ErrorIs(t, err, tiles.ErrOther)
	unchanged()
	two, other := trail()
	record(two, 700)
	_, err = tiles.Export(t.Context(), other, out)
	require.ErrorIs(t, err, tiles.ErrOther)
	unchanged()

	// What lies there without a checkpoint that covers it may be of anything.
	require.NoError(t, os.Remove(filepath.Join(out, "checkpoint")))
	point, err = tiles.Export(t.Context(), other, out)
	require.NoError(t, err)
	hashes := tlog.TileHashReader(tlog.Tree{N: 701, Hash: point.Root}, served{out})
	_, err = tlog.ProveRecord(701, 0, hashes)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(out, "checkpoint"), []byte("nothing"), 0o600))
	_, err = tiles.Export(t.Context(), other, out)
	require.ErrorIs(t, err, tiles.ErrOther)
}

// TestExportWrongHashes: what lies beside the text need not be right. The text is.
func TestExportWrongHashes(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{512, 600} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			exportWrongHashes(t, size)
		})
	}
}

func exportWrongHashes(t *testing.T, size int64) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "logs")
	r, err := audit.Open(dir, nil)
	require.NoError(t, err)
	for range size - 1 {
		_, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowStarted})
		require.NoError(t, err)
	}
	require.NoError(t, r.Rotate(t.Context()))
	var sidecar string
	require.Eventually(t, func() bool {
		names, err := filepath.Glob(filepath.Join(dir, "audit-*.log.hashes"))
		if err == nil && len(names) == 1 {
			sidecar = names[0]
		}
		return sidecar != ""
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, r.Close())
	good, err := os.ReadFile(sidecar)
	require.NoError(t, err)
	point, err := tiles.Export(t.Context(), dir, t.TempDir())
	require.NoError(t, err)
	begun := filepath.Join(t.TempDir(), "out")
	_, err = tiles.Export(t.Context(), dir, begun)
	require.NoError(t, err)

	hashes := len(good) - int(tlog.StoredHashCount(size))*tlog.HashSize
	for _, c := range []struct {
		name  string
		level int
		n     int64
	}{
		{"of a record", 0, 300}, {"within a tile", 3, 2}, {"of the first tile", 8, 0}, {"of the second", 8, 1}, {"of both", 9, 0},
	} {
		for _, there := range []bool{false, true} {
			out := filepath.Join(t.TempDir(), "out")
			if there {
				require.NoError(t, os.CopyFS(out, os.DirFS(begun)))
			}
			wrong := bytes.Clone(good)
			wrong[hashes+int(tlog.StoredHashIndex(c.level, c.n))*tlog.HashSize] ^= 1
			require.NoError(t, os.WriteFile(sidecar, wrong, 0o600))
			again, err := tiles.Export(t.Context(), dir, out)
			require.NoError(t, err, c.name)
			require.Equal(t, point, again)
			tree := tlog.TileHashReader(tlog.Tree{N: size, Hash: point.Root}, served{out})
			for n := int64(0); n < size; n += 100 {
				_, err := tlog.ProveRecord(size, n, tree)
				require.NoError(t, err, c.name)
			}
		}
	}
}
