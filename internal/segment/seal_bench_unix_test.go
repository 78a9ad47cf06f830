//go:build unix

package segment_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/segment"
)

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// How fast is a file sealed, what does it cost a record, and how large is what
// comes out beside gzip -6 of the whole?
func BenchmarkSeal(b *testing.B) {
	const records = 200_000
	text := workflow(records, 1)
	var whole bytes.Buffer
	z := gzip.NewWriter(&whole)
	_, err := z.Write(text)
	require.NoError(b, err)
	require.NoError(b, z.Close())
	for _, f := range []struct {
		name   string
		format block.Format
	}{{"gzip", block.Gzip}, {"zstd", block.Zstd}} {
		b.Run(f.name, func(b *testing.B) {
			var out bytes.Buffer
			var sidecar []byte
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			from := cpu(b)
			for b.Loop() {
				out.Reset()
				sidecar, err = segment.Seal(context.Background(), text, &out, segment.Options{Format: f.format, Fields: []string{"sku", "order_id"}})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(cpu(b)-from)/float64(b.N)/records/1000, "µs-CPU/rec")
			b.ReportMetric(float64(out.Len())/records, "text-B/rec")
			b.ReportMetric(float64(len(sidecar))/records, "idx-B/rec")
			b.ReportMetric(float64(out.Len()+len(sidecar))/float64(whole.Len()), "×gzip-6")
			x, err := segment.Read(sidecar, nil)
			require.NoError(b, err)
			for name, size := range segment.Sizes(x) {
				b.ReportMetric(float64(size)/records, name+"-B/rec")
			}
		})
	}
}
