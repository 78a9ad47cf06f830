package journal_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
)

// A folder on a full disk opens, with what an earlier process could not write still
// in the ring: queries show it, it stays there from one process to the next, and is
// in the text once, in its order, when there is room.
func TestOpenOnFullDisk(t *testing.T) {
	t.Parallel()
	for n, end := range []string{"closed", "killed", "closed and rotating", "killed and rotating"} {
		for _, room := range []int64{0, 3000, 40_000} { // for some of what is replayed
			t.Run(fmt.Sprint(end, " with room for ", room), func(t *testing.T) {
				t.Parallel()
				small := func(o *journal.Options) {
					if o.RingBytes = 1 << 20; n >= 2 {
						o.Rule.MaxBytes = 100_000
					}
				}
				mem := vfs.NewMem()
				f := open(t, mem, small)
				accepted := map[string][]string{}
				dropped, number := 0, 0
				offer := func(log string, level zapcore.Level, message string) bool {
					_, err := f.log(log, run, level, message)
					if err == nil {
						accepted[log] = append(accepted[log], message)
					} else {
						require.ErrorIs(t, err, journal.ErrFull)
						dropped++
					}
					return err == nil
				}
				fill := func() {
					for filled := 0; filled < 2; number++ {
						if !offer([]string{"user", "application", "email"}[number%3], zapcore.ErrorLevel, fmt.Sprint(number, strings.Repeat("x", number%700))) {
							filled++
						}
					}
				}
				require.True(t, offer("user", zapcore.InfoLevel, "first"))
				require.True(t, offer("application", zapcore.InfoLevel, "first"))
				require.True(t, offer("email", zapcore.InfoLevel, "first"))
				require.NoError(t, f.Sync(t.Context()))
				mem.SetSpace(mem.Used())
				fill()
				for again := range 3 {
					if n%2 == 1 {
						mem = mem.Kill()
					} else {
						require.ErrorIs(t, f.Close(), syscall.ENOSPC)
					}
					mem.SetSpace(mem.Used() + room)
					f = open(t, mem, small, func(o *journal.Options) {
						o.RingBytes = (4 + again) << 20 // which has to wait until the ring is empty
					})
					require.Eventually(t, func() bool { return f.Stats().Failing }, 30*time.Second, time.Millisecond)
					for log, want := range accepted {
						require.Equal(t, want, withoutNotices(messages(t, f.Journal, log)), log)
					}
					fill()
				}
				mem.SetSpace(-1)
				require.Eventually(t, func() bool { return f.Stats().Waiting == 0 }, 10*time.Second, time.Millisecond)
				require.NoError(t, f.Sync(t.Context()))
				require.True(t, offer("user", zapcore.InfoLevel, "last"))
				for log, want := range accepted {
					require.Equal(t, want, withoutNotices(messages(t, f.Journal, log)), log)
				}
				require.NoError(t, f.Close())
				g := open(t, mem, small)
				require.Zero(t, g.Recovery().Foreign)
				said := 0
				for log, want := range accepted {
					list := messages(t, g.Journal, log)
					require.Equal(t, want, withoutNotices(slices.Clone(list)), log)
					require.IsIncreasing(t, seqs(g.Journal, log), log)
					for _, m := range list {
						var count int
						if c, _ := fmt.Sscanf(m, "dropped %d", &count); c == 1 {
							said += count
						}
					}
				}
				require.Equal(t, dropped, said)
			})
		}
	}
}

// Of what is in the ring the text of one log has everything and that of another
// nothing: no line gets there twice.
func TestOpenOnDiskFullForOne(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	on := func(mem *vfs.Mem) vfs.FS {
		return vfs.Inject(mem, func(op vfs.Op) error {
			if full.Load() && op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, "user.log") {
				return vfs.Short(0, syscall.ENOSPC)
			}
			return nil
		})
	}
	mem := vfs.NewMem()
	f := open(t, on(mem))
	full.Store(true)
	want := map[string][]string{}
	for n := range 40 {
		log, message := []string{"user", "email"}[n%2], fmt.Sprint("message ", n)
		_, err := f.log(log, run, zapcore.InfoLevel, message)
		require.NoError(t, err)
		want[log] = append(want[log], message)
	}
	require.ErrorIs(t, f.Flush(), syscall.ENOSPC)
	mem = mem.Kill()
	f = open(t, on(mem))
	require.ErrorIs(t, f.Flush(), syscall.ENOSPC)
	full.Store(false)
	require.Eventually(t, func() bool { return f.Stats().Waiting == 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, f.Close())
	f = open(t, on(mem))
	require.Zero(t, f.Recovery().Foreign)
	for log, list := range want {
		require.Equal(t, list, messages(t, f.Journal, log))
	}
}

