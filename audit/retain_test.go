package audit_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// sealedFiles counts the sealed files of a trail. One that is being compressed is
// there in two forms for a moment.
func sealedFiles(t *testing.T, fsys vfs.FS) int {
	t.Helper()
	infos, err := fsys.ReadDir(dir)
	require.NoError(t, err)
	files := map[string]bool{}
	for _, info := range infos {
		if log, ok := rotation.LogOf(info.Name()); ok && log == "audit" && info.Name() != "audit.log" {
			base, _, _ := strings.Cut(info.Name(), ".log")
			files[base] = true
		}
	}
	return len(files)
}

// fill seals n files of five records each; the flow of a file's records is its
// number.
func fill(t *testing.T, r *audit.Recorder, from, n int) {
	t.Helper()
	for i := range n {
		for range 5 {
			_, err := flow(r, fmt.Sprint(from+i))
			require.NoError(t, err)
		}
		require.NoError(t, r.Rotate(t.Context()))
	}
}

func TestRetention(t *testing.T) {
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{Rule: rotation.Rule{MaxFiles: 2}})
	require.NoError(t, err)
	fill(t, r, 0, 6)
	two := func() bool { return sealedFiles(t, mem) == 2 }
	require.Eventually(t, two, 10*time.Second, time.Millisecond)
	anchor := r.Checkpoint()
	require.NoError(t, r.Close())
	report, err := verify(t, mem, anchor)
	require.NoError(t, err)
	require.Positive(t, report.First)
	require.Equal(t, 2, report.Anchors)
	p, err := audit.OpenProverFS(mem, dir)
	require.NoError(t, err)
	seq := p.First()
	for line, err := range p.Lines(0) {
		require.NoError(t, err)
		proof, err := p.Prove(t.Context(), seq)
		require.NoError(t, err)
		require.NoError(t, proof.Check(line, quick("a").list()), "the frontier stands for what was deleted")
		seq++
	}
	require.Equal(t, report.Size, seq)
	_, err = p.Prove(t.Context(), report.First-1)
	require.ErrorIs(t, err, audit.ErrNotProvable)
	_, err = audit.ProveFS(t.Context(), mem, dir, report.First-1)
	require.ErrorIs(t, err, audit.ErrNotProvable)
	require.NoError(t, p.Close())
	require.Contains(t, string(content(t, mem, "audit.frontiers")), `"frontier":["`)

	// The next file in line, deleted by hand, is missed.
	infos, err := mem.ReadDir(dir)
	require.NoError(t, err)
	for _, info := range infos {
		if strings.HasPrefix(info.Name(), "audit-") && !strings.HasSuffix(info.Name(), ".hashes") {
			require.NoError(t, mem.Remove(dir+"/"+info.Name()))
			break
		}
	}
	_, err = verify(t, mem)
	require.ErrorIs(t, err, audit.ErrMissing)
}

// A process that is killed while it deletes a file leaves nothing of it for ever.
func TestRetentionIsKilled(t *testing.T) {
	for n, killed := int64(1), true; killed; n++ {
		synctest.Test(t, func(t *testing.T) {
			mem := vfs.NewMem()
			var left atomic.Int64
			r, err := hosted(vfs.Inject(mem, func(op vfs.Op) error {
				if op.Kind == vfs.OpRemove && left.Add(-1) == 0 {
					mem.Halt()
				}
				return nil
			}), audit.Options{})
			require.NoError(t, err)
			fill(t, r, 0, 2)
			synctest.Wait()
			left.Store(n)
			require.NoError(t, r.SetRule(t.Context(), rotation.Rule{MaxFiles: 1}))
			synctest.Wait()
			killed = left.Load() <= 0
			_ = r.Close() // of a process that is gone
			after := mem.Kill()
			r, err = hosted(after, audit.Options{Rule: rotation.Rule{MaxFiles: 1}})
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, r.Close())
			require.Equal(t, 1, sealedFiles(t, after))
			infos, err := after.ReadDir(dir)
			require.NoError(t, err)
			for _, info := range infos {
				if base, ok := strings.CutSuffix(info.Name(), ".hashes"); ok && base != "audit.log" {
					require.NotNil(t, content(t, after, base+".gz"), "%s of nothing, after %d", info.Name(), n)
				}
			}
			_, err = verify(t, after)
			require.NoError(t, err)
		})
	}
}

