package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
)

// told returns what the host was told that has a text in it.
func (f *folder) told(text string) (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, err := range f.problems {
		if strings.Contains(err.Error(), text) {
			list = append(list, err.Error())
		}
	}
	return list
}

// removeAll removes files of a folder.
func removeAll(t *testing.T, fsys vfs.FS, names ...string) {
	t.Helper()
	for _, name := range names {
		require.NoError(t, fsys.Remove(filepath.Join(dir, ".journal", name)), name)
	}
}

const ticks = 500 * time.Millisecond // two of them, and more

// Somebody removes or replaces what stands under .journal while a process logs whose
// texts cannot be written. What was accepted before and after is there when it is
// killed, once and in order, and the host knows.
func TestRingIsRemoved(t *testing.T) {
	t.Parallel()
	replace := func(t *testing.T, fsys *vfs.Mem, name string) {
		removeAll(t, fsys, name)
		f, err := fsys.OpenFile(filepath.Join(dir, ".journal", name), os.O_WRONLY|os.O_CREATE, 0o600)
		require.NoError(t, err)
		_, err = f.Write([]byte("something else"))
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	for _, c := range []struct {
		name   string
		remove func(t *testing.T, fsys *vfs.Mem)
		lists  []string // what the host is told of
		aside  bool
	}{
		{"the ring is removed", func(t *testing.T, fsys *vfs.Mem) { removeAll(t, fsys, "ring") }, []string{"ring"}, false},
		{"the ring is replaced", func(t *testing.T, fsys *vfs.Mem) { replace(t, fsys, "ring") }, []string{"ring"}, true},
		{"the ring is replaced by a folder", func(t *testing.T, fsys *vfs.Mem) {
			removeAll(t, fsys, "ring")
			require.NoError(t, fsys.MkdirAll(filepath.Join(dir, ".journal", "ring"), 0o700))
		}, []string{"ring"}, true},
		{"all of it is removed", func(t *testing.T, fsys *vfs.Mem) {
			removeAll(t, fsys, "ring", "lock", "numbers.json", "files.json", "dropped", "")
		}, []string{"lock", "files.json", "numbers.json", "dropped", "ring"}, false},
		{"a file takes the place of the folder", func(t *testing.T, fsys *vfs.Mem) {
			require.NoError(t, fsys.Rename(filepath.Join(dir, ".journal"), filepath.Join(dir, "moved")))
			f, err := fsys.OpenFile(filepath.Join(dir, ".journal"), os.O_WRONLY|os.O_CREATE, 0o600)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}, []string{"lock", "files.json", "numbers.json", "dropped", "ring"}, false},
		{"the folder is moved", func(t *testing.T, fsys *vfs.Mem) {
			require.NoError(t, fsys.Rename(filepath.Join(dir, ".journal"), filepath.Join(dir, "moved")))
		}, []string{"lock", "files.json", "numbers.json", "dropped", "ring"}, false},
		{"the lock is removed", func(t *testing.T, fsys *vfs.Mem) { removeAll(t, fsys, "lock") }, []string{"lock"}, false},
		{"the tables of numbers and files are removed", func(t *testing.T, fsys *vfs.Mem) { removeAll(t, fsys, "numbers.json", "files.json") },
			[]string{"files.json", "numbers.json"}, false},
		{"what was dropped is removed", func(t *testing.T, fsys *vfs.Mem) { removeAll(t, fsys, "dropped") }, []string{"dropped"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fsys := vfs.NewMem()
				blocked := false
				var mu sync.Mutex
				f := open(t, vfs.Inject(fsys, func(op vfs.Op) error {
					mu.Lock()
					defer mu.Unlock()
					if blocked && op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, ".log") {
						return syscall.EIO
					}
					return nil
				}), system("one"))
				block := func(b bool) {
					mu.Lock()
					defer mu.Unlock()
					blocked = b
				}
				var want []string
				pad := strings.Repeat("p", 60_000)
				say := func(n int) {
					for range n {
						want = append(want, fmt.Sprintf("%4d %s", len(want), pad))
						_, err := f.log([]string{"user", "email"}[len(want)%2], run, zapcore.InfoLevel, want[len(want)-1])
						require.NoError(t, err)
					}
				}
				found := func(j *journal.Journal) []string {
					list := append(messages(t, j, "user"), messages(t, j, "email")...)
					slices.Sort(list)
					return list
				}
				say(60)
				require.NoError(t, f.Flush())
				block(true)
				say(30) // over the end of the ring
				require.Error(t, f.Flush())

				c.remove(t, fsys)
				<-time.After(ticks)
				told := f.told("removed or replaced")
				assert.Len(t, told, 1)
				assert.Contains(t, strings.Join(told, "\n"), ": "+strings.Join(c.lists, ", ")+". ")
				say(10)
				require.Equal(t, want, found(f.Journal), "queries see what is in the new ring")
				require.Equal(t, journal.ModeJournal, f.Stats().Mode)
				require.Positive(t, f.Stats().Waiting)

				g := open(t, fsys.Kill(), system("one"))
				require.Equal(t, want, found(g.Journal), "after a kill")
				require.Equal(t, int64(40), g.Recovery().Replayed)
				require.Zero(t, g.Recovery().LostBytes)
				require.Zero(t, g.Recovery().PutAside)
				seq, err := g.log("user", run, zapcore.InfoLevel, "later")
				require.NoError(t, err)
				require.Greater(t, seq, uint64(len(want)))
				require.NoError(t, g.Close())

				_, err = journal.Open(dir, journal.Options{FS: fsys})
				require.ErrorIs(t, err, journal.ErrLocked, "nobody else gets in")
				_, err = fsys.Lstat(filepath.Join(dir, ".journal", "ring.broken"))
				require.Equal(t, c.aside, err == nil, "what took its place is put aside")

				block(false)
				say(3)
				<-time.After(3 * time.Second)
				require.Equal(t, want, found(f.Journal))
				require.Len(t, f.told("removed or replaced"), 1, "once")
				require.NoError(t, f.Close())
				h := open(t, fsys, system("one"))
				require.Equal(t, want, found(h.Journal))
				require.Zero(t, h.Recovery().Replayed)
			})
		})
	}
}

