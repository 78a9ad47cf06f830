package block_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/steplog/steplog/internal/block"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var formats = []struct {
	name   string
	format block.Format
}{{"gzip", block.Gzip}, {"zstd", block.Zstd}}

// lines returns about size bytes of text that looks like a log.
func lines(size int) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(size)))
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `{"seq":%d,"timestamp":"2026-11-21T02:03:%02d.%09dZ","level":"info","kind":"line","service":"orders","run":"0193-%d","message":"fetched","details":{"sku":"A-%d","rows":%d}}`+"\n",
			i, i/1000%60, rng.IntN(1e9), i/500, rng.IntN(100_000), rng.IntN(1000))
	}
	return b.Bytes()
}

func noise(size int) []byte {
	rng := rand.New(rand.NewPCG(2, uint64(size)))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func compress(t testing.TB, f block.Format, text []byte) []byte {
	var out bytes.Buffer
	w, err := block.NewWriter(&out, f)
	require.NoError(t, err)
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	return out.Bytes()
}

func open(t testing.TB, data []byte) *block.Reader {
	r, err := block.Open(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	return r
}

func TestRoundTrip(t *testing.T) {
	texts := []struct {
		name string
		text []byte
	}{
		{"nothing", nil},
		{"one byte", []byte("\n")},
		{"one line", []byte("a line\n")},
		{"no newline", []byte("not a line")},
		{"a block less one", bytes.Repeat([]byte{'x'}, block.Bytes-1)},
		{"a block", bytes.Repeat([]byte{'x'}, block.Bytes)},
		{"a block and one", bytes.Repeat([]byte{'x'}, block.Bytes+1)},
		{"newline at the edge", append(bytes.Repeat([]byte{'x'}, block.Bytes-1), "\nmore\n"...)},
		{"a line over many blocks", []byte("short\n" + strings.Repeat("long", 100_000) + "\nshort\n")},
		{"log", lines(1 << 20)},
		{"noise", noise(300_000)},
	}
	for _, f := range formats {
		for _, tt := range texts {
			t.Run(f.name+" "+tt.name, func(t *testing.T) {
				data := compress(t, f.format, tt.text)
				r := open(t, data)
				require.EqualValues(t, len(tt.text), r.Size())
				got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
				require.NoError(t, err)
				require.True(t, bytes.Equal(tt.text, got))
				require.True(t, bytes.Equal(tt.text, plain(t, f.format, data)), "the ordinary tool reads it too")
			})
		}
	}
}

// plain decompresses with the decoders everybody has.
func plain(t *testing.T, f block.Format, data []byte) []byte {
	var r io.Reader
	var err error
	if f == block.Gzip {
		r, err = gzip.NewReader(bytes.NewReader(data))
	} else {
		var z *zstd.Decoder
		z, err = zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1))
		t.Cleanup(z.Close)
		r = z
	}
	require.NoError(t, err)
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return text
}

func TestReaderIsAReaderAt(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			text := lines(200_000)
			r := open(t, compress(t, f.format, text))
			require.NoError(t, iotest.TestReader(io.NewSectionReader(r, 0, r.Size()), text))
			var one [1]byte
			_, err := r.ReadAt(one[:], r.Size())
			require.ErrorIs(t, err, io.EOF)
			_, err = r.ReadAt(one[:], r.Size()+1)
			require.ErrorIs(t, err, io.EOF)
			_, err = r.ReadAt(one[:], -1)
			require.Error(t, err)
		})
	}
}

func TestBlocksEndAtLineEnds(t *testing.T) {
	text := lines(500_000)
	data := compress(t, block.Gzip, text)
	in := bytes.NewReader(data)
	z, err := gzip.NewReader(in)
	require.NoError(t, err)
	var got []byte
	for n := range open(t, data).Blocks() {
		z.Multistream(false)
		part, err := io.ReadAll(z)
		require.NoError(t, err)
		require.Equal(t, byte('\n'), part[len(part)-1], "block %d", n)
		require.LessOrEqual(t, len(part), block.Bytes)
		got = append(got, part...)
		require.NoError(t, z.Reset(in))
	}
	require.True(t, bytes.Equal(text, got))
}

