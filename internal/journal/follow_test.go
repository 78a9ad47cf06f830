package journal_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func TestReaderFollowsAWriter(t *testing.T) {
	t.Parallel()
	for _, compression := range []rotation.Compression{rotation.None, rotation.Gzip} {
		t.Run(compression.String(), func(t *testing.T) {
			t.Parallel()
			fsys := vfs.NewMem()
			f := open(t, fsys, func(o *journal.Options) { o.Rule = rotation.Rule{MaxBytes: 3000, Compression: compression} })
			r, err := journal.OpenReader(fsys, dir)
			require.NoError(t, err)
			t.Cleanup(func() { r.Close() })
			want := numbered(300)
			f.lifecycle(run, line.Lifecycle{Phase: line.PhaseStart})
			for i, m := range want {
				_, err := f.log("user", run, zapcore.InfoLevel, m)
				require.NoError(t, err)
				if i%7 == 0 {
					require.NoError(t, f.Sync(t.Context()))
					require.Equal(t, want[:i+1], messages(t, r, "user"))
					require.Equal(t, f.Run("r-1").State(), r.Snapshot().Run("r-1").State())
				}
			}
			require.NoError(t, f.Sync(t.Context()))
			require.Equal(t, want, messages(t, r, "user"))

			_, err = r.File("user")
			require.ErrorIs(t, err, journal.ErrClosed)

			done, asOf := make(chan error, 1), r.Snapshot().AsOf
			go func() { done <- r.Wait(t.Context(), asOf) }()
			_, err = f.log("user", run, zapcore.InfoLevel, "more")
			require.NoError(t, err)
			require.NoError(t, <-done)

			deleted := f.Snapshot().Segments
			for i := range deleted {
				if deleted[i].File() == "user" && deleted[i].Name() != "user.log" {
					require.NoError(t, f.Folder().Delete(t.Context(), deleted[i].Name()))
				}
			}
			require.Eventually(t, func() bool { return len(messages(t, r, "user")) == len(messages(t, f.Journal, "user")) },
				30*time.Second, 10*time.Millisecond)
		})
	}
}

// reused is a file system that gives the numbers of deleted files to those that come next
// under their names.
type reused struct{ vfs.FS }

func (r reused) SameFile(a, b fs.FileInfo) bool {
	return a.Name() == b.Name() || r.FS.SameFile(a, b)
}

func TestReaderOfAFileWithTheNumberOfAnother(t *testing.T) {
	t.Parallel()
	for _, keep := range []int{0, 1} {
		fsys := vfs.NewMem()
		f := open(t, fsys, func(o *journal.Options) { o.Rule = rotation.Rule{MaxBytes: 3000, MaxFiles: keep} })
		r, err := journal.OpenReader(reused{fsys}, dir)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, r.Close()) })
		rows := func(j *journal.Journal) (seqs []uint64) {
			snap := j.Snapshot()
			for i := range snap.Segments {
				for k := range snap.Segments[i].Len() {
					seqs = append(seqs, snap.Segments[i].Row(k).Seq)
				}
			}
			slices.Sort(seqs)
			return seqs
		}
		for round := range 20 {
			for i := range 5 + 13*round%60 {
				_, err := f.log("user", run, zapcore.InfoLevel, fmt.Sprintf("%d in %d", i, round))
				require.NoError(t, err)
			}
			require.NoError(t, f.Sync(t.Context()))
			// Closed files go while one looks.
			require.EventuallyWithT(t, func(now *assert.CollectT) {
				require.Equal(now, rows(f.Journal), rows(r))
				require.Equal(now, messages(t, f.Journal, "user"), messages(t, r, "user"))
			}, 30*time.Second, 10*time.Millisecond)
		}
	}
}

func TestReaderNeedsAFolder(t *testing.T) {
	t.Parallel()
	_, err := journal.OpenReader(vfs.NewMem(), "nowhere")
	require.ErrorIs(t, err, fs.ErrNotExist)
}
