package block_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/block"
)

// grouped returns a file whose lines do not stand in the order in which they arrived,
// and where the mark that says so ends.
func grouped(t *testing.T, f block.Format, text []byte) (data []byte, end int) {
	var out bytes.Buffer
	w, err := block.NewWriter(&out, f)
	require.NoError(t, err)
	w.Group()
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	data = out.Bytes()
	if f == block.Zstd {
		mark := []byte("grouped\n")
		return data, bytes.LastIndex(data, mark) + len(mark)
	}
	return data, bytes.LastIndex(data, []byte("SG\x00\x00")) + 14
}

// Whether lines are grouped is told from the index, and without it by the mark.
func TestGrouped(t *testing.T) {
	text := lines(300_000)
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			require.False(t, open(t, compress(t, f.format, text)).Grouped())
			data, end := grouped(t, f.format, text)
			require.True(t, bytes.Equal(text, plain(t, f.format, data)))
			for size := end - 16; size <= len(data); size++ {
				r, err := block.OpenDamaged(bytes.NewReader(data[:size]), int64(size))
				var corrupt *block.CorruptError
				if err != nil {
					require.ErrorAs(t, err, &corrupt)
				}
				require.Equal(t, size >= end, r.Grouped(), "%d of %d bytes, mark up to %d", size, len(data), end)
				require.Equal(t, int64(len(text)), r.Size())
			}
			for at := end; at < len(data); at++ {
				broken := bytes.Clone(data)
				broken[at] ^= 0xff
				r, err := block.OpenDamaged(bytes.NewReader(broken), int64(len(broken)))
				var corrupt *block.CorruptError
				if err != nil {
					require.ErrorAs(t, err, &corrupt)
				}
				if r != nil {
					require.True(t, r.Grouped(), "byte %d of %d", at, len(data))
				}
			}
		})
	}
}

// failsOnce is a file of which one read fails.
type failsOnce struct {
	*bytes.Reader
	left int // reads that succeed before
}

func (f *failsOnce) ReadAt(p []byte, off int64) (int, error) {
	if f.left--; f.left == -1 {
		return 0, errDisk
	}
	return f.Reader.ReadAt(p, off)
}

// A read that fails is an error, or costs nothing but time.
func TestReadsFail(t *testing.T) {
	text := lines(200_000)
	gz, _ := grouped(t, block.Gzip, text)
	zst, _ := grouped(t, block.Zstd, text)
	noIndex := bytes.Clone(gz)
	noIndex[binary.LittleEndian.Uint64(gz[len(gz)-28-56+22:])+25] ^= 1
	noTable := bytes.Clone(zst)
	noTable[len(zst)-1] ^= 1
	var another bytes.Buffer
	w := gzip.NewWriter(&another)
	_, err := w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for name, data := range map[string][]byte{"gzip": gz, "gzip without its index": noIndex, "zstd": zst,
		"zstd without its table": noTable, "gzip of another program": another.Bytes()} {
		t.Run(name, func(t *testing.T) {
			inOrder := !open(t, data).Grouped()
			require.Equal(t, name == "gzip of another program", inOrder)
			for n := 0; ; n++ {
				in := &failsOnce{bytes.NewReader(data), n}
				r, err := block.Open(in, int64(len(data)))
				var got []byte
				if err == nil {
					got, err = io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
				}
				if err != nil {
					require.ErrorIs(t, err, errDisk, "read %d", n)
					continue
				}
				require.True(t, bytes.Equal(text, got), "read %d", n)
				require.Equal(t, inOrder, !r.Grouped(), "read %d", n)
				if in.left >= 0 {
					return
				}
			}
		})
	}
}

// Blocks that are compressed at a time are the same, and an error of the disk is told.
func TestParallelWriter(t *testing.T) {
	text := append(lines(900_000), noise(200_000)...)
	for _, f := range formats {
		want := compress(t, f.format, text)
		for _, n := range []int{1, 2, 5} {
			var out bytes.Buffer
			w, err := block.NewParallelWriter(&out, f.format, n)
			require.NoError(t, err)
			for rest := text; len(rest) > 0; {
				part := rest[:min(len(rest), 100_000)]
				_, err = w.Write(part)
				require.NoError(t, err)
				rest = rest[len(part):]
			}
			require.NoError(t, w.Close())
			require.True(t, bytes.Equal(want, out.Bytes()), "%s, %d at a time", f.name, n)

			w, err = block.NewParallelWriter(failing{}, f.format, n)
			require.NoError(t, err)
			_, err = w.Write(text)
			require.ErrorIs(t, err, errDisk)
			require.ErrorIs(t, w.Close(), errDisk)
		}
		_, err := block.NewParallelWriter(io.Discard, 0, 2)
		require.ErrorIs(t, err, block.ErrUnknownFormat)
	}
}
