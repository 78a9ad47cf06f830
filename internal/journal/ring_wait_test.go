package journal_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// Callers wait for room in a full ring, and others come later whose records would fit
// sooner. Room goes to who came first.
func TestWhoWaitsComesFirst(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{}) // lets one write pass
	answer := sync.OnceFunc(func() { close(gate) })
	f := open(t, vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, "user.log") {
			<-gate
		}
		return nil
	}), func(o *journal.Options) { o.MaxWait, o.SyncEvery = time.Hour, time.Hour })
	defer answer()
	large, small := strings.Repeat("l", 600_000), strings.Repeat("s", 10_000)
	for f.Stats().Waiting < f.Stats().RingSize*70/100 {
		_, err := f.log("user", run, zapcore.InfoLevel, "filling "+small)
		require.NoError(t, err)
	}
	filled := f.Stats().Files["user"].Records
	var wg sync.WaitGroup
	var come int64
	say := func(message string) {
		wg.Go(func() {
			if _, err := f.log("user", run, zapcore.InfoLevel, message); err != nil {
				t.Error(err)
			}
		})
		come++
		require.Eventually(t, func() bool { return f.Stats().Files["user"].Records-filled+int64(f.Queued()) == come }, 30*time.Second, 100*time.Microsecond)
	}
	say("first" + large) // has no room, as the others would have
	for i := range 200 {
		say(fmt.Sprint("late ", i, small))
	}
	require.Equal(t, filled, f.Stats().Files["user"].Records, "nobody overtakes who waits")
	f.lifecycle(run, line.Lifecycle{Phase: line.PhaseStart}) // has more of the ring, and waits for nobody

	for f.Queued() == 201 {
		require.Equal(t, filled, f.Stats().Files["user"].Records)
		select {
		case gate <- struct{}{}:
		case <-time.After(time.Millisecond):
		}
	}
	require.Eventually(t, func() bool { return messagesOf(t, f.Journal)["first"] == 1 }, 30*time.Second, time.Millisecond)
	answer()
	wg.Wait()
	require.Equal(t, map[string]int{"filli": int(filled), "first": 1, "late ": 200}, messagesOf(t, f.Journal))
	require.Zero(t, f.Stats().Files["user"].Dropped)
	require.Zero(t, f.Queued())
}

// messagesOf counts the messages of user by how they begin.
func messagesOf(t *testing.T, j *journal.Journal) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, m := range messages(t, j, "user") {
		n[m[:5]]++
	}
	return n
}

// A caller that waited in vain leaves the queue, and who came after it gets the room.
func TestWhoWaitsInVain(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	f := open(t, vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, "user.log") {
			<-gate
		}
		return nil
	}), func(o *journal.Options) { o.MaxWait, o.SyncEvery = 2*time.Second, time.Hour })
	defer close(gate)
	small := strings.Repeat("s", 10_000)
	for f.Stats().Waiting < f.Stats().RingSize*70/100 {
		_, err := f.log("user", run, zapcore.InfoLevel, small)
		require.NoError(t, err)
	}
	var wg sync.WaitGroup
	var first, second error
	wg.Go(func() { _, first = f.log("user", run, zapcore.InfoLevel, strings.Repeat("l", 600_000)) })
	require.Eventually(t, func() bool { return f.Queued() == 1 }, 30*time.Second, time.Millisecond)
	<-time.After(time.Second) // so that it gives up first
	wg.Go(func() { _, second = f.log("user", run, zapcore.InfoLevel, small) })
	wg.Wait()
	require.ErrorIs(t, first, journal.ErrFull)
	require.NoError(t, second)
	require.Zero(t, f.Queued())
}

// The ring faults after callers were given room in it and before they took it. They go on
// as soon as what is in the ring was saved, and do not wait for as long as they may.
func TestWhoWasGivenRoomInARingThatFaults(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	f := open(t, vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, "user.log") {
			<-gate
		}
		return nil
	}), func(o *journal.Options) { o.MaxWait, o.SyncEvery = time.Hour, time.Hour })
	answer := sync.OnceFunc(func() { close(gate) })
	defer answer()
	small := strings.Repeat("s", 10_000)
	for f.Stats().Waiting < f.Stats().RingSize*70/100 {
		_, err := f.log("user", run, zapcore.InfoLevel, "filling "+small)
		require.NoError(t, err)
	}
	filled := int(f.Stats().Files["user"].Records)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := f.log("user", run, zapcore.InfoLevel, "later "+strings.Repeat("l", 600_000)); err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool { return f.Queued() == 3 }, 30*time.Second, time.Millisecond)
	f.GiveAndFault()
	require.Eventually(t, func() bool { return f.Queued() == 3 }, 30*time.Second, time.Millisecond, "they wait for the other mode")
	answer()
	wg.Wait()
	require.Equal(t, map[string]int{"filli": filled, "later": 3}, messagesOf(t, f.Journal))
	require.Equal(t, journal.ModeWrite, f.Stats().Mode)
	require.Zero(t, f.Stats().Files["user"].Dropped)
}