// Where no new ring can be made, records go to the text at once: what is in the old one
// first. The host hears of it once.
func TestRingCannotBeMadeAnew(t *testing.T) {
	t.Parallel()
	for _, gone := range [][]string{{"ring"}, {"ring", "lock", "numbers.json", "files.json", "dropped", ""}} {
		synctest.Test(t, func(t *testing.T) {
			fsys := vfs.NewMem()
			var denied atomic.Bool
			f := open(t, vfs.Inject(fsys, func(op vfs.Op) error {
				if denied.Load() && (op.Kind == vfs.OpMkdirAll || op.Kind == vfs.OpAllocate && strings.Contains(op.Name, ".journal")) {
					return syscall.EACCES
				}
				return nil
			}), system("one"))
			want := numbered(20)
			f.sayAll("user", want[:10])
			denied.Store(true)
			removeAll(t, fsys, gone...)
			<-time.After(ticks)
			require.Equal(t, journal.ModeWrite, f.Stats().Mode)
			f.sayAll("user", want[10:])
			require.Equal(t, want, messages(t, f.Journal, "user"))
			require.Len(t, f.told("records go to the texts at once"), 1)
			require.LessOrEqual(t, len(f.told("")), 3, "not on each tick: %q", f.told(""))
			g := open(t, fsys.Kill(), system("one"))
			require.Equal(t, want, messages(t, g.Journal, "user"))

			denied.Store(false)
			<-time.After(ticks)
			_, err := journal.Open(dir, journal.Options{FS: fsys})
			require.ErrorIs(t, err, journal.ErrLocked, "the lock is made anew as soon as it can be")
			require.NoError(t, f.Close())
			h := open(t, fsys, system("one"))
			require.Equal(t, want, messages(t, h.Journal, "user"))
		})
	}
}

// A disk that was mounted over the folder for a while brings back a ring that is not used
// any more. Who reads the folder sees what is logged all the same.
func TestRingComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var denied atomic.Bool
		f := open(t, vfs.Inject(mem, func(op vfs.Op) error {
			if denied.Load() && op.Kind == vfs.OpAllocate && strings.Contains(op.Name, ".journal") {
				return syscall.ENOSPC
			}
			return nil
		}))
		want := numbered(20)
		f.sayAll("user", want[:10])
		<-time.After(ticks)
		denied.Store(true)
		ring, away := filepath.Join(dir, ".journal", "ring"), filepath.Join(dir, "away")
		require.NoError(t, mem.Rename(ring, away))
		<-time.After(ticks)
		require.Equal(t, journal.ModeWrite, f.Stats().Mode)
		require.NoError(t, mem.Rename(away, ring))
		<-time.After(ticks)
		f.sayAll("user", want[10:])
		r, err := journal.OpenReader(mem, dir)
		require.NoError(t, err)
		defer r.Close()
		require.Equal(t, want, messages(t, r, "user"))
		require.Len(t, f.told(""), 1, "that records go to the text at once: %q", f.told(""))
		require.NoError(t, f.Close())
	})
}

