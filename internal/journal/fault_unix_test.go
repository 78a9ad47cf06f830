//go:build unix

package journal_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// realDir returns a folder on a file system whose files can be mapped, where
// there is one.
func realDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if k := vfs.OS().Kind(dir); k == "ext4" || k == "xfs" || k == "tmpfs" {
		return dir
	}
	shm, err := os.MkdirTemp("/dev/shm", "ring")
	if err != nil {
		return dir
	}
	t.Cleanup(func() { os.RemoveAll(shm) })
	return shm
}

// onDisk is a journal on the real file system.
type onDisk struct {
	*journal.Journal
	dir     string
	file    *journal.File
	owner   *runs.Owner
	blocked atomic.Bool // what is in the ring does not come to the text
	refused atomic.Int64
}

func openOnDisk(t *testing.T) *onDisk {
	t.Helper()
	d := &onDisk{dir: realDir(t)}
	var err error
	d.Journal, err = journal.Open(d.dir, journal.Options{
		FS: vfs.Inject(vfs.OS(), func(op vfs.Op) error {
			if d.blocked.Load() && op.Kind == vfs.OpWrite && strings.Contains(op.Name, "user") {
				return syscall.EIO
			}
			return nil
		}),
		RingBytes: 4 << 20, MaxWait: time.Minute, Rule: rotation.Rule{Compression: rotation.None},
	})
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	d.file, err = d.File("user")
	require.NoError(t, err)
	d.owner = d.Owner(run)
	return d
}

func (d *onDisk) say(message string) (uint64, error) {
	m := journal.Meta{Time: time.Now().UTC(), Kind: line.KindLine, Level: zapcore.InfoLevel}
	seq, err := d.file.Append(d.owner, m, encoder.Append(nil, &line.Entry{Time: m.Time, Kind: m.Kind, Identity: d.owner.Encoded(), Message: message},
		[]zap.Field{zap.String("pad", strings.Repeat("p", 500))}))
	if err != nil {
		d.refused.Add(1)
	}
	return seq, err
}

// cutRing truncates the ring under the journal.
func (d *onDisk) cutRing(t *testing.T, size int64) {
	t.Helper()
	if d.Stats().Mode == journal.ModeJournal {
		require.NoError(t, os.Truncate(filepath.Join(d.dir, ".journal", "ring"), size))
	}
}

// requireKept checks that all of the list are found, now and at the next open, in
// order, but for those that were counted as dropped.
func (d *onDisk) requireKept(t *testing.T, accepted []string) {
	t.Helper()
	require.Eventually(t, func() bool { return d.Stats().Mode == journal.ModeWrite }, 10*time.Second, time.Millisecond)
	dropped := int(d.Stats().Files["user"].Dropped)
	found := withoutNotices(messages(t, d.Journal, "user"))
	require.Subset(t, accepted, found)
	require.Equal(t, len(accepted)+int(d.refused.Load()), len(found)+dropped)
	require.NoError(t, d.Sync(t.Context()))
	require.NoError(t, d.Close())
	g, err := journal.Open(d.dir, journal.Options{RingBytes: 4 << 20})
	require.NoError(t, err)
	defer g.Close()
	require.True(t, slices.Equal(found, withoutNotices(messages(t, g, "user"))))
	require.Zero(t, g.Recovery().Foreign)
	require.Zero(t, g.Recovery().LostBytes)
	require.Zero(t, g.Recovery().PutAside)
}

// Somebody truncates the ring under a running journal. The process goes on, and
// nothing is lost that was in the text or comes later.
func TestRingIsCut(t *testing.T) {
	t.Parallel()
	d := openOnDisk(t)
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprint("before ", i))
		_, err := d.say(want[i])
		require.NoError(t, err)
	}
	require.NoError(t, d.Flush())
	d.cutRing(t, 0)
	for i := range 50 {
		want = append(want, fmt.Sprint("after ", i))
		_, err := d.say(want[50+i])
		require.NoError(t, err)
	}
	require.Zero(t, d.Stats().Files["user"].Dropped)
	d.requireKept(t, want)
}