// Of a file that was being compressed when the process was killed nothing stays that the
// rule of the next one does not finish.
func TestCompressionIsKilled(t *testing.T) {
	for n, killed := int64(1), true; killed; n++ {
		synctest.Test(t, func(t *testing.T) {
			mem := vfs.NewMem()
			var left atomic.Int64
			r, err := hosted(vfs.Inject(mem, func(op vfs.Op) error {
				if op.Writes() && strings.HasPrefix(op.Name, dir+"/audit-") && left.Add(-1) == 0 {
					mem.Halt()
				}
				return nil
			}), audit.Options{Rule: rotation.Rule{Compression: rotation.Zstd}})
			require.NoError(t, err)
			synctest.Wait()
			left.Store(n)
			fill(t, r, 0, 1)
			synctest.Wait()
			killed = left.Load() <= 0
			_ = r.Close() // of a process that is gone
			after := mem.Kill()
			r, err = hosted(after, audit.Options{Rule: rotation.Rule{Compression: rotation.None}})
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, r.Close())
			infos, err := after.ReadDir(dir)
			require.NoError(t, err)
			for _, info := range infos {
				require.False(t, strings.HasSuffix(info.Name(), ".tmp"), "%s, after %d", info.Name(), n)
			}
			_, err = verify(t, after)
			require.NoError(t, err)
		})
	}
}

func TestHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		r, err := hosted(mem, audit.Options{})
		require.NoError(t, err)
		fill(t, r, 0, 3)
		require.NoError(t, r.Hold(t.Context(), audit.Hold{ID: "case-1", FlowID: "1", Reason: "court"}))
		err = r.Hold(t.Context(), audit.Hold{ID: "case-1", FlowID: "2"})
		require.ErrorIs(t, err, audit.ErrHold)
		require.EqualError(t, err, `audit: not a hold that can be placed or released: the id "case-1" is taken`)
		require.ErrorIs(t, r.Hold(t.Context(), audit.Hold{ID: "case-2"}), audit.ErrHold)
		now := time.Now()
		backward := r.Hold(t.Context(), audit.Hold{ID: "case-2", From: now, To: now.Add(-time.Hour)})
		require.ErrorIs(t, backward, audit.ErrHold, "it would hold nothing")
		require.ErrorContains(t, backward, "To is before From")
		require.ErrorIs(t, r.Release(t.Context(), "case-9"), audit.ErrHold)
		require.NoError(t, r.Close())

		r, err = hosted(mem, audit.Options{}) // it is kept
		require.NoError(t, err)
		require.Len(t, r.Holds(), 1)
		require.NoError(t, r.SetRule(t.Context(), rotation.Rule{MaxTotalBytes: 1}))
		synctest.Wait()
		require.Equal(t, 2, sealedFiles(t, mem), "file 0 goes, 1 is held")
		fill(t, r, 3, 1)
		synctest.Wait()
		require.Equal(t, 3, sealedFiles(t, mem), "and so is what came after it")
		require.NoError(t, r.Release(t.Context(), "case-1"))
		fill(t, r, 4, 1)
		synctest.Wait()
		require.Zero(t, sealedFiles(t, mem))
		require.NoError(t, r.Close())
		_, err = verify(t, mem)
		require.NoError(t, err)
	})
}

