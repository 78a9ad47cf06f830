package rotation_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// sessionLines is how many lines session writes before its last one.
const sessionLines = 11

// session writes lines into a log with small files, syncing now and then, and
// returns what was acknowledged. Lines whose write failed are tried again.
func session(t *testing.T, fsys vfs.FS, h *heard) (acked, refused []string) {
	o := h.options(rotation.Rule{MaxBytes: 450})
	f, err := rotation.OpenFS(fsys, "logs/user.log", o)
	for try := 0; err != nil && try < 3; try++ {
		f, err = rotation.OpenFS(fsys, "logs/user.log", o)
	}
	if err != nil {
		return nil, nil
	}
	for i, line := range numbered(0, sessionLines) {
		if _, err := f.Write([]byte(line + "\n")); err != nil {
			refused = append(refused, line)
		} else {
			acked = append(acked, line)
		}
		if i%5 == 4 {
			_ = f.Sync() // its error is one of those injected
		}
	}
	<-time.After(2 * time.Second) // for what is tried again later
	if _, err := f.Write([]byte("last\n")); err != nil {
		refused = append(refused, "last")
	} else {
		acked = append(acked, "last")
	}
	_ = f.Close() // as above
	return acked, refused
}

// TestEveryOperationFails: the n-th operation fails, for every n, once and for
// good, in each of the ways disks fail: what was acknowledged is there, what
// was refused is not, in order, no line is torn, every file is closed, and a
// File that is opened afterwards is in order too.
func TestEveryOperationFails(t *testing.T) {
	ways := []struct {
		name    string
		err     func(op vfs.Op) error
		forever bool
	}{
		{"once", func(vfs.Op) error { return syscall.EIO }, false},
		{"once, half of it done", func(op vfs.Op) error { return vfs.Short(op.Size/2, syscall.ENOSPC) }, false},
		{"once, all of it done", func(op vfs.Op) error { return vfs.After(syscall.EIO) }, false},
		{"once, and the pages are gone", func(op vfs.Op) error { return vfs.Lost(syscall.EIO) }, false},
		{"for good", func(op vfs.Op) error { return vfs.Short(op.Size/2, syscall.ENOSPC) }, true},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			for n := int64(1); ; n++ {
				var calls, most, open atomic.Int64
				synctest.Test(t, func(t *testing.T) {
					mem := vfs.NewMem()
					var h heard
					before := func(op vfs.Op) error {
						if op.Kind == vfs.OpLstat {
							return nil // ten a second
						}
						now := calls.Add(1)
						most.Store(now)
						if now == n || way.forever && now > n && op.Writes() {
							return way.err(op)
						}
						return nil
					}
					after := func(op vfs.Op, err error) {
						switch {
						case op.Kind == vfs.OpOpen && err == nil:
							open.Add(1)
						case op.Kind == vfs.OpClose:
							open.Add(-1)
						}
					}
					acked, refused := session(t, vfs.Wrap(mem, vfs.Hooks{Before: before, After: after}), &h)
					require.Zero(t, open.Load(), "operation %d fails", n)
					var h2 heard
					again, _ := session(t, mem, &h2)
					require.Len(t, again, sessionLines+1)
					require.Empty(t, h2.Problems())
					got := allLines(t, openFolder(t, mem, "logs"))
					got = got[:len(got)-sessionLines-1]
					require.Equal(t, acked, append([]string(nil), got...), "operation %d fails; refused %d; problems %v", n, len(refused), h.Problems())
				})
				if most.Load() < n {
					return
				}
			}
		})
	}
}

