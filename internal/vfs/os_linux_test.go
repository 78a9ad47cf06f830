package vfs_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/steplog/steplog/internal/vfs"
)

func TestOSAllocateTakesBlocks(t *testing.T) {
	for _, keepSize := range []bool{false, true} {
		name := filepath.Join(t.TempDir(), "a")
		f, err := vfs.OS().OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		require.NoError(t, err)
		require.NoError(t, f.Allocate(1<<20, keepSize))
		fi, err := f.Stat()
		require.NoError(t, err)
		require.GreaterOrEqual(t, fi.Sys().(*syscall.Stat_t).Blocks*512, int64(1<<20))
		require.Equal(t, !keepSize, fi.Size() == 1<<20)
		require.NoError(t, f.Close())
	}
}

// A process that is being started has every file of ours open until it is another
// program. A lock that was given back in that moment is free all the same.
func TestOSLockIsGivenBackWhileAProcessStarts(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	held, err := vfs.OS().Lock(name)
	require.NoError(t, err)
	inherited := -1
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, e := range entries {
		if path, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && path == name {
			fd, err := strconv.Atoi(e.Name())
			require.NoError(t, err)
			inherited, err = syscall.Dup(fd)
			require.NoError(t, err)
		}
	}
	require.Positive(t, inherited)
	defer syscall.Close(inherited)
	require.True(t, vfs.Locked(vfs.OS(), name))
	_, err = vfs.OS().Lock(name)
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.NoError(t, held.Close())
	require.False(t, vfs.Locked(vfs.OS(), name))
	again, err := vfs.OS().Lock(name)
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

// A kernel, or a filter of system calls, that is older than renameat2 says ENOSYS, and a
// filter that lists what is allowed most often EPERM.
func TestOSRenamesWithoutTheCallForIt(t *testing.T) {
	for _, refusal := range []syscall.Errno{unix.ENOSYS, unix.EPERM} {
		dir := t.TempDir()
		from, to := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		require.NoError(t, os.WriteFile(from, []byte("a"), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "there"), []byte("there"), 0o600))
		onto, renamed := make(chan error, 1), make(chan error, 1)
		go func() {
			runtime.LockOSThread() // for good: the thread ends here, and the filter with it
			if err := refuse(unix.SYS_RENAMEAT2, refusal); err != nil {
				onto <- err
				return
			}
			onto <- vfs.OS().RenameNew(from, filepath.Join(dir, "there"))
			renamed <- vfs.OS().RenameNew(from, to)
		}()
		require.ErrorIs(t, <-onto, fs.ErrExist)
		require.NoError(t, <-renamed)
		content, err := os.ReadFile(to)
		require.NoError(t, err)
		require.Equal(t, "a", string(content))
		require.NoFileExists(t, from)
	}
}

// refuse has a system call fail for the thread that calls it; see seccomp(2).
func refuse(call uint32, err syscall.Errno) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(err)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

func TestOSKind(t *testing.T) {
	require.Empty(t, vfs.OS().Kind("/proc"), "not a place for logs")
	if fi, err := os.Stat("/dev/shm"); err == nil && fi.IsDir() {
		require.Equal(t, "tmpfs", vfs.OS().Kind("/dev/shm/none"))
	}
}

func TestPopulateChangesNothing(t *testing.T) {
	f, err := vfs.OS().OpenFile(filepath.Join(t.TempDir(), "a"), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Allocate(4*4096, false))
	m, err := vfs.OS().Map(f, 4*4096)
	require.NoError(t, err)
	defer m.Unmap()
	m.Bytes()[4096] = 'x'
	before := bytes.Clone(m.Bytes())
	vfs.Populate(m, 4096, 3*4096)
	require.Equal(t, before, m.Bytes())
}
