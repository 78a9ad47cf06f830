package journal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/big"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// leftFolder is what a process that was killed left: two logs, and a ring.
func leftFolder(f *testing.F) *vfs.Mem {
	mem := vfs.NewMem()
	j, err := journal.Open(dir, journal.Options{FS: mem, Boot: "one", RingBytes: 4 << 20})
	require.NoError(f, err)
	owner := j.Owner(run)
	for _, log := range []string{"user", "email", "user"} {
		file, err := j.File(log)
		require.NoError(f, err)
		m := journal.Meta{Kind: line.KindLine, Level: zapcore.InfoLevel}
		_, err = file.Append(owner, m, encoder.Append(nil, &line.Entry{Kind: m.Kind, Identity: owner.Encoded(), Message: "known"}, nil))
		require.NoError(f, err)
	}
	require.NoError(f, j.Flush())
	left := mem.Kill()
	require.NoError(f, j.Close())
	return left
}

// replaceFile gives a file of .journal another content.
func replaceFile(t *testing.T, fsys vfs.FS, name string, content []byte) {
	t.Helper()
	f, err := fsys.OpenFile(dir+"/.journal/"+name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	require.NoError(t, err)
	_, err = f.Write(content)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// openLeft opens what may be damaged, and checks that every line of the text is a
// record, once and in order, and that records can be logged.
func openLeft(t *testing.T, fsys *vfs.Mem, mode journal.Mode, boot string) {
	t.Helper()
	o := journal.Options{FS: fsys, Boot: boot, Mode: mode, RingBytes: 4 << 20, Rule: rotation.Rule{Compression: rotation.None}}
	j, err := journal.Open(dir, o)
	if errors.Is(err, journal.ErrVersion) {
		return
	}
	require.NoError(t, err)
	defer j.Close()
	require.Zero(t, j.Recovery().Foreign)
	m := journal.Meta{Kind: line.KindEvent}
	file, err := j.File("email")
	require.NoError(t, err)
	_, err = file.Append(j.Owner(service), m, encoder.Append(nil, &line.Entry{Kind: m.Kind, Message: "goes on"}, nil))
	require.NoError(t, err)
	require.NoError(t, j.Flush())
	for _, log := range []string{"user", "email"} {
		text := []byte(contentOf(t, fsys, log+".log"))
		require.True(t, bytes.HasSuffix(text, []byte("\n")))
		var last uint64
		var rec line.Record
		for raw := range bytes.Lines(text) {
			require.NoError(t, line.Parse(bytes.TrimSuffix(raw, []byte("\n")), &rec), "%q", raw)
			require.Greater(t, rec.Seq, last, "%q", text)
			last = rec.Seq
		}
		require.Equal(t, log == "email", rec.Message == "goes on")
	}
}

// fold adds, without carries, the halves of a product of two words.
func fold(x, y uint64) uint64 {
	p := new(big.Int).Mul(new(big.Int).SetUint64(x), new(big.Int).SetUint64(y))
	return new(big.Int).Rsh(p, 64).Uint64() ^ new(big.Int).And(p, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
}

// bodySum is the sum of a body as FORMAT.md has it.
func bodySum(body []byte) uint64 {
	k := [4]uint64{0x6a09e667f3bcc909, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1}
	s := k
	s[0] ^= uint64(len(body))
	if len(body) < 64 {
		body = append(bytes.Clone(body), make([]byte, 64-len(body))...)
	}
	take := func(block []byte) {
		for i := range s {
			s[i] = fold(s[i]^binary.LittleEndian.Uint64(block[16*i:]), k[3-i]^binary.LittleEndian.Uint64(block[16*i+8:]))
		}
	}
	for i := 0; i+64 < len(body); i += 64 {
		take(body[i:])
	}
	take(body[len(body)-64:])
	return fold(fold(s[0]^k[1], s[1]^k[2])^s[2], s[3]^k[3])
}

// setSums gives the header of a frame its sums, as rings of a version have them.
func setSums(frame []byte, version int, body []byte) {
	if version == 1 {
		n := len(body)
		if n >= 336 && n < 504 {
			body = append(bytes.Clone(body), make([]byte, 504-n)...)
		}
		table := crc32.MakeTable(crc32.Castagnoli)
		binary.LittleEndian.PutUint64(frame[16:], 0)
		binary.LittleEndian.PutUint32(frame[24:], crc32.Checksum(body, table))
		binary.LittleEndian.PutUint32(frame[28:], crc32.Checksum(frame[:28], table))
		return
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(frame[i:]) }
	binary.LittleEndian.PutUint64(frame[16:], bodySum(body))
	binary.LittleEndian.PutUint64(frame[24:],
		fold(fold(word(0)^0x6a09e667f3bcc909, word(8)^0xbb67ae8584caa73b)^word(16), 0x3c6ef372fe94f82b))
}

// setVersion makes a ring one of a version.
func setVersion(ring []byte, version int) {
	binary.LittleEndian.PutUint16(ring[14:], uint16(version))
	binary.LittleEndian.PutUint32(ring[24:], crc32.Checksum(ring[:24], crc32.MakeTable(crc32.Castagnoli)))
}

// craftRing makes a ring whose checksums are right from arbitrary bytes.
func craftRing(version int, data []byte) []byte {
	take := func(n int) []byte {
		p := make([]byte, n)
		data = data[copy(p, data):]
		return p
	}
	ring := make([]byte, 4096+4096)
	copy(ring, "steplog ring\n\x00")
	binary.LittleEndian.PutUint64(ring[16:], 4096)
	setVersion(ring, version)
	tail := uint64(binary.LittleEndian.Uint16(take(2))) &^ 31
	head := tail + uint64(take(1)[0])*32
	binary.LittleEndian.PutUint64(ring[64:], head)
	binary.LittleEndian.PutUint64(ring[128:], tail)
	copy(ring[256:], take(32))
	for at := tail; at < head && len(data) > 0; {
		h := take(6)
		body := take(int(h[0]))
		frame := make([]byte, 32)
		binary.LittleEndian.PutUint32(frame, uint32(len(body)))
		binary.LittleEndian.PutUint16(frame[4:], uint16(h[1]))
		binary.LittleEndian.PutUint16(frame[6:], uint16(h[2]))
		binary.LittleEndian.PutUint64(frame[8:], uint64(h[3])|uint64(h[4])<<uint(h[5]%60))
		setSums(frame, version, body)
		for i, c := range append(frame, body...) {
			ring[4096+(at+uint64(i))%4096] = c
		}
		at += uint64(32+len(body)+31) / 32 * 32
	}
	return ring
}

// FuzzRing opens arbitrary rings: nothing panics, and no line is garbage.
func FuzzRing(f *testing.F) {
	left := leftFolder(f)
	body := func(message string) string {
		return string(encoder.Append(nil, &line.Entry{Kind: line.KindLine, Message: message}, nil))
	}
	frame := func(file byte, seq byte, body string) string {
		return string([]byte{byte(len(body)), file, 0, seq, 0, 0}) + body
	}
	header := "\x00\x00\xff" + string(make([]byte, 32))
	for how := range byte(32) {
		f.Add(how, []byte(""))
		f.Add(how, []byte(header+frame(0, 4, body("four"))+frame(1, 5, body("five"))))
		f.Add(how, []byte(header+frame(0, 3, body("known"))+frame(0, 9, "\"message\":\"a\nb\"}")+frame(9, 10, body("x"))))
		f.Add(how, []byte("\xe0\x0f\x80"+string(make([]byte, 32))+frame(0, 7, body("wraps"))+frame(0, 7, `"seq":8}`)))
		f.Add(how, []byte("steplog ring\n\x00\x02\x00 and no more"))
	}
	f.Fuzz(func(t *testing.T, how byte, data []byte) {
		fsys := left.Kill()
		ring := data
		if how&1 == 0 {
			ring = craftRing(1+int(how>>4&1), data)
		}
		replaceFile(t, fsys, "ring", ring)
		if how&2 != 0 {
			replaceFile(t, fsys, "numbers.json", []byte(`{"version":1,"next":9,"clean":true}`))
		}
		openLeft(t, fsys, journal.Mode(how>>2&1), []string{"one", "two"}[how>>3&1])
	})
}

// FuzzTables opens folders with an arbitrary file of numbers and an arbitrary
// table of files.
func FuzzTables(f *testing.F) {
	left := leftFolder(f)
	for _, numbers := range []string{`{"next":5}`, `{"version":1,"next":18446744073709551615}`, `{"next":-1}`, `{"version":2}`, "", "\x00"} {
		for _, files := range []string{`{"names":["user","email"]}`, `{"names":["../x"]}`, `{"names":["email","email"]}`, `{"version":9}`, "null", ""} {
			f.Add([]byte(numbers), []byte(files))
		}
	}
	f.Fuzz(func(t *testing.T, numbers, files []byte) {
		fsys := left.Kill()
		replaceFile(t, fsys, "numbers.json", numbers)
		replaceFile(t, fsys, "files.json", files)
		openLeft(t, fsys, journal.ModeWrite, "one")
	})
}
