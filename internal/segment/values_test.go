package segment

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// A list of values becomes, byte for byte, what a table of them becomes, in which they
// are looked up one by one.
func TestValueList(t *testing.T) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	defer z.Close()
	rng := rand.New(rand.NewPCG(4, 4))
	for name, value := range map[string]func() string{
		"numbers":            func() string { return fmt.Sprint(100_000 + rng.IntN(5000)) },
		"of several lengths": func() string { return fmt.Sprint(rng.IntN(1 << (4 + rng.IntN(12)))) },
		"with a beginning":   func() string { return fmt.Sprintf("SKU-%05d", rng.IntN(3000)) },
		"with two":           func() string { return fmt.Sprintf("%s-%07d", []string{"SKU", "SKU-NEW"}[rng.IntN(2)], rng.IntN(3000)) },
		"one":                func() string { return "all the same, and not short" },
		"few": func() string {
			return []string{"", "a", "a\x00", "a\x00\x00", "\xff", "ab", "1234567", "12345678", "123456789"}[rng.IntN(9)]
		},
		"each shorter": func() string { return strings.Repeat("x", 120-rng.IntN(rng.IntN(118)+1)) },
		"bytes": func() string {
			return strings.Repeat("k", rng.IntN(3)) + string([]byte{byte(rng.IntN(4)), byte(rng.IntN(256))})
		},
		"long, alike": func() string {
			return fmt.Sprintf("https://shop.example.com/%s/items/%d", strings.Repeat("v", rng.IntN(3)), rng.IntN(900))
		},
		"too long, sometimes": func() string { return strings.Repeat(fmt.Sprint(rng.IntN(10)), 110+rng.IntN(30)) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, most := range []int{mostEntries, 1000} {
				const rows = 4000
				table, list := newTermTable(1<<20), newValueList(1<<20, rows)
				list.most = most
				for row := range uint32(rows) {
					for range rng.IntN(4) {
						v := value()
						for range 1 + rng.IntN(2) {
							table.add([]byte(v), row)
							list.add(v, row)
						}
					}
				}
				wantRows, gotRows := newPostingWriter(rows), newPostingWriter(rows)
				want, ok := table.encode(wantRows, z)
				require.True(t, ok)
				got, ok := list.encode(gotRows, z)
				require.True(t, ok)
				require.True(t, bytes.Equal(want, got))
				require.True(t, bytes.Equal(wantRows.finish(), gotRows.finish()))
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		want, ok := newTermTable(100).encode(newPostingWriter(5), z)
		require.True(t, ok)
		got, ok := newValueList(100, 5).encode(newPostingWriter(5), z)
		require.True(t, ok)
		require.Equal(t, want, got)
	})
	t.Run("too many bytes of values", func(t *testing.T) {
		for _, most := range []int{mostEntries, 20} {
			for n, fits := range map[int]bool{10: true, 11: false} {
				list := newValueList(10*9, 44)
				list.most = most
				for row := range uint32(44) {
					list.add(fmt.Sprintf("value-%03d", int(row)%n), row)
				}
				_, ok := list.encode(newPostingWriter(44), z)
				require.Equal(t, fits, ok)
			}
		}
	})
	t.Run("keys are in the order of values", func(t *testing.T) {
		l := newValueList(1<<20, 0)
		var want []string
		for range 5000 {
			v := string([]byte{byte(rng.IntN(3)), byte(rng.IntN(3)), byte(rng.IntN(256))}[:rng.IntN(4)]) + strings.Repeat("\x00", rng.IntN(9))
			l.add(v, 0)
			want = append(want, v)
		}
		slices.Sort(want)
		var got []string
		l.sort()
		for i := range l.entries {
			got = append(got, string(l.value(nil, &l.entries[i])))
		}
		require.Equal(t, want, got)
	})
}

// Terms that begin alike, as numbers and ids do, have hashes that do not: to find one
// of them takes a few looks.
func TestTermHashes(t *testing.T) {
	for _, form := range []string{"%08d", "id-%05d", "%05d-id", "%x", "order-%06d", "%d"} {
		whole, places := map[uint32]bool{}, map[uint32]bool{}
		const n = 90_000
		for i := range n {
			v := fmt.Appendf(nil, form, i)
			h := hashTerm(headOf(v), v)
			whole[h], places[h%(1<<18)] = true, true
		}
		require.Greater(t, len(whole), n-n/1000, form)
		require.Greater(t, len(places), n*8/10, form) // 0.85 of them, for hashes like dice
	}
}
