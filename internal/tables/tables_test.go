package tables_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var encoder = line.NewEncoder(line.Options{})

// folder is tables under test, with the text of each of their files.
type folder struct {
	*tables.Tables
	seq    uint64
	text   map[*tables.Segment][]byte
	extent tables.Extent // of what was read
}

func newFolder() *folder {
	return &folder{Tables: tables.New(), text: map[*tables.Segment][]byte{}}
}

// publish adds a record to a file: of a run or step where lc is there, else a line.
func (f *folder) publish(seg *tables.Segment, id line.Identity, lc *line.Lifecycle) {
	f.seq++
	e := line.Entry{Time: time.Unix(int64(f.seq), 0).UTC(), Level: zapcore.InfoLevel, Kind: line.KindLine, Message: fmt.Sprint("message ", f.seq), Lifecycle: lc}
	switch {
	case lc != nil && id.Step != "":
		e.Kind = line.KindStep
	case lc != nil:
		e.Kind = line.KindRun
	}
	o := f.Owner(&id)
	e.Identity = o.Encoded()
	raw := encoder.Append(line.AppendPrefix(nil, f.seq), &e, nil)
	row := tables.Row{Seq: f.seq, Time: e.Time.UnixNano(), Offset: uint32(len(f.text[seg])), Len: uint32(len(raw)), Level: int8(e.Level), Kind: e.Kind}
	f.text[seg] = append(append(f.text[seg], raw...), '\n')
	f.Publish(seg, &row, o, lc)
}

// views returns the views of all files up to a record.
func (f *folder) views(asOf uint64) (list []tables.View, known runs.View) {
	known = f.View(asOf, func(v tables.View) { list = append(list, v) })
	return list, known
}

// sidecarOf seals the text of a file.
func (f *folder) sidecarOf(t testing.TB, seg *tables.Segment) *sidecar.Index {
	t.Helper()
	b, err := sidecar.Seal(t.Context(), f.text[seg], io.Discard, sidecar.Options{})
	require.NoError(t, err)
	x, err := sidecar.Read(b, sidecar.NewCache(0))
	require.NoError(t, err)
	return x
}

func run(i int) line.Identity {
	return line.Identity{Server: "s", Operation: "o", Run: fmt.Sprint("r-", i)}
}

func step(i int) line.Identity {
	id := run(i)
	id.Step, id.Action = fmt.Sprint("s-", i), "a"
	return id
}

var (
	start = &line.Lifecycle{Phase: line.PhaseStart, TriggeredBy: "me"}
	end   = &line.Lifecycle{Phase: line.PhaseEnd, Outcome: "failed", Reason: "a reason"}
)

// flow publishes some runs with their steps and lines.
func (f *folder) flow(usage, user *tables.Segment, from, to int) {
	for i := from; i < to; i++ {
		f.publish(usage, run(i), start)
		f.publish(usage, step(i), start)
		f.publish(user, step(i), nil)
		f.publish(user, run(i), nil)
		f.publish(user, run(i+10_000), nil) // of which no record is known
		if i%3 > 0 {
			f.publish(usage, run(i), end)
		}
	}
}

// told is all that tables tell of runs and rows.
func (f *folder) told() (list []string) {
	views, known := f.views(tables.Everything)
	for _, r := range known.Runs() {
		s := r.State()
		list = append(list, fmt.Sprint(r.Seq, *r.Identity, r.Started, r.Start.TriggeredBy, s.Ended, s.Outcome, s.Reason, s.Lines, s.Bytes, s.Steps))
		for _, st := range r.Steps() {
			s := st.State()
			list = append(list, fmt.Sprint(st.Seq, *st.Identity, st.Started, s.Ended, s.Lines, s.Bytes, sidecar.RoundTime(s.Seen)))
		}
	}
	for i := range views {
		v := &views[i]
		for k := range v.Len() {
			row := v.Row(k)
			id := new(line.Identity)
			if x := v.Index(); x != nil {
				x.Identity(row.Owner, id)
			} else {
				id = known.Owner(row.Owner)
			}
			list = append(list, fmt.Sprint(v.File(), row.Seq, row.Time, row.Level, row.Kind, *id))
		}
	}
	return list
}