// A folder opens on a full disk in mode write too, and after a power cut: with the ring
// that is there, until the disk has taken what is in it.
func TestOpenOnFullDiskOtherwise(t *testing.T) {
	t.Parallel()
	for name, otherwise := range map[string]func(*journal.Options){
		"mode write":                    inMode(journal.ModeWrite),
		"power cut":                     system("two"),
		"power cut, ring of other size": func(o *journal.Options) { system("two")(o); o.RingBytes = 8 << 20 },
		"power cut, mode write":         func(o *journal.Options) { system("two")(o); o.Mode = journal.ModeWrite },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &disk{Mem: vfs.NewMem()}
			f := open(t, d.fs(), system("one"))
			want := map[string][]string{}
			say := func(log, message string) {
				_, err := f.log(log, run, zapcore.ErrorLevel, message)
				require.NoError(t, err)
				want[log] = append(want[log], message)
			}
			for n := range 10 {
				say("user", fmt.Sprint("in the text ", n))
				say("email", fmt.Sprint("in the text ", n))
			}
			require.NoError(t, f.Sync(t.Context()))
			d.full.Store(true)
			for n := range 10 {
				say("user", fmt.Sprint("in the ring ", n))
				say("email", fmt.Sprint("in the ring ", n))
			}
			f.fill()
			f.dropAll("user", zapcore.ErrorLevel, zapcore.ErrorLevel)
			for email := messages(t, f.Journal, "email"); len(want["email"]) < len(email); {
				want["email"] = append(want["email"], email[len(want["email"])])
			}
			for n := range 3 {
				d = d.kill(true)
				f = open(t, d.fs(), system("one"), otherwise)
				require.Equal(t, journal.ModeJournal, f.Stats().Mode)
				require.True(t, f.Stats().Failing)
				for log, list := range want {
					require.Equal(t, list, withoutNotices(messages(t, f.Journal, log)), log)
				}
				say("user", fmt.Sprint("on the full disk ", n))
				f.dropAll("user", zapcore.ErrorLevel)
			}
			d.full.Store(false)
			require.Eventually(t, func() bool { return f.Stats().Waiting == 0 }, 10*time.Second, time.Millisecond)
			say("user", "last")
			require.NoError(t, f.Close())
			f = open(t, d.fs(), system("one"), otherwise)
			var asked journal.Options
			otherwise(&asked)
			require.Equal(t, asked.Mode, f.Stats().Mode)
			require.Zero(t, f.Recovery().Foreign)
			said := 0
			for log, list := range want {
				require.Equal(t, list, withoutNotices(messages(t, f.Journal, log)), log)
				require.IsIncreasing(t, seqs(f.Journal, log), log)
			}
			for _, s := range sayings(t, f.Journal, "user") {
				said += s.Details.Count
			}
			require.Equal(t, 5, said)
		})
	}
}

// seqs returns those of a log's records in the order of its text.
func seqs(j *journal.Journal, log string) (list []uint64) {
	snap := j.Snapshot()
	for i := range snap.Segments {
		for seg, r := &snap.Segments[i], 0; seg.File() == log && r < seg.Len(); r++ {
			list = append(list, seg.Row(r).Seq)
		}
	}
	return list
}

// A folder that was closed before the disk filled takes in what the ring has room for.
func TestOpenClosedOnFullDisk(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	f := open(t, mem)
	_, err := f.log("user", run, zapcore.InfoLevel, "first")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	mem.SetSpace(mem.Used())
	g := open(t, mem)
	_, err = g.log("user", run, zapcore.InfoLevel, strings.Repeat("second", 1000))
	require.NoError(t, err)
	require.ErrorIs(t, g.Close(), syscall.ENOSPC)
	h := open(t, mem)
	require.Equal(t, []string{"first", strings.Repeat("second", 1000)}, messages(t, h.Journal, "user"))
	mem.SetSpace(-1)
	require.NoError(t, h.Close())
}
