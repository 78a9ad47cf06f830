package tables_test

import (
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
)

type note struct{ text string }

// What is kept beside rows is found by every view of them, until they have an index or
// others stand in their place.
func TestBeside(t *testing.T) {
	t.Parallel()
	f := newFolder()
	user := f.NewSegment("user", "user.log")
	log := func(n int) {
		for range n {
			f.publish(user, run(1), nil)
		}
	}
	last := func() *tables.View {
		views, _ := f.views(tables.Everything)
		return &views[len(views)-1]
	}
	log(tables.Together + 10)
	view := last()
	first, place := tables.Beside[note](view, 5)
	require.Equal(t, 5, place)
	require.Empty(t, first.text)
	first.text = "kept"
	next, place := tables.Beside[note](view, tables.Together+5)
	require.Equal(t, 5, place)
	require.NotSame(t, first, next)
	require.Len(t, view.Rows(5), tables.Together-5)

	log(2 * tables.Together)
	again, _ := tables.Beside[note](last(), tables.Together-1)
	require.Same(t, first, again, "rows behind them change nothing")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range last().Len() {
				tables.Beside[note](last(), i)
			}
		})
	}
	all.Wait()

	t.Run("indexed", func(t *testing.T) {
		rows, n := user.Rows(), tables.Together+100
		row := rows.At(n)
		b, err := sidecar.Seal(t.Context(), f.text[user][:row.Offset], io.Discard, sidecar.Options{})
		require.NoError(t, err)
		x, err := sidecar.Read(b, sidecar.NewCache(0))
		require.NoError(t, err)
		user.SetParts(&rows, []tables.Part{{To: n, Index: x}})
		behind, place := tables.Beside[note](last(), 0)
		require.Same(t, next, behind, "some of them have no index")
		require.Equal(t, 100, place)
		gone, _ := tables.Beside[note](view, 5)
		require.NotSame(t, first, gone)
	})
	t.Run("in another file", func(t *testing.T) {
		kept, _ := tables.Beside[note](last(), tables.Together)
		rows := user.Rows()
		before := last()
		f.Renamed(user, "user-2026.log")
		other := f.SegmentAt(user)
		f.Split(user, other, rows.At(tables.Together*2).Seq)
		stale, _ := tables.Beside[note](before, tables.Together) // whoever asks still sees the rows as they were
		views, _ := f.views(tables.Everything)
		for i := range views {
			moved, _ := tables.Beside[note](&views[i], views[i].Len()-1)
			require.NotSame(t, kept, moved)
			require.NotSame(t, stale, moved)
		}
	})
	t.Run("of many rows", func(t *testing.T) {
		big := f.NewSegment("big", "big.log")
		id := run(0)
		o := f.Owner(&id)
		for range tables.MostBeside + 1 {
			f.seq++
			f.Publish(big, &tables.Row{Seq: f.seq}, o, nil)
		}
		views, _ := f.views(tables.Everything)
		for i := 0; i < tables.MostBeside; i += tables.Together {
			kept, _ := tables.Beside[note](&views[0], i)
			require.NotNil(t, kept)
		}
		kept, _ := tables.Beside[note](&views[0], tables.MostBeside)
		require.Nil(t, kept, "they are too many")
	})
}
