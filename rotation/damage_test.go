package rotation_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// tick is longer than damage may go unnoticed.
const tick = 200 * time.Millisecond

func TestDamageSaysWhatToDo(t *testing.T) {
	const advice = "; what is written now is safe; while it is open no other program may rotate or change it"
	for damage, want := range map[rotation.Damage]string{
		rotation.Removed:   "rotation: user.log was removed by somebody else: 8 bytes are no longer in it",
		rotation.Truncated: "rotation: user.log was truncated by somebody else: 8 bytes are no longer in it",
		rotation.Grown:     "rotation: user.log was grown by somebody else: 8 bytes in it are not its own",
	} {
		require.EqualError(t, &rotation.DamageError{Name: "user.log", Damage: damage, Bytes: 8}, want+advice)
	}
}

func TestDamage(t *testing.T) {
	// What stands in the active file when somebody gets at it: "old" was there
	// at the last look, "new" was written after it.
	tests := []struct {
		name   string
		do     func(t *testing.T, fsys vfs.FS)
		want   string // in user.log, after "next" was written
		damage rotation.DamageError
	}{
		{"deleted", func(t *testing.T, fsys vfs.FS) {
			require.NoError(t, fsys.Remove("logs/user.log"))
		}, "new\nnext\n", rotation.DamageError{Damage: rotation.Removed, Bytes: 8, Kept: 4}},
		{"moved", func(t *testing.T, fsys vfs.FS) {
			require.NoError(t, fsys.Rename("logs/user.log", "logs/user.log.1"))
		}, "next\n", rotation.DamageError{Damage: rotation.Removed, Bytes: 8}},
		{"replaced", func(t *testing.T, fsys vfs.FS) {
			put(t, fsys, "logs/edited", "edi\nted")
			require.NoError(t, fsys.Rename("logs/edited", "logs/user.log"))
		}, "edi\nted\nnew\nnext\n", rotation.DamageError{Damage: rotation.Removed, Bytes: 8, Kept: 4}},
		{"emptied", func(t *testing.T, fsys vfs.FS) {
			truncate(t, fsys, 0)
		}, "next\n", rotation.DamageError{Damage: rotation.Truncated, Bytes: 8}},
		{"cut within a line", func(t *testing.T, fsys vfs.FS) {
			truncate(t, fsys, 6)
		}, "old\nne\nnext\n", rotation.DamageError{Damage: rotation.Truncated, Bytes: 2}},
		{"grown by a line", func(t *testing.T, fsys vfs.FS) {
			extend(t, fsys, "theirs\n")
		}, "old\nnew\ntheirs\nnext\n", rotation.DamageError{Damage: rotation.Grown, Bytes: 7, From: 4}},
		{"grown by half a line", func(t *testing.T, fsys vfs.FS) {
			extend(t, fsys, "the")
		}, "old\nnew\nthe\nnext\n", rotation.DamageError{Damage: rotation.Grown, Bytes: 3, From: 4}},
	}
	for _, tt := range tests {
		for _, when := range []string{"tick", "write", "rotation"} {
			t.Run(tt.name+", seen at a "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fsys := vfs.NewMem()
					var h heard
					f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{}))
					require.NoError(t, err)
					write(t, f, "old")
					<-time.After(tick)
					synctest.Wait()
					write(t, f, "new")
					tt.do(t, fsys)
					want := tt.want
					switch when {
					case "tick":
						<-time.After(tick)
						synctest.Wait()
						require.Len(t, h.Problems(), 1, "noticed without a write")
						require.Empty(t, h.Damage(), "and mended with the next one")
						write(t, f, "next")
					case "write":
						<-time.After(time.Millisecond)
						write(t, f, "next")
						if tt.damage.Damage == rotation.Removed {
							// Noticed at a tick, and what was written meanwhile is kept.
							<-time.After(tick)
							synctest.Wait()
							require.NoError(t, f.Sync())
							write(t, f, "and")
							require.NoError(t, f.Close())
							require.Contains(t, readFile(t, openFolder(t, fsys, "logs"), "user.log"), "and\n")
							return
						}
					default:
						require.NoError(t, f.SetRule(rotation.Rule{MaxBytes: 9, Compression: rotation.None}))
						write(t, f, "next")
						want = "next\n"
					}
					var d *rotation.DamageError
					require.ErrorAs(t, h.Problems()[0], &d)
					require.Len(t, h.Problems(), 1)
					tt.damage.Name = "user.log"
					require.Equal(t, []rotation.DamageError{tt.damage}, h.Damage())
					require.EqualValues(t, len(want), f.Size())
					folder := openFolder(t, fsys, "logs")
					require.Equal(t, want, readFile(t, folder, "user.log"))
					if when == "rotation" && len(h.Closed()) == 1 {
						require.Equal(t, tt.want, readFile(t, folder, h.Closed()[0].Name)+want)
					}
					<-time.After(tick)
					write(t, f, "more")
					require.NoError(t, f.Close())
					require.Len(t, h.Problems(), 1, "all is well again")
				})
			})
		}
	}
}

