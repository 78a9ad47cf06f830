package segment_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/vfs"
)

var fields = []string{"sku", "order_id"}

// row is what a plain loop over the text finds.
type row struct {
	line.Record
	raw string
}

// parse reads the records of a text in arrival order, as package journal does.
func parse(text []byte) (rows []row) {
	var last uint64
	for _, raw := range bytes.SplitAfter(text, []byte("\n")) {
		if !bytes.HasSuffix(raw, []byte("\n")) {
			break
		}
		raw = raw[:len(raw)-1]
		var rec line.Record
		if line.Parse(raw, &rec) != nil || rec.Seq <= last {
			continue
		}
		last = rec.Seq
		rows = append(rows, row{rec, string(raw)})
	}
	return rows
}

func seal(t testing.TB, text []byte, o segment.Options) (data, sidecar []byte) {
	var out bytes.Buffer
	sidecar, err := segment.Seal(context.Background(), text, &out, o)
	require.NoError(t, err)
	data = out.Bytes()
	if o.Format == 0 {
		data = text
	}
	return data, sidecar
}

func read(t testing.TB, sidecar []byte) *segment.Index {
	x, err := segment.Read(sidecar, nil)
	require.NoError(t, err)
	require.NoError(t, x.CheckAll())
	return x
}

// plain returns the text that a file holds, in its own order.
func plain(t testing.TB, data []byte, f block.Format) []byte {
	if f == 0 {
		return data
	}
	r, err := block.Open(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	text, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	require.NoError(t, err)
	return text
}

var texts = []struct {
	name string
	text func() []byte
}{
	{"nothing", func() []byte { return nil }},
	{"no record", func() []byte { return []byte("by hand\n{}\n") }},
	{"one record", func() []byte { return workflow(1, 1) }},
	{"a frame and a row", func() []byte { return workflow(1025, 2) }},
	{"many", func() []byte { return workflow(6000, 3) }},
	{"foreign lines", func() []byte {
		var out []byte
		for i, l := range bytes.SplitAfter(workflow(2500, 4), []byte("\n")) {
			if i%7 == 0 {
				out = append(out, "by hand, no record\n"...)
			}
			out = append(out, l...)
			if i%11 == 0 {
				out = append(out, l...) // twice
			}
		}
		return append(out, "torn"...)
	}},
	{"numbers that step back", func() []byte {
		text := workflow(300, 4)
		return append(append(workflow(500, 5), text...), workflow(700, 4)...)
	}},
	{"awkward", func() []byte {
		long := strings.Repeat("x", 300)
		var out []byte
		for i, body := range []string{
			`"timestamp":"0001-01-01T00:00:00.000000000Z","level":"fatal","kind":"novel","message":"GRÖSSE \u001b[31mrot\u001b[0m"`,
			`"timestamp":"9999-12-31T23:59:59.999999999Z","level":"trace","message":"` + long + `"`,
			`"run":"r1","message":"` + strings.Repeat("many words ", 1000) + `"`,
			`"run":"r2","step":"s","attempt":-1,"details":{"sku":["A","B",{"c":1}],"order_id":"` + long + `"}`,
			`"run":"r1","details":{"sku":null,"order_id":"","nested":{"sku":"C"}}`,
			`"kind":"run","run":"r1","phase":"start","triggered_by":"me","iteration":{"index":2,"value":[1]}`,
			`"kind":"run","run":"r1","phase":"end","id":6,"started":"2026-11-21T02:03:04.000000000Z","outcome":"failed","reason":"x","duration_ns":5,"levels":{"info":3},"bytes":7,"processed":1,"implied":true,"archived":true`,
			`"topic":"security","message":"K and k and \u212a"`,
			`"topic":"` + long + `","message":"\n\ttabs\n"`,
		} {
			out = fmt.Appendf(out, "{\"seq\":%d,%s}\n", i*1000+1, body)
		}
		return out
	}},
}

// TestSealed seals texts and compares every row with a plain loop.
func TestSealed(t *testing.T) {
	for _, tt := range texts {
		for _, f := range []block.Format{0, block.Gzip, block.Zstd} {
			for _, keep := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, format %d, keep order %v", tt.name, f, keep), func(t *testing.T) {
					text := tt.text()
					data, sidecar := seal(t, text, segment.Options{Format: f, KeepOrder: keep, Fields: fields})
					x := read(t, sidecar)
					require.EqualValues(t, len(text), x.TextSize())
					require.EqualValues(t, len(data), x.DataSize())
					require.Equal(t, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)), x.DataCRC())
					stored := plain(t, data, f)
					require.Equal(t, !x.Grouped(), string(stored) == string(text))
					sameLines(t, text, stored)
					same(t, parse(text), x, stored)
					again, err := segment.Rebuild(t.Context(), bytes.NewReader(data), int64(len(data)), segment.Options{Fields: fields})
					require.NoError(t, err)
					require.True(t, bytes.Equal(sidecar, again), "the sidecar is made again, byte for byte")
					require.NoError(t, segment.Verify(t.Context(), bytes.NewReader(data), int64(len(data)), sidecar))
				})
			}
		}
	}
}