// A Recorder that has no trail open changes no holds: it does not know them, or another
// one has them now.
func TestHoldsOfATrailThatIsNotOpen(t *testing.T) {
	mem := vfs.NewMem()
	old, err := audit.OpenHosted(dir, &audit.Options{BestEffort: true}, audit.Host{FS: mem})
	require.NoError(t, err)
	require.NoError(t, old.Hold(t.Context(), audit.Hold{ID: "case-1", FlowID: "1"}))
	require.NoError(t, old.Close())

	key := content(t, mem, "audit.key")
	require.NoError(t, mem.Remove(dir+"/audit.key"))
	r, err := audit.OpenHosted(dir, nil, audit.Host{FS: mem})
	require.ErrorIs(t, err, audit.ErrKey)
	err = r.Hold(t.Context(), audit.Hold{ID: "case-2", FlowID: "2"})
	require.ErrorIs(t, err, audit.ErrUnavailable)
	require.ErrorIs(t, err, audit.ErrKey, "why")
	put(t, mem, "audit.key", key)
	require.NoError(t, r.Reopen(t.Context()))
	require.Equal(t, []audit.Hold{{ID: "case-1", FlowID: "1"}}, r.Holds())
	require.NoError(t, r.Hold(t.Context(), audit.Hold{ID: "case-2", FlowID: "2"}))

	require.ErrorIs(t, old.Hold(t.Context(), audit.Hold{ID: "case-3", FlowID: "3"}), audit.ErrClosed)
	require.ErrorIs(t, old.Release(t.Context(), "case-1"), audit.ErrClosed)
	require.NoError(t, r.Close())
	r, err = audit.OpenHosted(dir, nil, audit.Host{FS: mem})
	require.NoError(t, err)
	require.Equal(t, []audit.Hold{{ID: "case-1", FlowID: "1"}, {ID: "case-2", FlowID: "2"}}, r.Holds())
	require.NoError(t, r.Close())
}

func TestHoldConditions(t *testing.T) {
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for name, h := range map[string]audit.Hold{
		"from":                                {ID: "h", From: at.Add(-time.Hour)},
		"to":                                  {ID: "h", To: at.Add(time.Hour)},
		"actor":                               {ID: "h", Actor: "a@example.com"},
		"an actor whose address has a secret": {ID: "h", Actor: "registered@example.com"},
		"a flow whose id a record has no room for": {ID: "h", FlowID: strings.Repeat("f", 600)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := vfs.NewMem()
				r, err := hosted(mem, audit.Options{Clock: func() time.Time { return at }})
				require.NoError(t, err)
				defer r.Close()
				require.NoError(t, r.AddSecret("registered"))
				_, err = r.Record(t.Context(), audit.Entry{Event: audit.UserLoggedIn, Actor: audit.User("a@example.com"),
					OnBehalfOf: audit.User("registered@example.com"), FlowID: strings.Repeat("f", 600)})
				require.NoError(t, err)
				require.NoError(t, r.Rotate(t.Context()))
				require.NoError(t, r.Hold(t.Context(), h))
				require.NoError(t, r.SetRule(t.Context(), rotation.Rule{MaxTotalBytes: 1}))
				synctest.Wait()
				require.Equal(t, 1, sealedFiles(t, mem))
				require.NoError(t, r.Release(t.Context(), h.ID))
				require.NoError(t, r.SetRule(t.Context(), rotation.Rule{MaxTotalBytes: 2}))
				synctest.Wait()
				require.Zero(t, sealedFiles(t, mem), "the hold alone kept it")
			})
		})
	}
}

// TestRetentionAfterALeap: a clock that runs ahead for a while takes nothing of the
// trail.
func TestRetentionAfterALeap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var ahead, told atomic.Int64
		r, err := hosted(mem, audit.Options{Rule: rotation.Rule{MaxAge: 30 * 24 * time.Hour},
			Clock:     func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
			OnProblem: func(error) { told.Add(1) }})
		require.NoError(t, err)
		fill(t, r, 0, 2)
		time.Sleep(2 * time.Hour)
		ahead.Store(int64(365 * 24 * time.Hour))
		time.Sleep(20 * time.Hour)
		synctest.Wait()
		require.Equal(t, 2, sealedFiles(t, mem))
		require.EqualValues(t, 1, told.Load())
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		require.Zero(t, sealedFiles(t, mem), "a day later the clock is believed")
		require.NoError(t, r.Close())
	})
}

func TestRetentionByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		r, err := hosted(mem, audit.Options{Rule: rotation.Rule{MaxAge: 3 * time.Hour}})
		require.NoError(t, err)
		fill(t, r, 0, 2)
		time.Sleep(2 * time.Hour) // of the bubble's clock
		synctest.Wait()
		require.Equal(t, 2, sealedFiles(t, mem))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Zero(t, sealedFiles(t, mem))
		require.NoError(t, r.Close())
	})
}