// Another process gets the lock of a folder whose lock was removed. The first one gives
// no number any more, and touches nothing of what is the other's.
func TestFolderIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		f := open(t, fsys, system("one"))
		want := numbered(10)
		f.sayAll("user", want)
		require.NoError(t, f.Flush())
		removeAll(t, fsys, "ring", "lock", "numbers.json", "files.json", "dropped", "")
		g := open(t, fsys, system("one"))
		require.Equal(t, want, messages(t, g.Journal, "user"))
		<-time.After(ticks)
		require.Len(t, f.told("written by another process"), 1)
		g.sayAll("user", []string{"of the other"})
		half, err := fsys.OpenFile(dir+"/email.log", os.O_WRONLY|os.O_CREATE, 0o600)
		require.NoError(t, err)
		_, err = half.Write([]byte("half a line, as a write of the other"))
		require.NoError(t, err)
		for range 10 {
			_, err := f.log("user", run, zapcore.InfoLevel, "late")
			require.ErrorIs(t, err, journal.ErrLocked)
			_, err = f.File("email")
			require.ErrorIs(t, err, journal.ErrLocked)
			<-time.After(ticks)
		}
		info, err := half.Stat()
		require.NoError(t, err)
		require.NotZero(t, info.Size(), "what the other one writes is not cut")
		require.NoError(t, half.Close())
		require.EqualValues(t, 10, f.Stats().Files["user"].Dropped)
		require.LessOrEqual(t, len(f.told("written by another process")), 2, "of the drops once: %v", f.told(""))
		require.Empty(t, g.told(".journal"), "%v", g.told(""))
		require.ErrorIs(t, f.Close(), journal.ErrLocked)
		g.sayAll("user", []string{"after"})
		h := open(t, fsys.Kill(), system("one"))
		require.Equal(t, append(want, "of the other", "after"), messages(t, h.Journal, "user"))
		require.NoError(t, g.Close())
	})
}

// Another process had the folder for a moment, and has ended. Its numbers are not given
// again.
func TestFolderWasTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		f := open(t, fsys, system("one"))
		f.sayAll("user", []string{"first"})
		require.NoError(t, f.Flush())
		removeAll(t, fsys, "ring", "lock", "numbers.json", "files.json", "dropped", "")
		g := open(t, fsys, system("one"))
		theirs, err := g.log("email", service, zapcore.InfoLevel, "of the other")
		require.NoError(t, err)
		require.NoError(t, g.Close())
		<-time.After(ticks)
		require.NotEmpty(t, f.told("made anew"))
		ours, err := f.log("user", run, zapcore.InfoLevel, "second")
		require.NoError(t, err)
		require.Greater(t, ours, theirs)
		h := open(t, fsys.Kill(), system("one"))
		require.Equal(t, []string{"first", "second"}, messages(t, h.Journal, "user"))
		require.Equal(t, []string{"of the other"}, messages(t, h.Journal, "email"))
	})
}

// While numbers are reserved behind those of the other process, which takes a while, all
// that were reserved before are used up. None is given twice.
func TestNumbersAreUsedUpWhileTheyAreMadeAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		var slow atomic.Bool
		gate := make(chan struct{})
		f := open(t, vfs.Inject(fsys, func(op vfs.Op) error {
			if op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, "numbers.json.tmp") && slow.Swap(false) {
				<-gate
			}
			return nil
		}), system("one"))
		f.sayAll("user", []string{"first"})
		require.NoError(t, f.Flush())
		<-time.After(ticks) // more are reserved than the other process gives
		removeAll(t, fsys, "ring", "lock", "numbers.json", "files.json", "dropped", "")
		g := open(t, fsys, system("one"))
		require.NoError(t, g.Close())
		slow.Store(true)
		<-time.After(ticks)
		require.False(t, slow.Load())
		f.UseUpNumbers()
		seqs := make(chan uint64, 2)
		go func() {
			seq, err := f.log("user", run, zapcore.InfoLevel, "second")
			if err != nil {
				t.Error(err)
			}
			seqs <- seq
		}()
		for !f.Busy() {
			runtime.Gosched()
		}
		close(gate)
		second := <-seqs
		<-time.After(ticks)
		third, err := f.log("user", run, zapcore.InfoLevel, "third")
		require.NoError(t, err)
		require.Greater(t, third, second)
		require.Equal(t, []string{"first", "second", "third"}, messages(t, f.Journal, "user"))
	})
}
