package vfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

// everything does each operation once and returns the first error. It goes on
// after errors where it can, and closes what it opened.
func everything(fsys vfs.FS, dir string) (err error) {
	note := func(e error) {
		if err == nil && !errors.Is(e, io.EOF) {
			err = e
		}
	}
	note(fsys.MkdirAll(dir+"/d", 0o700))
	f, e := fsys.OpenFile(dir+"/d/a", os.O_RDWR|os.O_CREATE, 0o600)
	note(e)
	if e == nil {
		note(f.Allocate(8192, false))
		_, e = f.Write([]byte("0123456789"))
		note(e)
		_, e = f.WriteAt([]byte("ab"), 4)
		note(e)
		_, e = f.Seek(0, io.SeekStart)
		note(e)
		b := make([]byte, 10)
		_, e = f.Read(b)
		note(e)
		_, e = f.ReadAt(b, 2)
		note(e)
		_, e = f.Stat()
		note(e)
		note(f.Sync())
		m, e := fsys.Map(f, 4096)
		note(e)
		if e == nil {
			note(m.Unmap())
		}
		note(f.Truncate(100))
		note(f.Close())
	}
	note(fsys.Rename(dir+"/d/a", dir+"/d/b"))
	note(fsys.RenameNew(dir+"/d/b", dir+"/d/c"))
	_, e = fsys.Lstat(dir + "/d/c")
	note(e)
	_, e = fsys.ReadDir(dir + "/d")
	note(e)
	_, e = fsys.ReadNames(dir + "/d")
	note(e)
	note(fsys.SyncDir(dir + "/d"))
	r, e := fsys.OpenRoot(dir + "/d")
	note(e)
	if e == nil {
		g, e := r.Open("c")
		note(e)
		if e == nil {
			note(g.Close())
		}
		_, e = r.Lstat("c")
		note(e)
		_, e = r.ReadDir()
		note(e)
		note(r.Remove("c"))
		note(r.Close())
	}
	note(fsys.Remove(dir + "/d"))
	l, e := fsys.Lock(dir + "/lock")
	note(e)
	if e == nil {
		note(l.Close())
	}
	return err
}

func TestInjectSeesEveryOperation(t *testing.T) {
	var rec vfs.Recorder
	fsys := vfs.Inject(vfs.NewMem(), rec.Hook)
	require.NoError(t, everything(fsys, ""))
	seen := map[vfs.OpKind]bool{}
	for i, op := range rec.Ops() {
		require.Equal(t, int64(i+1), op.N)
		require.NotEmpty(t, op.Name)
		seen[op.Kind] = true
	}
	for kind := vfs.OpOpen; kind <= vfs.OpUnmap; kind++ {
		require.True(t, seen[kind], "%v was not seen", kind)
		require.NotContains(t, kind.String(), "op(")
	}
	require.Equal(t, "op(0)", vfs.OpKind(0).String())
	require.Equal(t, len(rec.Ops()), rec.Count(nil))
	require.Equal(t, 1, rec.Count(vfs.Kinds(vfs.OpSync)))
	rename := rec.Ops()[slices.IndexFunc(rec.Ops(), func(op vfs.Op) bool { return op.Kind == vfs.OpRename })]
	require.Equal(t, "/d/a", rename.Name)
	require.Equal(t, "/d/b", rename.NewName)
	require.Contains(t, rename.String(), "rename /d/a -> /d/b")
	var writes []string
	for _, op := range rec.Ops() {
		if op.Writes() {
			writes = append(writes, op.Kind.String())
		}
	}
	require.Equal(t, "mkdirall open allocate write writeat sync truncate rename renamenew syncdir root.remove remove lock",
		strings.Join(writes, " "))
}

// A failure of each operation in turn comes out, in the form of a real one, and
// nothing is left open.
func TestInjectFailsEachOperation(t *testing.T) {
	var rec vfs.Recorder
	_ = everything(vfs.Inject(vfs.NewMem(), rec.Hook), "")
	eio := errors.New("the disk is broken")
	for n := range int64(rec.Count(nil)) {
		for how, wrap := range map[string]func(error) error{
			"fails":          func(err error) error { return err },
			"fails after":    vfs.After,
			"fails and lies": vfs.Lost,
			"is short":       func(err error) error { return vfs.Short(1, err) },
		} {
			m := vfs.NewMem()
			err := everything(vfs.Inject(m, vfs.NthFails(n+1, wrap(eio), false)), "")
			msg := fmt.Sprintf("%v %s", rec.Ops()[n], how)
			require.ErrorIs(t, err, eio, msg)
			var pe *fs.PathError
			var le *os.LinkError
			require.True(t, errors.As(err, &pe) || errors.As(err, &le), msg)
			l, err := m.Lock("/lock")
			require.NoError(t, err, "%s: the lock is free", msg)
			require.NoError(t, l.Close())
			infos, err := m.ReadDir("/d")
			if err == nil {
				for _, fi := range infos {
					require.NoError(t, m.Remove("/d/"+fi.Name()))
				}
			}
			require.Zero(t, m.Used(), "%s: something is still open", msg)
		}
	}
}

func TestNthFails(t *testing.T) {
	eio := errors.New("the disk is broken")
	calls := func(hook func(vfs.Op) error) (failed []int) {
		for i := 1; i <= 5; i++ {
			if hook(vfs.Op{}) != nil {
				failed = append(failed, i)
			}
		}
		return failed
	}
	require.Equal(t, []int{3}, calls(vfs.NthFails(3, eio, false)))
	require.Equal(t, []int{3, 4, 5}, calls(vfs.NthFails(3, eio, true)))
	require.Empty(t, calls(vfs.NthFails(0, eio, true)))
}