func same(t *testing.T, want []row, x *segment.Index, stored []byte) {
	require.Equal(t, len(want), x.Len())
	var counts segment.Counts
	life := map[int]line.Lifecycle{}
	require.NoError(t, x.Lifecycle(func(row int, l *line.Lifecycle) error {
		life[row] = *l
		return nil
	}))
	rowsOf := make([]int, x.Owners())
	for i, w := range want {
		f := x.Frame(i / 1024)
		k := i % 1024
		level, kind := f.Class(k)
		require.Equal(t, w.Seq, f.Seq(k))
		told := line.Nanoseconds(w.Time)
		if !f.Exact() {
			told = segment.RoundTime(told)
			require.Contains(t, x.AppendNear(nil, line.Nanoseconds(w.Time)), uint32(i))
		}
		require.Equal(t, told, f.Time(k))
		require.Equal(t, line.LevelIndex(w.Level), level)
		require.Equal(t, w.Kind, kind)
		var id line.Identity
		x.Identity(f.Owner(k), &id)
		require.Equal(t, w.Identity, id)
		rowsOf[f.Owner(k)]++
		counts[level][kind]++
		at, size := x.Place(i)
		raw, _, _ := strings.Cut(string(stored[at:int(at)+size]), "\n")
		require.Equal(t, w.raw, raw)
		scope := x.ScopeOf(f.Owner(k))
		require.Equal(t, i, x.ScopeRow(scope, x.PlaceOf(i)-x.ScopePlace(scope)))
		require.Equal(t, i+1, x.Search(w.Seq))
		require.Equal(t, i, x.Search(w.Seq-1))
		if w.Kind == line.KindRun || w.Kind == line.KindStep {
			require.Equal(t, w.Lifecycle, life[i])
			delete(life, i)
		}
	}
	require.Empty(t, life)
	require.Equal(t, counts, *x.Counts())
	for o, n := range rowsOf {
		rows, _, _ := x.OwnerCounts(uint32(o))
		require.Equal(t, n, rows)
	}
	if len(want) > 0 {
		require.Equal(t, want[0].Seq, x.First())
		require.Equal(t, want[len(want)-1].Seq, x.Last())
	}
	sameFrames(t, x)
	sameTerms(t, want, x)
}

// sameTerms asks for substrings, words and values.
func sameTerms(t *testing.T, want []row, x *segment.Index) {
	message, err := x.Message()
	require.NoError(t, err)
	require.True(t, message.Dictionary())
	unindexed, err := x.Rows(nil, message.Unindexed())
	require.NoError(t, err)
	for _, part := range []string{"reset", "e", "0193", "größe", "grösse", "rot", "k", "77", "nothing such", "xxx"} {
		refs, err := message.Containing(part)
		require.NoError(t, err)
		got := union(t, x, refs)
		for i, w := range want {
			is := strings.Contains(line.Fold(line.StripANSI(w.Message)), part)
			if want := is && !strings.Contains(part, " "); want != got[uint32(i)] && !slices.Contains(unindexed, uint32(i)) {
				require.Equal(t, want, got[uint32(i)], "%q in row %d", part, i)
			}
		}
	}
	for _, path := range fields {
		c, err := x.Field(path)
		require.NoError(t, err)
		unindexed, err := x.Rows(nil, c.Unindexed())
		require.NoError(t, err)
		values := map[string][]uint32{"none such": nil}
		for i, w := range want {
			line.Field(w.Details, path, func(v string) bool {
				if len(v) > segment.Longest {
					require.Contains(t, unindexed, uint32(i))
				} else if n := len(values[v]); n == 0 || values[v][n-1] != uint32(i) {
					values[v] = append(values[v], uint32(i))
				}
				return true
			})
		}
		for v, rows := range values {
			ref, err := c.Lookup(v)
			require.NoError(t, err)
			got, err := x.Rows(nil, ref)
			require.NoError(t, err)
			require.Equal(t, rows, got, "%s = %q", path, v)
		}
		refs, err := c.Prefix("SKU-1")
		require.NoError(t, err)
		n := 0
		for v := range values {
			if strings.HasPrefix(v, "SKU-1") {
				n++
			}
		}
		require.Len(t, refs, n)
	}
	for level := range 6 {
		ref, ok := x.Levels(level)
		if !ok {
			continue
		}
		got, err := x.Rows(nil, ref)
		require.NoError(t, err)
		var rows []uint32
		for i, w := range want {
			if line.LevelIndex(w.Level) == level {
				rows = append(rows, uint32(i))
			}
		}
		require.Equal(t, rows, got)
	}
}