// What somebody took away and put back before the next line is no damage: nothing is
// written again, and the file goes on.
func TestDamageThatIsUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		var h heard
		f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{}))
		require.NoError(t, err)
		write(t, f, "old")
		require.NoError(t, fsys.Rename("logs/user.log", "logs/away"))
		<-time.After(tick)
		synctest.Wait()
		require.Len(t, h.Problems(), 1)
		require.NoError(t, fsys.Rename("logs/away", "logs/user.log"))
		write(t, f, "next", "more")
		<-time.After(tick)
		synctest.Wait()
		require.Empty(t, h.Damage())
		require.Len(t, h.Problems(), 1)
		require.Equal(t, "old\nnext\nmore\n", readFile(t, openFolder(t, fsys, "logs"), "user.log"))
		require.NoError(t, fsys.Remove("logs/user.log"))
		<-time.After(tick)
		synctest.Wait()
		require.Len(t, h.Problems(), 2, "it is looked at again")
		require.NoError(t, f.Close())
	})
}

// A file to which nobody writes is looked at seldom, and before the next line or rotation.
func TestDamageOfAFileAtRest(t *testing.T) {
	const long = time.Minute
	rested := func(t *testing.T, do func(fsys vfs.FS, f *rotation.File, h *heard)) {
		synctest.Test(t, func(t *testing.T) {
			mem := vfs.NewMem()
			var looks atomic.Int32
			fsys := vfs.Inject(mem, func(op vfs.Op) error {
				if op.Kind == vfs.OpLstat {
					looks.Add(1)
				}
				return nil
			})
			var h heard
			f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{}))
			require.NoError(t, err)
			write(t, f, "old")
			<-time.After(long)
			looks.Store(0)
			<-time.After(long)
			require.Less(t, looks.Load(), int32(20), "looks in a minute")
			require.Positive(t, looks.Load())
			do(mem, f, &h)
			require.NoError(t, f.Close())
		})
	}
	t.Run("noticed without a write", func(t *testing.T) {
		rested(t, func(fsys vfs.FS, f *rotation.File, h *heard) {
			require.NoError(t, fsys.Remove("logs/user.log"))
			<-time.After(5 * time.Second)
			synctest.Wait()
			require.Len(t, h.Problems(), 1)
		})
	})
	t.Run("removed before a write", func(t *testing.T) {
		rested(t, func(fsys vfs.FS, f *rotation.File, h *heard) {
			require.NoError(t, fsys.Remove("logs/user.log"))
			write(t, f, "next")
			require.Equal(t, "next\n", readFile(t, openFolder(t, fsys, "logs"), "user.log"), "not in the one that is gone")
			require.Equal(t, []rotation.DamageError{{Name: "user.log", Damage: rotation.Removed, Bytes: 4}}, h.Damage())
			require.Len(t, h.Problems(), 1)

			// It is looked at often again.
			require.NoError(t, fsys.Remove("logs/user.log"))
			<-time.After(tick)
			synctest.Wait()
			require.Len(t, h.Problems(), 2)
		})
	})
	t.Run("replaced before a rotation", func(t *testing.T) {
		rested(t, func(fsys vfs.FS, f *rotation.File, h *heard) {
			put(t, fsys, "logs/edited", "edited\n")
			require.NoError(t, fsys.Rename("logs/edited", "logs/user.log"))
			require.NoError(t, f.Rotate())
			require.Len(t, h.Closed(), 1)
			require.Equal(t, "edited\n", readFile(t, openFolder(t, fsys, "logs"), h.Closed()[0].Name))
			require.Len(t, h.Damage(), 1)
		})
	})
}