// The file of a ring that was cut cannot be removed at first. Who reads the folder in
// another process sees what comes as soon as it is gone, and the host is told.
func TestRingThatIsCutStays(t *testing.T) {
	t.Parallel()
	dir := realDir(t)
	var stays atomic.Bool
	stays.Store(true)
	problems := make(chan error, 64)
	j, err := journal.Open(dir, journal.Options{
		FS: vfs.Inject(vfs.OS(), func(op vfs.Op) error {
			if stays.Load() && op.Kind == vfs.OpRemove && filepath.Base(op.Name) == "ring" {
				return syscall.EPERM
			}
			return nil
		}),
		RingBytes: 4 << 20, OnProblem: func(err error) { problems <- err },
	})
	require.NoError(t, err)
	defer j.Close()
	f, err := j.File("user")
	require.NoError(t, err)
	d := &onDisk{Journal: j, dir: dir, file: f, owner: j.Owner(run)}
	if j.Stats().Mode != journal.ModeJournal {
		return // nothing is mapped here
	}
	require.NoError(t, os.Truncate(filepath.Join(dir, ".journal", "ring"), 4096))
	_, err = d.say("after")
	require.NoError(t, err)
	reader, err := journal.OpenReader(vfs.OS(), dir)
	require.NoError(t, err)
	defer reader.Close()
	require.ErrorContains(t, <-problems, "mapped memory is gone")
	require.ErrorIs(t, <-problems, syscall.EPERM)
	stays.Store(false)
	require.Eventually(t, func() bool { return slices.Equal(messages(t, reader, "user"), []string{"after"}) },
		10*time.Second, 10*time.Millisecond)
	require.NoError(t, j.Close())
	require.Empty(t, problems)
}

// What was in the ring and cannot be read any more is counted, and what can be
// read is kept.
func TestRingIsCutWithRecordsInIt(t *testing.T) {
	t.Parallel()
	for _, touch := range []string{"append", "read", "write"} {
		t.Run(touch, func(t *testing.T) {
			t.Parallel()
			d := openOnDisk(t)
			var want []string
			say := func(n int) {
				for range n {
					m := fmt.Sprint("message ", len(want))
					want = append(want, m)
					_, err := d.say(m)
					require.NoError(t, err)
				}
			}
			say(10)
			require.NoError(t, d.Flush())
			d.blocked.Store(true)
			say(200)
			require.Error(t, d.Flush())
			last := &d.Snapshot().Segments[0]
			d.cutRing(t, 64<<10)
			mapped := d.Stats().Mode == journal.ModeJournal
			d.blocked.Store(touch != "write")
			switch touch {
			case "append":
				d.blocked.Store(false)
			case "read":
				_, err := last.Read(last.Len()-1, nil)
				require.Equal(t, mapped, errors.Is(err, journal.ErrGone), "%v", err)
				d.blocked.Store(false)
			case "write":
				require.NoError(t, d.Flush())
			}
			// While the disk fails records are dropped.
			require.Eventually(t, func() bool { _, err := d.say("let in"); return err == nil }, 30*time.Second, time.Millisecond)
			want = append(want, "let in")
			say(10)
			if mapped {
				require.Positive(t, d.Stats().Files["user"].Dropped)
				require.Less(t, d.Stats().Files["user"].Dropped, 200+d.refused.Load(), "some could be read")
				require.Eventually(t, func() bool {
					return strings.Contains(strings.Join(messages(t, d.Journal, "user"), "\n"), "dropped ")
				}, 30*time.Second, 10*time.Millisecond)
			}
			require.Equal(t, want[:10], messages(t, d.Journal, "user")[:10])
			d.requireKept(t, want)
		})
	}
}