func union(t *testing.T, x *segment.Index, refs []segment.Ref) map[uint32]bool {
	set := map[uint32]bool{}
	for _, r := range refs {
		rows, err := x.Rows(nil, r)
		require.NoError(t, err)
		require.Len(t, rows, r.Rows)
		for _, row := range rows {
			set[row] = true
		}
	}
	return set
}

// TestFilters seals a text with so many words that filters take their place.
func TestFilters(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	var text []byte
	for i := range 4000 {
		text = fmt.Appendf(text, `{"seq":%d,"run":"r%d","message":"token %016x%016x","details":{"sku":"%016x%016x"}}`+"\n",
			i+1, i%3, rnd.Uint64(), rnd.Uint64(), rnd.Uint64(), rnd.Uint64())
	}
	_, sidecar := seal(t, text, segment.Options{Format: block.Gzip, Fields: fields})
	x := read(t, sidecar)
	message, err := x.Message()
	require.NoError(t, err)
	require.False(t, message.Dictionary())
	sku, err := x.Field("sku")
	require.NoError(t, err)
	require.False(t, sku.Dictionary())
	passed := 0
	for i, w := range parse(text) {
		require.True(t, message.MayContain(i/1024, w.Message[10:20]))
		line.Field(w.Details, "sku", func(v string) bool {
			require.True(t, sku.MayHold(i/1024, v))
			if sku.MayHold((i/1024+1)%x.Frames(), v) {
				passed++
			}
			return true
		})
	}
	require.Less(t, passed, 4000/20, "a filter lets few others through")
}

// TestOpen reads sidecars from a disk and from memory, and tells files apart
// that cannot be used.
func TestOpen(t *testing.T) {
	_, sidecar := seal(t, workflow(3000, 8), segment.Options{Format: block.Gzip, Fields: fields})
	write := func(t *testing.T, fsys vfs.FS, dir string, b []byte) string {
		path := filepath.Join(dir, "a.idx")
		f, err := fsys.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
		require.NoError(t, err)
		_, err = f.Write(b)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		return path
	}
	for name, fsys := range map[string]vfs.FS{"disk": vfs.OS(), "memory": vfs.NewMem()} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, fsys.MkdirAll(dir, 0o700))
			x, err := segment.Open(fsys, write(t, fsys, dir, sidecar), nil)
			require.NoError(t, err)
			require.NoError(t, x.CheckAll())
			require.Equal(t, 3000, x.Len())
			_, err = segment.Open(fsys, filepath.Join(dir, "none"), nil)
			require.ErrorIs(t, err, os.ErrNotExist)
			_, err = segment.Open(fsys, write(t, fsys, dir, nil), nil)
			require.ErrorIs(t, err, segment.ErrFormat)
		})
	}
	t.Run("another file", func(t *testing.T) {
		_, err := segment.Read([]byte(strings.Repeat("no sidecar", 100)), nil)
		require.ErrorIs(t, err, segment.ErrFormat)
	})
	t.Run("a newer version", func(t *testing.T) {
		newer := bytes.Clone(sidecar)
		binary.LittleEndian.PutUint32(newer[16:], 3)
		_, err := segment.Read(newer, nil)
		require.ErrorIs(t, err, segment.ErrVersion)
	})
	t.Run("version 1", func(t *testing.T) {
		older, err := os.ReadFile(filepath.Join("testdata", "version-1.idx"))
		require.NoError(t, err)
		text := workflow(200, 11)
		x := read(t, older)
		require.Equal(t, crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)), x.DataCRC())
		same(t, parse(text), x, text)
		require.NoError(t, segment.Verify(t.Context(), bytes.NewReader(text), int64(len(text)), older))
		_, newer := seal(t, text, segment.Options{Fields: fields})
		before, now := x.FrameHead(0), read(t, newer).FrameHead(0)
		require.True(t, before.Exact())
		require.False(t, now.Exact())
	})
	var corrupt *segment.CorruptError
	t.Run("cut", func(t *testing.T) {
		for n := 16; n < len(sidecar); n += 997 {
			_, err := segment.Read(sidecar[:n], nil)
			require.ErrorAs(t, err, &corrupt)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(9, 9))
		for range 300 {
			broken := bytes.Clone(sidecar)
			broken[32+rnd.IntN(len(broken)-64)] ^= 1 << rnd.IntN(8)
			x, err := segment.Read(broken, nil)
			if err == nil {
				err = x.CheckAll()
			}
			if err != nil { // else it was padding between sections
				require.ErrorAs(t, err, &corrupt)
			}
		}
	})
	t.Run("of other data", func(t *testing.T) {
		other, _ := seal(t, workflow(2999, 8), segment.Options{Format: block.Gzip})
		err := segment.Verify(t.Context(), bytes.NewReader(other), int64(len(other)), sidecar)
		require.ErrorIs(t, err, segment.ErrStale)
	})
}

