package segment_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/segment"
)

func TestCache(t *testing.T) {
	c := segment.NewCache(1000)
	_, sidecar := seal(t, workflow(40, 1), segment.Options{Format: block.Gzip})
	x, err := segment.Read(sidecar, c)
	require.NoError(t, err)
	decoded := 0
	get := func(n int) {
		b, err := x.Held().Block(n, func() ([]byte, error) {
			decoded++
			return make([]byte, 300), nil
		})
		require.NoError(t, err)
		require.Len(t, b, 300)
		require.LessOrEqual(t, c.Used(), int64(1000))
	}
	for _, n := range []int{1, 2, 3, 1, 2, 3, 4, 2, 3} {
		get(n)
	}
	require.Equal(t, 4, decoded)
	get(1)
	require.Equal(t, 5, decoded, "it was the least recently used")

	other, err := segment.Read(sidecar, c)
	require.NoError(t, err)
	_, err = other.Held().Block(1, func() ([]byte, error) { return make([]byte, 100), nil })
	require.NoError(t, err)
	x.Held().Release()
	require.Equal(t, int64(100), c.Used(), "only its own is given up")
	get(1)
	require.Equal(t, int64(100), c.Used(), "a query that still has it keeps nothing")
}

// Terms are the same for many at once, whether they are kept, given up meanwhile, or
// never fit.
func TestCacheOfMany(t *testing.T) {
	_, sidecar := seal(t, workflow(6000, 9), segment.Options{Format: block.Gzip, Fields: fields})
	all, err := segment.Read(sidecar, segment.NewCache(0))
	require.NoError(t, err)
	refs := func(x *segment.Index, n int) segment.Ref {
		c, err := x.Field("sku")
		require.NoError(t, err)
		require.True(t, c.Dictionary())
		ref, err := c.Lookup(fmt.Sprintf("SKU-%05d", n))
		require.NoError(t, err)
		return ref
	}
	var want [300]segment.Ref
	for i := range want {
		want[i] = refs(all, i*66)
	}
	require.True(t, slices.ContainsFunc(want[:], func(r segment.Ref) bool { return r.Rows > 1 }))
	for _, budget := range []int64{1, 5_000, 20_000, 1 << 30} {
		cache := segment.NewCache(budget)
		one, err := segment.Read(sidecar, cache)
		require.NoError(t, err)
		two, err := segment.Read(sidecar, cache)
		require.NoError(t, err)
		var group sync.WaitGroup
		for g := range 4 {
			group.Go(func() {
				for i := range want {
					i = (i*7919 + g*499) % len(want)
					x := one
					if i%3 == 0 {
						x = two
					}
					if ref := refs(x, i*66); ref != want[i] {
						t.Errorf("budget %d: %v, not %v", budget, ref, want[i])
					}
					if i == 100 && g == 3 {
						two.Held().Release()
					}
				}
			})
		}
		group.Wait()
		require.LessOrEqual(t, cache.Used(), budget)
		one.Held().Release()
		require.Zero(t, cache.Used())
	}
}