func TestInjectShortWrite(t *testing.T) {
	m := vfs.NewMem()
	writes := vfs.Matching(vfs.Kinds(vfs.OpWrite, vfs.OpWriteAt, vfs.OpRead),
		vfs.NthFails(2, vfs.Short(3, syscall.ENOSPC), true))
	f, err := vfs.Inject(m, writes).OpenFile("/a", os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	put(t, f, "12345")
	n, err := f.Write([]byte("67890"))
	require.Equal(t, 3, n)
	requireFull(t, err)
	n, err = f.WriteAt([]byte("xy"), 0)
	require.Equal(t, 2, n, "no more than there is")
	requireFull(t, err)
	require.Equal(t, "xy345678", tree(t, m)["/a"])
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	b := make([]byte, 8)
	n, err = f.Read(b)
	require.Equal(t, "xy3", string(b[:n]))
	require.Error(t, err)
	require.NoError(t, f.Close())
}

func TestInjectAfter(t *testing.T) {
	m := vfs.NewMem()
	eio := errors.New("no answer")
	fsys := vfs.Inject(m, vfs.Matching(vfs.Kinds(vfs.OpRename, vfs.OpOpen), vfs.NthFails(2, vfs.After(eio), true)))
	f, err := fsys.OpenFile("/a", os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.ErrorIs(t, fsys.Rename("/a", "/b"), eio)
	_, err = fsys.OpenFile("/c", os.O_RDWR|os.O_CREATE, 0o600)
	require.ErrorIs(t, err, eio)
	require.Equal(t, map[string]string{"/b": "", "/c": ""}, tree(t, m), "it happened all the same")
	require.ErrorIs(t, fsys.Rename("/none", "/d"), fs.ErrNotExist, "a real error counts more")
}

func TestWrapTellsWhatTheCallerGets(t *testing.T) {
	var told []string
	eio := errors.New("the disk is broken")
	fsys := vfs.Wrap(vfs.NewMem(), vfs.Hooks{
		Before: vfs.Matching(vfs.Kinds(vfs.OpSync), vfs.NthFails(1, eio, true)),
		After:  func(op vfs.Op, err error) { told = append(told, fmt.Sprintf("%v %t", op.Kind, err == nil)) },
	})
	f, err := fsys.OpenFile("/a", os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	require.Error(t, f.Sync())
	_, err = fsys.Lstat("/none")
	require.Error(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, []string{"open true", "sync false", "lstat false", "close true"}, told)
}

// replace puts content into name such that a reader, and a power cut, find the
// old or the new one.
func replace(fsys vfs.FS, name, content string) error {
	f, err := fsys.OpenFile(name+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(name+".tmp", name); err != nil {
		return err
	}
	return fsys.SyncDir("/")
}

// A power cut, and a fault, before and after every operation: this is how what
// stands on vfs is tested.
func TestReplaceIsWholeAtEveryStop(t *testing.T) {
	whole := func(m *vfs.Mem, msg string, seed uint64) string {
		got := tree(t, m.Crash(newRand(seed), vfs.CrashOptions{}))["/name"]
		require.Contains(t, []string{"old", "newer"}, got, msg)
		return got
	}
	m := vfs.NewMem()
	require.NoError(t, replace(m, "/name", "old"))
	stops := 0
	cut := func(op vfs.Op) {
		stops++
		for seed := range uint64(20) {
			whole(m, op.String(), seed)
		}
	}
	fsys := vfs.Wrap(m, vfs.Hooks{
		Before: func(op vfs.Op) error { cut(op); return nil },
		After:  func(op vfs.Op, _ error) { cut(op) },
	})
	require.NoError(t, replace(fsys, "/name", "newer"))
	require.Equal(t, 12, stops)
	for seed := range uint64(100) {
		require.Equal(t, "newer", whole(m, "acknowledged", seed))
	}

	eio := errors.New("the disk is broken")
	for n := int64(1); n <= int64(stops)/2; n++ {
		for _, fault := range []error{eio, vfs.After(eio), vfs.Lost(eio), vfs.Short(2, eio)} {
			m := vfs.NewMem()
			require.NoError(t, replace(m, "/name", "old"))
			require.ErrorIs(t, replace(vfs.Inject(m, vfs.NthFails(n, fault, true)), "/name", "newer"), eio)
			for seed := range uint64(20) {
				whole(m, fmt.Sprintf("fault at %d", n), seed)
			}
		}
	}
}

// The same test notices each call that is left out.
func TestReplaceWithoutASyncIsNoticed(t *testing.T) {
	for _, missing := range []vfs.OpKind{vfs.OpSync, vfs.OpSyncDir} {
		m := vfs.NewMem()
		require.NoError(t, replace(m, "/name", "old"))
		skip := errors.New("left out")
		fsys := vfs.Inject(m, vfs.Matching(vfs.Kinds(missing), func(vfs.Op) error { return skip }))
		err := replace(fsys, "/name", "newer")
		require.ErrorIs(t, err, skip)
		if missing == vfs.OpSync {
			require.NoError(t, m.Rename("/name.tmp", "/name"))
			require.NoError(t, m.SyncDir("/"))
		}
		lost := 0
		for seed := range uint64(100) {
			if tree(t, m.Crash(newRand(seed), vfs.CrashOptions{}))["/name"] != "newer" {
				lost++
			}
		}
		require.Positive(t, lost, "%v", missing)
	}
}
