package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// piece is how much text one goroutine of Verify looks at: lines go across its
// ends.
const piece = 512 << 10

// longTrail is a closed trail whose files are several pieces long, with lines of
// every length there may be.
func longTrail(t *testing.T) *vfs.Mem {
	t.Helper()
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{MaxValueBytes: 16_384, Rule: rotation.Rule{MaxBytes: 5 * piece / 2}})
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range 600 {
		after := map[string]string{}
		if i%5 == 0 {
			for k := range 1 + rng.IntN(8) {
				after[fmt.Sprint(k)] = strings.Repeat("x", rng.IntN(16_000))
			}
		}
		_, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowUpdated, Reason: strings.Repeat("r", rng.IntN(4000)), After: after})
		require.NoError(t, err)
	}
	require.NoError(t, r.Close())
	return mem
}

// TestVerifyPieces has lines that go across the ends of what is looked at
// together, in plain and in compressed files, and damages them there.
func TestVerifyPieces(t *testing.T) {
	t.Parallel()
	mem := longTrail(t)
	report, err := verify(t, mem)
	require.NoError(t, err)
	require.EqualValues(t, 601, report.Size)
	require.Greater(t, report.Files, int64(2))

	text := content(t, mem, "audit.log")
	require.Greater(t, len(text), piece)
	for _, at := range []int{piece - 2, piece - 1, piece, piece + 1, len(text) - 2} {
		changed := slices.Clone(text)
		changed[at] ^= 1
		put(t, mem, "audit.log", changed)
		_, err := verify(t, mem)
		require.ErrorIs(t, err, audit.ErrDamaged, "byte %d", at)
		var damage *audit.DamageError
		require.True(t, errors.As(err, &damage))
		require.Equal(t, "audit.log", damage.File)
		require.True(t, damage.Offset == 0 || text[damage.Offset-1] == '\n', "a line begins at %d", damage.Offset)
		next := bytes.IndexByte(text[at:], '\n') // a changed record shows at its checkpoint
		require.LessOrEqual(t, damage.Offset, int64(at+next)+1)
	}
	// A file without a newline in a whole piece.
	put(t, mem, "audit.log", append(slices.Clone(text), bytes.Repeat([]byte("x"), 3*piece)...))
	_, err = verify(t, mem)
	require.ErrorIs(t, err, audit.ErrUncovered)
	put(t, mem, "audit.log", append(append(slices.Clone(text), bytes.Repeat([]byte("x"), piece)...), '\n'))
	_, err = verify(t, mem)
	require.ErrorIs(t, err, audit.ErrLine)
	put(t, mem, "audit.log", text)
	_, err = verify(t, mem)
	require.NoError(t, err)
}

// TestForkWithinCommit compares a trail with an anchor whose size lies between
// two checkpoints of it.
func TestForkWithinCommit(t *testing.T) {
	t.Parallel()
	_, middle := fifty(t)
	mem := vfs.NewMem()
	held, release := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	var once sync.Once
	r, err := hosted(vfs.Inject(mem, func(op vfs.Op) error {
		if armed.Load() && op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, "audit.log") {
			once.Do(func() {
				close(held)
				<-release
			})
		}
		return nil
	}), audit.Options{})
	require.NoError(t, err)
	armed.Store(true)
	var callers sync.WaitGroup
	record := func() {
		_, err := flow(r, "another past")
		require.NoError(t, err)
	}
	callers.Go(record)
	<-held
	for range 60 { // they wait for the sync of the first, and then for one together
		callers.Go(record)
	}
	close(release)
	callers.Wait()
	require.NoError(t, r.Close())
	_, err = verify(t, mem)
	require.NoError(t, err)
	_, err = verify(t, mem, middle)
	require.ErrorIs(t, err, audit.ErrFork)
}
