package journal_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
)

// checkTotals compares what runs and steps say that they logged with the rows of
// a snapshot, of which none may have been deleted: whether files are sealed or
// not, and what is in memory or in a sidecar, is the same to it.
func checkTotals(t *testing.T, snap *journal.Snapshot, note any) {
	t.Helper()
	runs, steps := map[string]*line.Levels{}, map[string]*line.Levels{}
	for _, r := range snap.Runs() {
		runs[r.Identity.Run] = new(line.Levels)
		for _, s := range r.Steps() {
			steps[s.Identity.Step] = new(line.Levels)
		}
	}
	for i := range snap.Segments {
		seg := &snap.Segments[i]
		for k := range seg.Len() {
			row := seg.Row(k)
			if row.Kind != line.KindLine {
				continue
			}
			id, level := seg.Identity(row.Owner), line.LevelIndex(zapcore.Level(row.Level))
			if n := runs[id.Run]; n != nil {
				n[level]++
			}
			if n := steps[id.Step]; n != nil {
				n[level]++
			}
		}
	}
	for _, r := range snap.Runs() {
		require.Equal(t, *runs[r.Identity.Run], r.State().Lines, "%v: lines of %s", note, r.Identity.Run)
		for _, s := range r.Steps() {
			require.Equal(t, *steps[s.Identity.Step], s.State().Lines, "%v: lines of %s", note, s.Identity.Step)
		}
	}
}
