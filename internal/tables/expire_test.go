package tables_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/tables"
)

// sizeOf returns how much is saved of the tables, false while that cannot be.
func (f *folder) sizeOf(t testing.TB) (size int64, ok bool) {
	t.Helper()
	c, ok := f.Cut(1 << 20)
	if !ok {
		return 0, false
	}
	defer c.Done()
	size, err := c.Write(discard{}, notStored)
	require.NoError(t, err)
	return size, true
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// Runs of which some expired are not saved: nobody would know later with which file the
// others go.
func TestNothingIsSavedWhileRunsExpire(t *testing.T) {
	t.Parallel()
	f := newFolder()
	f.publish(f.NewSegment("user", "user.log"), run(1<<20), nil)
	usage := f.NewSegment(tables.Usage, "usage.log")
	for i := range 20_000 {
		f.publish(usage, run(i), start)
		f.publish(usage, run(i), end)
	}
	x := f.sidecarOf(t, usage)
	f.Renamed(usage, "usage-2026.log")
	require.True(t, f.Swap(usage, x))
	f.Runs.Settle(true)
	before, ok := f.sizeOf(t)
	require.True(t, ok)
	var sizes []int64
	var removed atomic.Bool
	go func() {
		f.Remove(usage)
		removed.Store(true)
	}()
	for !removed.Load() {
		if size, ok := f.sizeOf(t); ok {
			sizes = append(sizes, size)
		}
	}
	after, ok := f.sizeOf(t)
	require.True(t, ok)
	require.Less(t, after, before/100)
	for _, size := range sizes {
		require.Contains(t, []int64{before, after}, size)
	}
}

// What a host says of its projects is given up with the lines of which they are, where
// nothing runs.
func TestProjectsGoWithTheirLines(t *testing.T) {
	t.Parallel()
	f := newFolder()
	for day := range 30 {
		user := f.NewSegment("user", "user.log")
		for i := range 300 {
			f.publish(user, line.Identity{Server: "s", Project: fmt.Sprint("project ", day, " ", i)}, nil)
		}
		x := f.sidecarOf(t, user)
		f.Renamed(user, fmt.Sprintf("user-%02d.log", day))
		require.True(t, f.Swap(user, x))
	}
	size, ok := f.sizeOf(t)
	require.True(t, ok)
	require.Less(t, size, int64(2*1024*50))
}