// counting counts what is read of a file.
type counting struct {
	io.ReaderAt
	mu    sync.Mutex
	reads int
	bytes int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	c.reads++
	c.bytes += len(p)
	c.mu.Unlock()
	return c.ReaderAt.ReadAt(p, off)
}

func TestRandomAccessDecodesOneOrTwoBlocks(t *testing.T) {
	text := lines(2 << 20)
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			data := compress(t, f.format, text)
			c := &counting{ReaderAt: bytes.NewReader(data)}
			r, err := block.Open(c, int64(len(data)))
			require.NoError(t, err)
			require.LessOrEqual(t, c.reads, 4, "the index is found from the end")
			rng := rand.New(rand.NewPCG(3, 3))
			for range 200 {
				c.reads = 0
				off := rng.Int64N(r.Size() - 400)
				buf := make([]byte, 400)
				_, err := r.ReadAt(buf, off)
				require.NoError(t, err)
				require.True(t, bytes.Equal(text[off:off+400], buf))
				require.LessOrEqual(t, c.reads, 2)
				c.reads = 0
				_, err = r.ReadAt(buf, off)
				require.NoError(t, err)
				require.Zero(t, c.reads, "the block is kept")
			}
		})
	}
}

func TestReadersInParallel(t *testing.T) {
	text := lines(1 << 20)
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			r := open(t, compress(t, f.format, text))
			var wg sync.WaitGroup
			for g := range 8 {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(4, uint64(g)))
					buf := make([]byte, 1000)
					for range 100 {
						off := rng.Int64N(r.Size() - 1000)
						if _, err := r.ReadAt(buf, off); err != nil || !bytes.Equal(text[off:off+1000], buf) {
							t.Errorf("at %d: wrong text, error %v", off, err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestGzipWithoutItsIndex(t *testing.T) {
	text := lines(500_000)
	data := compress(t, block.Gzip, text)
	// FORMAT.md: the footer member before the end member says where it is.
	at := int(binary.LittleEndian.Uint64(data[len(data)-28-56+22:]))
	require.Equal(t, "SI", string(data[at+18:at+20]))
	broken := bytes.Clone(data)
	broken[at+25] ^= 1
	require.True(t, bytes.Equal(text, readAll(t, broken)), "a damaged index is not believed")
	require.True(t, bytes.Equal(text, readAll(t, data[:len(data)-28])), "no end marker")
	require.True(t, bytes.Equal(text, readAll(t, data[:at])), "no index at all")
}

func readAll(t *testing.T, data []byte) []byte {
	r := open(t, data)
	got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	require.NoError(t, err)
	return got
}

func TestDamage(t *testing.T) {
	text := lines(300_000)
	for _, f := range formats {
		data := compress(t, f.format, text)
		var corrupt *block.CorruptError
		t.Run(f.name+" a byte of a block", func(t *testing.T) {
			broken := bytes.Clone(data)
			broken[len(data)/3] ^= 0x55
			r := open(t, broken)
			_, err := io.Copy(io.Discard, io.NewSectionReader(r, 0, r.Size()))
			require.ErrorAs(t, err, &corrupt)
			require.Positive(t, corrupt.Offset)
			require.Less(t, corrupt.Offset, int64(len(data)/3))
			require.Error(t, errors.Unwrap(corrupt))
		})
		t.Run(f.name+" any bit at the beginning of a block", func(t *testing.T) {
			for bit := range 8 * 32 {
				broken := bytes.Clone(data)
				broken[bit/8] ^= 1 << (bit % 8)
				r, err := block.Open(bytes.NewReader(broken), int64(len(broken)))
				if err != nil {
					continue
				}
				// Some bits of a header mean nothing; the others are noticed.
				got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
				require.True(t, err != nil || bytes.Equal(text, got), "bit %d", bit)
			}
		})
		t.Run(f.name+" cut in a block", func(t *testing.T) {
			_, err := block.Open(bytes.NewReader(data), int64(len(data)/2))
			require.ErrorAs(t, err, &corrupt)
		})
		t.Run(f.name+" shorter than said", func(t *testing.T) {
			_, err := block.Open(bytes.NewReader(data[:len(data)-1]), int64(len(data)))
			require.ErrorAs(t, err, &corrupt)
		})
	}
	for name, data := range map[string][]byte{"empty": nil, "text": []byte("text, not blocks"), "nearly gzip": []byte("\x1f\x8b but not a gzip file at all")} {
		t.Run("not blocks: "+name, func(t *testing.T) {
			_, err := block.Open(bytes.NewReader(data), int64(len(data)))
			require.ErrorIs(t, err, block.ErrFormat)
		})
	}
}

// TestFilesOfOtherPrograms: what gzip and zstd make is read too.
func TestFilesOfOtherPrograms(t *testing.T) {
	text := lines(80_000)
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	_, err := g.Write(text)
	require.NoError(t, err)
	require.NoError(t, g.Close())
	z, err := zstd.NewWriter(&zst, zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	_, err = z.Write(text)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	for name, data := range map[string][]byte{"gzip": gz.Bytes(), "gzip, two members": append(bytes.Clone(gz.Bytes()), gz.Bytes()...), "zstd": zst.Bytes()} {
		t.Run(name, func(t *testing.T) {
			want := text
			if strings.Contains(name, "two") {
				want = append(bytes.Clone(text), text...)
			}
			r := open(t, data)
			require.EqualValues(t, len(want), r.Size())
			require.Zero(t, r.Blocks())
			require.NoError(t, iotest.TestReader(io.NewSectionReader(r, 0, r.Size()), want))
			require.NoError(t, r.NothingHidden())
			for _, off := range []int64{60_000, 100, r.Size() - 50, 0} {
				buf := make([]byte, 50)
				_, err := r.ReadAt(buf, off)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want[off:off+50], buf))
			}
			var corrupt *block.CorruptError
			_, err := block.Open(bytes.NewReader(data), int64(len(data)-20))
			require.ErrorAs(t, err, &corrupt)
		})
	}
}

// What lost its end can be read up to the last whole block, wherever that is.
func TestLostEnd(t *testing.T) {
	text := lines(400_000)
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			data := compress(t, f.format, text)
			whole := open(t, data)
			var readable int64
			for cut := 1; cut < len(data); cut = max(cut+1, min(cut+1+cut%997, len(data)-1)) {
				r, err := block.OpenDamaged(bytes.NewReader(data[:cut]), int64(cut))
				var corrupt *block.CorruptError
				if err != nil {
					require.True(t, errors.Is(err, block.ErrFormat) || errors.As(err, &corrupt), "%v", err)
				}
				if r == nil {
					require.Zero(t, readable, "cut at %d of %d", cut, len(data))
					continue
				}
				require.GreaterOrEqual(t, r.Size(), readable)
				readable = r.Size()
				got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
				require.NoError(t, err)
				require.True(t, bytes.Equal(text[:r.Size()], got))
				if n := whole.Find(r.Size()); n < whole.Blocks() {
					from, _ := whole.Span(n)
					require.Equal(t, from, r.Size(), "it ends with a block")
				}
			}
			require.Equal(t, int64(len(text)), readable)
		})
	}
	t.Run("zstd, a block of one byte that repeats, and no table", func(t *testing.T) {
		text := append(append(lines(100_000), bytes.Repeat([]byte{'x'}, 2*block.Bytes)...), lines(100_000)...)
		data := compress(t, block.Zstd, text)
		table := 17 + 8*open(t, data).Blocks()
		require.True(t, bytes.Equal(text, readAll(t, data[:len(data)-table])))
	})
	t.Run("zstd, a table that contradicts itself", func(t *testing.T) {
		data := compress(t, block.Zstd, text)
		data[len(data)-9]++
		r, err := block.OpenDamaged(bytes.NewReader(data), int64(len(data)))
		var corrupt *block.CorruptError
		require.ErrorAs(t, err, &corrupt)
		got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		require.NoError(t, err)
		require.True(t, bytes.Equal(text, got))
	})
}

