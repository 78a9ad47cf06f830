package block_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/block"
)

// member returns a gzip member with the extra fields that a member of a file of blocks
// has, some text, and something behind that.
func member(t *testing.T, extra, text []byte, behind string) []byte {
	t.Helper()
	b := append([]byte{0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255}, binary.LittleEndian.AppendUint16(nil, uint16(len(extra)))...)
	b = append(b, extra...)
	var deflated bytes.Buffer
	z, err := flate.NewWriter(&deflated, 6)
	require.NoError(t, err)
	_, err = z.Write(text)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	trailer := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(text)), uint32(len(text)))
	b = append(append(append(b, deflated.Bytes()...), behind...), trailer...)
	binary.LittleEndian.PutUint16(b[16:], uint16(len(b)-1))
	return b
}

// split takes a gzip file apart: its data, the extra fields of its index, and what
// stands behind that.
func split(file []byte) (data, extra, rest []byte) {
	at := int(binary.LittleEndian.Uint64(file[len(file)-84+22:]))
	n := int(binary.LittleEndian.Uint16(file[at+16:])) + 1
	return file[:at], file[at+12 : at+12+int(binary.LittleEndian.Uint16(file[at+10:]))], file[at+n:]
}

// What a reader of blocks passes over may hold text that others print.
func TestNothingHidden(t *testing.T) {
	text := lines(150_000)
	const forged = "forged\n"
	for _, f := range formats {
		r := open(t, compress(t, f.format, text))
		require.NoError(t, r.NothingHidden())
		require.NoError(t, open(t, compress(t, f.format, nil)).NothingHidden())
	}
	// hides: zcat finds more than ReadAt does, and it is found out.
	hides := func(t *testing.T, file []byte, zcat func([]byte) []byte) {
		t.Helper()
		require.Contains(t, string(zcat(file)), forged)
		r := open(t, file)
		got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		require.NoError(t, err)
		require.True(t, bytes.Equal(text, got))
		var damage *block.CorruptError
		require.ErrorAs(t, r.NothingHidden(), &damage)
	}
	gunzip := func(file []byte) []byte {
		z, err := gzip.NewReader(bytes.NewReader(file))
		require.NoError(t, err)
		all, err := io.ReadAll(z)
		require.NoError(t, err)
		return all
	}
	data, extra, rest := split(compress(t, block.Gzip, text))
	t.Run("in the index", func(t *testing.T) {
		hides(t, bytes.Join([][]byte{data, member(t, extra, []byte(forged), ""), rest}, nil), gunzip)
	})
	t.Run("in a block that the index says is empty", func(t *testing.T) {
		hidden := member(t, []byte("BC\x02\x00\x00\x00"), []byte(forged), "")
		more := binary.LittleEndian.AppendUint32(bytes.Clone(extra), uint32(len(hidden)-1))
		binary.LittleEndian.PutUint16(more[8:], binary.LittleEndian.Uint16(more[8:])+4)
		footer := bytes.Clone(rest)
		binary.LittleEndian.PutUint64(footer[22:], uint64(len(data)+len(hidden)))
		binary.LittleEndian.PutUint32(footer[38:], binary.LittleEndian.Uint32(footer[38:])+1)
		binary.LittleEndian.PutUint32(footer[42:], crc32.Checksum(more[10:], crc32.MakeTable(crc32.Castagnoli)))
		hides(t, bytes.Join([][]byte{data, hidden, member(t, more, nil, ""), footer}, nil), gunzip)
	})
	t.Run("in an empty frame", func(t *testing.T) {
		file := compress(t, block.Zstd, text)
		z, err := zstd.NewWriter(nil)
		require.NoError(t, err)
		hidden := z.EncodeAll([]byte(forged), nil)
		n := int(binary.LittleEndian.Uint32(file[len(file)-9:]))
		table := bytes.Clone(file[len(file)-17-8*n:])
		file = append(append(file[:len(file)-len(table):len(file)-len(table)], hidden...), table[:8+8*n]...)
		file = binary.LittleEndian.AppendUint64(file, uint64(len(hidden)))
		file = append(binary.LittleEndian.AppendUint32(file, uint32(n+1)), table[len(table)-5:]...)
		binary.LittleEndian.PutUint32(file[len(file)-17-8*(n+1)+4:], uint32(9+8*(n+1)))
		hides(t, file, func(file []byte) []byte {
			d, err := zstd.NewReader(nil)
			require.NoError(t, err)
			defer d.Close()
			all, err := d.DecodeAll(file, nil)
			require.NoError(t, err)
			return all
		})
	})
	t.Run("behind the text of a block", func(t *testing.T) {
		inner := member(t, []byte("BC\x02\x00\x00\x00"), []byte(forged), "")
		first := []byte("a line\n")
		trailer := string(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(first)), uint32(len(first))))
		file := member(t, []byte("BC\x02\x00\x00\x00"), first, trailer+string(inner[:len(inner)-8])+trailer)
		r := open(t, append(file, compress(t, block.Gzip, nil)...))
		_, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		var damage *block.CorruptError
		require.ErrorAs(t, err, &damage)
	})
}
