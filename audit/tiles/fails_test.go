package tiles_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/tiles"
	"github.com/steplog/steplog/rotation"
)

// TestExportFails: what cannot be read of the trail or written of the tiles is an error,
// and the checkpoint of the export before stands.
func TestExportFails(t *testing.T) {
	t.Parallel()
	trail := filepath.Join(t.TempDir(), "logs")
	r, err := audit.Open(trail, &audit.Options{Rule: rotation.Rule{Compression: rotation.None}})
	require.NoError(t, err)
	record := func(n int) {
		for range n {
			_, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowStarted, FlowID: "sync-prices"})
			require.NoError(t, err)
		}
	}
	record(300)
	out := t.TempDir()
	first, err := tiles.Export(t.Context(), trail, out)
	require.NoError(t, err)
	record(300)
	require.NoError(t, r.Rotate(t.Context()))

	closed := func(t *testing.T, dir string) string {
		names, err := filepath.Glob(filepath.Join(dir, "audit-*.log"))
		require.NoError(t, err)
		require.Len(t, names, 1)
		return names[0]
	}
	require.Eventually(t, func() bool {
		_, err := os.Stat(closed(t, trail) + ".hashes")
		return err == nil
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, r.Close())
	rewrite := func(change func([]byte) []byte) func(t *testing.T, trail, out string) {
		return func(t *testing.T, trail, _ string) {
			b, err := os.ReadFile(closed(t, trail))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(closed(t, trail), change(b), 0o600))
		}
	}
	// inPlace has a file stand where a folder must be.
	inPlace := func(name string) func(t *testing.T, trail, out string) {
		return func(t *testing.T, _, out string) {
			require.NoError(t, os.RemoveAll(filepath.Join(out, name)))
			require.NoError(t, os.WriteFile(filepath.Join(out, name), nil, 0o600))
		}
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, trail, out string)
		ended  bool
	}{
		{"no trail", func(t *testing.T, trail, _ string) { require.NoError(t, os.RemoveAll(trail)) }, false},
		{"a file of it is gone", func(t *testing.T, trail, _ string) { require.NoError(t, os.Remove(closed(t, trail))) }, false},
		{"a file of it has lost its end", rewrite(func(b []byte) []byte { return b[:len(b)*3/4] }), false},
		{"a line of it was taken out", rewrite(func(b []byte) []byte {
			from := bytes.IndexByte(b[len(b)*3/4:], '\n') + len(b)*3/4 + 1
			return append(b[:from:from], b[from+bytes.IndexByte(b[from:], '\n')+1:]...)
		}), false},
		{"a line of it was changed", rewrite(func(b []byte) []byte {
			from := bytes.LastIndex(b, []byte("sync-prices"))
			return append(append(b[:from:from], "sync-tables"...), b[from+len("sync-prices"):]...)
		}), false},
		{"a line of it was changed, and there are no hashes", func(t *testing.T, trail, out string) {
			require.NoError(t, os.Remove(closed(t, trail)+".hashes"))
			rewrite(func(b []byte) []byte { return bytes.Replace(b, []byte("sync-prices"), []byte("sync-tables"), 1) })(t, trail, out)
		}, false},
		{"no bundle can be written", inPlace(filepath.Join("tile", "entries", "002.p")), false},
		{"no tile can be written", inPlace(filepath.Join("tile", "0", "002.p")), false},
		{"no folder can be made", inPlace("tile"), false},
		{"nobody waits any more", func(*testing.T, string, string) {}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			copied, to := filepath.Join(t.TempDir(), "logs"), filepath.Join(t.TempDir(), "out")
			require.NoError(t, os.CopyFS(copied, os.DirFS(trail)))
			require.NoError(t, os.CopyFS(to, os.DirFS(out)))
			c.damage(t, copied, to)
			ctx, cancel := context.WithCancel(t.Context())
			if c.ended {
				cancel()
			}
			defer cancel()
			_, err := tiles.Export(ctx, copied, to)
			require.Error(t, err)
			signed, err := os.ReadFile(filepath.Join(to, "checkpoint"))
			require.NoError(t, err)
			require.Equal(t, string(first.Note), string(signed))
		})
	}
}
