package wire_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/wire"
)

func TestReader(t *testing.T) {
	numbers := []int64{0, 1, -1, 63, -64, 127, 128, -129, 1 << 40, math.MaxInt64, math.MinInt64}
	var b []byte
	for _, n := range numbers {
		b = binary.AppendUvarint(binary.AppendVarint(b, n), uint64(n))
	}
	b = append(b, 3, 'a', 'b', 'c')
	r := wire.Reader{B: b}
	for _, n := range numbers {
		require.Equal(t, n, r.Varint())
		require.Equal(t, uint64(n), r.Uvarint())
	}
	require.Equal(t, "abc", string(r.Bytes(r.Count())))
	require.False(t, r.Bad)
	require.Zero(t, r.Uvarint())
	require.True(t, r.Bad)
}

func TestReaderOfWhatIsNotThere(t *testing.T) {
	for _, b := range [][]byte{nil, {0x80}, {9, 'a'}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}} {
		r := wire.Reader{B: b}
		require.Nil(t, r.Bytes(r.Count()+1))
		require.True(t, r.Bad)
		require.Empty(t, r.B)
		require.Zero(t, r.Varint())
	}
	r := wire.Reader{B: []byte{1}}
	require.Nil(t, r.Bytes(-1))
	require.True(t, r.Bad)
	r = wire.Reader{B: []byte{2, 'a'}}
	require.Zero(t, r.Count(), "of two things there is one")
	require.True(t, r.Bad)
	require.Empty(t, r.B)
	r = wire.Reader{}
	require.Empty(t, r.Bytes(0))
	require.False(t, r.Bad, "nothing is always there")
}
