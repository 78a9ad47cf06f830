package journal_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// A number that was given is never given again, even when the power took every
// trace of it.
func TestNumbersAreNotGivenTwice(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 2))
		fsys := vfs.NewMem()
		var newest uint64
		for boot := range 4 {
			system := func(o *journal.Options) {
				o.Boot, o.RingBytes, o.SyncEvery = fmt.Sprint(boot), 4<<20, time.Hour
			}
			if rng.IntN(2) == 0 {
				// Numbers are given back, and reserved again where nothing else
				// has to be made durable.
				require.NoError(t, open(t, fsys, system).Close())
			}
			f := open(t, fsys, system)
			for range 1 + rng.IntN(20) {
				seq, err := f.log("user", run, zapcore.InfoLevel, "m")
				require.NoError(t, err)
				require.Greater(t, seq, newest, "seed %d, boot %d", seed, boot)
				newest = seq
			}
			next := fsys.Crash(rng, vfs.CrashOptions{})
			require.NoError(t, f.Close())
			fsys = next
		}
	}
}

// The writer never sees a record that is not whole: it moves frames while
// others are copied that take long.
func TestHeadComesLast(t *testing.T) {
	t.Parallel()
	for range 3 { // the two must meet
		headComesLast(t)
	}
}

func headComesLast(t *testing.T) {
	f := open(t, vfs.NewMem(), func(o *journal.Options) { o.MaxWait = time.Hour })
	var done atomic.Bool
	flushed := make(chan error, 1)
	go func() {
		for !done.Load() {
			if err := f.Flush(); err != nil {
				flushed <- err
				return
			}
		}
		flushed <- nil
	}()
	var want []string
	text := strings.Repeat("h", 500_000)
	for i := range 150 {
		m := fmt.Sprint(i, text)
		_, err := f.log("user", run, zapcore.InfoLevel, m)
		require.NoError(t, err)
		want = append(want, m)
	}
	done.Store(true)
	require.NoError(t, <-flushed)
	require.Equal(t, journal.ModeJournal, f.Stats().Mode, "no frame was taken for a damaged one")
	found := messages(t, f.Journal, "user")
	require.Len(t, found, len(want))
	for i := range want {
		require.True(t, want[i] == found[i], "record %d", i)
	}
	require.NoError(t, f.Close())
}

// After a power cut nothing is left in the text that is no record: what the disk
// mixed up is put aside.
func TestTextAfterAPowerCut(t *testing.T) {
	t.Parallel()
	var aside int64
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 3))
		fsys := vfs.NewMem()
		f := open(t, fsys, func(o *journal.Options) { o.Boot, o.RingBytes, o.SyncEvery = "one", 4<<20, time.Hour })
		for range 20 + rng.IntN(100) {
			_, err := f.log("user", run, zapcore.InfoLevel, strings.Repeat("w", rng.IntN(600)))
			require.NoError(t, err)
			if rng.IntN(40) == 0 {
				require.NoError(t, f.Sync(t.Context()))
			}
		}
		require.NoError(t, f.Flush())
		crashed := fsys.Crash(rng, vfs.CrashOptions{})
		require.NoError(t, f.Close())
		g := open(t, crashed, func(o *journal.Options) { o.Boot, o.RingBytes = "two", 4<<20 })
		require.Zero(t, g.Recovery().Foreign, "seed %d", seed)
		aside += g.Recovery().PutAside
		_, err := g.log("user", run, zapcore.InfoLevel, "goes on")
		require.NoError(t, err)
		require.NoError(t, g.Close())
	}
	require.Positive(t, aside)
}

// A process dies after the block of one log was written and before the next:
// what is in the text is not written again, and all the rest is.
func TestReplayBeginsWhereTheTextEnds(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	var armed atomic.Bool
	reached, resume := make(chan struct{}), make(chan struct{})
	fsys := vfs.Inject(mem, func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, "email.log") && armed.CompareAndSwap(true, false) {
			close(reached)
			<-resume
		}
		return nil
	})
	f := open(t, fsys)
	want := map[string][]string{}
	say := func(log string, n int) {
		for range n {
			m := fmt.Sprintf("%s %d", log, len(want[log]))
			_, err := f.log(log, run, zapcore.InfoLevel, m)
			require.NoError(t, err)
			want[log] = append(want[log], m)
		}
	}
	say("user", 5)
	say("email", 5)
	require.NoError(t, f.Flush())
	armed.Store(true)
	say("user", 4)
	say("email", 1)
	say("user", 1) // so that in the ring the next one follows it
	<-reached
	say("user", 3)
	killed := mem.Kill()
	close(resume)
	g := open(t, killed)
	for log := range want {
		require.Equal(t, want[log], messages(t, g.Journal, log))
	}
	require.Positive(t, g.Recovery().Replayed)
	require.Zero(t, g.Recovery().Foreign)
	require.Zero(t, g.Recovery().LostBytes)
	require.Zero(t, g.Recovery().PutAside)
	h := open(t, killed.Kill())
	for log := range want {
		require.Equal(t, want[log], messages(t, h.Journal, log))
	}
}

