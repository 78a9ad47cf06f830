package journal_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

var (
	service = line.Identity{Server: "edge-1", Service: "orders"}
	run     = line.Identity{Server: "edge-1", Service: "orders", Operation: "sync", Run: "r-1"}
	step    = line.Identity{Server: "edge-1", Service: "orders", Operation: "sync", Run: "r-1", Step: "s-1", Action: "fetch", Attempt: 1}
)

func TestAppend(t *testing.T) {
	t.Parallel()
	f := open(t, vfs.NewMem())
	want := numbered(3000) // several chunks of rows
	for i, m := range want {
		seq, err := f.log("application", service, zapcore.InfoLevel, m)
		require.NoError(t, err)
		require.Equal(t, uint64(i+1), seq)
		if i%1000 == 0 {
			require.Equal(t, want[:i+1], messages(t, f.Journal, "application"), "visible when the call returned")
		}
	}
	require.Equal(t, want, messages(t, f.Journal, "application"))

	seg, i := f.Snapshot().BySeq(77)
	require.NotNil(t, seg)
	raw, err := seg.Read(i, nil)
	require.NoError(t, err)
	require.Contains(t, string(raw), `{"seq":77,`)
	seg, _ = f.Snapshot().BySeq(99999)
	require.Nil(t, seg)

	_, err = f.File("no/such name")
	require.ErrorIs(t, err, rotation.ErrName)
	require.Equal(t, int64(3000), f.Stats().Files["application"].Records)
}

func TestSnapshotIsImmutable(t *testing.T) {
	t.Parallel()
	f := open(t, vfs.NewMem())
	_, err := f.log("user", run, zapcore.InfoLevel, "first")
	require.NoError(t, err)
	snap := f.Snapshot()
	for range 5000 {
		_, err := f.log("user", run, zapcore.InfoLevel, "later")
		require.NoError(t, err)
	}
	require.Equal(t, uint64(1), snap.AsOf)
	require.Equal(t, 1, snap.Segments[0].Len())
	require.Equal(t, uint64(1), snap.Segments[0].Last())
}

