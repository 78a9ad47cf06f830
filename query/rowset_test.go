package query

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRowSets(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		list := func(n int) []uint32 {
			rows := []uint32{}
			for range n {
				rows = append(rows, rnd.Uint32N(2000))
			}
			return sorted(rows, 2, 2000)
		}
		a, b := list(rnd.IntN(40)), list(rnd.IntN(1500))
		require.True(t, slices.IsSorted(b))
		var both, rest []uint32
		for _, row := range a {
			if slices.Contains(b, row) {
				both = append(both, row)
			} else {
				rest = append(rest, row)
			}
		}
		require.ElementsMatch(t, both, intersect(b, a))
		require.ElementsMatch(t, both, intersect(a, b))
		require.ElementsMatch(t, rest, subtract(a, b))
	}
}
