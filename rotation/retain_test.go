package rotation_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// closedFiles puts n closed files of 100 bytes into the folder, one an hour,
// and returns their names.
func closedFiles(t *testing.T, fsys vfs.FS, n int) []string {
	var list []string
	for i := range n {
		at := day.Add(time.Duration(i) * time.Hour)
		name := closedAt("user", at)
		put(t, fsys, "logs/"+name, fmt.Sprintf("%-99s\n", record(i, at.Add(-time.Minute))))
		list = append(list, name)
	}
	return list
}

func TestRetain(t *testing.T) {
	now := day.Add(10*time.Hour - time.Minute) // the newest of ten is an hour old, all but a minute
	tests := []struct {
		name string
		rule rotation.Rule
		kept int
	}{
		{"everything", rotation.Rule{}, 10},
		{"copies", rotation.Rule{MaxFiles: 3}, 3},
		{"as many copies as there are", rotation.Rule{MaxFiles: 10}, 10},
		{"age", rotation.Rule{MaxAge: 4 * time.Hour}, 4},
		{"total", rotation.Rule{MaxTotalBytes: 550}, 5},
		{"total that not even the active file fits", rotation.Rule{MaxTotalBytes: 1}, 0},
		{"all three, the strictest wins", rotation.Rule{MaxFiles: 7, MaxAge: 6 * time.Hour, MaxTotalBytes: 250}, 2},
	}
	for _, tt := range tests {
		for _, when := range []string{"at open", "when the rule changes"} {
			t.Run(tt.name+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fsys := vfs.NewMem()
					all := closedFiles(t, fsys, 10)
					put(t, fsys, "logs/other-2001-01-01T00-00-00.000.log", "another log's\n")
					put(t, fsys, "logs/user-notes.log", "another log's\n")
					put(t, fsys, "logs/"+all[0]+".idx", "sidecar")
					c := &clock{at: now}
					var h heard
					rule := tt.rule
					rule.Compression = rotation.None
					o := h.options(rotation.Rule{Compression: rotation.None})
					if when == "at open" {
						o.Rule = rule
					}
					o.Clock = c.now
					f, err := rotation.OpenFS(fsys, "logs/user.log", o)
					require.NoError(t, err)
					synctest.Wait()
					write(t, f, "active")
					require.NoError(t, f.SetRule(rule))
					synctest.Wait()
					kept := slices.DeleteFunc(names(t, fsys, "logs"), func(n string) bool { return !slices.Contains(all, n) })
					require.Equal(t, all[10-tt.kept:], append([]string{}, kept...))
					require.Equal(t, all[:10-tt.kept], append([]string{}, h.Removed()...), "oldest first, each announced")
					require.Equal(t, tt.kept < 10, !slices.Contains(names(t, fsys, "logs"), all[0]+".idx"), "the sidecar goes with its data")
					require.Contains(t, names(t, fsys, "logs"), "other-2001-01-01T00-00-00.000.log")
					require.Contains(t, names(t, fsys, "logs"), "user-notes.log")
					require.NoError(t, f.Close())
					require.Empty(t, h.Problems())
				})
			})
		}
	}
}

// TestRetainOnATimer: no rotation, no new rule, only time.
func TestRetainOnATimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		closedFiles(t, fsys, 3)
		opened := time.Now()
		now := func() time.Time { return day.Add(2 * time.Hour).Add(time.Since(opened)) }
		var h heard
		o := h.options(rotation.Rule{MaxAge: 24 * time.Hour})
		o.Clock = now
		f, err := rotation.OpenFS(fsys, "logs/user.log", o)
		require.NoError(t, err)
		synctest.Wait()
		require.Empty(t, h.Removed())
		for want, at := range []time.Duration{24 * time.Hour, 25 * time.Hour, 26 * time.Hour} {
			time.Sleep(day.Add(at).Sub(now()))
			synctest.Wait()
			require.Len(t, h.Removed(), want)
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Len(t, h.Removed(), want+1)
		}
		require.NoError(t, f.Close())
		require.Empty(t, h.Problems())
	})
}

// TestRetainAfterALeap: a clock that runs years ahead for some hours deletes nothing for
// its age, one that stays there does.
func TestRetainAfterALeap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		closedFiles(t, fsys, 5)
		opened := time.Now()
		var ahead atomic.Int64
		var h heard
		o := h.options(rotation.Rule{MaxAge: 30 * 24 * time.Hour})
		o.Clock = func() time.Time {
			return day.Add(5 * time.Hour).Add(time.Since(opened)).Add(time.Duration(ahead.Load()))
		}
		f, err := rotation.OpenFS(fsys, "logs/user.log", o)
		require.NoError(t, err)
		synctest.Wait()
		years := 10 * 365 * 24 * time.Hour

		ahead.Store(int64(years))
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		require.Empty(t, h.Removed())
		require.Len(t, h.Problems(), 1, "said once")
		require.ErrorContains(t, h.Problems()[0], "the clock is 87600h0m0s ahead of the time that passed")
		rule := f.Rule()
		rule.MaxFiles = 4
		require.NoError(t, f.SetRule(rule))
		synctest.Wait()
		require.Len(t, h.Removed(), 1, "other rules hold")
		ahead.Store(0)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Len(t, h.Removed(), 1)

		ahead.Store(int64(years))
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		require.Len(t, h.Removed(), 1)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Len(t, h.Removed(), 5, "the time is as it is")
		require.NoError(t, f.Close())
		require.Len(t, h.Problems(), 2)
	})
}

// TestRetainByNames: a clock that was years ahead for a while neither keeps
// what was written after it for ever nor lets it go early, and the order of
// deletion is that of names.
func TestRetainByNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		c := &clock{at: day.AddDate(10, 0, 0)}
		var h heard
		o := h.options(rotation.Rule{Compression: rotation.None})
		o.Clock = c.now
		f, err := rotation.OpenFS(fsys, "logs/user.log", o)
		require.NoError(t, err)
		write(t, f, record(0, c.now()))
		require.NoError(t, f.Rotate())
		for i := range 3 {
			c.set(day.Add(time.Duration(i) * time.Hour))
			write(t, f, record(i+1, c.now()))
			require.NoError(t, f.Rotate())
		}
		closed := h.Closed()
		require.Len(t, closed, 4)
		for i := range closed[1:] {
			require.Less(t, closed[i].Name, closed[i+1].Name)
		}
		c.set(day.Add(3 * time.Hour))
		require.NoError(t, f.SetRule(rotation.Rule{MaxAge: 90 * time.Minute, Compression: rotation.None}))
		synctest.Wait()
		require.Equal(t, []string{closed[1].Name, closed[2].Name}, h.Removed(), "by the time of their last records")
		require.NoError(t, f.SetRule(rotation.Rule{MaxFiles: 1, Compression: rotation.None}))
		synctest.Wait()
		require.Equal(t, closed[0].Name, h.Removed()[2], "the oldest name, whatever the clock had said")
		require.NoError(t, f.Close())
	})
}

// TestRetainGoesOn: a file that cannot be deleted is reported and does not
// keep the others from being deleted.
func TestRetainGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		all := closedFiles(t, mem, 4)
		fsys := vfs.Inject(mem, func(op vfs.Op) error {
			if op.Kind == vfs.OpRemove && op.Name == "logs/"+all[0] {
				return errDisk
			}
			return nil
		})
		var h heard
		f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{MaxFiles: 2, Compression: rotation.None}))
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []string{all[1], all[2]}, h.Removed())
		require.Len(t, h.Problems(), 1)
		require.ErrorIs(t, h.Problems()[0], errDisk)
		require.NoError(t, f.Close())
	})
}
