package journal_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// retained waits until a log has at most so many files in the tables.
func retained(t *testing.T, f *folder, log string, most int) {
	t.Helper()
	require.Eventually(t, func() bool {
		n := 0
		for i := range f.Snapshot().Segments {
			if seg := &f.Snapshot().Segments[i]; seg.File() == log && seg.Len() > 0 {
				n++
			}
		}
		return n <= most
	}, 10*time.Second, time.Millisecond)
}

// closedFiles returns the closed files of a log, oldest first.
func closedFiles(t *testing.T, f *folder, log string) (names []string) {
	t.Helper()
	infos, err := f.Folder().Files()
	require.NoError(t, err)
	for _, info := range infos {
		if info.Log == log && !info.Active {
			names = append(names, info.Name)
		}
	}
	slices.Sort(names)
	return names
}

// What lines count for runs and steps that have no records, because they expired or
// because there never were any, is given up with the lines: it must not grow with
// all that was ever logged. What they count for runs with records stays.
func TestTalliesEnd(t *testing.T) {
	t.Parallel()
	for _, mode := range []journal.Mode{journal.ModeJournal, journal.ModeWrite} {
		for _, seal := range []bool{false, true} {
			for _, end := range []string{"open", "closed between", "killed between", "killed after"} {
				t.Run(fmt.Sprintf("%s, sealed %t, %s", mode, seal, end), func(t *testing.T) {
					t.Parallel()
					mem := vfs.NewMem()
					set := func(o *journal.Options) {
						o.Mode, o.Rule.Compression = mode, rotation.Gzip
						o.KeepOpen = func(*runs.Run) bool { return true }
						if !seal {
							o.Rule.Compression = rotation.None
						}
					}
					f := open(t, mem, set)
					rotate := func(log string) {
						require.NoError(t, f.Rotate(log))
						if seal {
							require.Eventually(t, func() bool { return f.Unsealed() == 0 }, 10*time.Second, time.Millisecond)
						}
					}
					kept := identity(1000, 0)
					f.lifecycle(kept, line.Lifecycle{Phase: line.PhaseStart})
					say := func(id line.Identity) {
						_, err := f.log("user", id, zapcore.InfoLevel, "message")
						require.NoError(t, err)
					}
					for part := range 4 {
						for i := range 10 {
							id := identity(10*part+i, 1)
							f.lifecycle(identity(10*part+i, 0), line.Lifecycle{Phase: line.PhaseStart})
							f.lifecycle(id, line.Lifecycle{Phase: line.PhaseStart})
							say(id)
							f.lifecycle(id, line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
							f.lifecycle(identity(10*part+i, 0), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
							say(identity(10*part+i, 2)) // a step without records
						}
						say(kept)
						say(identity(1000, 7)) // a step without records, of a run that has some
						say(identity(2000, 0)) // a run without records
						say(identity(2000, part))
						rotate(tables.Usage)
						f.lifecycle(kept, line.Lifecycle{Phase: line.PhaseUpdate, Counted: true})
						if part < 3 { // what is in the last one is deleted in several states
							rotate("user")
						}
						// The records of these go, and somebody logs for them nevertheless.
						for _, name := range closedFiles(t, f, tables.Usage) {
							require.NoError(t, f.Folder().Delete(t.Context(), name))
						}
						for i := range 10 {
							say(identity(10*part+i, 1))
						}
					}
					_, _, aside := f.Held()
					require.Positive(t, aside)
					again := func() {
						switch end {
						case "closed between":
							require.NoError(t, f.Close())
							f = open(t, mem, set)
						case "killed between":
							require.NoError(t, f.SaveNow())
							mem = mem.Kill()
							f = open(t, mem, set)
							require.True(t, f.TookSaved())
						}
					}
					again()
					counted := f.Run(kept.Run).State().Lines[2]
					require.EqualValues(t, 8, counted)
					if end == "killed after" {
						require.NoError(t, f.SaveNow())
					}
					rotate("user")
					for i, name := range closedFiles(t, f, "user") {
						require.NoError(t, f.Folder().Delete(t.Context(), name))
						if i == 1 {
							again()
						}
					}
					retained(t, f, "user", 0)
					if end == "killed after" {
						f = open(t, mem.Kill(), set)
						require.True(t, f.TookSaved())
					}
					_, _, aside = f.Held()
					require.Zero(t, aside, "runs and steps without records or lines")
					require.Equal(t, counted, f.Run(kept.Run).State().Lines[2], "the history of runs outlives their lines")
				})
			}
		}
	}
}