func TestLimits(t *testing.T) {
	t.Run("a zstd table that claims blocks it has no room for", func(t *testing.T) {
		data := compress(t, block.Zstd, lines(100_000))
		copy(data[len(data)-9:], []byte{0xff, 0xff, 0xff, 0xff})
		var corrupt *block.CorruptError
		_, err := block.Open(bytes.NewReader(data), int64(len(data)))
		require.ErrorAs(t, err, &corrupt)
	})
	t.Run("a zstd table that claims a huge block", func(t *testing.T) {
		data := compress(t, block.Zstd, []byte("text\n"))
		copy(data[len(data)-9-4:], []byte{0xff, 0xff, 0xff, 0x7f})
		var corrupt *block.CorruptError
		_, err := block.Open(bytes.NewReader(data), int64(len(data)))
		require.ErrorAs(t, err, &corrupt)
	})
	t.Run("a block that holds more than its table says", func(t *testing.T) {
		data := compress(t, block.Zstd, bytes.Repeat([]byte("bomb"), 10_000))
		copy(data[len(data)-9-4:], []byte{1, 0, 0, 0})
		r := open(t, data)
		var corrupt *block.CorruptError
		_, err := r.ReadAt(make([]byte, 1), 0)
		require.ErrorAs(t, err, &corrupt)
	})
}

