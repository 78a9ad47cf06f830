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
