package journal_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

func TestFullDisk(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys, func(o *journal.Options) { o.Mode = journal.ModeWrite })
	var accepted []string
	offer := func(level zapcore.Level, message string) bool {
		_, err := f.log("user", run, level, message)
		if err == nil {
			accepted = append(accepted, message)
		}
		return err == nil
	}
	require.True(t, offer(zapcore.InfoLevel, "before"))
	fsys.SetSpace(fsys.Used() + 64<<10)
	n := 0
	for ; n < 10_000 && offer(zapcore.InfoLevel, strings.Repeat("x", 100)); n++ {
	}
	require.Less(t, n, 10_000, "the disk fills")
	for range 10 {
		require.False(t, offer(zapcore.ErrorLevel, strings.Repeat("y", 100_000)))
	}
	stats := f.Stats().Files["user"]
	require.Equal(t, int64(11), stats.Dropped)
	require.Equal(t, line.Levels{0, 0, 1, 0, 10, 0}, stats.DroppedByLevel)
	require.Equal(t, accepted, messages(t, f.Journal, "user"), "nothing accepted is lost, nothing dropped is there")

	fsys.SetSpace(-1)
	require.Eventually(t, func() bool {
		list := messages(t, f.Journal, "user")
		return list[len(list)-1] == "dropped 11"
	}, 30*time.Second, 10*time.Millisecond, "the record that says so needs nobody to log")
	accepted = append(accepted, "dropped 11")
	require.True(t, offer(zapcore.InfoLevel, "after"))
	require.Equal(t, accepted, messages(t, f.Journal, "user"))

	snap := f.Snapshot()
	seg := snap.Segments[0]
	raw, err := seg.Read(seg.Len()-2, nil)
	require.NoError(t, err)
	var said struct {
		Level, Kind, Topic, Message string
		Details                     struct {
			Count       int
			ByLevel     map[string]int `json:"by_level"`
			First, Last time.Time
		}
	}
	require.NoError(t, json.Unmarshal(raw, &said))
	require.Equal(t, "warn", said.Level)
	require.Equal(t, "event", said.Kind)
	require.Equal(t, "system", said.Topic)
	require.Equal(t, 11, said.Details.Count)
	require.Equal(t, map[string]int{"info": 1, "error": 10}, said.Details.ByLevel)
	require.False(t, said.Details.Last.Before(said.Details.First))
	f.mu.Lock()
	problems := f.problems
	f.mu.Unlock()
	require.Len(t, problems, 1, "one problem for one full disk")
	require.ErrorIs(t, problems[0], syscall.ENOSPC)
}

// Where nothing can be left for the next one to say, the error of Close says what
// was dropped.
func TestCloseSaysWhatWasDropped(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys, func(o *journal.Options) { o.Mode = journal.ModeWrite })
	fsys.SetSpace(fsys.Used() + 64<<10)
	var err error
	for n := 0; n < 10_000 && err == nil; n++ {
		_, err = f.log("user", run, zapcore.ErrorLevel, "short")
	}
	for range 2 {
		require.ErrorIs(t, err, syscall.ENOSPC)
		_, err = f.log("user", run, zapcore.ErrorLevel, "short")
	}
	require.ErrorContains(t, f.Close(), "user: 3 records were dropped")
}

// Every operation of the file system fails in turn, once and from then on.
// What was accepted must be found afterwards, what was dropped must not.
func TestEveryOperationFails(t *testing.T) {
	t.Parallel()
	faults := 0
	for _, forever := range []bool{false, true} {
		for n := int64(1); ; n++ {
			mem := vfs.NewMem()
			hook := vfs.NthFails(n, syscall.EIO, forever)
			var failed atomic.Bool // goroutines of the journal ask for operations too
			fsys := vfs.Inject(mem, func(op vfs.Op) error {
				err := hook(op)
				if err != nil {
					failed.Store(true)
				}
				return err
			})
			accepted := logThroughFaults(t, fsys)
			if !failed.Load() {
				break
			}
			faults++
			g := open(t, mem.Kill())
			require.Equal(t, accepted, withoutNotices(messages(t, g.Journal, "application")), "operation %d, forever %v", n, forever)
			require.NoError(t, g.Close())
		}
	}
	t.Logf("%d faults", faults)
}

// logThroughFaults logs and rotates on a file system that fails, and returns
// what was accepted.
func logThroughFaults(t *testing.T, fsys vfs.FS) (accepted []string) {
	j, err := journal.Open(dir, journal.Options{FS: fsys, Rule: rotation.Rule{MaxBytes: 1500, Compression: rotation.None}})
	if err != nil {
		return nil
	}
	defer j.Close()
	owner := j.Owner(service)
	for _, message := range numbered(20) {
		f, err := j.File("application")
		if err != nil {
			continue
		}
		now := time.Now().UTC()
		body := encoder.Append(nil, &line.Entry{Time: now, Kind: line.KindEvent, Identity: owner.Encoded(), Message: message}, nil)
		if _, err := f.Append(owner, journal.Meta{Time: now, Kind: line.KindEvent}, body); err == nil {
			accepted = append(accepted, message)
		}
	}
	return accepted
}

// withoutNotices leaves out the records that say what was dropped.
func withoutNotices(list []string) []string {
	return slices.DeleteFunc(list, func(m string) bool { return strings.HasPrefix(m, "dropped ") })
}