// The ring is cut while many log and read.
func TestRingIsCutWhileMany(t *testing.T) {
	t.Parallel()
	for range 5 {
		d := openOnDisk(t)
		var mu sync.Mutex
		var accepted []string
		var wg sync.WaitGroup
		var stop atomic.Bool
		for c := range 4 {
			wg.Go(func() {
				for i := range 500 {
					m := fmt.Sprintf("%d/%d", c, i)
					if _, err := d.say(m); err == nil {
						mu.Lock()
						accepted = append(accepted, m)
						mu.Unlock()
					} else {
						t.Error(err)
					}
				}
			})
		}
		reading := make(chan struct{})
		go func() {
			defer close(reading)
			for !stop.Load() {
				snap := d.Snapshot()
				for i := range snap.Segments {
					if n := snap.Segments[i].Len(); n > 0 {
						_, _ = snap.Segments[i].Read(n-1, nil) // may be gone with the ring
					}
				}
			}
		}()
		require.Eventually(t, func() bool { return d.Stats().Newest > 300 }, 10*time.Second, time.Microsecond)
		d.cutRing(t, 0)
		wg.Wait()
		stop.Store(true)
		<-reading
		d.requireKept(t, accepted)
	}
}

// Somebody removes the ring again and again while many log and read. Nobody is refused,
// and what would be there after a kill is all of it.
func TestRingIsRemovedWhileMany(t *testing.T) {
	t.Parallel()
	d := openOnDisk(t)
	if d.Stats().Mode != journal.ModeJournal {
		t.Skip("the ring is not mapped here: it is on ext4, xfs and tmpfs, as in the gate")
	}
	ring := filepath.Join(d.dir, ".journal", "ring")
	var mu sync.Mutex
	var accepted []string
	var wg sync.WaitGroup
	var stop atomic.Bool
	for c := range 4 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				if d.Stats().Waiting > 1<<20 {
					<-time.After(time.Millisecond) // the ring must have room while nothing leaves it
					continue
				}
				m := fmt.Sprintf("%d/%d", c, i)
				if _, err := d.say(m); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				accepted = append(accepted, m)
				mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for !stop.Load() {
			snap := d.Snapshot()
			for i := range snap.Segments {
				if n := snap.Segments[i].Len(); n > 0 {
					_, err := snap.Segments[i].Read(n-1, nil)
					if err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
	problems := d.Stats().Problems
	for range 3 {
		require.NoError(t, os.Remove(ring))
		require.Eventually(t, func() bool { return d.Stats().Problems > problems }, 30*time.Second, time.Millisecond)
		problems = d.Stats().Problems
	}
	d.blocked.Store(true)
	require.NoError(t, os.Remove(ring))
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(ring)
		return err == nil && binary.LittleEndian.Uint64(raw[64:]) > 0 // head
	}, 30*time.Second, time.Millisecond)
	stop.Store(true)
	wg.Wait()
	require.Equal(t, journal.ModeJournal, d.Stats().Mode)
	require.Positive(t, d.Stats().Waiting)
	require.Zero(t, d.Stats().Files["user"].Dropped)

	killed := t.TempDir()
	require.NoError(t, os.CopyFS(killed, os.DirFS(d.dir)))
	g, err := journal.Open(killed, journal.Options{RingBytes: 4 << 20})
	require.NoError(t, err)
	defer g.Close()
	require.Zero(t, g.Recovery().LostBytes)
	require.Zero(t, g.Recovery().PutAside)
	require.Positive(t, g.Recovery().Replayed)
	slices.Sort(accepted)
	require.True(t, slices.Equal(accepted, slices.Sorted(slices.Values(messages(t, g, "user")))))
	d.blocked.Store(false)
	require.NoError(t, d.Flush())
	require.True(t, slices.Equal(accepted, slices.Sorted(slices.Values(messages(t, d.Journal, "user")))))
}