// A mapped file may be changed after it was found right.
func TestCheckAllLooksAgain(t *testing.T) {
	t.Parallel()
	_, b := seal(t, workflow(500, 3), segment.Options{Fields: []string{"sku"}})
	x := read(t, b)
	require.NoError(t, x.CheckAll())
	for _, at := range []int{100, len(b) / 4, len(b) / 2, len(b) * 3 / 4} {
		b[at] ^= 1
		var corrupt *segment.CorruptError
		require.ErrorAs(t, x.CheckAll(), &corrupt, "byte %d of %d", at, len(b))
		b[at] ^= 1
	}
	require.NoError(t, x.CheckAll())
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := segment.Seal(ctx, workflow(9000, 1), io.Discard, segment.Options{Format: block.Gzip})
	require.ErrorIs(t, err, context.Canceled)
	full := fmt.Errorf("the disk is full")
	_, err = segment.Seal(t.Context(), workflow(9000, 1), failing{full}, segment.Options{Format: block.Gzip})
	require.ErrorIs(t, err, full)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// FuzzRead reads sidecars of which any byte may be another, with checksums that
// are right: nothing panics.
func FuzzRead(f *testing.F) {
	_, sidecar := seal(f, workflow(40, 1), segment.Options{Format: block.Gzip, Fields: fields})
	f.Add(sidecar, uint16(100), byte(3))
	_, small := seal(f, nil, segment.Options{})
	f.Add(small, uint16(40), byte(0xff))
	f.Fuzz(func(t *testing.T, b []byte, at uint16, to byte) {
		b = bytes.Clone(b)
		if len(b) > 0 {
			b[int(at)%len(b)] = to
		}
		segment.Repair(b)
		x, err := segment.Read(b, nil)
		if err != nil || x.Check() != nil {
			return
		}
		for i := range min(x.Len(), 100) {
			fr := x.Frame(i / 1024)
			k := i % 1024
			fr.Class(k)
			var id line.Identity
			x.Identity(fr.Owner(k), &id)
			x.OwnerCounts(fr.Owner(k))
			_ = cmp.Compare(fr.Time(k), int64(fr.Seq(k)))
			at, size := x.Place(i)
			require.LessOrEqual(t, at+int64(size), x.TextSize())
			x.PlaceOf(i)
			x.AppendScopeRows(nil, x.ScopeOf(fr.Owner(k)), 0, x.Len())
			x.Search(fr.Seq(k))
		}
		_ = x.Lifecycle(func(int, *line.Lifecycle) error { return nil })
		for _, open := range []func() (*segment.Column, error){x.Message, x.Topic, func() (*segment.Column, error) { return x.Field("sku") }} {
			c, err := open()
			if err != nil || c == nil {
				continue
			}
			if !c.Dictionary() {
				for i := range x.Frames() {
					c.MayContain(i, "abc")
					c.MayHold(i, "abc")
				}
				continue
			}
			refs, _ := c.Containing("e")
			more, _ := c.Prefix("S")
			one, _ := c.Lookup("SKU-00001")
			for _, r := range append(append(refs, more...), one, c.Unindexed()) {
				_, _ = x.Rows(nil, r)
			}
		}
	})
}