// TestPowerCuts: what was written before a Sync that returned nil is there
// after a power cut at any later moment, in whole lines and in order.
func TestPowerCuts(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 7))
		synctest.Test(t, func(t *testing.T) {
			mem := vfs.NewMem()
			cutAt := 1 + rng.Int64N(120)
			var synced, written []string
			var at *vfs.Mem
			var safe int
			var mu sync.Mutex // guards synced, at and safe: operations come from several goroutines
			fsys := vfs.Inject(mem, func(op vfs.Op) error {
				if op.N == cutAt {
					mu.Lock()
					defer mu.Unlock()
					safe = len(synced)
					at = mem.Crash(rng, vfs.CrashOptions{})
				}
				return nil
			})
			f, err := rotation.OpenFS(fsys, "data/logs/user.log", &rotation.Options{Rule: rotation.Rule{MaxBytes: 600}})
			require.NoError(t, err)
			for i, line := range numbered(0, 24) {
				write(t, f, line)
				written = append(written, line)
				if i%3 == 2 {
					require.NoError(t, f.Sync())
					mu.Lock()
					synced = slices.Clone(written)
					mu.Unlock()
				}
				if i%10 == 9 {
					synctest.Wait() // let the compression go on for a while
				}
			}
			require.NoError(t, f.Close())
			if at == nil {
				return
			}
			var h heard
			if _, err := at.Lstat("data/logs"); errors.Is(err, fs.ErrNotExist) {
				require.Zero(t, safe, "seed %d", seed)
				return
			}
			f, err = rotation.OpenFS(at, "data/logs/user.log", h.options(rotation.Rule{}))
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, f.Close())
			require.Empty(t, h.Problems())
			var got []string
			for _, l := range allLines(t, openFolder(t, at, "data/logs")) {
				// Text that was never synced may be NUL bytes or torn.
				if slices.Contains(written, l) {
					got = append(got, l)
				}
			}
			require.GreaterOrEqual(t, len(got), safe, "seed %d, cut at operation %d", seed, cutAt)
			require.True(t, slices.Equal(written[:safe], got[:safe]), "seed %d, cut at operation %d", seed, cutAt)
			require.True(t, slices.IsSortedFunc(got, func(a, b string) int { return slices.Index(written, a) - slices.Index(written, b) }))
			require.Len(t, slices.Compact(slices.Clone(got)), len(got), "nothing is there twice")
		})
	}
}

// TestFailedSync: a sync that failed is never believed to succeed later on the
// same file, which is closed by the next write.
func TestFailedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var failed atomic.Bool
		fsys := vfs.Inject(mem, func(op vfs.Op) error {
			if op.Kind == vfs.OpSync && op.Name == filepath.Join("logs", "user.log") && !failed.Swap(true) {
				return vfs.Lost(errDisk)
			}
			return nil
		})
		var h heard
		f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{Compression: rotation.None}))
		require.NoError(t, err)
		write(t, f, "one")
		require.ErrorIs(t, f.Sync(), errDisk)
		require.ErrorIs(t, f.Sync(), errDisk, "the disk would say yes now")
		write(t, f, "two")
		require.Len(t, h.Closed(), 1)
		require.NoError(t, f.Sync())
		require.Equal(t, "two\n", readFile(t, openFolder(t, mem, "logs"), "user.log"))
		require.NoError(t, f.Close())
	})
}

// TestDiskThatTakesNoSync: where the next file cannot be synced either, closing files
// does not help, and a rule would delete old ones for their number.
func TestDiskThatTakesNoSync(t *testing.T) {
	for name, fails := range map[string]func(n int64) bool{
		"any sync":          func(int64) bool { return true },
		"every second sync": func(n int64) bool { return n%2 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := vfs.NewMem()
				var syncs atomic.Int64
				var well atomic.Bool
				fsys := vfs.Inject(mem, func(op vfs.Op) error {
					if op.Kind == vfs.OpSync && !well.Load() && fails(syncs.Add(1)) {
						return errDisk
					}
					return nil
				})
				var h heard
				f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{Compression: rotation.None}))
				require.NoError(t, err)
				defer f.Close()
				for range 3600 {
					write(t, f, "one")
					_ = f.Sync()
					<-time.After(time.Second)
				}
				require.Less(t, len(h.Closed()), 20)
				require.Greater(t, len(h.Closed()), 5, "it is tried again, later and later")
				well.Store(true)
				<-time.After(10 * time.Minute)
				write(t, f, "two")
				require.NoError(t, f.Sync(), "within ten minutes")
				<-time.After(3 * time.Hour)
				well.Store(false)
				write(t, f, "three")
				for f.Sync() == nil {
				}
				closed := len(h.Closed())
				write(t, f, "four")
				require.Len(t, h.Closed(), closed+1, "at once, after hours without")
				well.Store(true)
				_ = f.Sync() // says that of the closed one, where its sync came before
				require.NoError(t, f.Close())
			})
		})
	}
}

