package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/steplog/steplog/audit"
	"github.com/stretchr/testify/require"
)

// The command tells an intact copy of a trail from one that was changed, with
// nothing but the copy, the key and an anchor.
func TestVerify(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	r, err := audit.Open(dir, nil)
	require.NoError(t, err)
	key, err := r.Key()
	require.NoError(t, err)
	var receipt audit.Receipt
	for range 20 {
		receipt, err = r.Record(t.Context(), audit.Entry{Event: audit.FlowStarted, FlowID: "sync"})
		require.NoError(t, err)
	}
	require.NoError(t, r.Close())
	anchor := filepath.Join(t.TempDir(), "anchor")
	require.NoError(t, os.WriteFile(anchor, receipt.Checkpoint, 0o600))
	copied := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(copied, os.DirFS(dir)))
	require.NoError(t, os.Remove(filepath.Join(copied, "audit.key"))) // not needed by others

	verify := func(args ...string) (status int, out, said string) {
		var stdout, stderr bytes.Buffer
		status = run(t.Context(), args, &stdout, &stderr)
		return status, stdout.String(), stderr.String()
	}
	status, out, said := verify("-key", key, "-anchor", anchor, copied)
	require.Equal(t, exitIntact, status, said)
	require.Contains(t, out, "intact: records 0 to 20 in 1 files, under 22 checkpoints")
	require.Contains(t, out, "record 20 is in it")
	status, out, _ = verify("-key", key, "-prove", "3", copied)
	require.Equal(t, exitIntact, status)
	require.Contains(t, out, `{"seq":3,`)
	status, out, _ = verify(dir)
	require.Equal(t, exitIntact, status)
	require.Contains(t, out, "the folder's own")

	// A file that calls itself compressed, and is not.
	broken := filepath.Join(copied, "user-2026-11-21T02-03-04.123.log.gz")
	require.NoError(t, os.WriteFile(broken, []byte("no gzip"), 0o600))
	status, out, said = verify("-key", key, copied)
	require.Equal(t, exitDamaged, status)
	require.Contains(t, said, "user-2026-11-21T02-03-04.123.log.gz")
	require.Contains(t, out, "intact: records 0 to 20", "the trail is told of all the same")
	require.NoError(t, os.Remove(broken))

	path := filepath.Join(copied, "audit.log")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, bytes.Replace(text, []byte("sync"), []byte("sinc"), 1), 0o600))
	status, _, said = verify("-key", key, copied)
	require.Equal(t, exitDamaged, status)
	require.Contains(t, said, "NOT INTACT")
	require.NotContains(t, said, "acknowledged")

	// What a process that was killed had begun to write.
	require.NoError(t, os.WriteFile(path, append(text, `{"seq":21,`...), 0o600))
	status, _, said = verify("-key", key, copied)
	require.Equal(t, exitDamaged, status)
	require.Contains(t, said, "no checkpoint covers the end")
	require.Contains(t, said, "not acknowledged")

	status, out, said = verify(t.TempDir())
	require.Equal(t, exitUnchecked, status)
	require.Contains(t, out, "closed files: 0")
	require.Contains(t, said, "no audit trail was checked")
	require.Contains(t, said, "-key")

	status, _, said = verify("-h")
	require.Equal(t, exitUnchecked, status, "nothing was checked")
	require.Contains(t, said, "verify [flags] FOLDER")
	require.Contains(t, said, "Exit status: 0")

	for _, args := range [][]string{{}, {copied}, {"-key", "x", copied}, {"-anchor", "none", copied}, {"-key", key, t.TempDir() + "/none"}} {
		status, _, said = verify(args...)
		require.Equal(t, exitUnchecked, status, "%v: %s", args, said)
	}
}
