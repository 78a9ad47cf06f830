package journal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

func TestModeInForce(t *testing.T) {
	t.Parallel()
	f := open(t, vfs.NewMem(), func(o *journal.Options) { o.RingBytes = 0 })
	require.Equal(t, journal.ModeJournal, f.Stats().Mode)
	require.Equal(t, int64(8<<20), f.Stats().RingSize)
	f = open(t, vfs.NewMem(), func(o *journal.Options) { o.Mode = journal.ModeWrite })
	require.Equal(t, journal.ModeWrite, f.Stats().Mode)
	noMap := vfs.Inject(vfs.NewMem(), vfs.Matching(vfs.Kinds(vfs.OpMap), func(vfs.Op) error { return vfs.ErrNotSupported }))
	f = open(t, noMap)
	require.Equal(t, journal.ModeWrite, f.Stats().Mode, "where memory cannot be mapped")
	_, err := f.log("user", run, zapcore.InfoLevel, "message 0")
	require.NoError(t, err)
	require.Equal(t, numbered(1), messages(t, f.Journal, "user"))
}

// The ring is full of records that the disk does not take. Levels are dropped
// in their order, nobody waits, and all comes back when the disk does.
func TestFullDiskWithRing(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys, func(o *journal.Options) { o.RingBytes = 4 << 20; o.MaxWait = time.Hour })
	_, err := f.log("user", run, zapcore.InfoLevel, "first")
	require.NoError(t, err)
	require.NoError(t, f.Sync(t.Context()))
	fsys.SetSpace(fsys.Used())

	accepted, offered, dropped := []string{"first"}, 1, 0
	text := strings.Repeat("x", 60_000) // more than what is kept to say what was dropped
	share := map[zapcore.Level]int64{}
	for _, level := range []zapcore.Level{zapcore.DebugLevel, zapcore.InfoLevel, zapcore.WarnLevel, zapcore.ErrorLevel} {
		for {
			message := fmt.Sprint(offered, text)
			offered++
			_, err := f.log("user", run, level, message)
			if err == nil {
				accepted = append(accepted, message)
				continue
			}
			require.ErrorIs(t, err, journal.ErrFull)
			dropped++
			break
		}
		share[level] = 100 * f.Stats().Waiting / f.Stats().RingSize
	}
	require.InDelta(t, 50, share[zapcore.DebugLevel], 2)
	require.InDelta(t, 75, share[zapcore.InfoLevel], 2)
	require.InDelta(t, 90, share[zapcore.WarnLevel], 2)
	require.InDelta(t, 100, share[zapcore.ErrorLevel], 2)
	require.True(t, f.Stats().Failing)
	require.Equal(t, int64(dropped), f.Stats().Files["user"].Dropped)
	require.Equal(t, offered, len(accepted)+dropped)
	require.Equal(t, accepted, messages(t, f.Journal, "user"), "queries see what is only in the ring")

	t.Run("R6.1 library: a kill with a full ring and a full disk loses nothing", func(t *testing.T) {
		killed := fsys.Kill()
		killed.SetSpace(-1)
		g := open(t, killed)
		require.Equal(t, append(slices.Clone(accepted), fmt.Sprintf("dropped %d", dropped)), messages(t, g.Journal, "user"))
		require.Equal(t, int64(len(accepted)-1), g.Recovery().Replayed)
	})

	fsys.SetSpace(-1)
	require.Eventually(t, func() bool { return f.Stats().Waiting == 0 && !f.Stats().Failing }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool {
		list := messages(t, f.Journal, "user")
		return list[len(list)-1] == fmt.Sprintf("dropped %d", dropped)
	}, 30*time.Second, 10*time.Millisecond)
	require.Equal(t, accepted, withoutNotices(messages(t, f.Journal, "user")))
}

// A log that is closed while the disk is still full leaves word in the ring of what
// was dropped, and whoever opens it next has it in the text.
func TestCloseOnFullDisk(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys, func(o *journal.Options) { o.RingBytes = 1 << 20 })
	accepted, dropped := []string{"first"}, map[string]int{}
	for _, log := range []string{"user", "application"} {
		_, err := f.log(log, run, zapcore.InfoLevel, "first")
		require.NoError(t, err)
	}
	require.NoError(t, f.Sync(t.Context()))
	fsys.SetSpace(fsys.Used())
	for n := 0; dropped["user"] < 7; n++ {
		message := fmt.Sprint(n, strings.Repeat("x", 100))
		if _, err := f.log("user", run, zapcore.ErrorLevel, message); err == nil {
			accepted = append(accepted, message)
		} else {
			require.ErrorIs(t, err, journal.ErrFull)
			dropped["user"]++
		}
	}
	for range 3 {
		_, err := f.log("application", run, zapcore.ErrorLevel, strings.Repeat("y", 1000))
		require.ErrorIs(t, err, journal.ErrFull)
	}
	require.ErrorIs(t, f.Close(), syscall.ENOSPC)

	fsys.SetSpace(-1)
	require.NoError(t, fsys.Remove(dir+"/.journal/dropped"), "there is room for it in the ring")
	g := open(t, fsys)
	require.Equal(t, append(accepted, "dropped 7"), messages(t, g.Journal, "user"))
	require.Equal(t, []string{"first", "dropped 3"}, messages(t, g.Journal, "application"))
}

