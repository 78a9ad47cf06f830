package audit

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steplog/steplog/audit"
	"github.com/stretchr/testify/require"
)

// TestRehash has a short Python program agree with the root of 50 lines.
func TestRehash(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	r, err := audit.Open(dir, nil)
	require.NoError(t, err)
	for i := range 49 {
		_, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowUpdated, FlowID: "ü", Before: i, After: i + 1})
		require.NoError(t, err)
	}
	require.NoError(t, r.Close())
	out, err := exec.Command("python3", "rehash.py", filepath.Join(dir, "audit.log")).CombinedOutput()
	require.NoError(t, err, string(out))
	words := strings.Fields(string(out))
	require.Len(t, words, 3)
	require.Equal(t, "50", words[0])
	require.Equal(t, words[1], words[2])
}
