package querytest

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest/oracle"
)

// checkStable goes through pages while more arrives between them.
func checkStable(t *testing.T, s Subject, o Options) {
	g := NewGenerator(o.Seed + 1)
	s.Append(t, g.Entries(100))
	before := text(t, s.Text(t))
	all := before.Select(oracle.Filter{}, 0)
	for _, oldest := range []bool{false, true} {
		var cursor, offset []uint64
		byCursor := query.Paging{Limit: 9, Oldest: oldest, AsOf: before.Records[len(before.Records)-1].Seq}
		byOffset := byCursor
		for {
			page, err := s.Engine.Records(t.Context(), query.Filter{}, byCursor)
			require.NoError(t, err)
			cursor = append(cursor, seqs(page.Items)...)
			other, err := s.Engine.Records(t.Context(), query.Filter{}, byOffset)
			require.NoError(t, err)
			offset = append(offset, seqs(other.Items)...)
			require.EqualValues(t, len(all), page.Total.N)
			require.EqualValues(t, len(all), other.Total.N)
			if page.Next == "" {
				break
			}
			byCursor.Cursor, byOffset.Offset = page.Next, byOffset.Offset+byOffset.Limit
			s.Append(t, g.Entries(7))
		}
		want := make([]uint64, len(all))
		for i, r := range part(all, query.Paging{Limit: len(all), Oldest: oldest}) {
			want[i] = r.Seq
		}
		require.Equal(t, want, cursor)
		require.Equal(t, want, offset)
	}
	later := s.Engine.All(t.Context(), query.Filter{})
	reader := s.Engine.Reader(t.Context(), query.Filter{})
	now := len(text(t, s.Text(t)).Records)
	s.Append(t, g.Entries(5))
	n := 0
	for _, err := range later {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, now, n, "All ends with what was there at the call")
	require.Equal(t, now, lineCount(t, reader), "Reader ends with what was there at the call")
	require.NoError(t, reader.Close())
	_, err := reader.Read(make([]byte, 1))
	require.ErrorIs(t, err, query.ErrClosed)

	newest := text(t, s.Text(t)).Records[now+4].Seq
	page, err := s.Engine.Records(t.Context(), query.Filter{}, query.Paging{Limit: 1, AsOf: newest + 1})
	require.NoError(t, err)
	require.Equal(t, newest, page.AsOf, "a number that no record has reached means now")
}

func lineCount(t testing.TB, r interface{ Read([]byte) (int, error) }) int {
	t.Helper()
	n, buf := 0, make([]byte, 777)
	for {
		k, err := r.Read(buf)
		for _, c := range buf[:k] {
			if c == '\n' {
				n++
			}
		}
		if err != nil {
			require.EqualError(t, err, "EOF")
			return n
		}
	}
}

// checkWriting takes pages while eight goroutines write, and looks afterwards
// whether each held what its snapshot promises: no repeat, no gap.
func checkWriting(t *testing.T, s Subject, o Options) {
	const writers, batches, batch = 8, 20, 8
	first := NewGenerator(o.Seed + 2)
	s.Append(t, first.Entries(60))
	known := text(t, s.Text(t))

	var writing sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		writing.Add(1)
		g := NewGenerator(o.Seed + 100 + uint64(w))
		g.ids = (w + 1) * 1_000_000 // ids of their own
		go func() {
			defer writing.Done()
			for range batches {
				s.Append(t, g.Entries(batch))
			}
		}()
	}
	go func() {
		writing.Wait()
		close(done)
	}()

	type taken struct {
		what   string
		filter query.Filter
		paging query.Paging
		page   query.Page[query.Record]
	}
	var pages []taken
	for n, stop := 0, false; (!stop || n < 50) && !t.Failed(); n++ {
		select {
		case <-done:
			stop = true
		default:
		}
		c := checker{TB: t, asker: newAsker(rand.New(rand.NewPCG(o.Seed, uint64(n))), known)}
		p := taken{filter: c.filter(), paging: c.paging(20), what: fmt.Sprintf("seed %d, query %d while writing", o.Seed, n)}
		page, err := s.Engine.Records(t.Context(), p.filter, p.paging)
		require.NoError(t, err, p.what)
		p.page = page
		pages = append(pages, p)
		if page.Next != "" {
			next := query.Paging{Cursor: page.Next, Limit: p.paging.Limit}
			more, err := s.Engine.Records(t.Context(), p.filter, next)
			require.NoError(t, err, p.what)
			require.Equal(t, page.AsOf, more.AsOf, p.what)
			follow := p
			follow.paging.Offset += len(page.Items)
			follow.page = more
			pages = append(pages, follow)
		}
	}
	<-done
	all := text(t, s.Text(t))
	require.Len(t, all.Records, 60+writers*batches*batch)
	newest := uint64(0)
	for _, p := range pages {
		c := checker{TB: t, text: all, what: fmt.Sprintf("%s: %+v %+v", p.what, p.filter, p.paging)}
		want := c.text.Select(toOracle(p.filter), p.page.AsOf)
		require.Equal(t, query.Total{N: int64(len(want)), Exact: true}, p.page.Total, c.what)
		c.same(part(want, p.paging), p.page.Items)
		if p.paging.AsOf == 0 {
			require.GreaterOrEqual(t, p.page.AsOf, newest, c.what)
			newest = p.page.AsOf
		}
	}
	t.Logf("%d pages while %d records were written", len(pages), writers*batches*batch)
}