// A file is as large as its rule says, to the byte.
func TestSizeToTheByte(t *testing.T) {
	t.Parallel()
	for _, mode := range []journal.Mode{journal.ModeJournal, journal.ModeWrite} {
		fsys := vfs.NewMem()
		f := open(t, fsys, func(o *journal.Options) {
			o.Mode = mode
			o.Rule.Compression = rotation.None
		})
		for range 10 { // numbers have two digits from here on
			_, err := f.log("user", run, zapcore.InfoLevel, "m")
			require.NoError(t, err)
		}
		before := f.Stats().Files["user"].Bytes
		_, err := f.log("user", run, zapcore.InfoLevel, "m")
		require.NoError(t, err)
		size := f.Stats().Files["user"].Bytes - before
		require.NoError(t, f.Rotate("user"))
		for _, c := range []struct {
			max   int64
			files int // that six lines take
		}{{3 * size, 2}, {3*size - 1, 3}, {3*size + 1, 2}, {2*size - 1, 6}} {
			require.NoError(t, f.SetRule("user", rotation.Rule{MaxBytes: c.max, Compression: rotation.None}))
			before := len(userFiles(t, fsys))
			for range 6 {
				_, err := f.log("user", run, zapcore.InfoLevel, "m")
				require.NoError(t, err)
			}
			require.NoError(t, f.Rotate("user"))
			require.Equal(t, c.files, len(userFiles(t, fsys))-before, "%v: lines of %d in files of %d", mode, size, c.max)
		}
	}
}

func userFiles(t *testing.T, fsys vfs.FS) (names []string) {
	t.Helper()
	infos, err := fsys.ReadDir(dir)
	require.NoError(t, err)
	for _, info := range infos {
		if log, ok := rotation.LogOf(info.Name()); ok && log == "user" {
			names = append(names, info.Name())
		}
	}
	return names
}

// A frame that is not what was put there ends what is recovered, and is told of:
// nothing of it gets into the text.
func TestDamagedFrame(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys)
	_, err := f.log("user", run, zapcore.InfoLevel, "first")
	require.NoError(t, err)
	require.NoError(t, f.Sync(t.Context()))
	fsys.SetSpace(fsys.Used()) // all that follows stays in the ring
	for _, m := range []string{"second " + strings.Repeat("s", 10_000), "third", "fourth"} {
		_, err := f.log("user", run, zapcore.InfoLevel, m)
		require.NoError(t, err)
	}
	killed := fsys.Kill()
	killed.SetSpace(-1)
	ring, err := killed.OpenFile(dir+"/.journal/ring", os.O_RDWR, 0)
	require.NoError(t, err)
	info, err := ring.Stat()
	require.NoError(t, err)
	image := make([]byte, info.Size())
	_, err = ring.ReadAt(image, 0)
	require.NoError(t, err)
	at := bytes.Index(image, []byte(`"third"`))
	require.Positive(t, at)
	_, err = ring.WriteAt([]byte("b"), int64(at)+1)
	require.NoError(t, err)
	require.NoError(t, ring.Close())

	g := open(t, killed)
	require.Equal(t, []string{"first", "second " + strings.Repeat("s", 10_000)}, messages(t, g.Journal, "user"))
	require.Equal(t, int64(1), g.Recovery().Replayed)
	require.Positive(t, g.Recovery().LostBytes)
	require.Positive(t, g.Stats().Problems)
	_, err = g.log("user", run, zapcore.InfoLevel, "goes on")
	require.NoError(t, err)
}

// When Sync has returned, a power cut that takes everything that was not synced
// takes nothing of what was logged before.
func TestSyncIsDurable(t *testing.T) {
	t.Parallel()
	for _, mode := range []journal.Mode{journal.ModeJournal, journal.ModeWrite} {
		fsys := vfs.NewMem()
		var want []string
		for boot := range 5 {
			f := open(t, fsys, func(o *journal.Options) {
				o.Mode, o.Boot, o.SyncEvery = mode, fmt.Sprint(boot), time.Hour
			})
			require.Equal(t, want, messages(t, f.Journal, "user"), mode)
			for range 3 {
				m := fmt.Sprintf("message %d", len(want))
				_, err := f.log("user", run, zapcore.InfoLevel, m)
				require.NoError(t, err)
				want = append(want, m)
			}
			require.NoError(t, f.Sync(t.Context()))
			next := fsys.Crash(nil, vfs.CrashOptions{Unsynced: vfs.SurviveNone})
			require.NoError(t, f.Close())
			fsys = next
		}
	}
}
