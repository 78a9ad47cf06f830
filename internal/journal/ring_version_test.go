package journal_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/vfs"
)

// asVersion1 gives the ring that was left the sums of version 1.
func asVersion1(t *testing.T, fsys vfs.FS) {
	t.Helper()
	ring := []byte(contentOf(t, fsys, ".journal/ring"))
	require.Equal(t, byte(2), ring[14])
	head, tail, size := binary.LittleEndian.Uint64(ring[64:]), binary.LittleEndian.Uint64(ring[128:]), uint64(len(ring)-4096)
	require.LessOrEqual(t, head, size, "bodies do not wrap")
	for at := tail; at < head; {
		frame := ring[4096+at:]
		length := uint64(binary.LittleEndian.Uint32(frame))
		setSums(frame, 1, frame[32:32+length])
		at += (32 + length + 31) / 32 * 32
	}
	setVersion(ring, 1)
	overwrite(t, fsys, ".journal/ring", 0, string(ring))
}

// What a process left in a ring of version 1, killed or closed, is taken over, and
// the ring is made anew.
func TestRingOfVersion1(t *testing.T) {
	t.Parallel()
	var list []string
	for i := range 40 {
		list = append(list, strings.Repeat("x", 20*i)) // bodies of all the lengths that have a CRC of their own
	}
	left := func(t *testing.T) (fsys, killed *vfs.Mem) {
		fsys = vfs.NewMem()
		f := open(t, fsys, system("one"))
		f.sayAll("user", []string{"first"})
		require.NoError(t, f.Flush())
		fsys.SetSpace(fsys.Used())
		f.sayAll("user", list)
		killed = fsys.Kill()
		killed.SetSpace(-1)
		fsys.SetSpace(-1)
		require.NoError(t, f.Close())
		return fsys, killed
	}
	want := append([]string{"first"}, list...)
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		_, killed := left(t)
		asVersion1(t, killed)
		f := open(t, killed, system("one"))
		require.Equal(t, int64(len(list)), f.Recovery().Replayed)
		require.Zero(t, f.Recovery().LostBytes)
		require.Zero(t, f.Recovery().PutAside)
		require.Equal(t, want, messages(t, f.Journal, "user"))
		require.Equal(t, byte(2), contentOf(t, killed, ".journal/ring")[14])
		_, err := f.log("user", run, zapcore.InfoLevel, "next")
		require.NoError(t, err)
		again := open(t, killed.Kill(), system("one"))
		require.Equal(t, append(want, "next"), messages(t, again.Journal, "user"))
	})
	t.Run("killed and damaged", func(t *testing.T) {
		t.Parallel()
		_, killed := left(t)
		asVersion1(t, killed)
		tail := binary.LittleEndian.Uint64([]byte(contentOf(t, killed, ".journal/ring")[128:]))
		overwrite(t, killed, ".journal/ring", int64(4096+tail+32+5), "?")
		f := open(t, killed, system("one"))
		require.Positive(t, f.Recovery().LostBytes)
		require.Equal(t, []string{"first"}, messages(t, f.Journal, "user"))
	})
	t.Run("closed", func(t *testing.T) {
		t.Parallel()
		closed, _ := left(t)
		asVersion1(t, closed)
		f := open(t, closed, system("one"))
		require.Zero(t, f.Recovery().Replayed)
		require.Equal(t, want, messages(t, f.Journal, "user"))
		require.Equal(t, byte(2), contentOf(t, closed, ".journal/ring")[14])
	})
}
