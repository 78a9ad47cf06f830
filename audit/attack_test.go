package audit_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

func TestEveryByteIsChecked(t *testing.T) {
	t.Parallel()
	mem, _ := fifty(t)
	report, err := verify(t, mem)
	require.NoError(t, err)
	require.EqualValues(t, 50, report.Size)
	text := content(t, mem, "audit.log")
	f, err := mem.OpenFile(dir+"/audit.log", os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	changes := 0
	for flip, step := range map[byte]int{0x01: 1, 0x20: 11, 0x80: 13} {
		for i := 0; i < len(text); i += step * stride {
			changes++
			_, err := f.WriteAt([]byte{text[i] ^ flip}, int64(i))
			require.NoError(t, err)
			_, err = verify(t, mem)
			require.ErrorIs(t, err, audit.ErrDamaged, "byte %d with %#x", i, flip)
			var at *audit.DamageError
			require.ErrorAs(t, err, &at)
			require.Equal(t, "audit.log", at.File)
			require.LessOrEqual(t, at.Offset, int64(len(text)))
			_, err = f.WriteAt(text[i:i+1], int64(i))
			require.NoError(t, err)
		}
	}
	_, err = verify(t, mem)
	require.NoError(t, err)
	t.Logf("a log of 50 records, %d bytes: %d changes of one byte, each found", len(text), changes)
}

// TestNothingIsAppendedToDamage opens for writing what somebody changed.
func TestNothingIsAppendedToDamage(t *testing.T) {
	t.Parallel()
	mem, _ := fifty(t)
	text := content(t, mem, "audit.log")
	refused := 0
	for i := 0; i < len(text); i += 5 * stride {
		refused++
		changed := slices.Clone(text)
		changed[i] ^= 0x01
		put(t, mem, "audit.log", changed)
		_, err := hosted(mem, audit.Options{})
		require.ErrorIs(t, err, audit.ErrDamaged, "byte %d", i)
		require.Equal(t, changed, content(t, mem, "audit.log"), "it is left as it was")
	}
	t.Logf("%d changes of one byte, each time refused to append", refused)
}

func TestAttacks(t *testing.T) {
	t.Parallel()
	mem, middle := fifty(t)
	text := content(t, mem, "audit.log")
	published := content(t, mem, "audit.checkpoint")
	all := lines(text)
	join := func(lines ...[]byte) []byte { return bytes.Join(lines, nil) }
	// try verifies a changed trail and puts the old one back.
	tried := 0
	defer func() {
		t.Logf("%d attacks: deleted, reordered, repeated, cut, appended, rewritten, rolled back, forked", tried)
	}()
	try := func(t *testing.T, changed []byte, anchors ...[]byte) error {
		t.Helper()
		tried++
		put(t, mem, "audit.log", changed)
		_, err := verify(t, mem, anchors...)
		put(t, mem, "audit.log", text)
		return err
	}
	// pointAfter is the index of the checkpoint's line after n records.
	pointAfter := func(n int) int {
		for i, line := range all {
			if isRecord(line) {
				n--
			}
			if n == 0 && !isRecord(line) {
				return i
			}
		}
		return 0
	}

	t.Run("delete", func(t *testing.T) {
		for i, line := range all {
			if isRecord(line) {
				require.ErrorIs(t, try(t, join(slices.Delete(slices.Clone(all), i, i+1)...)), audit.ErrDamaged, "line %d", i)
			}
		}
		require.ErrorIs(t, try(t, join(all[1:]...)), audit.ErrLine)
		require.ErrorIs(t, try(t, nil), audit.ErrDamaged)
	})
	t.Run("reorder", func(t *testing.T) {
		for i := 1; i+2 < len(all); i++ {
			swapped := slices.Clone(all)
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			require.ErrorIs(t, try(t, join(swapped...)), audit.ErrDamaged, "line %d", i)
			swapped = slices.Clone(all)
			swapped[i], swapped[i+2] = swapped[i+2], swapped[i]
			require.ErrorIs(t, try(t, join(swapped...)), audit.ErrDamaged, "line %d", i)
		}
	})
	t.Run("repeat", func(t *testing.T) {
		for i := range all {
			require.ErrorIs(t, try(t, join(slices.Insert(slices.Clone(all), i, all[i])...)), audit.ErrDamaged, "line %d", i)
		}
	})
	t.Run("cut tail", func(t *testing.T) {
		for i := 0; i < len(text); i += stride {
			require.ErrorIs(t, try(t, text[:i]), audit.ErrDamaged, "byte %d", i)
		}
		require.ErrorIs(t, try(t, join(all[:pointAfter(40)+1]...)), audit.ErrRollback)
	})
	t.Run("append", func(t *testing.T) {
		forged := bytes.Replace(all[len(all)-2], []byte(`{"seq":49,`), []byte(`{"seq":50,`), 1)
		require.ErrorIs(t, try(t, join(text, forged)), audit.ErrUncovered)
		require.ErrorIs(t, try(t, join(text, []byte("x"))), audit.ErrUncovered)
		require.ErrorIs(t, try(t, join(text, []byte("x\n"))), audit.ErrLine)
		require.ErrorIs(t, try(t, join(text, []byte("\n"))), audit.ErrLine)
	})
	t.Run("rewrite", func(t *testing.T) {
		for i, line := range all {
			if isRecord(line) {
				other := slices.Clone(all)
				other[i] = bytes.Replace(line, []byte(`"level":"info"`), []byte(`"level":"warn"`), 1)
				require.ErrorIs(t, try(t, join(other...)), audit.ErrRoot, "line %d", i)
			}
		}
	})
	t.Run("rollback with an anchor", func(t *testing.T) {
		i := pointAfter(10)
		point, _, err := parsePointLine(all[i])
		require.NoError(t, err)
		put(t, mem, "audit.checkpoint", point)
		defer put(t, mem, "audit.checkpoint", published)
		old := join(all[:i+1]...)
		require.NoError(t, try(t, old), "nobody can tell without one")
		require.ErrorIs(t, try(t, old, middle), audit.ErrRollback)
		require.NoError(t, try(t, text, middle))
	})
	t.Run("fork with a stolen key", func(t *testing.T) {
		other := vfs.NewMem()
		r, err := hosted(other, audit.Options{})
		require.NoError(t, err)
		for range 60 {
			_, err := flow(r, "another past")
			require.NoError(t, err)
		}
		require.NoError(t, r.Close())
		_, err = verify(t, other)
		require.NoError(t, err, "nobody can tell without an anchor")
		_, err = verify(t, other, middle)
		require.ErrorIs(t, err, audit.ErrFork)
		_, err = verify(t, other, published)
		require.ErrorIs(t, err, audit.ErrFork)
		put(t, other, "audit.checkpoint", published)
		_, err = hosted(other, audit.Options{})
		require.ErrorIs(t, err, audit.ErrFork, "nor is anything appended to it")
	})
	t.Run("another key", func(t *testing.T) {
		for _, name := range []string{"b", "c"} {
			_, err := audit.VerifyFS(t.Context(), mem, dir, &audit.VerifyOptions{Verifiers: quick(name).list()})
			require.ErrorIs(t, err, audit.ErrSignature)
		}
		_, err := audit.VerifyFS(t.Context(), mem, dir, nil)
		require.ErrorIs(t, err, audit.ErrKey, "the host signs, so the folder has none")
		_, err = hosted(mem, audit.Options{Signer: quick("b"), Verifiers: quick("b").list()})
		require.ErrorIs(t, err, audit.ErrSignature)
	})
	t.Run("files", func(t *testing.T) {
		k := mem.Kill()
		require.NoError(t, k.Remove(dir+"/audit.log"))
		_, err := verify(t, k)
		require.ErrorIs(t, err, audit.ErrMissing)
		_, err = hosted(k, audit.Options{})
		require.ErrorIs(t, err, audit.ErrMissing)
	})
}

// parsePointLine takes the signed text out of a checkpoint's line.
func parsePointLine(line []byte) (text []byte, rest string, err error) {
	body, ok := bytes.CutPrefix(line, []byte(`{"checkpoint":"`))
	if !ok {
		return nil, "", errors.New("no checkpoint")
	}
	end := bytes.IndexByte(body, '"')
	return bytes.ReplaceAll(body[:end], []byte(`\n`), []byte("\n")), string(body[end:]), nil
}

// TestMissingSegment takes sealed files away.
func TestMissingSegment(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{})
	require.NoError(t, err)
	for range 3 {
		for range 5 {
			_, err := flow(r, "f")
			require.NoError(t, err)
		}
		require.NoError(t, r.Rotate(t.Context()))
	}
	require.NoError(t, r.Close())
	_, err = verify(t, mem)
	require.NoError(t, err)
	infos, err := mem.ReadDir(dir)
	require.NoError(t, err)
	n := 0
	for _, info := range infos {
		name := info.Name()
		if len(name) < len("audit-") || name[:6] != "audit-" || bytes.HasSuffix([]byte(name), []byte(".hashes")) {
			continue
		}
		n++
		k := mem.Kill()
		require.NoError(t, k.Remove(dir+"/"+name))
		_, err := verify(t, k)
		require.ErrorIs(t, err, audit.ErrMissing, name)
	}
	require.Equal(t, 3, n)
}

