package vfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

func requireFull(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, syscall.ENOSPC)
	var pe *fs.PathError
	require.ErrorAs(t, err, &pe)
}

func TestMemRunsFull(t *testing.T) {
	m := vfs.NewMem()
	m.SetSpace(3*4096 + 100)
	f := create(t, m, "/a")
	n, err := f.Write(bytes.Repeat([]byte("x"), 2*4096+10))
	require.NoError(t, err)
	require.Equal(t, 2*4096+10, n)
	require.Equal(t, int64(3*4096), m.Used())

	n, err = f.Write(bytes.Repeat([]byte("y"), 5000))
	requireFull(t, err)
	require.Equal(t, 4096-10, n, "what fits is written")
	fi, err := f.Stat()
	require.NoError(t, err)
	require.Equal(t, int64(3*4096), fi.Size())
	n, err = f.Write([]byte("z"))
	requireFull(t, err)
	require.Zero(t, n)

	_, err = f.WriteAt([]byte("over"), 5)
	require.NoError(t, err, "blocks that are there can be written again")
	create(t, m, "/empty")
	g := create(t, m, "/b")
	_, err = g.WriteAt([]byte("x"), 100_000)
	requireFull(t, err)
	require.Empty(t, tree(t, m)["/b"])
	requireFull(t, g.Allocate(1, true))

	require.NoError(t, f.Truncate(4096))
	require.Equal(t, int64(4096), m.Used())
	_, err = g.Write([]byte("x"))
	require.NoError(t, err)
	m.SetSpace(-1)
	_, err = g.Write(bytes.Repeat([]byte("x"), 1<<20))
	require.NoError(t, err)
}

func TestMemAllocatedBlocksCount(t *testing.T) {
	m := vfs.NewMem()
	m.SetSpace(4 * 4096)
	f := create(t, m, "/a")
	requireFull(t, f.Allocate(5*4096, true))
	require.Zero(t, m.Used(), "all or nothing")
	require.NoError(t, f.Allocate(3*4096, true))
	require.Equal(t, int64(3*4096), m.Used())
	g := create(t, m, "/b")
	_, err := g.Write(make([]byte, 2*4096))
	requireFull(t, err)
	_, err = f.Write(make([]byte, 3*4096))
	require.NoError(t, err, "allocated blocks need no space")
	require.NoError(t, f.Truncate(1))
	require.Equal(t, int64(2*4096), m.Used())
}

func TestMemGivesSpaceBackWhenNobodyHoldsAFile(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "/a")
	put(t, f, strings.Repeat("x", 3*4096))
	require.NoError(t, f.Truncate(2*4096))
	mapping, err := m.Map(f, 4096)
	require.NoError(t, err)
	require.NoError(t, m.Remove("/a"))
	require.Equal(t, int64(2*4096), m.Used())
	require.NoError(t, f.Close())
	require.Equal(t, int64(2*4096), m.Used())
	require.NoError(t, mapping.Unmap())
	require.Zero(t, m.Used())

	g := create(t, m, "/b")
	put(t, g, "x")
	require.NoError(t, g.Close())
	create(t, m, "/c")
	require.NoError(t, m.Rename("/c", "/b"))
	require.Zero(t, m.Used(), "a file that was replaced")
}

func TestMemMapFillsHoles(t *testing.T) {
	m := vfs.NewMem()
	m.SetSpace(4096)
	f := create(t, m, "/a")
	require.NoError(t, f.Truncate(2*4096))
	_, err := m.Map(f, 2*4096)
	requireFull(t, err)
	require.Zero(t, m.Used())
	mapping, err := m.Map(f, 4096)
	require.NoError(t, err)
	require.Equal(t, int64(4096), m.Used())
	require.NoError(t, mapping.Unmap())
}

func TestMemRefusesALargerMappingOverASmallerOne(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "/a")
	require.NoError(t, f.Allocate(3*4096, false))
	small, err := m.Map(f, 4096)
	require.NoError(t, err)
	_, err = m.Map(f, 2*4096)
	require.ErrorIs(t, err, vfs.ErrNotSupported)
	require.NoError(t, small.Unmap())
	other := vfs.NewMem()
	_, err = other.Map(f, 4096)
	require.ErrorIs(t, err, vfs.ErrNotSupported)
	_, err = vfs.OS().Map(f, 4096)
	require.ErrorIs(t, err, vfs.ErrNotSupported)
}

func TestMemASyncThatLostItsPages(t *testing.T) {
	m := vfs.NewMem()
	eio := errors.New("the disk is broken")
	fail := vfs.NthFails(2, vfs.Lost(eio), false)
	fsys := vfs.Inject(m, vfs.Matching(vfs.Kinds(vfs.OpSync), fail))
	f, err := fsys.OpenFile("/a", os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	ring, err := fsys.OpenFile("/ring", os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	require.NoError(t, fsys.SyncDir("/"))
	put(t, f, strings.Repeat("1", 4096))
	require.NoError(t, f.Sync())
	put(t, f, strings.Repeat("2", 4096))
	require.ErrorIs(t, f.Sync(), eio)
	require.NoError(t, f.Sync(), "the pages count as clean")
	require.Equal(t, strings.Repeat("1", 4096)+strings.Repeat("2", 4096), tree(t, m)["/a"])
	for _, o := range []vfs.CrashOptions{{}, {Unsynced: vfs.SurviveAll}} {
		require.Equal(t, strings.Repeat("1", 4096)+strings.Repeat("\x00", 4096), tree(t, m.Crash(newRand(1), o))["/a"])
	}
	m.WriteBack(newRand(1))
	require.Equal(t, strings.Repeat("1", 4096)+strings.Repeat("\x00", 4096),
		tree(t, m.Crash(nil, vfs.CrashOptions{}))["/a"])

	_, err = f.WriteAt([]byte("3"), 5000)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.Equal(t, strings.Repeat("1", 4096)+strings.Repeat("\x00", 4096), tree(t, m.Crash(nil, vfs.CrashOptions{}))["/a"],
		"a page that never was on the disk does not get there")
	require.NoError(t, f.Truncate(4096))
	_, err = f.WriteAt([]byte("4"), 4096)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.Equal(t, strings.Repeat("1", 4096)+"4", tree(t, m.Crash(nil, vfs.CrashOptions{}))["/a"],
		"one that was cut off and comes anew does")

	require.NoError(t, ring.Allocate(4096, false))
	mapping, err := fsys.Map(ring, 4096)
	require.NoError(t, err)
	copy(mapping.Bytes(), "old")
	require.NoError(t, ring.Sync())
	copy(mapping.Bytes(), "one")
	failing := vfs.Inject(m, vfs.Matching(vfs.Kinds(vfs.OpSync), vfs.NthFails(1, vfs.Lost(eio), false)))
	again, err := failing.OpenFile("/ring", os.O_RDWR, 0)
	require.NoError(t, err)
	require.ErrorIs(t, again.Sync(), eio)
	require.NoError(t, again.Sync())
	require.Equal(t, "old", tree(t, m.Crash(nil, vfs.CrashOptions{}))["/ring"][:3])
	copy(mapping.Bytes(), "two")
	require.NoError(t, again.Sync())
	require.Equal(t, "two", tree(t, m.Crash(nil, vfs.CrashOptions{}))["/ring"][:3], "a page that is written again is dirty again")
	require.NoError(t, mapping.Unmap())
	for _, c := range []vfs.File{f, ring, again} {
		require.NoError(t, c.Close())
	}
}
