package vfstest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

func fileTests() []test {
	return []test{
		{"append", func(e *env) {
			e.write("a", "1")
			f := e.open("a", os.O_WRONLY|os.O_APPEND)
			other := e.open("a", os.O_WRONLY|os.O_APPEND)
			e.print(f, "2")
			e.print(other, "3")
			e.print(f, "4")
			require.Equal(e, "1234", e.read("a"))
			_, err := f.WriteAt([]byte("x"), 0)
			require.Error(e, err)
			require.NoError(e, f.Truncate(2))
			e.print(f, "5")
			require.Equal(e, "125", e.read("a"))
		}},
		{"read at", func(e *env) {
			e.write("a", "0123456789")
			f := e.open("a", os.O_RDONLY)
			b := make([]byte, 4)
			n, err := f.ReadAt(b, 3)
			require.NoError(e, err)
			require.Equal(e, "3456", string(b[:n]))
			n, err = f.ReadAt(b, 8)
			require.ErrorIs(e, err, io.EOF)
			require.Equal(e, "89", string(b[:n]))
			n, err = f.ReadAt(b, 10)
			require.ErrorIs(e, err, io.EOF)
			require.Zero(e, n)
			_, err = f.ReadAt(b, -1)
			require.Error(e, err)
			n, err = f.ReadAt(nil, 3)
			require.NoError(e, err)
			require.Zero(e, n)
		}},
		{"seek", func(e *env) {
			f := e.open("a", os.O_RDWR|os.O_CREATE)
			e.print(f, "0123456789")
			at, err := f.Seek(-3, io.SeekEnd)
			require.NoError(e, err)
			require.Equal(e, int64(7), at)
			b := make([]byte, 2)
			_, err = io.ReadFull(f, b)
			require.NoError(e, err)
			require.Equal(e, "78", string(b))
			at, err = f.Seek(-5, io.SeekCurrent)
			require.NoError(e, err)
			require.Equal(e, int64(4), at)
			e.print(f, "x")
			_, err = f.Seek(-1, io.SeekStart)
			require.Error(e, err)
			at, err = f.Seek(0, io.SeekStart)
			require.NoError(e, err)
			require.Zero(e, at)
			all, err := io.ReadAll(f)
			require.NoError(e, err)
			require.Equal(e, "0123x56789", string(all))
		}},
		{"write past the end leaves NUL bytes", func(e *env) {
			f := e.open("a", os.O_RDWR|os.O_CREATE)
			n, err := f.WriteAt([]byte("end"), 9000)
			require.NoError(e, err)
			require.Equal(e, 3, n)
			require.Equal(e, strings.Repeat("\x00", 9000)+"end", e.read("a"))
			_, err = f.WriteAt([]byte("x"), -1)
			require.Error(e, err)
		}},
		{"large writes come back", func(e *env) {
			want := strings.Repeat("0123456789", 10_000)
			f := e.open("a", os.O_RDWR|os.O_CREATE)
			e.print(f, want[:5])
			e.print(f, want[5:50_001])
			e.print(f, want[50_001:])
			require.Equal(e, want, e.read("a"))
		}},
		{"truncate", func(e *env) {
			f := e.open("a", os.O_RDWR|os.O_CREATE)
			e.print(f, strings.Repeat("x", 10_000))
			require.NoError(e, f.Truncate(5000))
			require.Equal(e, int64(5000), e.size("a"))
			require.NoError(e, f.Truncate(9000))
			require.Equal(e, strings.Repeat("x", 5000)+strings.Repeat("\x00", 4000), e.read("a"))
			require.NoError(e, f.Truncate(9000))
			require.Error(e, f.Truncate(-1))
			require.NoError(e, f.Truncate(0))
			require.Equal(e, "", e.read("a"))
		}},
		{"allocate keeps the size", func(e *env) {
			f := e.open("a", os.O_RDWR|os.O_CREATE|os.O_APPEND)
			e.print(f, "x")
			e.allocate(f, 100_000, true)
			require.Equal(e, int64(1), e.size("a"))
			e.print(f, "y")
			require.Equal(e, "xy", e.read("a"))
			require.NoError(e, f.Allocate(0, true))
		}},
		{"allocate sets the size", func(e *env) {
			f := e.open("a", os.O_RDWR|os.O_CREATE)
			e.print(f, "x")
			if e.allocate(f, 10_000, false) {
				require.Equal(e, "x"+strings.Repeat("\x00", 9999), e.read("a"))
				require.NoError(e, f.Allocate(100, false))
				require.Equal(e, int64(10_000), e.size("a"))
			}
		}},
		{"sync", func(e *env) {
			f := e.open("a", os.O_RDWR|os.O_CREATE)
			e.print(f, "x")
			require.NoError(e, f.Sync())
			require.NoError(e, f.Sync())
			require.NoError(e, e.SyncDir(e.path()))
			require.Equal(e, "x", e.read("a"))
		}},
		{"stat", func(e *env) {
			f := e.open("a", os.O_RDWR|os.O_CREATE)
			e.print(f, "four")
			fi, err := f.Stat()
			require.NoError(e, err)
			require.Equal(e, "a", fi.Name())
			require.Equal(e, int64(4), fi.Size())
			require.True(e, fi.Mode().IsRegular())
			require.False(e, fi.ModTime().IsZero())
			require.Equal(e, e.path("a"), f.Name())
			e.print(f, "more")
			require.Equal(e, int64(4), fi.Size(), "a description does not change")
		}},
		{"many goroutines on one file", func(e *env) {
			const writers, lines = 4, 200
			var all sync.WaitGroup
			for w := range writers {
				f := e.open("a", os.O_WRONLY|os.O_APPEND|os.O_CREATE)
				reader := e.open("a", os.O_RDONLY)
				all.Go(func() {
					b := make([]byte, 64)
					for i := range lines {
						_, err := fmt.Fprintf(f, "%d %03d\n", w, i)
						require.NoError(e, err)
						_, err = reader.ReadAt(b, int64(i))
						if !errors.Is(err, io.EOF) {
							require.NoError(e, err)
						}
					}
				})
			}
			all.Wait()
			next := make([]int, writers)
			for line := range strings.Lines(e.read("a")) {
				var w, i int
				_, err := fmt.Sscanf(line, "%d %03d\n", &w, &i)
				require.NoError(e, err)
				require.Equal(e, next[w], i)
				next[w]++
			}
			require.Equal(e, []int{lines, lines, lines, lines}, next)
		}},
	}
}

// allocate reports false where blocks cannot be reserved at all.
func (e *env) allocate(f vfs.File, size int64, keepSize bool) bool {
	e.Helper()
	err := f.Allocate(size, keepSize)
	if errors.Is(err, vfs.ErrNotSupported) {
		return false
	}
	require.NoError(e, err)
	return true
}
