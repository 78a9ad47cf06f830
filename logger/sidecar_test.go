package logger_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

// A damaged sidecar costs nothing but time: the problem says so, the records are
// found, and the sidecar is there again.
func TestDamagedSidecar(t *testing.T) {
	dir := t.TempDir()
	sidecar := func() string {
		var found []string
		require.Eventually(t, func() bool {
			found, _ = filepath.Glob(filepath.Join(dir, "user-*.idx"))
			return len(found) == 1
		}, 30*time.Second, time.Millisecond)
		return found[0]
	}
	store, err := logger.Open(dir, nil)
	require.NoError(t, err)
	_, run := operation(store).Start(t.Context())
	run.Info("in a closed file")
	run.End(nil)
	require.NoError(t, store.Rotate(t.Context(), "user"))
	name := sidecar()
	require.NoError(t, store.Close())
	require.NoError(t, os.Truncate(name, 200))

	var problems heard
	store = openDir(t, dir, &logger.Options{OnProblem: problems.hook})
	require.Equal(t, []string{"in a closed file"}, messages(records(t, store, query.Filter{Files: []string{"user"}})))
	require.Eventually(t, func() bool { return len(problems.all()) > 0 }, 30*time.Second, time.Millisecond)
	require.ErrorContains(t, problems.all()[0], filepath.Base(name)+", which is made again from the text: segment: the sidecar is damaged")
	require.Eventually(t, func() bool {
		report, err := query.Verify(t.Context(), dir)
		return err == nil && len(report.Damaged) == 0 && report.Indexed == 1
	}, 30*time.Second, 10*time.Millisecond)
}
