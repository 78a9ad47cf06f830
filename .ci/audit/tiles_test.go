// Package audit checks the audit trail with other people's programs, and
// measures it beside them.
package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/tiles"
	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

// trailOf makes a trail of n records in several files, and returns its key.
func trailOf(t *testing.T, dir string, n int) string {
	t.Helper()
	r, err := audit.Open(dir, nil)
	require.NoError(t, err)
	key, err := r.Key()
	require.NoError(t, err)
	callers := make(chan struct{}, 64)
	failed := make(chan error, n)
	for i := range n - 1 {
		callers <- struct{}{}
		go func() {
			_, err := r.Record(context.Background(), audit.Entry{Event: audit.FlowUpdated, FlowID: fmt.Sprint(i), Before: i, After: i + 1})
			failed <- err
			<-callers
		}()
		if i == n/3 || i == n/2 {
			require.NoError(t, r.Rotate(t.Context()))
		}
	}
	for range n - 1 {
		require.NoError(t, <-failed)
	}
	require.NoError(t, r.Close())
	return key
}

// bundleHashes hashes the entries of a bundle as any client does.
func bundleHashes(bundle []byte) ([][]byte, error) {
	var b api.EntryBundle
	if err := b.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var hashes [][]byte
	for _, e := range b.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return hashes, nil
}

// check runs Tessera's fsck on an export. With fewer than 4 workers it hangs on
// a damaged one.
func check(t *testing.T, out, key string) error {
	t.Helper()
	verifier, err := note.NewVerifier(key)
	require.NoError(t, err)
	return fsck.New(verifier.Name(), verifier, &client.FileFetcher{Root: out}, bundleHashes, fsck.Opts{N: 4}).Check(t.Context())
}

func TestTesseraFsck(t *testing.T) {
	for _, n := range []int{2, 255, 256, 257, 1500, 70_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir, out := filepath.Join(t.TempDir(), "logs"), t.TempDir()
			key := trailOf(t, dir, n)
			point, err := tiles.Export(t.Context(), dir, out)
			require.NoError(t, err)
			require.EqualValues(t, n, point.Size)
			require.NoError(t, check(t, out, key))
			if n != 1500 {
				return
			}
			var files []string
			require.NoError(t, filepath.WalkDir(filepath.Join(out, "tile"), func(path string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					files = append(files, path)
				}
				return err
			}))
			require.NotEmpty(t, files)
			for _, path := range files { // it notices what is wrong
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				text[len(text)/2] ^= 1
				require.NoError(t, os.WriteFile(path, text, 0o600))
				require.Error(t, check(t, out, key), path)
				text[len(text)/2] ^= 1
				require.NoError(t, os.WriteFile(path, text, 0o600))
			}
			require.NoError(t, check(t, out, key))
		})
	}
}

func TestExportGrows(t *testing.T) {
	dir, out := filepath.Join(t.TempDir(), "logs"), t.TempDir()
	key := trailOf(t, dir, 300)
	for range 4 {
		_, err := tiles.Export(t.Context(), dir, out)
		require.NoError(t, err)
		require.NoError(t, check(t, out, key))
		r, err := audit.Open(dir, nil)
		require.NoError(t, err)
		for range 200 {
			_, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowStarted})
			require.NoError(t, err)
		}
		require.NoError(t, r.Close())
	}
	_, err := tiles.Export(t.Context(), t.TempDir(), out)
	require.True(t, errors.Is(err, audit.ErrMissing), "%v", err)
}
