package audit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Where the system has no rename that replaces nothing, the active file gets its final name
// before it loses the other. A process that is killed in between leaves it with both.
func TestKillBetweenTwoNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := &audit.Options{Rule: rotation.Rule{Compression: rotation.None}}
	open := func() *audit.Recorder {
		r, err := audit.OpenHosted(dir, o, audit.Host{FS: vfs.OS()})
		require.NoError(t, err)
		return r
	}
	r := open()
	for range 5 {
		_, err := flow(r, "f")
		require.NoError(t, err)
	}
	require.NoError(t, r.Rotate(t.Context()))
	require.NoError(t, r.Close())
	path := filepath.Join(dir, "audit.log")
	require.NoError(t, os.Rename(path, path+".next"))
	sealed, err := filepath.Glob(filepath.Join(dir, "audit-*.log"))
	require.NoError(t, err)
	require.Len(t, sealed, 1)
	require.NoError(t, os.Link(sealed[0], path))

	r = open()
	_, err = flow(r, "g")
	require.NoError(t, err)
	require.NoError(t, r.Close())
	report, err := audit.Verify(t.Context(), dir, nil)
	require.NoError(t, err)
	require.EqualValues(t, 8, report.Size, "each time it was opened is a record too")
	require.EqualValues(t, 2, report.Files)
}
