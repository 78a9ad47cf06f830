package journal_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// instant is a folder at one moment.
type instant struct {
	fs   *vfs.Mem
	ring []byte
}

// imageFrame does not divide a page, and the ring holds a whole number of frames:
// pages begin within frames, and laps line up.
const (
	imageFrame = 1056
	perLap     = 4096
	imageRing  = imageFrame * perLap
)

// instants logs records of one length through several laps of the ring, so that
// frames of different laps begin at the same places, and returns the folder at
// several moments, and the hash of each line by its seq.
func instants(t *testing.T, n int) ([]instant, map[uint64]uint64, maphash.Seed) {
	t.Helper()
	mem, rng := vfs.NewMem(), rand.New(rand.NewPCG(8, 8))
	f := open(t, mem, system("one"), func(o *journal.Options) {
		o.Rule = rotation.Rule{MaxBytes: 256 << 10, MaxFiles: 1, Compression: rotation.None}
		o.MaxWait, o.RingBytes = time.Hour, imageRing
	})
	seed := maphash.MakeSeed()
	lines := map[uint64]uint64{}
	var list []instant
	owner, file := f.Owner(run), f.file("user")
	for i := range 3 * perLap {
		m := journal.Meta{Time: time.Unix(1_700_000_000+int64(i), 0), Kind: line.KindLine}
		entry := &line.Entry{Time: m.Time, Kind: m.Kind, Identity: owner.Encoded(), Message: fmt.Sprintf("message %07d", i)}
		body := encoder.Append(nil, entry, []zap.Field{zap.String("pad", strings.Repeat(string(rune('a'+i%26)), 820))})
		require.Equal(t, imageFrame, (32+len(body)+31)/32*32)
		seq, err := file.Append(owner, m, body)
		require.NoError(t, err)
		lines[seq] = maphash.Bytes(seed, append(line.AppendPrefix(nil, seq), body...))
		if i > perLap/2 && rng.IntN(3*perLap/n) == 0 {
			now := mem.Crash(nil, vfs.CrashOptions{Unsynced: vfs.SurviveAll})
			list = append(list, instant{now, []byte(contentOf(t, now, ".journal/ring"))})
		}
	}
	return list, lines, seed
}

// The pages of the ring may be of different moments after a power cut, and so
// may be the text. What is recovered is what was logged, once and in order.
func TestRingOfSeveralMoments(t *testing.T) {
	t.Parallel()
	moments, lines, seed := instants(t, 24)
	require.Greater(t, len(moments), 10)
	var figure tally
	images := sized(60, 2000)
	inTurns(t, images, func(t *testing.T, n int) { mixedImage(t, n, moments, lines, seed, &figure) })
	t.Logf("%d images of up to 4 moments out of %d: 0 garbage lines, 0 repeated; %.1f records between tail and head on average, %d recoveries replayed %d of them",
		images, len(moments), float64(figure.of("in ring"))/float64(images), figure.of("replaying"), figure.of("replayed"))
}

func mixedImage(t *testing.T, n int, moments []instant, lines map[uint64]uint64, seed maphash.Seed, figure *tally) {
	rng := rand.New(rand.NewPCG(uint64(n), 9))
	at := rng.IntN(len(moments))
	fsys := moments[at].fs.Kill()
	image := mixPages(rng, moments, at)
	ring, err := fsys.OpenFile(dir+"/.journal/ring", os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = ring.WriteAt(image, 0)
	require.NoError(t, err)
	require.NoError(t, ring.Close())
	figure.add("in ring", inRing(fsys))
	j, err := journal.Open(dir, journal.Options{FS: fsys, Boot: "two", RingBytes: imageRing, Rule: rotation.Rule{Compression: rotation.None}})
	require.NoError(t, err)
	defer j.Close()
	figure.add("replayed", j.Recovery().Replayed)
	if j.Recovery().Replayed > 0 {
		figure.add("replaying", 1)
	}
	require.Zero(t, j.Recovery().Foreign, "image %d", n)
	requireLines(t, j, lines, seed, fmt.Sprintf("image %d", n))
}

// mixPages takes most of the pages from around one moment, the rest from others,
// with a header that may be of any of them.
func mixPages(rng *rand.Rand, moments []instant, at int) []byte {
	near := func() []byte { return moments[(at+rng.IntN(3))%len(moments)].ring }
	sources := [][]byte{near(), near(), moments[rng.IntN(len(moments))].ring, moments[rng.IntN(len(moments))].ring}
	kinds, share := 1+rng.IntN(4), []float64{0.001, 0.01, 0.1, 0.5}[rng.IntN(4)]
	unit := []int{512, 4096, 4096, 4096}[rng.IntN(4)]
	image := append([]byte(nil), sources[0]...)
	for from := 0; from < len(image); from += unit {
		if from == 0 || rng.Float64() < share {
			copy(image[from:from+unit], sources[rng.IntN(kinds)][from:])
		}
	}
	if rng.IntN(3) == 0 {
		// A tail that was not written back: it was never further.
		head, tail := binary.LittleEndian.Uint64(image[64:]), binary.LittleEndian.Uint64(image[128:])
		if back := uint64(rng.IntN(perLap)) * imageFrame; back <= tail && head-tail+back <= imageRing {
			binary.LittleEndian.PutUint64(image[128:], tail-back)
		}
	}
	return image
}

// requireLines checks that every line of user is one that was logged, in order.
func requireLines(t *testing.T, j *journal.Journal, lines map[uint64]uint64, seed maphash.Seed, note string) {
	for try := 0; ; try++ {
		snap, last := j.Snapshot(), uint64(0)
		var gone error
		for i := range snap.Segments {
			seg := &snap.Segments[i]
			for r := 0; r < seg.Len() && gone == nil && seg.File() == "user"; r++ {
				raw, err := seg.Read(r, nil)
				if errors.Is(err, journal.ErrGone) {
					gone = err
					break
				}
				require.NoError(t, err, note)
				row := seg.Row(r)
				require.Greater(t, row.Seq, last, note)
				last = row.Seq
				if lines[row.Seq] != maphash.Bytes(seed, raw) && !strings.Contains(string(raw), `"message":"gap: `) {
					require.Fail(t, "garbage", "%s: seq %d in %s: %s", note, row.Seq, seg.Name(), raw)
				}
			}
		}
		if gone == nil {
			return
		}
		require.Less(t, try, 5, "%s: %v", note, gone)
	}
}
