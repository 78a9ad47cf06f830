package vfstest

import (
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

func lockTests() []test {
	return []test{
		{"a lock is held once", func(e *env) {
			first, err := e.Lock(e.path("lock"))
			require.NoError(e, err)
			e.requireMode(0o600, "lock")
			_, err = e.Lock(e.path("lock"))
			require.ErrorIs(e, err, vfs.ErrLocked)
			other, err := e.Lock(e.path("other"))
			require.NoError(e, err)
			require.NoError(e, first.Close())
			require.False(e, vfs.Locked(e.FS, e.path("lock")))
			second, err := e.Lock(e.path("lock"))
			require.NoError(e, err)
			tells := vfs.Locked(e.FS, e.path("other"))
			require.Equal(e, tells, vfs.Locked(e.FS, e.path("lock")))
			require.Equal(e, tells, vfs.Locked(e.FS, e.path("lock")), "asking changes nothing")
			_, err = e.Lock(e.path("lock"))
			require.ErrorIs(e, err, vfs.ErrLocked)
			require.NoError(e, second.Close())
			require.NoError(e, other.Close())
			require.False(e, vfs.Locked(e.FS, e.path("lock")) || vfs.Locked(e.FS, e.path("none")))
			require.Equal(e, []string{"lock", "other"}, e.names())
		}},
		{"a lock leaves its file as it is", func(e *env) {
			e.write("lock", "content")
			l, err := e.Lock(e.path("lock"))
			require.NoError(e, err)
			require.NoError(e, l.Close())
			require.Equal(e, "content", e.read("lock"))
		}},
		{"a lock in a missing folder", func(e *env) {
			_, err := e.Lock(e.path("none", "lock"))
			require.Error(e, err)
			require.NotErrorIs(e, err, vfs.ErrLocked)
		}},
		{"a lock goes to one of many", func(e *env) {
			var held, tries atomic.Int32
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					l, err := e.Lock(e.path("lock"))
					tries.Add(1)
					if err != nil {
						require.ErrorIs(e, err, vfs.ErrLocked)
						return
					}
					held.Add(1)
					for tries.Load() < 8 {
						other, err := e.Lock(e.path("lock"))
						require.ErrorIs(e, err, vfs.ErrLocked)
						require.Nil(e, other)
					}
					require.NoError(e, l.Close())
				})
			}
			all.Wait()
			require.Equal(e, int32(1), held.Load())
		}},
	}
}
