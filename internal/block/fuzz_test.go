package block_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/block"
)

// FuzzRoundTrip: what was written is what is read, whole and at any place.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("a line\nanother\n"), uint16(3))
	f.Add(lines(70_000), uint16(60_000))
	f.Add([]byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, text []byte, at uint16) {
		for _, format := range formats {
			r := open(t, compress(t, format.format, text))
			got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
			require.NoError(t, err)
			require.True(t, bytes.Equal(text, got))
			off := min(int(at), len(text))
			got, err = io.ReadAll(io.NewSectionReader(r, int64(off), 100))
			require.NoError(t, err)
			require.True(t, bytes.Equal(text[off:min(off+100, len(text))], got))
		}
	})
}

// FuzzDamaged: any bytes give text or an error, never a panic nor more memory
// than the file can account for, and the error says that it is the file.
func FuzzDamaged(f *testing.F) {
	for _, format := range formats {
		data := compress(f, format.format, lines(3_000))
		f.Add(data, uint32(20), byte(1))
		f.Add(data, uint32(len(data)-60), byte(1))
		f.Add(data, uint32(len(data)-10), byte(0x80))
		f.Add(data[:len(data)/2], uint32(0), byte(0))
		f.Add(data[len(data)/2:], uint32(0), byte(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint32, flip byte) {
		if len(data) > 0 {
			data = bytes.Clone(data)
			data[int(at)%len(data)] ^= flip
		}
		r, err := block.Open(bytes.NewReader(data), int64(len(data)))
		var corrupt *block.CorruptError
		if err != nil {
			require.True(t, errors.Is(err, block.ErrFormat) || errors.As(err, &corrupt), "%v", err)
			return
		}
		n, err := io.Copy(io.Discard, io.NewSectionReader(r, 0, min(r.Size(), 1<<22)))
		if err != nil {
			require.ErrorAs(t, err, &corrupt)
			return
		}
		require.Equal(t, min(r.Size(), 1<<22), n)
	})
}
