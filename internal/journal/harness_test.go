package journal_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/leak"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, leak.Options()...) }

const dir = "logs"

var encoder = line.NewEncoder(line.Options{})

// folder is a journal under test on some file system.
type folder struct {
	*journal.Journal
	t        *testing.T
	fs       vfs.FS
	left     **folder // to be closed when the test ends, nil once it is
	mu       sync.Mutex
	problems []error
}

func open(t *testing.T, fsys vfs.FS, change ...func(*journal.Options)) *folder {
	t.Helper()
	f := &folder{t: t, fs: fsys, left: new(*folder)}
	*f.left = f
	o := journal.Options{FS: fsys, RingBytes: 4 << 20, OnProblem: func(err error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.problems = append(f.problems, err)
	}}
	for _, c := range change {
		c(&o)
	}
	j, err := journal.Open(dir, o)
	require.NoError(t, err)
	f.Journal = j
	left := f.left
	t.Cleanup(func() {
		if *left != nil {
			(*left).Close()
		}
	})
	return f
}

// Close closes the journal. The test forgets it then: some tests open hundreds, each
// with a ring in memory.
func (f *folder) Close() error {
	if f.left != nil {
		*f.left = nil
	}
	return f.Journal.Close()
}

// problemSeen reports whether the journal has told of a problem.
func (f *folder) problemSeen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.problems) > 0
}

func (f *folder) file(name string) *journal.File {
	f.t.Helper()
	file, err := f.File(name)
	require.NoError(f.t, err)
	return file
}

// log appends a line or event to a file.
func (f *folder) log(name string, id line.Identity, level zapcore.Level, message string) (uint64, error) {
	f.t.Helper()
	kind := line.KindEvent
	if id.Run != "" {
		kind = line.KindLine
	}
	owner, now := f.Owner(id), time.Now().UTC()
	body := encoder.Append(nil, &line.Entry{Time: now, Level: level, Kind: kind, Identity: owner.Encoded(), Message: message}, []zap.Field{zap.Int("n", len(message))})
	return f.file(name).Append(owner, journal.Meta{Time: now, Level: level, Kind: kind}, body)
}

// lifecycle appends a run or step record to usage.
func (f *folder) lifecycle(id line.Identity, lc line.Lifecycle) uint64 {
	f.t.Helper()
	kind := line.KindRun
	if id.Step != "" {
		kind = line.KindStep
	}
	owner, now := f.Owner(id), time.Now().UTC()
	body := encoder.Append(nil, &line.Entry{Time: now, Level: zapcore.InfoLevel, Kind: kind, Identity: owner.Encoded(), Message: "x", Lifecycle: &lc}, nil)
	seq, err := f.file(tables.Usage).Append(owner, journal.Meta{Time: now, Level: zapcore.InfoLevel, Kind: kind, Lifecycle: &lc}, body)
	require.NoError(f.t, err)
	return seq
}

// messages reads every record of a log back through a snapshot, and again while
// files are sealed under it.
func messages(t *testing.T, j *journal.Journal, log string) []string {
	t.Helper()
	for {
		if list, ok := messagesIn(t, j.Snapshot(), log); ok {
			return list
		}
	}
}

func messagesIn(t *testing.T, snap *journal.Snapshot, log string) (list []string, ok bool) {
	t.Helper()
	for i := range snap.Segments {
		seg := &snap.Segments[i]
		if seg.File() != log {
			continue
		}
		for r := range seg.Len() {
			raw, err := seg.Read(r, nil)
			if errors.Is(err, journal.ErrGone) {
				return nil, false
			}
			require.NoError(t, err)
			var rec line.Record
			require.NoError(t, line.Parse(raw, &rec), "%s", raw)
			require.Equal(t, seg.Row(r).Seq, rec.Seq)
			if at := rec.Time.UnixNano(); seg.Index() == nil || seg.Row(r).Time == at {
				require.Equal(t, at, seg.Row(r).Time)
			} else {
				require.Equal(t, segment.RoundTime(at), seg.Row(r).Time)
			}
			list = append(list, rec.Message)
		}
	}
	return list, true
}

func numbered(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("message %d", i))
	}
	return list
}