// While the disk does not say what stands under the path nothing is damaged. What was
// done meanwhile is found afterwards.
func TestDamageThatCannotBeTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var failing atomic.Bool
		fsys := vfs.Inject(mem, func(op vfs.Op) error {
			if failing.Load() && op.Kind == vfs.OpLstat {
				return syscall.EIO
			}
			return nil
		})
		var h heard
		f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{}))
		require.NoError(t, err)
		write(t, f, "old")
		<-time.After(tick)
		failing.Store(true)
		write(t, f, "new")
		require.NoError(t, mem.Remove("logs/user.log"))
		<-time.After(tick)
		write(t, f, "next")
		require.Empty(t, h.Problems())
		failing.Store(false)
		<-time.After(tick)
		require.Len(t, h.Problems(), 1)
		write(t, f, "more")
		require.NoError(t, f.Close())
		require.Equal(t, "new\nnext\nmore\n", readFile(t, openFolder(t, mem, "logs"), "user.log"))
	})
}

func truncate(t *testing.T, fsys vfs.FS, size int64) {
	f, err := fsys.OpenFile("logs/user.log", os.O_RDWR, 0)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(size))
	require.NoError(t, f.Close())
}

func extend(t *testing.T, fsys vfs.FS, text string) {
	f, err := fsys.OpenFile("logs/user.log", os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// TestDamageAtClose: what a deletion took is written again by Close at the
// latest.
func TestDamageAtClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		f, err := rotation.OpenFS(fsys, "logs/user.log", nil)
		require.NoError(t, err)
		write(t, f, "line")
		require.NoError(t, fsys.Remove("logs/user.log"))
		<-time.After(tick)
		synctest.Wait()
		require.NoError(t, f.Close())
		require.Equal(t, "line\n", readFile(t, openFolder(t, fsys, "logs"), "user.log"))
	})
}

// TestNothingToWriteTo: while no file can be opened under the path, a write is
// refused, not swallowed.
func TestNothingToWriteTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		f, err := rotation.OpenFS(fsys, "logs/user.log", nil)
		require.NoError(t, err)
		require.NoError(t, fsys.Remove("logs/user.log"))
		require.NoError(t, fsys.MkdirAll("logs/user.log", 0o700))
		<-time.After(tick)
		synctest.Wait()
		_, err = f.Write([]byte("lost?\n"))
		require.Error(t, err)
		require.Error(t, f.Rotate())
		require.NoError(t, fsys.Remove("logs/user.log"))
		write(t, f, "line")
		require.NoError(t, f.Close())
		require.Equal(t, "line\n", readFile(t, openFolder(t, fsys, "logs"), "user.log"))
	})
}

// TestDamageOnAFullDisk: what was deleted cannot be written again at first. Afterwards it
// is there once, and whole.
func TestDamageOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var full atomic.Bool
		fsys := vfs.Inject(mem, func(op vfs.Op) error {
			if full.Load() && op.Kind == vfs.OpWrite {
				return vfs.Short(op.Size/2, syscall.ENOSPC)
			}
			return nil
		})
		var h heard
		f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{}))
		require.NoError(t, err)
		write(t, f, "old")
		<-time.After(tick)
		write(t, f, "new", "newer")
		require.NoError(t, mem.Remove("logs/user.log"))
		<-time.After(tick)
		full.Store(true)
		for range 2 {
			_, err = f.Write([]byte("refused\n"))
			require.ErrorIs(t, err, syscall.ENOSPC)
		}
		require.Empty(t, h.Damage())
		full.Store(false)
		write(t, f, "next")
		require.NoError(t, f.Close())
		require.Equal(t, "new\nnewer\nnext\n", readFile(t, openFolder(t, mem, "logs"), "user.log"))
		require.Equal(t, []rotation.DamageError{{Name: "user.log", Damage: rotation.Removed, Bytes: 14, Kept: 10}}, h.Damage())
	})
}

