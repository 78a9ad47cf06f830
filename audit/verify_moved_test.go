package audit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Who verifies a trail that is written finds nothing missing because a file was rotated,
// or deleted by retention, between the listing of the folder and the reading.
func TestVerifyOfMovedFiles(t *testing.T) {
	f := func(name, opened string, meanwhile func(r *audit.Recorder) error) {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			r, err := hosted(mem, audit.Options{Rule: rotation.Rule{Compression: rotation.None}})
			require.NoError(t, err)
			fill(t, r, 0, 3)
			_, err = flow(r, "active")
			require.NoError(t, err)
			moved := false
			report, err := verify(t, vfs.Inject(mem, func(op vfs.Op) error {
				if !moved && (op.Kind == vfs.OpRootOpen || op.Kind == vfs.OpOpen) && strings.HasPrefix(op.Name, dir+"/"+opened) && strings.HasSuffix(op.Name, ".log") {
					moved = true
					return meanwhile(r)
				}
				return nil
			}))
			require.NoError(t, err)
			require.True(t, moved)
			require.NotZero(t, report.Files)
			require.NoError(t, r.Close())
		})
	}
	rotate := func(r *audit.Recorder) error {
		if err := r.Rotate(ctx()); err != nil {
			return err
		}
		_, err := flow(r, "next")
		return err
	}
	f("rotated", "audit.log", rotate)
	f("retained", "audit-", func(r *audit.Recorder) error {
		if err := r.SetRule(ctx(), rotation.Rule{MaxFiles: 1, Compression: rotation.None}); err != nil {
			return err
		}
		return rotate(r)
	})
}

// A trail that is rotated each time that somebody looks is not called damaged.
func TestTrailThatKeepsMoving(t *testing.T) {
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{Rule: rotation.Rule{Compression: rotation.None}})
	require.NoError(t, err)
	fill(t, r, 0, 1)
	_, err = flow(r, "active")
	require.NoError(t, err)
	moving := func() vfs.FS {
		times := 0
		return vfs.Inject(mem, func(op vfs.Op) error {
			if times < 20 && (op.Kind == vfs.OpRootOpen || op.Kind == vfs.OpOpen) && op.Name == dir+"/audit.log" {
				times++
				return next(r)
			}
			return nil
		})
	}
	_, err = verify(t, moving())
	require.ErrorContains(t, err, "faster than they could be read")
	require.NotErrorIs(t, err, audit.ErrDamaged)
	_, err = audit.OpenProverFS(moving(), dir)
	require.ErrorContains(t, err, "faster than they could be read")
	require.NotErrorIs(t, err, audit.ErrDamaged)
	_, err = verify(t, mem)
	require.NoError(t, err)
	require.NoError(t, r.Close())
}

// What is missing of a trail that nobody writes stays missing.
func TestVerifyOfMissingFile(t *testing.T) {
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{})
	require.NoError(t, err)
	fill(t, r, 0, 3)
	require.NoError(t, r.Close())
	require.NoError(t, mem.Remove(dir+"/audit.log"))
	_, err = verify(t, mem)
	require.ErrorIs(t, err, audit.ErrMissing)
}