// A writer that is only behind makes callers wait, not lose.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	slow := vfs.Inject(mem, func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, "user.log") {
			<-time.After(2 * time.Millisecond)
		}
		return nil
	})
	f := open(t, slow, func(o *journal.Options) { o.RingBytes = 4 << 20; o.MaxWait = time.Minute })
	text := strings.Repeat("y", 10_000)
	for range 2000 { // five times the ring
		_, err := f.log("user", run, zapcore.DebugLevel, text)
		require.NoError(t, err)
	}
	require.Len(t, messages(t, f.Journal, "user"), 2000)
	require.Zero(t, f.Stats().Files["user"].Dropped)
}

// Processes are killed at random moments, also while they recover. Whatever was
// accepted is there, once, in order.
func TestKills(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	fsys := vfs.NewMem()
	accepted := map[string][]string{}
	var replayed int64
	small := func(o *journal.Options) {
		o.RingBytes = 4 << 20
		o.Rule = rotation.Rule{MaxBytes: 20_000, Compression: rotation.Compression(rng.IntN(3))}
	}
	for kill := range 40 {
		f := open(t, fsys, small)
		replayed += f.Recovery().Replayed
		for _, name := range []string{"user", "email"} {
			require.Equal(t, accepted[name], messages(t, f.Journal, name), "before kill %d", kill)
		}
		var mu sync.Mutex
		var stop atomic.Bool
		var wg sync.WaitGroup
		for c, name := range []string{"user", "email"} {
			wg.Go(func() {
				for i := 0; i < 150 && !stop.Load(); i++ {
					message := fmt.Sprintf("%d/%d/%d %s", kill, c, i, strings.Repeat("z", i%200))
					mu.Lock()
					if stop.Load() {
						mu.Unlock()
						return
					}
					_, err := f.log(name, run, zapcore.InfoLevel, message)
					if err == nil {
						accepted[name] = append(accepted[name], message)
					}
					mu.Unlock()
				}
			})
		}
		<-time.After(time.Duration(rng.IntN(15)) * time.Millisecond)
		mu.Lock()
		stop.Store(true)
		killed := fsys.Kill()
		mu.Unlock()
		wg.Wait()
		require.NoError(t, f.Close())
		if rng.IntN(3) == 0 { // killed again while it recovers
			n := int64(rng.IntN(60) + 1)
			var again *vfs.Mem
			stopAt := vfs.Inject(killed, func(op vfs.Op) error {
				if op.N == n {
					again = killed.Kill()
				}
				return nil
			})
			j, err := journal.Open(dir, journal.Options{FS: stopAt, RingBytes: 4 << 20})
			require.NoError(t, err)
			require.NoError(t, j.Close())
			if again != nil {
				killed = again
			}
		}
		fsys = killed
	}
	require.Positive(t, replayed)
	t.Logf("40 kills, %d and %d records, %d replayed", len(accepted["user"]), len(accepted["email"]), replayed)
}

// Foreign bytes in the active file are kept, and change nothing about what is
// written and found.
func TestForeignBytes(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys)
	var want []string
	say := func(n int) {
		for range n {
			message := fmt.Sprintf("message %d", len(want))
			_, err := f.log("user", run, zapcore.InfoLevel, message)
			require.NoError(t, err)
			want = append(want, message)
		}
	}
	foreign := func(text string) {
		other, err := fsys.OpenFile(dir+"/user.log", 1|1024, 0)
		require.NoError(t, err)
		_, err = other.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, other.Close())
	}
	say(10)
	require.NoError(t, f.Sync(t.Context()))
	foreign("a note by hand\n")
	say(10)
	require.Eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return slices.ContainsFunc(f.problems, func(err error) bool {
			var d *rotation.DamageError
			return errors.As(err, &d) && d.Damage == rotation.Grown && strings.HasPrefix(err.Error(), dir+": ")
		})
	}, 30*time.Second, time.Millisecond)
	say(10)
	require.NoError(t, f.Sync(t.Context()))
	require.Equal(t, want, messages(t, f.Journal, "user"))
	say(5)
	foreign("another\n")
	g := open(t, fsys.Kill())
	require.Equal(t, want, messages(t, g.Journal, "user"))
}