// TestOlderFileOverNewer copies an older audit.log over the newer one, as who restores a
// part of a folder does: its records are in a sealed file by then.
func TestOlderFileOverNewer(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{})
	require.NoError(t, err)
	fill(t, r, 0, 2) // 5 records a file, and one that says it was opened
	_, err = flow(r, "f")
	require.NoError(t, err)
	older := content(t, mem, "audit.log")
	fill(t, r, 0, 1)
	_, err = flow(r, "f")
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = verify(t, mem)
	require.NoError(t, err)
	put(t, mem, "audit.log", older)

	report, err := verify(t, mem)
	require.ErrorIs(t, err, audit.ErrSequence)
	require.NotErrorIs(t, err, audit.ErrMissing)
	require.ErrorContains(t, err, "a file that begins with 11 stands where 17 belongs")
	require.EqualValues(t, 17, report.Size, "what stands before it is intact")
	_, err = audit.OpenProverFS(mem, dir)
	require.ErrorIs(t, err, audit.ErrSequence)
	require.NotErrorIs(t, err, audit.ErrMissing)
	_, err = hosted(mem, audit.Options{})
	require.ErrorIs(t, err, audit.ErrDamaged)
}

// TestOlderTrailOverNewer does so with the checkpoint of that time: the active file and it
// fit each other, and what was sealed since is the only thing that tells.
func TestOlderTrailOverNewer(t *testing.T) {
	t.Parallel()
	for _, compression := range []rotation.Compression{rotation.Gzip, rotation.None} {
		mem := vfs.NewMem()
		o := audit.Options{Rule: rotation.Rule{Compression: compression}}
		r, err := hosted(mem, o)
		require.NoError(t, err)
		fill(t, r, 0, 2)
		_, err = flow(r, "f")
		require.NoError(t, err)
		require.NoError(t, r.Close())
		older := map[string][]byte{}
		for _, name := range []string{"audit.log", "audit.checkpoint"} {
			older[name] = content(t, mem, name)
		}
		r, err = hosted(mem, o)
		require.NoError(t, err)
		fill(t, r, 0, 1)
		require.NoError(t, r.Close())
		for name, text := range older {
			put(t, mem, name, text)
		}

		_, err = hosted(mem, o)
		require.ErrorIs(t, err, audit.ErrSequence, "another trail would be signed")
		require.Equal(t, older["audit.log"], content(t, mem, "audit.log"), "it is left as it is")
		_, err = verify(t, mem)
		require.ErrorIs(t, err, audit.ErrSequence)
	}
}

