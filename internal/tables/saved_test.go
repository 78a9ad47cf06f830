package tables_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
)

// notStored is of a folder in which closed files are not compressed.
func notStored(name string, _ *sidecar.Index) (data string, size int64) { return name, 1000 }

func (f *folder) save(t testing.TB) []byte {
	t.Helper()
	c, ok := f.Cut(1 << 20)
	require.True(t, ok)
	defer c.Done()
	var b bytes.Buffer
	n, err := c.Write(&b, notStored)
	require.NoError(t, err)
	require.EqualValues(t, b.Len(), n)
	return b.Bytes()
}

// found returns the files of the folder, and what tells the seq of a line.
func (f *folder) found() (list []tables.Found, at tables.SeqAt) {
	texts := map[string][]byte{}
	for seg, text := range f.text {
		list = append(list, tables.Found{Log: seg.File, Name: seg.Name(), Data: seg.Name(), Size: int64(len(text)), Index: seg.Index()})
		texts[seg.Name()] = text
	}
	return list, func(data string, offset int64) uint64 {
		var rec line.Record
		raw, _, _ := bytes.Cut(texts[data][min(offset, int64(len(texts[data]))):], []byte{'\n'})
		if line.Parse(raw, &rec) != nil {
			return 0
		}
		return rec.Seq
	}
}