// checkTail follows a store.
func checkTail(t *testing.T, open func(t *testing.T) Subject) {
	if !tails(t, open(t)) {
		return
	}
	t.Run("what arrives from the call on", func(t *testing.T) {
		s := open(t)
		s.Append(t, numbered(0, 3))
		next, cancel := startTail(t, s, query.Filter{}, query.TailOptions{})
		s.Append(t, numbered(3, 600))
		for i := range 600 {
			wantTailed(t, next, 3+i, 0)
		}
		s.Append(t, numbered(603, 1))
		wantTailed(t, next, 603, 0)
		cancel()
		_, _, ok := next()
		require.False(t, ok, "a tail ends with its context")
	})
	t.Run("while it waits", func(t *testing.T) {
		s := open(t)
		next, _ := startTail(t, s, query.Filter{}, query.TailOptions{})
		go s.Append(t, numbered(0, 1))
		wantTailed(t, next, 0, 0)
	})
	t.Run("backlog", func(t *testing.T) {
		s := open(t)
		s.Append(t, numbered(0, 10))
		next, _ := startTail(t, s, query.Filter{Files: []string{"user"}, Search: "NUMBER"}, query.TailOptions{Backlog: 2})
		s.Append(t, numbered(10, 3))
		for _, number := range []int{6, 9, 12} {
			wantTailed(t, next, number, 0)
		}
	})
	t.Run("after a seq", func(t *testing.T) {
		s := open(t)
		s.Append(t, numbered(0, 10))
		first, _ := startTail(t, s, query.Filter{}, query.TailOptions{Backlog: 5})
		seq := wantTailed(t, first, 5, 0)
		again, _ := startTail(t, s, query.Filter{}, query.TailOptions{After: seq})
		s.Append(t, numbered(10, 1))
		for i := 6; i <= 10; i++ {
			wantTailed(t, again, i, 0)
		}
	})
	t.Run("what a slow reader misses", func(t *testing.T) {
		s := open(t)
		next, _ := startTail(t, s, query.Filter{Server: "edge-1"}, query.TailOptions{MaxLag: 4})
		s.Append(t, numbered(0, 20))
		wantTailed(t, next, 16, 16)
		for i := 17; i < 20; i++ {
			wantTailed(t, next, i, 0)
		}
		s.Append(t, numbered(20, 5))
		wantTailed(t, next, 21, 1)
	})
	t.Run("misses are said with the next match", func(t *testing.T) {
		s := open(t)
		next, _ := startTail(t, s, query.Filter{Search: "number"}, query.TailOptions{MaxLag: 2})
		s.Append(t, slices.Concat(numbered(0, 3), []Entry{{File: "user", Text: []byte(
			`{"timestamp":"2026-11-21T02:03:04.000000000Z","level":"info","kind":"event","message":"else"}`)}}, numbered(4, 1)))
		wantTailed(t, next, 4, 3)
	})
	t.Run("the reader stops", func(t *testing.T) {
		s := open(t)
		s.Append(t, numbered(0, 3))
		for got, err := range s.Engine.Tail(t.Context(), query.Filter{}, query.TailOptions{Backlog: 3}) {
			require.NoError(t, err)
			require.Equal(t, "number 0", got.Record.Message)
			break
		}
	})
}

// numbered are n records of several files and levels, which say their numbers.
func numbered(from, n int) []Entry {
	entries := make([]Entry, n)
	for i := range entries {
		file := []string{"user", "application", "email"}[(from+i)%3]
		level := []string{"info", "debug"}[(from+i)%2]
		entries[i] = Entry{File: file, Text: fmt.Appendf(nil, `{"timestamp":"2026-11-21T02:03:04.000000000Z","level":%q,`+
			`"kind":"event","server":"edge-1","message":"number %d"}`, level, from+i)}
	}
	return entries
}

// tails reports whether a subject has tails at all.
func tails(t *testing.T, s Subject) bool {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.Engine.Tail(ended, query.Filter{}, query.TailOptions{}) {
		if isUnsupported(err) {
			return false
		}
		require.NoError(t, err)
	}
	return true
}

// startTail begins a tail that is read record by record, until the test ends.
func startTail(t *testing.T, s Subject, f query.Filter, o query.TailOptions) (func() (query.Tailed, error, bool), context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	next, stop := iter.Pull2(s.Engine.Tail(ctx, f, o))
	t.Cleanup(func() {
		cancel()
		stop()
	})
	return next, cancel
}

// wantTailed reads one record, compares its message, and returns its seq.
func wantTailed(t *testing.T, next func() (query.Tailed, error, bool), number int, missed int64) uint64 {
	t.Helper()
	got, err, ok := next()
	require.True(t, ok)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("number %d", number), got.Record.Message)
	require.Equal(t, missed, got.Missed)
	return got.Record.Seq
}
