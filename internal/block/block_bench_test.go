package block_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// How fast is a file compressed, and how small does it get beside gzip -6 of
// the whole? The text is in arrival order; sealed segments group it by run.
func BenchmarkCompress(b *testing.B) {
	text := lines(8 << 20)
	b.Run("gzip -6 of the whole", func(b *testing.B) {
		var out bytes.Buffer
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			out.Reset()
			z := gzip.NewWriter(&out)
			_, err := z.Write(text)
			require.NoError(b, err)
			require.NoError(b, z.Close())
		}
		b.ReportMetric(float64(len(text))/float64(out.Len()), "x-smaller")
	})
	for _, f := range formats {
		b.Run(f.name, func(b *testing.B) {
			var out []byte
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				out = compress(b, f.format, text)
			}
			b.ReportMetric(float64(len(text))/float64(len(out)), "x-smaller")
		})
	}
}

// What does it cost to open a file, to read it whole, and to read one line at
// a random place?
func BenchmarkRead(b *testing.B) {
	text := lines(8 << 20)
	for _, f := range formats {
		data := compress(b, f.format, text)
		b.Run(f.name+" open", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				open(b, data)
			}
		})
		b.Run(f.name+" whole", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				r := open(b, data)
				_, err := io.Copy(io.Discard, io.NewSectionReader(r, 0, r.Size()))
				require.NoError(b, err)
			}
		})
		b.Run(f.name+" line", func(b *testing.B) {
			r := open(b, data)
			rng := rand.New(rand.NewPCG(5, 5))
			buf := make([]byte, 300)
			b.ReportAllocs()
			for b.Loop() {
				_, err := r.ReadAt(buf, rng.Int64N(r.Size()-300))
				require.NoError(b, err)
			}
		})
	}
}
