package vfstest

import (
	"io/fs"
	"os"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

func mapTests() []test {
	const size = 3 * 4096
	ring := func(e *env) vfs.File {
		f := e.open("ring", os.O_RDWR|os.O_CREATE)
		if !e.allocate(f, size, false) {
			require.NoError(e, f.Truncate(size))
		}
		return f
	}
	return []test{
		{"mapped memory is the file", func(e *env) {
			f := ring(e)
			_, err := f.WriteAt([]byte("before"), 4090)
			require.NoError(e, err)
			m, err := e.Map(f, size)
			require.NoError(e, err)
			b := m.Bytes()
			require.Len(e, b, size)
			require.Equal(e, "before", string(b[4090:4096]))
			copy(b[4094:], "through")
			got := make([]byte, 11)
			_, err = f.ReadAt(got, 4090)
			require.NoError(e, err)
			require.Equal(e, "befothrough", string(got))
			_, err = f.WriteAt([]byte("by file"), 8190)
			require.NoError(e, err)
			require.Equal(e, "by file", string(b[8190:8197]))
			require.NoError(e, f.Sync())
			require.NoError(e, m.Unmap())
			require.NoError(e, m.Unmap())
		}},
		{"a mapping outlives its file", func(e *env) {
			f := ring(e)
			m, err := e.Map(f, size)
			require.NoError(e, err)
			require.NoError(e, f.Close())
			copy(m.Bytes()[100:], "still")
			require.Equal(e, "still", e.read("ring")[100:105])
			require.NoError(e, m.Unmap())
			require.Equal(e, "still", e.read("ring")[100:105])
		}},
		{"mappings share memory", func(e *env) {
			f := ring(e)
			first, err := e.Map(f, size)
			require.NoError(e, err)
			second, err := e.Map(e.open("ring", os.O_RDWR), 4096)
			require.NoError(e, err)
			copy(first.Bytes(), "shared")
			require.Equal(e, "shared", string(second.Bytes()[:6]))
			require.Len(e, second.Bytes(), 4096)
			require.NoError(e, first.Unmap())
			require.Equal(e, "shared", string(second.Bytes()[:6]))
			require.NoError(e, second.Unmap())
		}},
		{"mapped again after unmapping", func(e *env) {
			f := ring(e)
			m, err := e.Map(f, 4096)
			require.NoError(e, err)
			copy(m.Bytes(), "first")
			require.NoError(e, m.Unmap())
			m, err = e.Map(f, size)
			require.NoError(e, err)
			require.Equal(e, "first", string(m.Bytes()[:5]))
			copy(m.Bytes()[2*4096:], "second")
			require.NoError(e, m.Unmap())
			require.Equal(e, "first"+strings.Repeat("\x00", 2*4096-5)+"second"+strings.Repeat("\x00", 4096-6), e.read("ring"))
		}},
		{"what cannot be mapped", func(e *env) {
			f := ring(e)
			_, err := e.Map(f, size+1)
			require.ErrorIs(e, err, fs.ErrInvalid)
			_, err = e.Map(f, 0)
			require.ErrorIs(e, err, fs.ErrInvalid)
			_, err = e.Map(e.open("ring", os.O_RDONLY), 4096)
			require.Error(e, err)
			require.NoError(e, f.Close())
			_, err = e.Map(f, size)
			require.ErrorIs(e, err, fs.ErrClosed)
		}},
	}
}