// A view shows what was there when it was taken, or up to a record, and stays so.
func TestViews(t *testing.T) {
	t.Parallel()
	f := newFolder()
	usage, user := f.NewSegment(tables.Usage, "usage.log"), f.NewSegment("user", "user.log")
	require.Equal(t, []*tables.Segment{usage, user}, f.Segments())
	require.True(t, user.Active())
	changed := f.Changed(0)
	require.NotNil(t, changed)
	f.flow(usage, user, 0, 1000)
	<-changed
	require.Nil(t, f.Changed(f.seq-1))
	require.Equal(t, f.seq, f.Newest())
	views, known := f.views(tables.Everything)
	require.Len(t, views, 2)
	require.Len(t, known.Runs(), 1000)
	limit := f.seq / 2
	some, early := f.views(limit)
	require.Less(t, len(early.Runs()), 510)
	for i := range some {
		v := &some[i]
		n := v.Search(limit)
		require.Equal(t, v.Len(), n)
		require.Equal(t, v.Row(n-1).Seq, v.Last())
		require.LessOrEqual(t, v.Last(), limit)
		require.Equal(t, views[i].First(), v.First())
		for k := 0; k < n; {
			for _, row := range v.Rows(k) {
				require.Equal(t, *v.TextRow(k), row)
				k++
			}
		}
	}
	last, n := views[1].Last(), views[1].Len()
	f.flow(usage, user, 1000, 1100)
	f.Renamed(user, "user-2026.log")
	require.False(t, user.Active())
	require.Equal(t, user, f.ByName("user-2026.log"))
	require.Equal(t, n, views[1].Len())
	require.Equal(t, last, views[1].Row(n-1).Seq)
	require.Equal(t, int64(len(f.text[user])), user.Parsed())
	rows := user.Rows()
	require.True(t, f.Holds("user", user.First(), rows.At(0).Len))
	require.False(t, f.Holds("user", usage.First(), 1))
}

// Rows that are not in the text yet go to the next file, and back.
func TestSplitAndMerge(t *testing.T) {
	t.Parallel()
	f := newFolder()
	usage, user := f.NewSegment(tables.Usage, "usage.log"), f.NewSegment("user", "user.log")
	f.flow(usage, user, 0, 2000)
	want, parsed, rows := f.told(), user.Parsed(), user.Rows()
	views, _ := f.views(tables.Everything)
	at := rows.At(1500)
	f.Renamed(user, "user-2026.log")
	next := f.SegmentAt(user)
	require.Equal(t, parsed-int64(at.Offset)-int64(at.Len)-1, f.Split(user, next, at.Seq))
	require.Equal(t, at.Seq, user.Last())
	moved := next.Rows()
	require.Zero(t, moved.At(0).Offset)
	require.Equal(t, want, f.told())
	require.Equal(t, parsed, f.Merge(user, next, int64(at.Offset)+int64(at.Len)+1))
	require.Equal(t, want, f.told())
	again := user.Rows()
	for i := range rows.Len() {
		require.Equal(t, *rows.At(i), *again.At(i))
	}
	require.Equal(t, rows.Len(), views[1].Len(), "views stay as they were")
	require.Equal(t, f.seq-1, views[1].Row(rows.Len()-1).Seq)
}

// A sidecar tells what the rows did, whether it takes their place or is taken in alone.
func TestSealed(t *testing.T) {
	t.Parallel()
	f := newFolder()
	usage, user := f.NewSegment(tables.Usage, "usage.log"), f.NewSegment("user", "user.log")
	f.flow(usage, user, 0, 300)
	want := f.told()
	g := newFolder()
	for _, seg := range []*tables.Segment{usage, user} {
		x := f.sidecarOf(t, seg)
		f.Renamed(seg, seg.File+"-2026.log")
		require.True(t, f.Swap(seg, x))
		rows := seg.Rows()
		require.Zero(t, rows.Len())
		require.Same(t, x, seg.Index())
		require.NoError(t, g.Adopt(g.NewSegment(seg.File, seg.Name()), x))
		require.False(t, f.Swap(seg, f.sidecarOf(t, f.half(seg))), "of other records")
		require.Same(t, x, seg.Index())
	}
	require.Equal(t, want, f.told())
	require.Equal(t, want, g.told())
	for seq := range f.seq + 2 {
		for _, log := range []string{tables.Usage, "user"} {
			x := f.ByName(log + "-2026.log").Index()
			n := x.Search(seq)
			require.Equal(t, n > 0 && x.Seq(n-1) == seq, f.Holds(log, seq, 1), "record %d of %s", seq, log)
		}
	}
	_, _, aside := f.Runs.Held()
	require.Equal(t, 300, aside, "for runs without records")
	for _, of := range []*folder{f, g} {
		x := of.Remove(of.ByName("user-2026.log"))
		require.NotNil(t, x)
		of.ForgetCounts(x)
		_, _, aside = of.Runs.Held()
		require.Zero(t, aside)
		require.EqualValues(t, 2, of.Runs.Run("r-7").State().Lines[2], "the history of a run outlives its lines")
		of.Remove(of.ByName("usage-2026.log"))
		require.Nil(t, of.Runs.Run("r-7"))
		for i := range 300 {
			require.Equal(t, i%3 == 0, of.Runs.Run(fmt.Sprint("r-", i)) != nil, "those that go on stay")
		}
	}
}

// half returns a segment of its own with half of the text of one.
func (f *folder) half(seg *tables.Segment) *tables.Segment {
	half := &tables.Segment{}
	row := seg.Index().Len() / 2
	offset := 0
	for range row {
		for f.text[seg][offset] != '\n' {
			offset++
		}
		offset++
	}
	f.text[half] = f.text[seg][:offset]
	return half
}
