package audit_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/steplog/steplog/audit"
)

// TestSidecarsOfOthers: a sidecar may be that of another file or of another trail, as after
// a copy that mixed them up. The text says what is right.
func TestSidecarsOfOthers(t *testing.T) {
	t.Parallel()
	trail := func(counts ...int) (dir string, key note.Verifiers, sidecars [][]byte, names []string) {
		dir = t.TempDir()
		r := open(t, dir, nil)
		key = keyOf(t, r)
		record := func(n int) {
			for range n {
				_, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowStarted})
				require.NoError(t, err)
			}
		}
		for _, n := range counts {
			record(n)
			require.NoError(t, r.Rotate(t.Context()))
		}
		record(3)
		require.Eventually(t, func() bool {
			var err error
			names, err = filepath.Glob(filepath.Join(dir, "audit-*.hashes"))
			return err == nil && len(names) == len(counts)
		}, 10*time.Second, time.Millisecond)
		require.NoError(t, r.Close())
		for _, name := range append(names, filepath.Join(dir, "audit.log.hashes")) {
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			sidecars = append(sidecars, b)
		}
		return dir, key, sidecars, names
	}
	dir, key, own, names := trail(9, 10)
	_, _, short, _ := trail(4, 5)
	_, _, same, _ := trail(9, 10)
	const size = 23
	names = append(names, filepath.Join(dir, "audit.log.hashes"))
	for i, sidecars := range [][][]byte{
		{own[1], own[0], own[2]}, {own[0], own[0], own[2]}, {own[2], own[1], own[0]}, {own[0], own[1], own[1]},
		{short[0], own[1], own[2]}, {own[0], short[1], own[2]}, {own[0], own[1], short[0]}, short,
		{same[0], own[1], own[2]}, {own[0], same[1], own[2]}, same,
	} {
		for j, name := range names {
			require.NoError(t, os.WriteFile(name, sidecars[j], 0o600))
		}
		p, err := audit.OpenProver(dir)
		require.NoError(t, err, i)
		n := uint64(0)
		for line, err := range p.Lines(0) {
			require.NoError(t, err)
			proof, err := p.Prove(t.Context(), n)
			require.NoError(t, err, "%d: %d", i, n)
			require.NoError(t, proof.Check(line, key))
			proof, err = audit.Prove(t.Context(), dir, n)
			require.NoError(t, err, "%d: %d", i, n)
			require.NoError(t, proof.Check(line, key))
			n++
		}
		require.EqualValues(t, size, n)
		require.NoError(t, p.Close())
	}
}
