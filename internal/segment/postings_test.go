package segment_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/segment"
)

// TestPostings asks for words that stand in many and in few lines, evenly and not.
func TestPostings(t *testing.T) {
	const n = 20_011
	rnd := rand.New(rand.NewPCG(8, 8))
	shapes := []struct {
		word string
		in   func(i int) bool
	}{
		{"each", func(int) bool { return true }},
		{"second", func(i int) bool { return i%2 == 1 }},
		{"third", func(i int) bool { return i%3 == 0 }},
		{"thirdandtwice", func(i int) bool { return i%3 == 0 || i%300 == 1 }}, // a bitmap is shorter
		{"thesame", func(i int) bool { return i%3 == 0 || i%300 == 1 }},
		{"lastofthem", func(i int) bool { return i%3 == 1 || i%300 == 2 }},
		{"burst", func(i int) bool { return i < 50 || i == n-1 }},
		{"late", func(i int) bool { return i > n-100 }},
		{"twofarapart", func(i int) bool { return i == 0 || i == n-1 }},
		{"some", func(int) bool { return rnd.IntN(5) == 0 }},
		{"few", func(int) bool { return rnd.IntN(500) == 0 }},
	}
	var text []byte
	want := map[string][]uint32{}
	for i := range n {
		text = fmt.Appendf(text, `{"seq":%d,"run":"r","message":"`, i+1)
		for _, s := range shapes {
			if s.in(i) {
				text = append(append(text, s.word...), ' ')
				want[s.word] = append(want[s.word], uint32(i))
			}
		}
		text = append(text, "\"}\n"...)
	}
	_, sidecar := seal(t, text, segment.Options{Format: block.Gzip})
	x := read(t, sidecar)
	message, err := x.Message()
	require.NoError(t, err)
	for word, rows := range want {
		ref, err := message.Lookup(word)
		require.NoError(t, err)
		got, err := x.Rows([]uint32{7}, ref)
		require.NoError(t, err)
		require.Equal(t, append([]uint32{7}, rows...), got, word)
	}
}
