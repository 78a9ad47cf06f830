package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// reader is a Sink that keeps the numbers of what is there.
type reader struct {
	seqs  []uint64
	files []int
}

func (r *reader) Add(at audit.Place, line []byte) error {
	rec, err := audit.ParseRecord(line)
	if err != nil {
		return err
	}
	if n := len(r.seqs); n > 0 && r.seqs[n-1]+1 != rec.Seq {
		return fmt.Errorf("%d behind %d", rec.Seq, r.seqs[n-1])
	}
	r.seqs, r.files = append(r.seqs, rec.Seq), append(r.files, at.File)
	return nil
}

func (r *reader) Drop(file int) {
	var seqs []uint64
	var files []int
	for i, f := range r.files {
		if f != file {
			seqs, files = append(seqs, r.seqs[i]), append(files, f)
		}
	}
	r.seqs, r.files = seqs, files
}

// newest returns the numbers of the last records that a new Follower finds.
func newest(t *testing.T, fsys vfs.FS) []uint64 {
	t.Helper()
	var r reader
	f := audit.NewFollower(fsys, dir)
	require.NoError(t, f.Refresh(&r))
	require.NoError(t, f.Release())
	return r.seqs
}

// Retention deletes what a Follower knew as the active file before it looks again.
func TestFollowerBehindRetention(t *testing.T) {
	for _, keep := range []int{0, 1, 2} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			mem := vfs.NewMem()
			r, err := hosted(mem, audit.Options{})
			require.NoError(t, err)
			defer func() { require.NoError(t, r.Close()) }()
			var to reader
			f := audit.NewFollower(mem, dir)
			for round := range 3 {
				for range 2 + round {
					_, err := flow(r, "read")
					require.NoError(t, err)
				}
				require.NoError(t, f.Refresh(&to))
				require.Equal(t, newest(t, mem), to.seqs)
				fill(t, r, 10*round, 4)
				rule := rotation.Rule{MaxFiles: keep}
				if keep == 0 {
					rule.MaxTotalBytes = 1
				}
				require.NoError(t, r.SetRule(t.Context(), rule))
				require.Eventually(t, func() bool { return sealedFiles(t, mem) == keep }, 30*time.Second, time.Millisecond)
				require.NoError(t, r.SetRule(t.Context(), rotation.Rule{}))
				for range 20 {
					_, err := flow(r, "after")
					require.NoError(t, err)
				}
				for range 2 {
					require.NoError(t, f.Refresh(&to))
					require.Equal(t, newest(t, mem), to.seqs)
				}
			}
			require.NoError(t, f.Release())
		})
	}
}

// A sealed file that cannot be read at one time is read at the next.
func TestFollowerReadsAgain(t *testing.T) {
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{Rule: rotation.Rule{Compression: rotation.None}})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	fill(t, r, 0, 3)
	var failing atomic.Bool
	bad := errors.New("bad sector")
	fsys := vfs.Inject(mem, func(op vfs.Op) error {
		if failing.Load() && op.Kind == vfs.OpReadAt && strings.Contains(op.Name, "audit-") {
			return bad
		}
		return nil
	})
	var to reader
	f := audit.NewFollower(fsys, dir)
	failing.Store(true)
	for range 2 {
		require.ErrorIs(t, f.Refresh(&to), bad)
	}
	failing.Store(false)
	require.NoError(t, f.Refresh(&to))
	require.Equal(t, newest(t, mem), to.seqs)
	require.NoError(t, f.Release())
}
