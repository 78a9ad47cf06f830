package runs_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/runs"
)

// Slots are found under their ids, and only those, after whatever was added and removed,
// and after the index was saved.
func TestIDs(t *testing.T) {
	const slots = 5_000
	rnd := rand.New(rand.NewPCG(7, 7))
	ids, want := runs.NewIDs(), map[uint32]string{}
	name := func(slot uint32) string { return fmt.Sprint("id-", slot/2) } // two slots each
	check := func(ids *runs.IDs) {
		t.Helper()
		_, taken := ids.Places()
		require.Equal(t, len(want), taken)
		for slot := range uint32(slots) {
			got, ok := ids.Find(name(slot), func(s uint32) bool { return s == slot })
			require.Equal(t, want[slot] != "", ok)
			if ok {
				require.Equal(t, slot, got)
			}
		}
		_, ok := ids.Find("none", func(uint32) bool { return true })
		require.False(t, ok)
	}
	check(ids)
	ids.Remove("none", 1)
	for round := range 6 {
		for range slots {
			if slot := rnd.Uint32N(slots); want[slot] == "" {
				ids.Add(name(slot), slot)
				want[slot] = name(slot)
			}
		}
		check(ids)
		for _, slot := range slices.Sorted(maps.Keys(want)) {
			if rnd.IntN(6) < round {
				ids.Remove(name(slot), slot)
				ids.Remove(name(slot), slot)
				delete(want, slot)
			}
		}
		check(ids)
		check(ids.Saved(slots, func(b []byte) []byte { return b }))
	}
}

// What is not an index as it was saved is not taken for one.
func TestSavedIDsThatAreDamaged(t *testing.T) {
	ids := runs.NewIDs()
	for slot := range uint32(1000) {
		ids.Add(fmt.Sprint(slot), slot)
	}
	whole := func(b []byte) []byte { return b }
	require.NotNil(t, ids.Saved(1000, whole))
	require.Nil(t, ids.Saved(999, whole), "a slot that is none")
	for _, size := range []int{0, 1, 255, 256, 1023, 1024, 1031, 1032} {
		require.Nil(t, ids.Saved(1000, func(b []byte) []byte { return b[:size] }), "%d bytes", size)
	}
	require.Nil(t, ids.Saved(1000, func(b []byte) []byte { return b[:len(b)-8] }))
	require.Nil(t, ids.Saved(1000, func(b []byte) []byte { return append(b, make([]byte, 8)...) }))
	for at := range 4 * 256 {
		require.Nil(t, ids.Saved(1000, func(b []byte) []byte {
			b[at] ^= 0x21
			return b
		}), "byte %d of the sizes", at)
	}
	require.Nil(t, ids.Saved(1000, func(b []byte) []byte {
		for i := 4 * 256; i < len(b); i++ {
			b[i] |= 1
		}
		return b
	}), "no place is free")
}

// However many ids there are, those that are entered anew at a time, while all wait, are few.
func TestIDsGrowInParts(t *testing.T) {
	ids, before := runs.NewIDs(), 0
	for slot := range uint32(300_000) {
		ids.Add(fmt.Sprint(slot), slot)
		all, taken := ids.Places()
		require.LessOrEqual(t, all-before, max(64, taken/32))
		before = all
	}
	all, taken := ids.Places()
	require.Equal(t, 300_000, taken)
	require.Less(t, all, 3*taken)
}
