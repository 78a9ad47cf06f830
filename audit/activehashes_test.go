package audit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
)

// provesAll proves each record of a trail, from the folder and with an open
// Prover.
func provesAll(t *testing.T, fsys vfs.FS, n int) {
	t.Helper()
	p, err := audit.OpenProverFS(fsys, dir)
	require.NoError(t, err)
	defer p.Close()
	trusted := quick("a").list()
	seq := uint64(0)
	for line, err := range p.Lines(0) {
		require.NoError(t, err)
		proof, err := p.Prove(t.Context(), seq)
		require.NoError(t, err, "record %d", seq)
		require.NoError(t, proof.Check(line, trusted), "record %d", seq)
		if seq%7 == 0 {
			proof, err = audit.ProveFS(t.Context(), fsys, dir, seq)
			require.NoError(t, err, "record %d", seq)
			require.NoError(t, proof.Check(line, trusted), "record %d", seq)
		}
		seq++
	}
	require.EqualValues(t, n, seq)
	require.EqualValues(t, n, p.Checkpoint().Size)
}

// TestActiveHashes keeps the sidecar of the active file over rotations, new
// openings and kills.
func TestActiveHashes(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	n := 0
	record := func(r *audit.Recorder, many int) {
		for range many {
			_, err := flow(r, fmt.Sprint(n))
			require.NoError(t, err)
			n++
		}
	}
	sidecar := func() []byte { return content(t, mem, "audit.log.hashes") }
	for round, many := range []int{5, 1, 40, 3, 60} {
		r, err := hosted(mem, audit.Options{OnProblem: func(err error) { t.Error(err) }})
		require.NoError(t, err)
		n++ // that it was opened
		record(r, many)
		if round == 2 {
			require.NoError(t, r.Rotate(t.Context()))
			record(r, many)
		}
		provesAll(t, mem, n)
		before := len(sidecar())
		require.NoError(t, r.Close())
		require.GreaterOrEqual(t, len(sidecar()), before)
		provesAll(t, mem, n)
	}
	whole := sidecar()
	require.NotEmpty(t, whole)

	t.Run("it is brought up to date when the trail is opened", func(t *testing.T) {
		olds := [][]byte{nil, whole[:len(whole)/2], whole[:len(whole)-40], []byte("garbage"), append(slices.Clone(whole), "more"...)}
		for hash := range 10 { // what the rest of the file would be put to
			wrong := slices.Clone(whole)
			wrong[len(wrong)-1-32*hash] ^= 1
			olds = append(olds, wrong)
		}
		for _, old := range olds {
			put(t, mem, "audit.log.hashes", old)
			provesAll(t, mem, n)
			r, err := hosted(mem, audit.Options{OnProblem: func(err error) { t.Error(err) }})
			require.NoError(t, err)
			n++
			require.Eventually(t, func() bool { return len(sidecar()) >= len(whole) }, 10*time.Second, time.Millisecond)
			record(r, 3)
			require.NoError(t, r.Close())
			provesAll(t, mem, n)
		}
	})
	t.Run("what is wrong in it makes no wrong proof", func(t *testing.T) {
		whole := sidecar()
		for at := 0; at < len(whole); at += 1 + 97*(at/250) {
			changed := slices.Clone(whole)
			changed[at] ^= 4
			put(t, mem, "audit.log.hashes", changed)
			if at%20 == 0 {
				provesAll(t, mem, n)
			}
			proof, err := audit.ProveFS(t.Context(), mem, dir, uint64(n-1))
			require.NoError(t, err, "byte %d", at)
			require.EqualValues(t, n-1, proof.Seq)
		}
		put(t, mem, "audit.log.hashes", whole)
	})
	t.Run("nor in that of a sealed file", func(t *testing.T) {
		infos, err := mem.ReadDir(dir)
		require.NoError(t, err)
		sealed := ""
		for _, info := range infos {
			if strings.HasPrefix(info.Name(), "audit-") && strings.HasSuffix(info.Name(), ".hashes") {
				sealed = info.Name()
			}
		}
		require.NotEmpty(t, sealed)
		whole := content(t, mem, sealed)
		for at := 0; at < len(whole); at += 3 + 97*(at/100) {
			changed := slices.Clone(whole)
			changed[at] ^= 4
			put(t, mem, sealed, changed)
			provesAll(t, mem, n)
		}
		put(t, mem, sealed, whole)
	})
	t.Run("a power cut takes it back, or not", func(t *testing.T) {
		r, err := hosted(mem, audit.Options{})
		require.NoError(t, err)
		n++
		record(r, 20)
		var cuts []*vfs.Mem
		for seed := range uint64(8) {
			cuts = append(cuts, mem.Crash(rand.New(rand.NewPCG(seed, 9)), vfs.CrashOptions{}))
		}
		require.NoError(t, r.Close())
		for _, cut := range cuts {
			provesAll(t, cut, n)
		}
	})
}
