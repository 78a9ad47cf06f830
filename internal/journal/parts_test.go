package journal_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// Messages get codes from a question during a burst on, until nobody has asked for a while.
func TestMessagesAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := line.NewMessages()
		f := open(t, vfs.NewMem(), system("one"), func(o *journal.Options) { o.Messages = m })
		e := line.NewEncoder(line.Options{Messages: m})
		asked := func() bool {
			synctest.Wait()
			en := line.Entry{Kind: line.KindLine, Message: "connected"}
			for range 2 {
				e.Append(nil, &en, nil)
			}
			return en.MessageCode != 0
		}
		require.False(t, asked())
		for range 2 {
			f.IndexSoon()
			require.True(t, asked())
			time.Sleep(9 * time.Second)
			require.True(t, asked())
			time.Sleep(2 * time.Second)
			require.False(t, asked())
		}
	})
}

// Who waits for somebody else's index does so no longer than its context lasts.
func TestIndexRowsWaitsForItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		f := open(t, vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
			if (op.Kind == vfs.OpRead || op.Kind == vfs.OpReadAt || op.Kind == vfs.OpMap) && slow.Load() {
				<-time.After(time.Minute)
			}
			return nil
		}))
		f.sayAll("user", numbered(500))
		require.NoError(t, f.Flush())
		slow.Store(true)
		first := make(chan error, 1)
		go func() { first <- f.IndexRows(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		before := time.Now()
		require.ErrorIs(t, f.IndexRows(ctx), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(before))
		require.Empty(t, first, "the other goes on")
		require.NoError(t, <-first)
	})
}

// Who only reads a folder indexes the fields of active files that its writer does, once a
// sealed file says which, and the usual ones before.
func TestReaderIndexesFields(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	f := open(t, mem, func(o *journal.Options) { o.IndexFields = []string{"page"} })
	fields := func() [][]string {
		t.Helper()
		require.NoError(t, f.Flush())
		r, err := journal.OpenReader(mem, dir)
		require.NoError(t, err)
		defer func() { require.NoError(t, r.Close()) }()
		r.Snapshot()
		require.NoError(t, r.IndexRows(t.Context()))
		return r.PartFields("user")
	}
	f.sayAll("user", numbered(500))
	require.Equal(t, [][]string{journal.DefaultIndexFields()}, fields())
	require.NoError(t, f.Rotate("user"))
	require.Eventually(t, func() bool { return f.Unsealed() == 0 }, 10*time.Second, time.Millisecond)
	f.sayAll("user", numbered(500))
	require.Equal(t, [][]string{{"page"}}, fields())
	require.Eventually(t, func() bool { // a burst may be going on
		require.NoError(t, f.IndexRows(t.Context()))
		return slices.EqualFunc(f.PartFields("user"), [][]string{{"page"}}, slices.Equal)
	}, 10*time.Second, 10*time.Millisecond)
}