// TestTextBetweenBlocks puts text into the index of a compressed file, where zcat finds
// it and a reader of blocks does not look.
func TestTextBetweenBlocks(t *testing.T) {
	t.Parallel()
	mem, _ := fifty(t)
	r, err := hosted(mem, audit.Options{})
	require.NoError(t, err)
	require.NoError(t, r.Rotate(t.Context()))
	name := ""
	require.Eventually(t, func() bool {
		infos, err := mem.ReadDir(dir)
		require.NoError(t, err)
		for _, info := range infos {
			if strings.HasSuffix(info.Name(), ".log.gz") {
				name = info.Name()
			}
		}
		return name != ""
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, r.Close())
	_, err = verify(t, mem)
	require.NoError(t, err)
	file := content(t, mem, name)

	forged := []byte(`{"seq":0,"title":"forged"}` + "\n")
	index := int(binary.LittleEndian.Uint64(file[len(file)-84+22:]))
	header := 12 + int(binary.LittleEndian.Uint16(file[index+10:]))
	member := bytes.Clone(file[index : index+header])
	member = append(member, 1, byte(len(forged)), 0, ^byte(len(forged)), 0xff) // stored
	member = append(member, forged...)
	member = binary.LittleEndian.AppendUint32(member, crc32.ChecksumIEEE(forged))
	member = binary.LittleEndian.AppendUint32(member, uint32(len(forged)))
	binary.LittleEndian.PutUint16(member[16:], uint16(len(member)-1))
	changed := slices.Concat(file[:index], member, file[index+header+10:])
	z, err := gzip.NewReader(bytes.NewReader(changed))
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Contains(t, string(text), string(forged))
	put(t, mem, name, changed)
	_, err = verify(t, mem)
	require.ErrorIs(t, err, audit.ErrLine)
	require.ErrorContains(t, err, strings.TrimSuffix(name, ".gz"))
}

// TestOtherForm puts a compressed file beside the plain one, which is the one that is
// followed.
func TestOtherForm(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{Rule: rotation.Rule{Compression: rotation.None}})
	require.NoError(t, err)
	for range 50 {
		_, err := flow(r, "f")
		require.NoError(t, err)
	}
	require.NoError(t, r.Rotate(t.Context()))
	require.NoError(t, r.Close())
	infos, err := mem.ReadDir(dir)
	require.NoError(t, err)
	at := slices.IndexFunc(infos, func(i os.FileInfo) bool {
		return strings.HasPrefix(i.Name(), "audit-") && strings.HasSuffix(i.Name(), ".log")
	})
	require.GreaterOrEqual(t, at, 0)
	name := infos[at].Name()
	text := content(t, mem, name)
	packed := func(text []byte) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(text)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		return b.Bytes()
	}
	put(t, mem, name+".gz", packed(text))
	_, err = verify(t, mem)
	require.NoError(t, err, "as a kill leaves it before the plain one is removed")
	for what, forged := range map[string][]byte{
		"changed":  packed(bytes.Replace(text, []byte("Flow Started"), []byte("Flow Stopped"), 1)),
		"longer":   packed(append(bytes.Clone(text), text...)),
		"no gzip":  []byte("anything at all"),
		"cut":      packed(text)[:100],
		"no bytes": {},
	} {
		put(t, mem, name+".gz", forged)
		_, err = verify(t, mem)
		require.ErrorIs(t, err, audit.ErrLine, what)
		require.ErrorContains(t, err, name+".gz", what)
	}
}