// The text is deleted, truncated or replaced under a running journal: what the
// ring holds, and what comes after, is found.
func TestDamagedText(t *testing.T) {
	t.Parallel()
	for _, damage := range []string{"removed", "truncated", "renamed"} {
		t.Run(damage, func(t *testing.T) {
			t.Parallel()
			fsys := vfs.NewMem()
			f := open(t, fsys)
			for _, m := range numbered(10) {
				_, err := f.log("user", run, zapcore.InfoLevel, m)
				require.NoError(t, err)
			}
			require.NoError(t, f.Sync(t.Context()))
			switch damage {
			case "removed":
				require.NoError(t, fsys.Remove(dir+"/user.log"))
			case "renamed":
				require.NoError(t, fsys.Rename(dir+"/user.log", dir+"/elsewhere"))
			case "truncated":
				text, err := fsys.OpenFile(dir+"/user.log", 2, 0)
				require.NoError(t, err)
				require.NoError(t, text.Truncate(0))
				require.NoError(t, text.Close())
			}
			require.Eventually(t, func() bool {
				f.mu.Lock()
				defer f.mu.Unlock()
				return len(f.problems) > 0
			}, 30*time.Second, time.Millisecond)
			var want []string
			for i := range 20 {
				m := fmt.Sprintf("after %d", i)
				_, err := f.log("user", run, zapcore.InfoLevel, m)
				require.NoError(t, err)
				want = append(want, m)
			}
			require.NoError(t, f.Sync(t.Context()))
			list := messages(t, f.Journal, "user")
			require.Subset(t, list, want)
			require.NoError(t, f.Close())
			require.Subset(t, messages(t, open(t, fsys).Journal, "user"), want)
		})
	}
}

// Somebody cuts the text within its last line, while it is open or while it is
// not, or adds half a line, and the next record comes at once, before anybody looks
// at the file: every record is a line of its own, and what was torn is told.
func TestCutWithinALine(t *testing.T) {
	t.Parallel()
	for _, mode := range []journal.Mode{journal.ModeJournal, journal.ModeWrite} {
		for _, damage := range []string{"cut", "grown", "cut while closed", "cut after a kill"} {
			t.Run(mode.String()+", "+damage, func(t *testing.T) {
				t.Parallel()
				var fsys vfs.FS = vfs.NewMem()
				var now atomic.Int64 // a second goes by between two records
				set := func(o *journal.Options) {
					o.Mode = mode
					o.Clock = func() time.Time { return time.Unix(now.Add(1), 0) }
				}
				f := open(t, fsys, set)
				var want []string
				say := func(message string) {
					_, err := f.log("user", run, zapcore.InfoLevel, message)
					require.NoError(t, err)
					want = append(want, message)
				}
				for round := range 20 {
					say(fmt.Sprintf("kept %d", round))
					_, err := f.log("user", run, zapcore.InfoLevel, "torn")
					require.NoError(t, err)
					require.NoError(t, f.Sync(t.Context()))
					switch damage {
					case "cut while closed":
						require.NoError(t, f.Close())
					case "cut after a kill":
						fsys = fsys.(*vfs.Mem).Kill()
					}
					text, err := fsys.OpenFile(dir+"/user.log", os.O_RDWR, 0)
					require.NoError(t, err)
					info, err := text.Stat()
					require.NoError(t, err)
					if damage == "grown" {
						_, err = text.WriteAt([]byte("half a line"), info.Size())
					} else {
						err = text.Truncate(info.Size() - 1 - int64(3*round))
					}
					if damage == "grown" || damage == "cut" && round == 0 {
						want = append(want, "torn") // no more than its newline is missing
					}
					require.NoError(t, errors.Join(err, text.Close()))
					if damage == "cut while closed" || damage == "cut after a kill" {
						f = open(t, fsys, set)
						require.Positive(t, f.Recovery().TornBytes)
					}
					say(fmt.Sprintf("after %d", round))
					require.NoError(t, f.Sync(t.Context()))
					list := messages(t, f.Journal, "user")
					require.Equal(t, want, list, "round %d", round)
				}
				if damage == "cut" || damage == "grown" {
					require.Positive(t, f.Recovery().Foreign, "what is left of torn lines")
					require.Eventually(t, f.problemSeen, 30*time.Second, time.Millisecond)
				}
				require.NoError(t, f.Close())
				f = open(t, fsys)
				require.Equal(t, want, messages(t, f.Journal, "user"))
			})
		}
	}
}

func TestRingSizeChanges(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	sizes := []int{4 << 20, 16 << 20, 5 << 20}
	var want []string
	for i, size := range sizes {
		f := open(t, fsys, func(o *journal.Options) { o.RingBytes = size })
		require.Equal(t, want, messages(t, f.Journal, "user"))
		m := fmt.Sprintf("message %d", i)
		_, err := f.log("user", run, zapcore.InfoLevel, m)
		require.NoError(t, err)
		want = append(want, m)
		require.Equal(t, int64(size), f.Stats().RingSize)
		fsys = fsys.Kill()
	}
	f := open(t, fsys, func(o *journal.Options) { o.Mode = journal.ModeWrite })
	require.Equal(t, want, messages(t, f.Journal, "user"), "mode write takes over what a ring holds")
	require.NoError(t, f.Close())
	f = open(t, fsys, func(o *journal.Options) { o.Mode = journal.ModeWrite })
	require.Equal(t, want, messages(t, f.Journal, "user"))
}