// TestFailedSyncDuringARotation: who synced hears of it although the file that
// could not be synced is not the active one any more.
func TestFailedSyncDuringARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f *rotation.File
		var failed atomic.Bool
		fsys := vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
			if op.Kind != vfs.OpSync || op.Name != filepath.Join("logs", "user.log") || failed.Swap(true) {
				return nil
			}
			require.NoError(t, f.Rotate())
			return vfs.Lost(errDisk)
		})
		var h heard
		var err error
		f, err = rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{Compression: rotation.None}))
		require.NoError(t, err)
		write(t, f, "one")
		require.ErrorIs(t, f.Sync(), errDisk)
		require.Len(t, h.Closed(), 1)
		require.NoError(t, f.Sync(), "the file is another one")
		require.NoError(t, f.Close())
	})
}

// TestFailedSyncOfAClosedFile: Sync answers for files that were closed since
// the last one.
func TestFailedSyncOfAClosedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var failing atomic.Bool
		fsys := vfs.Inject(mem, func(op vfs.Op) error {
			if op.Kind == vfs.OpSync && failing.Load() && !strings.Contains(op.Name, ".next") {
				return errDisk
			}
			return nil
		})
		var h heard
		f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{Compression: rotation.None}))
		require.NoError(t, err)
		write(t, f, "one")
		failing.Store(true)
		require.NoError(t, f.Rotate())
		synctest.Wait() // in the background, too
		write(t, f, "two")
		require.ErrorIs(t, f.Sync(), errDisk)
		require.NoError(t, f.Sync(), "said once")
		require.NoError(t, f.Close())
	})
}

// TestRotationFails: whatever step of it fails, the file is written on, nothing
// is lost, and it is tried again.
func TestRotationFails(t *testing.T) {
	isNext := func(op vfs.Op) bool { return strings.HasSuffix(op.Name, ".next") }
	steps := map[string]func(op vfs.Op) bool{
		"the next file cannot be made": func(op vfs.Op) bool { return op.Kind == vfs.OpOpen && isNext(op) },
		"the file cannot be moved": func(op vfs.Op) bool {
			return op.Kind == vfs.OpRenameNew && !isNext(op) && op.NewName != "logs/user.log"
		},
		"the next file cannot be moved": func(op vfs.Op) bool { return op.Kind == vfs.OpRenameNew && isNext(op) },
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := vfs.NewMem()
				var failing atomic.Bool
				failing.Store(true)
				fsys := vfs.Inject(mem, func(op vfs.Op) error {
					if failing.Load() && step(op) {
						return syscall.EMFILE
					}
					return nil
				})
				var h heard
				f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{MaxBytes: 100, Compression: rotation.None}))
				require.NoError(t, err)
				lines := numbered(0, 20)
				write(t, f, lines[:10]...)
				require.ErrorIs(t, f.Rotate(), syscall.EMFILE)
				require.Empty(t, h.Closed())
				require.Len(t, h.Problems(), 1, "not with every write")
				require.ErrorIs(t, h.Problems()[0], syscall.EMFILE)
				require.Equal(t, []string{"user.log"}, names(t, mem, "logs"))
				failing.Store(false)
				<-time.After(2 * time.Second)
				write(t, f, lines[10:]...)
				require.NotEmpty(t, h.Closed())
				require.NoError(t, f.Close())
				require.Equal(t, lines, allLines(t, openFolder(t, mem, "logs")))
				require.Len(t, h.Problems(), 1)
			})
		})
	}
}

// TestRotationStuckHalfWay: the old file has its final name, the new one cannot
// take its place, and the old one not be moved back. It is written on under its
// final name, neither compressed nor deleted meanwhile, and the failed rotation is what
// is told.
func TestRotationStuckHalfWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var failing atomic.Bool
		failing.Store(true)
		fsys := vfs.Inject(mem, func(op vfs.Op) error {
			if failing.Load() && op.NewName == filepath.Join("logs", "user.log") {
				return errDisk
			}
			return nil
		})
		var h heard
		o := h.options(rotation.Rule{MaxBytes: 250, MaxFiles: 1})
		f, err := rotation.OpenFS(fsys, "logs/user.log", o)
		require.NoError(t, err)
		lines := numbered(0, 8)
		for _, line := range lines[:3] { // the third does not fit
			write(t, f, line)
		}
		require.Len(t, h.Problems(), 1)
		require.NoError(t, f.SetRule(rotation.Rule{MaxBytes: 250, MaxTotalBytes: 1}))
		synctest.Wait()
		require.Equal(t, []string{closedAt("user", time.Now())}, names(t, mem, "logs"))
		write(t, f, lines[3])
		require.NoError(t, f.SetRule(rotation.Rule{MaxBytes: 10_000}))
		failing.Store(false)
		<-time.After(tick)
		synctest.Wait()
		write(t, f, lines[4:]...)
		synctest.Wait()
		require.NoError(t, f.Close())
		require.Len(t, h.Problems(), 1, "nobody else removed the file")
		require.Len(t, names(t, mem, "logs"), 2)
		require.Equal(t, lines, allLines(t, openFolder(t, mem, "logs")))
	})
}

