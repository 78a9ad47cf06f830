package segment_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/segment"
)

// What a text is stored as stays the same to the byte, however it is made. These sums
// change only with the format, with what decides how it is filled, or with another
// version of the compressors.
func TestSealedBytes(t *testing.T) {
	text := workflow(20_000, 3)
	for name, tt := range map[string]struct {
		o    segment.Options
		want string
	}{
		"gzip": {segment.Options{Format: block.Gzip, Fields: []string{"sku", "order_id"}},
			"cc365dbc24ceab147fc51701e5c980048f109b23fd6f3c614c401cbf8bf01570"},
		"zstd, in the order of arrival": {segment.Options{Format: block.Zstd, KeepOrder: true, Fields: []string{"email"}},
			"fb71c9d54b56e711ee56261854ab735e2b3037f45fcba5404d2620feac3b772a"},
		"plain": {segment.Options{Fields: []string{"status"}},
			"b45c1934a324f5ac1e01af487eacad7a2ac0c476a1c531750a01fbbd2b571a57"},
	} {
		t.Run(name, func(t *testing.T) {
			var data bytes.Buffer
			sidecar, err := segment.Seal(context.Background(), text, &data, tt.o)
			require.NoError(t, err)
			sum := sha256.Sum256(append(data.Bytes(), sidecar...))
			require.Equal(t, tt.want, hex.EncodeToString(sum[:]))
		})
	}
}

// A grouped text that does not say so, because somebody decompressed it, is told by how it
// lies. It is sealed as the text was that it was made of.
func TestGroupedWithoutItsMark(t *testing.T) {
	for _, tt := range texts {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.text()
			o := segment.Options{Format: block.Zstd, Fields: fields}
			data, sidecar := seal(t, text, o)
			lain := plain(t, data, block.Zstd)
			require.False(t, segment.Grouped(text))
			require.Equal(t, read(t, sidecar).Grouped(), segment.Grouped(lain))
			if !segment.Grouped(lain) {
				return
			}
			again, sidecarAgain := seal(t, lain, o)
			require.True(t, bytes.Equal(data, again))
			require.True(t, bytes.Equal(sidecar, sidecarAgain))

			_, ofPlain := seal(t, lain, segment.Options{Fields: fields})
			same(t, parse(text), read(t, ofPlain), lain)
			rebuilt, err := segment.Rebuild(t.Context(), bytes.NewReader(lain), int64(len(lain)), segment.Options{Fields: fields})
			require.NoError(t, err)
			require.True(t, bytes.Equal(ofPlain, rebuilt))
			require.NoError(t, segment.Verify(t.Context(), bytes.NewReader(lain), int64(len(lain)), rebuilt))

			// Without its first and its last line it stands in no order that a sidecar can
			// tell, and is grouped anew.
			lines := bytes.SplitAfter(lain, []byte("\n"))
			end := len(lines) - 2 // behind the last newline is nothing
			left := bytes.Join(lines[1:end], nil)
			arrived := bytes.Replace(bytes.Replace(text, lines[0], nil, 1), lines[end], nil, 1)
			require.True(t, segment.Grouped(left))
			data, sidecar = seal(t, left, o)
			x := read(t, sidecar)
			require.True(t, x.Grouped())
			same(t, parse(arrived), x, plain(t, data, block.Zstd))
			require.NoError(t, segment.Verify(t.Context(), bytes.NewReader(data), int64(len(data)), sidecar))
			_, err = segment.Seal(t.Context(), left, nil, segment.Options{Fields: fields})
			require.ErrorIs(t, err, segment.ErrOrder)
			_, err = segment.Rebuild(t.Context(), bytes.NewReader(left), int64(len(left)), segment.Options{Fields: fields})
			require.ErrorIs(t, err, segment.ErrOrder)

			// With two lines the other way round it is in no order at all.
			n := len(lines) / 3
			lines[n], lines[n+1] = lines[n+1], lines[n]
			require.False(t, segment.Grouped(bytes.Join(lines, nil)))
		})
	}
}