// TestDamageOnTheRealSystem: the same with lumberjack, which by itself writes
// into a deleted file for ever and fills a cut one with NUL bytes.
func TestDamageOnTheRealSystem(t *testing.T) {
	t.Run("deleted", func(t *testing.T) {
		plain := &lumberjack.Logger{Filename: filepath.Join(t.TempDir(), "plain.log")}
		_, err := plain.Write([]byte("one\n"))
		require.NoError(t, err)
		require.NoError(t, os.Remove(plain.Filename))
		_, err = plain.Write([]byte("two\n"))
		require.NoError(t, err, "lumberjack says that all is well")
		require.NoError(t, plain.Close())
		require.NoFileExists(t, plain.Filename, "and it is not (#121)")

		path, f, h := openReal(t)
		require.NoError(t, os.Remove(path))
		require.Eventually(t, func() bool { return len(h.Problems()) == 1 }, 10*time.Second, time.Millisecond)
		write(t, f, "two")
		require.NoError(t, f.Close())
		require.Contains(t, text(t, path), "two\n")
		require.Equal(t, rotation.Removed, h.Damage()[0].Damage)
	})
	t.Run("moved", func(t *testing.T) {
		path, f, h := openReal(t)
		require.NoError(t, os.Rename(path, path+".1"))
		require.Eventually(t, func() bool { return len(h.Problems()) == 1 }, 10*time.Second, time.Millisecond)
		write(t, f, "two")
		require.NoError(t, f.Close())
		require.Equal(t, "one\n", text(t, path+".1"))
		require.Equal(t, "two\n", text(t, path), "not repeated")
		require.Zero(t, h.Damage()[0].Kept)
	})
	t.Run("cut", func(t *testing.T) {
		plain := &lumberjack.Logger{Filename: filepath.Join(t.TempDir(), "plain.log")}
		_, err := plain.Write([]byte("one\n"))
		require.NoError(t, err)
		require.NoError(t, os.Truncate(plain.Filename, 0))
		_, err = plain.Write([]byte("two\n"))
		require.NoError(t, err)
		require.NoError(t, plain.Close())
		require.Equal(t, "\x00\x00\x00\x00two\n", text(t, plain.Filename))

		path, f, _ := openReal(t)
		require.NoError(t, os.Truncate(path, 0))
		write(t, f, "two")
		require.NoError(t, f.Close())
		require.Equal(t, "two\n", text(t, path))
	})
	t.Run("a link in its place is not followed", func(t *testing.T) {
		path, f, h := openReal(t)
		other := filepath.Join(t.TempDir(), "other")
		require.NoError(t, os.WriteFile(other, nil, 0o600))
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.Symlink(other, path))
		require.Eventually(t, func() bool { return len(h.Problems()) == 1 }, 10*time.Second, time.Millisecond)
		_, err := f.Write([]byte("two\n"))
		require.Error(t, err)
		require.Empty(t, text(t, other))
		require.NoError(t, os.Remove(path))
		write(t, f, "two")
		require.NoError(t, f.Close())
	})
}

func openReal(t *testing.T) (string, *rotation.File, *heard) {
	path := filepath.Join(t.TempDir(), "user.log")
	h := &heard{}
	f, err := rotation.Open(path, h.options(rotation.Rule{}))
	require.NoError(t, err)
	write(t, f, "one")
	return path, f, h
}

func text(t *testing.T, path string) string {
	b, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	return string(b)
}

// TestNothingBehindHalfALine: while what a failed write left cannot be cut nothing is
// written behind it.
func TestNothingBehindHalfALine(t *testing.T) {
	mem := vfs.NewMem()
	var writes, cuts atomic.Bool // fail
	f, err := rotation.OpenFS(vfs.Inject(mem, func(op vfs.Op) error {
		switch {
		case op.Kind == vfs.OpWrite && writes.Load():
			return vfs.Short(3, errDisk)
		case op.Kind == vfs.OpTruncate && cuts.Load():
			return errDisk
		}
		return nil
	}), "logs/user.log", nil)
	require.NoError(t, err)
	write(t, f, "one")
	cuts.Store(true)
	for _, failing := range []bool{true, false, false} {
		writes.Store(failing)
		n, err := f.Write([]byte("refused\n"))
		require.ErrorIs(t, err, errDisk)
		require.Zero(t, n)
	}
	cuts.Store(false)
	write(t, f, "two")
	require.NoError(t, f.Close())
	require.Equal(t, "one\ntwo\n", readFile(t, openFolder(t, mem, "logs"), "user.log"))
}
