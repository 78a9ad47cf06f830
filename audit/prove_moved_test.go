package audit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// next rotates a trail that is being read, and goes on with it.
func next(r *audit.Recorder) error {
	if err := r.Rotate(ctx()); err != nil {
		return err
	}
	_, err := flow(r, "next")
	return err
}

// linesOf reads all lines that a Prover has, and checks the proof of each.
func linesOf(t *testing.T, p *audit.Prover) {
	t.Helper()
	seq := p.First()
	for line, err := range p.Lines(0) {
		require.NoError(t, err)
		proof, err := p.Prove(t.Context(), seq)
		require.NoError(t, err)
		require.NoError(t, proof.Check(line, quick("a").list()))
		seq++
	}
	require.Equal(t, p.Checkpoint().Size, seq)
}

// A Prover sees the trail as it was when it was opened, also the records of a file that
// was the active one then.
func TestProverOfRotatedTrail(t *testing.T) {
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{})
	require.NoError(t, err)
	fill(t, r, 0, 2)
	_, err = flow(r, "active")
	require.NoError(t, err)
	p, err := audit.OpenProverFS(mem, dir)
	require.NoError(t, err)
	linesOf(t, p)
	for range 3 {
		require.NoError(t, next(r))
		linesOf(t, p)
	}
	require.NoError(t, r.SetRule(ctx(), rotation.Rule{MaxFiles: 1}))
	require.NoError(t, next(r))
	require.Eventually(t, func() bool {
		for _, err = range p.Lines(p.Checkpoint().Size - 1) {
		}
		return errors.Is(err, audit.ErrGone)
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, p.Close())
	require.NoError(t, r.Close())
}

// Who opens a trail that is written finds it, whatever is rotated and deleted meanwhile.
func TestProverOfMovedFiles(t *testing.T) {
	open := func(fsys vfs.FS) error {
		p, err := audit.OpenProverFS(fsys, dir)
		if err != nil {
			return err
		}
		require.GreaterOrEqual(t, p.Checkpoint().Size, uint64(16))
		return p.Close()
	}
	prove := func(fsys vfs.FS) error {
		_, err := audit.ProveFS(t.Context(), fsys, dir, 15)
		return err
	}
	for name, c := range map[string]struct {
		opened string
		rule   rotation.Rule
		act    func(vfs.FS) error
	}{
		"open, rotated":   {"audit.log", rotation.Rule{}, open},
		"open, retained":  {"audit-", rotation.Rule{MaxFiles: 1}, open},
		"prove, rotated":  {"audit.log", rotation.Rule{}, prove},
		"prove, retained": {"audit-", rotation.Rule{MaxFiles: 2}, prove},
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			r, err := hosted(mem, audit.Options{Rule: rotation.Rule{Compression: rotation.None}})
			require.NoError(t, err)
			fill(t, r, 0, 3)
			_, err = flow(r, "active")
			require.NoError(t, err)
			c.rule.Compression = rotation.None
			moved := false
			require.NoError(t, c.act(vfs.Inject(mem, func(op vfs.Op) error {
				if moved || op.Kind != vfs.OpRootOpen && op.Kind != vfs.OpOpen || !strings.HasPrefix(op.Name, dir+"/"+c.opened) {
					return nil
				}
				moved = true
				if err := r.SetRule(ctx(), c.rule); err != nil {
					return err
				}
				return next(r)
			})))
			require.True(t, moved)
			require.NoError(t, r.Close())
		})
	}
}