// TestNextFileWithLines: a power cut undid the renaming of the next file, and
// perhaps that of the one before.
func TestNextFileWithLines(t *testing.T) {
	fsys := vfs.NewMem()
	put(t, fsys, "logs/user.log.next", "newer\ntor")
	f, err := rotation.OpenFS(fsys, "logs/user.log", nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, f.Torn())
	write(t, f, "newest")
	require.NoError(t, f.Close())
	require.Equal(t, []string{"user.log"}, names(t, fsys, "logs"))
	require.Equal(t, "newer\nnewest\n", readFile(t, openFolder(t, fsys, "logs"), "user.log"))

	for _, want := range []string{"user.log.broken", "user.log.broken1"} {
		put(t, fsys, "logs/user.log.next", "unsynced\n")
		f, err = rotation.OpenFS(fsys, "logs/user.log", nil)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Contains(t, names(t, fsys, "logs"), want)
	}
	require.Equal(t, "newer\nnewest\n", readFile(t, openFolder(t, fsys, "logs"), "user.log"))

	require.NoError(t, fsys.MkdirAll("logs/user.log.next", 0o700))
	_, err = rotation.OpenFS(fsys, "logs/user.log", nil)
	require.ErrorContains(t, err, "in the way")
}

// TestCutIsTriedAgain: what a failed write left is cut before the next one,
// also when it could not be cut at once, and never what somebody else wrote.
func TestCutIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var cuts atomic.Int64
		var failing atomic.Bool
		fsys := vfs.Inject(mem, func(op vfs.Op) error {
			switch {
			case !failing.Load():
			case op.Kind == vfs.OpWrite:
				return vfs.Short(3, syscall.ENOSPC)
			case op.Kind == vfs.OpTruncate && cuts.Add(1) < 3:
				return syscall.EIO
			}
			return nil
		})
		var h heard
		f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{}))
		require.NoError(t, err)
		write(t, f, "one")
		failing.Store(true)
		for range 2 {
			n, err := f.Write([]byte("refused\n"))
			require.Error(t, err)
			require.Zero(t, n)
		}
		require.EqualValues(t, 4, f.Size())
		failing.Store(false)
		<-time.After(tick)
		write(t, f, "two")
		require.Empty(t, h.Damage())

		cuts.Store(0)
		failing.Store(true)
		_, err = f.Write([]byte("refused\n"))
		require.Error(t, err)
		failing.Store(false)
		extend(t, mem, "theirs\n")
		write(t, f, "three")
		require.NoError(t, f.Close())
		require.Equal(t, "one\ntwo\nreftheirs\nthree\n", readFile(t, openFolder(t, mem, "logs"), "user.log"))
		require.Len(t, h.Damage(), 1)
	})
}

// TestSpace: a disk that fills and empties again, over and over.
func TestSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var h heard
		f, err := rotation.OpenFS(mem, "logs/user.log", h.options(rotation.Rule{MaxBytes: 20_000, Compression: rotation.None}))
		require.NoError(t, err)
		var acked []string
		refused := 0
		for i := range 2000 {
			switch i % 200 {
			case 50:
				mem.SetSpace(mem.Used() + 2000)
			case 150:
				mem.SetSpace(0)
			}
			line := fmt.Sprintf("line %04d %s", i, strings.Repeat("x", 90))
			if _, err := f.Write([]byte(line + "\n")); err == nil {
				acked = append(acked, line)
			} else {
				require.ErrorIs(t, err, syscall.ENOSPC)
				refused++
			}
		}
		require.NoError(t, f.Close())
		require.Positive(t, refused)
		require.Equal(t, acked, allLines(t, openFolder(t, mem, "logs")))
	})
}
