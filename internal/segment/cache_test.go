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