func TestWriterErrors(t *testing.T) {
	_, err := block.NewWriter(io.Discard, 0)
	require.ErrorIs(t, err, block.ErrUnknownFormat)
	for _, f := range formats {
		w, err := block.NewWriter(failing{}, f.format)
		require.NoError(t, err)
		_, err = w.Write(lines(200_000))
		require.ErrorIs(t, err, errDisk)
		require.ErrorIs(t, w.Close(), errDisk)
		w, err = block.NewWriter(io.Discard, f.format)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		_, err = w.Write([]byte("late\n"))
		require.Error(t, err)
	}
}

var errDisk = errors.New("disk full")

// refusesOnce is a disk that does not take one write.
type refusesOnce struct {
	bytes.Buffer
	left int // writes that succeed before
}

func (f *refusesOnce) Write(p []byte) (int, error) {
	if f.left--; f.left == -1 {
		return 0, errDisk
	}
	return f.Buffer.Write(p)
}

// Whatever write fails, of the blocks or of the index, Close says so.
func TestEveryWriteFails(t *testing.T) {
	text := lines(300_000)
	for _, f := range formats {
		want := compress(t, f.format, text)
		for _, parallel := range []int{1, 3} {
			for n := 0; ; n++ {
				out := &refusesOnce{left: n}
				w, err := block.NewParallelWriter(out, f.format, parallel)
				require.NoError(t, err)
				_, _ = w.Write(text) // Close returns its error, too
				if err = w.Close(); err == nil {
					require.True(t, bytes.Equal(want, out.Bytes()), "%s, %d writes", f.name, n)
					require.Positive(t, n)
					break
				}
				require.ErrorIs(t, err, errDisk)
				require.ErrorIs(t, w.Close(), errDisk)
			}
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errDisk }

// The block of an offset is the one in whose span it lies, however unlike in length
// the blocks are.
func TestFind(t *testing.T) {
	for _, long := range []int{10, 3_000, 200_000} {
		var text []byte
		for i := range 400 {
			text = append(append(text, strings.Repeat("x", 1+i*i*i%long)...), '\n')
		}
		r := open(t, compress(t, block.Gzip, text))
		require.Zero(t, r.Find(-1))
		for n := range r.Blocks() {
			from, to := r.Span(n)
			for _, off := range []int64{from, (from + to) / 2, to - 1} {
				if off >= from && off < to {
					require.Equal(t, n, r.Find(off))
				}
			}
		}
		require.Equal(t, r.Blocks(), r.Find(r.Size()))
		require.Equal(t, r.Blocks(), r.Find(r.Size()+1))
	}
}