// read takes in what was saved, and rows for all files.
func (f *folder) read(t testing.TB, b []byte, clean bool) *folder {
	t.Helper()
	s, err := tables.Read(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	files, at := f.found()
	if !s.Matches(files, at, clean) {
		return nil
	}
	g := &folder{Tables: s.Take(), seq: f.seq, text: map[*tables.Segment][]byte{}}
	for seg, text := range f.text {
		again := g.NewSegment(seg.File, seg.Name())
		g.text[again] = text
		if x := seg.Index(); x != nil {
			require.NoError(t, g.Adopt(again, x))
		} else {
			s.Rows(again, sidecar.NewCache(0))
		}
	}
	g.extent, _ = g.Extent()
	g.Loaded()
	return g
}

// What was saved reads as it was, also when files were sealed, and goes on.
func TestReadBack(t *testing.T) {
	t.Parallel()
	f := newFolder()
	usage, user := f.NewSegment(tables.Usage, "usage.log"), f.NewSegment("user", "user.log")
	f.flow(usage, user, 0, 300)
	_, ok := f.Cut(10)
	require.False(t, ok, "more go on than may be written down")
	f.Renamed(user, "user-2026.log")
	require.True(t, f.Swap(user, f.sidecarOf(t, user)))
	next := f.NewSegment("user", "user.log")
	f.flow(usage, next, 300, 600)
	x := f.sidecarOf(t, next)
	rows := next.Rows()
	next.SetParts(&rows, []tables.Part{{To: rows.Len(), Index: x}})
	saved := f.save(t)
	c, _ := f.Cut(1 << 20)
	g := f.read(t, saved, true)
	require.NotNil(t, g)
	require.Equal(t, f.told(), g.told())
	_, parts := g.segment("user.log").Unindexed()
	require.Equal(t, rows.Len(), tables.Indexed(parts))
	again, ok := g.Cut(1 << 20)
	require.True(t, ok)
	require.Equal(t, c.Extent(), g.extent, "nothing else to save, as soon as they are read")
	require.Equal(t, c.Extent(), again.Extent(), "nor later")
	for _, of := range []*folder{f, g} {
		of.flow(of.segment("usage.log"), of.segment("user.log"), 500, 700)
	}
	require.Equal(t, f.told(), g.told())
}

func (f *folder) segment(name string) *tables.Segment { return f.ByName(name) }

// Tables count only for a folder that has what was saved of it.
func TestMatches(t *testing.T) {
	t.Parallel()
	saved := newFolder()
	usage, user := saved.NewSegment(tables.Usage, "usage.log"), saved.NewSegment("user", "user.log")
	saved.flow(usage, user, 0, 20)
	b := saved.save(t)
	cut := func(from, to int) func() {
		return func() {
			lines := bytes.SplitAfter(saved.text[user], []byte{'\n'})
			saved.text[user] = bytes.Join(append(lines[:from:from], lines[to:]...), nil)
		}
	}
	whole := saved.text[user]
	for _, c := range []struct {
		name          string
		change        func()
		killed, clean bool // whether they count after that
	}{
		{"as it was", func() {}, true, true},
		{"without a first line", cut(0, 1), false, false},
		{"without a line", cut(3, 4), false, false},
		{"without a last line", cut(59, 60), false, false},
		{"deleted", func() { delete(saved.text, user) }, true, false},
		{"with more of the same numbers", func() { saved.text[user] = append(bytes.Clone(whole), whole...) }, false, false},
		{"with later lines", func() {
			saved.seq += 100
			saved.publish(user, run(1), nil)
		}, true, true},
	} {
		saved.text[user] = whole
		c.change()
		require.Equal(t, c.killed, saved.read(t, b, false) != nil, c.name)
		require.Equal(t, c.clean, saved.read(t, b, true) != nil, c.name)
	}
}

// Rows that are not in the order of their lines are not saved, and the owners of others
// have their own codes.
func TestRowsOutOfOrder(t *testing.T) {
	t.Parallel()
	f := newFolder()
	mixed, user := f.NewSegment("mixed", "mixed.log"), f.NewSegment("user", "user.log")
	for i, offset := range []uint32{0, 200, 100} {
		id := run(i)
		f.seq++
		f.Publish(mixed, &tables.Row{Seq: f.seq, Offset: offset, Len: 99, Kind: line.KindLine}, f.Owner(&id), nil)
	}
	for i := range 3000 {
		f.publish(user, run(3-i%3), nil)
	}
	b := f.save(t)
	s, err := tables.Read(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	s.Believe()
	g := &folder{Tables: s.Take()}
	for _, name := range []string{"mixed", "user"} {
		s.Rows(g.NewSegment(name, name+".log"), sidecar.NewCache(0))
	}
	g.Loaded()
	none := readRows(g, "mixed")
	require.Zero(t, none.Len())
	rows, again := readRows(f, "user"), readRows(g, "user")
	require.Equal(t, 3000, again.Len())
	_, known := f.views(tables.Everything)
	_, knownAgain := g.views(tables.Everything)
	for i := range rows.Len() {
		want, got := *rows.At(i), *again.At(i)
		require.Equal(t, known.Owner(want.Owner), knownAgain.Owner(got.Owner))
		want.Owner, got.Owner = 0, 0
		require.Equal(t, want, got)
	}
}

func readRows(f *folder, log string) tables.Rows { return f.segment(log + ".log").Rows() }

// Runs go with a file that was deleted unseen, and what others counted for them stays.
func TestFilesGoneSinceSaved(t *testing.T) {
	t.Parallel()
	f := newFolder()
	usage, user := f.NewSegment(tables.Usage, "usage.log"), f.NewSegment("user", "user.log")
	f.flow(usage, user, 0, 20)
	b := f.save(t)
	texts := f.text
	f.text = map[*tables.Segment][]byte{usage: texts[usage]}
	g := f.read(t, b, false)
	require.EqualValues(t, 2, g.Runs.Run("r-1").State().Lines[2])
	_, _, aside := g.Runs.Held()
	require.Zero(t, aside, "of runs without records nothing is left")
	f.text = map[*tables.Segment][]byte{user: texts[user]}
	g = f.read(t, b, false)
	require.Nil(t, g.Runs.Run("r-1"))
	_, known := g.views(tables.Everything)
	require.Empty(t, known.Runs())
}

// A file that is deleted while what was saved is taken in may have ended the runs that
// go on as far as is known: they go with it, as those do that are over, and what is told
// of a run in a later file stays.
func TestFileGoesWhileRead(t *testing.T) {
	t.Parallel()
	f := newFolder()
	old, usage := f.NewSegment(tables.Usage, "usage-2026.log"), f.NewSegment(tables.Usage, "usage.log")
	for i := range 3 {
		f.publish(old, run(i), start)
	}
	f.publish(old, run(1), end)
	f.publish(usage, run(3), start)
	f.publish(usage, run(2), nil)
	x := f.sidecarOf(t, old)
	require.True(t, f.Swap(old, x))
	b := f.save(t)
	s, err := tables.Read(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	files, at := f.found()
	require.True(t, s.Matches(files, at, false))
	g := &folder{Tables: s.Take(), text: map[*tables.Segment][]byte{}, seq: f.seq}
	gone, stays := g.NewSegment(tables.Usage, "usage-2026.log"), g.NewSegment(tables.Usage, "usage.log")
	require.NoError(t, g.Adopt(gone, x))
	s.Rows(stays, sidecar.NewCache(0))
	g.text[stays] = f.text[usage]
	g.Remove(gone)
	g.publish(stays, run(2), end)
	g.Loaded()
	require.Nil(t, g.Runs.Run("r-0"), "its end may have stood there")
	require.Nil(t, g.Runs.Run("r-1"))
	r := g.Runs.Run("r-2")
	require.EqualValues(t, 3, r.Seq)
	require.Equal(t, "me", r.Start.TriggeredBy)
	require.True(t, r.State().Ended)
	require.EqualValues(t, 1, r.State().Lines[2], "it counts on")
	require.NotNil(t, g.Runs.Run("r-3"))
}

// A disk that fails while tables are written, and a file of another version.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	f := newFolder()
	usage, user := f.NewSegment(tables.Usage, "usage.log"), f.NewSegment("user", "user.log")
	f.flow(usage, user, 0, 20)
	b := f.save(t)
	c, ok := f.Cut(1 << 20)
	require.True(t, ok)
	for n := range len(b) / 50 {
		_, err := c.Write(&full{50 * n}, notStored)
		require.ErrorIs(t, err, errFull)
	}
	newer := bytes.Clone(b)
	newer[16]++
	s, err := tables.Read(bytes.NewReader(newer), int64(len(newer)))
	require.NoError(t, err)
	require.Nil(t, s)
	for at := range b {
		damaged := bytes.Clone(b)
		damaged[at] ^= 0x20
		s, err := tables.Read(bytes.NewReader(damaged), int64(len(damaged)))
		require.True(t, s == nil || err != nil, "byte %d", at)
	}
	_, err = tables.Read(bytes.NewReader(b[:len(b)-1]), int64(len(b)-1))
	require.Error(t, err)
}

var errFull = errors.New("full")

// full takes so many bytes.
type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

// FuzzRead reads what may be anything, with checksums that fit, and asks for all that
// came of it: nothing may panic.
func FuzzRead(f *testing.F) {
	at := newFolder()
	usage, user := at.NewSegment(tables.Usage, "usage.log"), at.NewSegment("user", "user.log")
	at.flow(usage, user, 0, 3)
	at.publish(usage, step(9), &line.Lifecycle{Phase: line.PhaseStart, Iterated: true, IterationValue: []byte("1")})
	at.publish(usage, run(9), start)
	for i := range runs.StepsAtMark + 2 {
		id := step(9)
		id.Step += fmt.Sprint("-", i)
		at.publish(usage, id, start)
	}
	saved := at.save(f)
	require.Equal(f, saved, tables.Signed(saved))
	f.Add(saved)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = tables.Signed(b)
		s, err := tables.Read(bytes.NewReader(b), int64(len(b)))
		if s == nil || err != nil {
			return
		}
		names := s.Believe()
		of := &folder{Tables: s.Take()}
		for _, n := range names {
			s.Rows(of.NewSegment(n[0], n[1]), sidecar.NewCache(0))
		}
		of.Loaded()
		of.told()
		_, known := of.views(tables.Everything)
		known.AllRuns().Each(true, 0, 0, runs.AnyClass(), func(row *runs.Row) bool {
			if r := known.ReadSteps(row); r != nil {
				for _, place := range []int{r.Steps() - 1, runs.StepsAtMark, r.After(row.Seq + 70), 0} {
					r.Seek(max(place, 0))
					r.Next()
				}
			}
			return true
		})
	})
}
