package query_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// TestVerify damages copies of a folder and has them verified.
func TestVerify(t *testing.T) {
	t.Parallel()
	intact := t.TempDir()
	j := openIndexed(t, intact, rotation.Rule{MaxBytes: 40 << 10}, func(err error) { t.Error(err) })
	var entries []querytest.Entry
	for i := range 1500 {
		entries = append(entries, querytest.Entry{File: "user", Text: fmt.Appendf(nil,
			`{"timestamp":%q,"level":"info","kind":"line","run":"run-%d","message":"number %d"}`, noon.Format("2006-01-02T15:04:05.000000000Z"), i%9, i)})
	}
	appendEntries(t, j, entries)
	flush(t, j)
	awaitSealed(t, intact)
	require.NoError(t, j.Close()) // it would change what is being copied
	files := len(sidecars(t, intact))
	change := func(name string, do func(b []byte) []byte) error {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(name, do(b), 0o600)
	}
	data := func(index string) string { return strings.TrimSuffix(index, ".idx") + ".gz" }
	for _, tt := range []struct {
		name    string
		damage  func(index, next string) error // of the first and the second file
		indexed int
		damaged string // how the name of the damaged file ends
		says    string
	}{
		{"nothing", func(string, string) error { return nil }, files, "", ""},
		{"a sidecar is missing", func(index, _ string) error { return os.Remove(index) }, files - 1, "", ""},
		{"a sidecar is newer", func(index, _ string) error {
			return change(index, func(b []byte) []byte { binary.LittleEndian.PutUint32(b[16:], 99); return b })
		}, files - 1, "", ""},
		{"a file is being sealed", func(index, next string) error {
			// As a kill between two steps leaves it: plain, and its sidecar is of the data.
			plain := strings.TrimSuffix(index, ".idx")
			if err := os.WriteFile(plain, []byte(`{"seq":1,"message":"m"}`+"\n"), 0o600); err != nil {
				return err
			}
			return os.Remove(data(index))
		}, files - 1, "", ""},
		{"a sidecar is no file", func(index, _ string) error {
			return errors.Join(os.Remove(index), os.Mkdir(index, 0o700))
		}, files - 1, ".idx", "regular file"},
		{"a sidecar is cut", func(index, _ string) error {
			return change(index, func(b []byte) []byte { return b[:len(b)-1] })
		}, files - 1, ".idx", "too early"},
		{"a bit of a sidecar", func(index, _ string) error {
			return change(index, func(b []byte) []byte { b[len(b)/2] ^= 4; return b })
		}, files - 1, ".idx", "checksum"},
		{"a sidecar of another file", func(index, next string) error {
			b, err := os.ReadFile(next)
			if err != nil {
				return err
			}
			return os.WriteFile(index, b, 0o600)
		}, files - 1, ".idx", "other data"},
		{"a bit of the data", func(index, _ string) error {
			return change(data(index), func(b []byte) []byte { b[len(b)/3] ^= 4; return b })
		}, files - 1, ".gz", ""},
		{"data without a sidecar is cut", func(index, _ string) error {
			if err := os.Remove(index); err != nil {
				return err
			}
			return change(data(index), func(b []byte) []byte { return b[:len(b)/2] })
		}, files - 1, ".gz", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "copy")
			require.NoError(t, os.CopyFS(dir, os.DirFS(intact)))
			list := sidecars(t, dir)
			require.NoError(t, tt.damage(list[0], list[1]))
			r, err := query.Verify(t.Context(), dir)
			require.NoError(t, err)
			require.Equal(t, files, r.Files)
			require.Equal(t, tt.indexed, r.Indexed)
			if tt.damaged == "" {
				require.Empty(t, r.Damaged)
				return
			}
			require.Len(t, r.Damaged, 1)
			name, _, _ := strings.Cut(filepath.Base(list[0]), ".idx")
			require.ErrorContains(t, r.Damaged[0], name+tt.damaged+": ")
			require.ErrorContains(t, r.Damaged[0], tt.says)
		})
	}
	t.Run("no folder", func(t *testing.T) {
		_, err := query.Verify(t.Context(), filepath.Join(intact, "none"))
		require.ErrorIs(t, err, fs.ErrNotExist)
	})
	t.Run("stopped", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := query.Verify(ctx, intact)
		require.ErrorIs(t, err, context.Canceled)
	})
}