func TestReopen(t *testing.T) {
	t.Parallel()
	t.Run("after a clean close the numbers go on without a gap", func(t *testing.T) {
		fsys := vfs.NewMem()
		f := open(t, fsys)
		for _, m := range numbered(10) {
			_, err := f.log("application", service, zapcore.InfoLevel, m)
			require.NoError(t, err)
		}
		kept, owner := f.file("application"), f.Owner(service)
		require.NoError(t, f.Close())
		require.NoError(t, f.Close(), "closing twice is fine")
		_, err := kept.Append(owner, journal.Meta{Level: zapcore.InfoLevel}, []byte(`"late":1}`))
		require.ErrorIs(t, err, journal.ErrClosed)
		_, err = f.File("application")
		require.ErrorIs(t, err, journal.ErrClosed)
		require.Equal(t, int64(1), f.Stats().Files["application"].Dropped)

		g := open(t, fsys)
		require.Equal(t, numbered(10), messages(t, g.Journal, "application"))
		seq, err := g.log("application", service, zapcore.InfoLevel, "next")
		require.NoError(t, err)
		require.Equal(t, uint64(11), seq)
	})
	t.Run("after a kill no number is given twice, even with the text deleted", func(t *testing.T) {
		fsys := vfs.NewMem()
		f := open(t, fsys)
		last, err := f.log("application", service, zapcore.InfoLevel, "before")
		require.NoError(t, err)
		require.NoError(t, f.Sync(t.Context()))
		killed := fsys.Kill()
		require.NoError(t, killed.Remove(dir+"/application.log"))

		g := open(t, killed)
		require.Empty(t, messages(t, g.Journal, "application"))
		seq, err := g.log("application", service, zapcore.InfoLevel, "after")
		require.NoError(t, err)
		require.Greater(t, seq, last)
	})
	t.Run("the folder of another writer is refused", func(t *testing.T) {
		fsys := vfs.NewMem()
		f := open(t, fsys)
		_, err := journal.Open(dir, journal.Options{FS: fsys})
		require.ErrorIs(t, err, journal.ErrLocked)
		require.NoError(t, f.Close())
		open(t, fsys)
	})
	t.Run("a torn line is cut and what stands before it is kept", func(t *testing.T) {
		fsys := vfs.NewMem()
		f := open(t, fsys)
		for _, m := range numbered(5) {
			_, err := f.log("user", run, zapcore.InfoLevel, m)
			require.NoError(t, err)
		}
		require.NoError(t, f.Sync(t.Context()))
		killed := fsys.Kill()
		info, err := killed.Lstat(dir + "/user.log")
		require.NoError(t, err)
		text, err := killed.OpenFile(dir+"/user.log", 2, 0)
		require.NoError(t, err)
		require.NoError(t, text.Truncate(info.Size()-7))
		require.NoError(t, text.Close())

		g := open(t, killed)
		require.Equal(t, numbered(4), messages(t, g.Journal, "user"))
		require.Positive(t, g.Recovery().TornBytes)
		require.Zero(t, g.Recovery().Replayed)
		_, err = g.log("user", run, zapcore.InfoLevel, "message 4")
		require.NoError(t, err)
		require.Equal(t, numbered(5), messages(t, g.Journal, "user"))
	})
	t.Run("lines that are no records are skipped and kept", func(t *testing.T) {
		fsys := vfs.NewMem()
		f := open(t, fsys)
		_, err := f.log("user", run, zapcore.InfoLevel, "message 0")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		text, err := fsys.OpenFile(dir+"/user.log", 1|1024, 0)
		require.NoError(t, err)
		_, err = text.Write([]byte("a note by hand\n{\"no\":\"seq\"}\n\n"))
		require.NoError(t, err)
		require.NoError(t, text.Close())

		g := open(t, fsys)
		_, err = g.log("user", run, zapcore.InfoLevel, "message 1")
		require.NoError(t, err)
		require.Equal(t, numbered(2), messages(t, g.Journal, "user"))
		require.Equal(t, int64(3), g.Recovery().Foreign)
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	for _, compression := range []rotation.Compression{rotation.None, rotation.Gzip, rotation.Zstd} {
		t.Run(compression.String(), func(t *testing.T) {
			t.Parallel()
			fsys := vfs.NewMem()
			small := func(o *journal.Options) { o.Rule = rotation.Rule{MaxBytes: 4000, Compression: compression} }
			f := open(t, fsys, small)
			want := numbered(500)
			for i, m := range want {
				_, err := f.log("user", run, zapcore.InfoLevel, m)
				require.NoError(t, err)
				if i%50 == 0 {
					require.Equal(t, want[:i+1], messages(t, f.Journal, "user"))
				}
			}
			for _, s := range f.Snapshot().Segments {
				if s.Index() == nil && s.Len() > 0 {
					require.Zero(t, s.Row(0).Offset, s.Name())
				}
			}
			require.NoError(t, f.Rotate("user"))
			require.Greater(t, len(f.Snapshot().Segments), 10)
			require.Equal(t, want, messages(t, f.Journal, "user"))
			if compression != rotation.None {
				require.Eventually(t, func() bool {
					infos, err := f.Folder().List()
					require.NoError(t, err)
					for _, info := range infos {
						if !info.Active && !info.Compressed {
							return false
						}
					}
					return true
				}, 10*time.Second, 10*time.Millisecond)
			}
			require.Equal(t, want, messages(t, f.Journal, "user"), "read from compressed files")
			require.NoError(t, f.Close())
			require.Equal(t, want, messages(t, open(t, fsys, small).Journal, "user"), "rebuilt from compressed files")
		})
	}
}

func TestDeletedFilesLeaveTheTables(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys)
	f.lifecycle(run, line.Lifecycle{Phase: line.PhaseStart})
	f.lifecycle(run, line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded"})
	require.NoError(t, f.Rotate("usage"))
	other := run
	other.Run = "r-2"
	f.lifecycle(other, line.Lifecycle{Phase: line.PhaseStart})
	require.Len(t, f.Snapshot().Runs(), 2)

	snap := f.Snapshot()
	closed := &snap.Segments[0]
	require.NoError(t, f.Folder().Delete(t.Context(), closed.Name()))
	require.Len(t, f.Snapshot().Runs(), 1)
	require.Nil(t, f.Snapshot().Run("r-1"))
	require.NotNil(t, f.Snapshot().Run("r-2"))
	_, err := closed.Read(0, nil)
	require.ErrorIs(t, err, journal.ErrGone)

	_, err = f.log("user", run, zapcore.InfoLevel, "message 0")
	require.NoError(t, err)
	require.NoError(t, f.Rotate("user"))
	for _, seg := range f.Snapshot().Segments {
		if seg.File() == "user" && seg.Len() > 0 {
			require.NoError(t, ignoreMissing(fsys.Remove(dir+"/"+seg.Name())))
			require.NoError(t, ignoreMissing(fsys.Remove(dir+"/"+seg.Name()+".gz")))
		}
	}
	require.Eventually(t, func() bool { return len(messages(t, f.Journal, "user")) == 0 }, 30*time.Second, 10*time.Millisecond,
		"a file that somebody else deleted")
}

func TestRuns(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys)
	id := f.lifecycle(run, line.Lifecycle{Phase: line.PhaseStart, TriggeredBy: "a@example.com"})
	f.lifecycle(step, line.Lifecycle{Phase: line.PhaseStart, Order: 1})
	for _, l := range []zapcore.Level{zapcore.InfoLevel, zapcore.InfoLevel, zapcore.ErrorLevel} {
		_, err := f.log("user", step, l, "working")
		require.NoError(t, err)
	}
	_, err := f.log("user", run, zapcore.WarnLevel, "beside the step")
	require.NoError(t, err)
	f.lifecycle(run, line.Lifecycle{Phase: line.PhaseUpdate, ID: id, Counted: true, Processed: 5, Succeeded: 3, Failed: 2})

	check := func(t *testing.T, j *journal.Journal) {
		r := j.Snapshot().Run("r-1")
		require.NotNil(t, r)
		require.Equal(t, id, r.Seq)
		require.Equal(t, "a@example.com", r.Start.TriggeredBy)
		state := r.State()
		require.Equal(t, line.Levels{0, 0, 2, 1, 1, 0}, state.Lines)
		require.Positive(t, state.Bytes)
		require.Equal(t, 1, state.Steps)
		require.True(t, state.Counted)
		require.Equal(t, int64(5), state.Processed)
		require.Len(t, r.Steps(), 1)
		require.Equal(t, line.Levels{0, 0, 2, 0, 1, 0}, r.Steps()[0].State().Lines)
		require.Same(t, r, r.Steps()[0].Run())
	}
	check(t, f.Journal)
	require.False(t, f.Run("r-1").State().Ended)

	t.Run("R2.8 library: a run whose process died is ended as failed on open", func(t *testing.T) {
		g := open(t, fsys.Kill())
		check(t, g.Journal)
		state := g.Run("r-1").State()
		require.True(t, state.Ended)
		require.True(t, state.Implied)
		require.Equal(t, "failed", state.Outcome)
		require.Equal(t, runs.ReasonProcessDied, state.Reason)
		require.True(t, g.Step("s-1").State().Ended)
		require.Equal(t, 1, g.Recovery().RunsClosed)
		require.Equal(t, 1, g.Recovery().StepsClosed)

		g.lifecycle(run, line.Lifecycle{Phase: line.PhaseEnd, ID: id, Outcome: "succeeded"})
		require.Equal(t, "succeeded", g.Run("r-1").State().Outcome, "the host's end replaces it")
		g.lifecycle(run, line.Lifecycle{Phase: line.PhaseEnd, ID: id, Outcome: "failed"})
		require.Equal(t, "succeeded", g.Run("r-1").State().Outcome, "the first end stands")
	})
	t.Run("R2.8 library: unless the host says that it goes on", func(t *testing.T) {
		g := open(t, fsys.Kill(), func(o *journal.Options) { o.KeepOpen = func(r *runs.Run) bool { return r.Identity.Run == "r-1" } })
		check(t, g.Journal)
		require.False(t, g.Run("r-1").State().Ended)
		require.Zero(t, g.Recovery().RunsClosed)
	})
	t.Run("a run that was ended for its dead process can be resumed", func(t *testing.T) {
		killed := fsys.Kill()
		require.NoError(t, open(t, killed).Close())
		g := open(t, killed)
		require.True(t, g.Run("r-1").State().Ended)
		g.lifecycle(run, line.Lifecycle{Phase: line.PhaseResume, ID: id})
		require.False(t, g.Run("r-1").State().Ended)
	})
	t.Run("the end answers alone when the start has expired", func(t *testing.T) {
		killed := fsys.Kill()
		g := open(t, killed, func(o *journal.Options) { o.KeepOpen = func(*runs.Run) bool { return true } })
		require.NoError(t, g.Rotate("usage"))
		r := g.Run("r-1")
		lc := journal.EndLifecycle(r.Seq, &r.Start, r.State())
		lc.Outcome, lc.Started = "succeeded", r.Started
		g.lifecycle(run, lc)
		snap := g.Snapshot()
		for _, seg := range snap.Segments {
			if seg.File() == "usage" && seg.Name() != "usage.log" {
				require.NoError(t, g.Folder().Delete(t.Context(), seg.Name()))
			}
		}
		require.NoError(t, g.Close())
		h := open(t, killed)
		again := h.Run("r-1")
		require.Equal(t, id, again.Seq)
		require.Equal(t, r.Started, again.Started)
		require.Equal(t, "a@example.com", again.Start.TriggeredBy)
		require.Equal(t, int64(5), again.State().Processed)
		require.Equal(t, line.Levels{0, 0, 2, 1, 1, 0}, again.State().Lines)
	})
}

func TestWait(t *testing.T) {
	t.Parallel()
	f := open(t, vfs.NewMem())
	done := make(chan error, 1)
	go func() { done <- f.Wait(context.Background(), 0) }()
	_, err := f.log("application", service, zapcore.InfoLevel, "hello")
	require.NoError(t, err)
	require.NoError(t, <-done)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, f.Wait(ctx, 1), context.Canceled)
	go func() { done <- f.Wait(context.Background(), 1) }()
	require.NoError(t, f.Close())
	require.ErrorIs(t, <-done, journal.ErrClosed)
}

func TestManyCallers(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys, func(o *journal.Options) { o.Rule = rotation.Rule{MaxBytes: 20_000} })
	const callers, each = 8, 300
	files := []string{"user", "application", "email", "database"}
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				if _, err := f.log(files[(c+i)%len(files)], service, zapcore.InfoLevel, fmt.Sprintf("%d/%d", c, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for {
			snap := f.Snapshot()
			seen := map[uint64]bool{}
			for i := range snap.Segments {
				for r := range snap.Segments[i].Len() {
					seen[snap.Segments[i].Row(r).Seq] = true
				}
			}
			if uint64(len(seen)) != snap.AsOf {
				t.Errorf("a snapshot as of %d has %d records", snap.AsOf, len(seen))
			}
			if snap.AsOf == callers*each {
				return
			}
		}
	}()
	wg.Wait()
	<-read
	require.NoError(t, f.Close())
	g := open(t, fsys)
	total := 0
	for _, name := range files {
		total += len(messages(t, g.Journal, name))
	}
	require.Equal(t, callers*each, total)
}
