package runs_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/wire"
)

// fed is a table under test, with the records and lines that it is given.
type fed struct {
	*runs.Table
	mu  sync.Mutex
	seq uint64
}

func newFed() *fed {
	f := &fed{}
	f.Table = runs.New(&f.mu)
	return f
}

// do calls fn with the mutex held.
func (f *fed) do(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

// at is the time of record seq.
func at(seq uint64) time.Time { return time.Unix(int64(seq), 5).UTC() }

func (f *fed) record(file uint32, id line.Identity, lc line.Lifecycle) (o *runs.Owner) {
	f.do(func() {
		f.seq++
		o = f.Owner(&id)
		f.AddRow(o.Code())
		if id.Step == "" {
			f.ApplyRun(file, o, f.seq, at(f.seq).UnixNano(), &lc)
		} else {
			f.ApplyStep(file, o, f.seq, at(f.seq).UnixNano(), &lc)
		}
	})
	return o
}

func (f *fed) line(id line.Identity, level zapcore.Level) (code uint32) {
	f.do(func() {
		f.seq++
		o := f.Current(f.Owner(&id))
		f.AddRow(o.Code())
		f.Count(o, level, 1, 100, at(f.seq).UnixNano())
		code = o.Code()
	})
	return code
}

func (f *fed) view() *runs.View {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.View(f.seq)
	return &v
}

func run(id string) line.Identity {
	return line.Identity{Server: "s", Service: "v", Project: "p", Operation: "o", Run: id}
}

func step(id, step string) line.Identity {
	of := run(id)
	of.Step, of.Action, of.Attempt = step, "a", 1
	return of
}

var (
	start = line.Lifecycle{Phase: line.PhaseStart, TriggeredBy: "me", Order: 3}
	end   = line.Lifecycle{Phase: line.PhaseEnd, Outcome: "succeeded", Reason: "done", Duration: time.Second}
)

func TestRun(t *testing.T) {
	f := newFed()
	f.record(1, run("r"), start)
	f.record(1, step("r", "s"), start)
	f.line(step("r", "s"), zapcore.WarnLevel)
	f.line(run("r"), zapcore.InfoLevel)
	check := func() {
		t.Helper()
		r := f.Run("r")
		require.EqualValues(t, 1, r.Seq)
		require.Equal(t, run("r"), *r.Identity)
		require.Equal(t, at(1), r.Started)
		require.Equal(t, "me", r.Start.TriggeredBy)
		state := r.State()
		require.Equal(t, line.Levels{2: 1, 3: 1}, state.Lines)
		require.EqualValues(t, 200, state.Bytes)
		require.Equal(t, 1, state.Steps)
		s := f.Step("s")
		require.Equal(t, step("r", "s"), *s.Identity)
		require.Equal(t, line.Levels{3: 1}, s.State().Lines)
		require.Equal(t, 3, s.Start.Order)
		require.Equal(t, "r", s.Run().Identity.Run)
		require.Equal(t, []string{"s"}, []string{r.Steps()[0].Identity.Step})
	}
	check()
	require.Len(t, f.Going(), 1)
	f.record(2, step("r", "s"), end)
	f.record(2, run("r"), end)
	require.Empty(t, f.Going())
	check()
	f.Settle(true)
	live, steps, aside := f.Held()
	require.Zero(t, live+steps+aside, "what is over is rows and bytes")
	check()
	require.Equal(t, "done", f.Run("r").State().Reason)
	require.Equal(t, at(6), f.Run("r").State().End)
	// The first end that the host wrote stands, a line is counted nevertheless.
	f.record(3, run("r"), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "failed"})
	f.line(run("r"), zapcore.InfoLevel)
	require.Equal(t, "succeeded", f.Run("r").State().Outcome)
	require.EqualValues(t, 2, f.Run("r").State().Lines[2])
	require.Nil(t, f.Run("s"))
	require.Nil(t, f.Step("r"))
}

// An end of the library's is taken back by a resume, and replaced by one of the host's.
func TestImpliedEnd(t *testing.T) {
	f := newFed()
	f.record(1, run("r"), start)
	implied := line.Lifecycle{Phase: line.PhaseEnd, Outcome: runs.OutcomeFailed, Reason: runs.ReasonProcessDied, Implied: true}
	f.record(1, run("r"), implied)
	require.True(t, f.Run("r").State().Implied)
	f.Settle(true)
	f.record(1, run("r"), line.Lifecycle{Phase: line.PhaseResume})
	require.False(t, f.Run("r").State().Ended)
	f.record(1, run("r"), implied)
	f.record(1, run("r"), end)
	require.False(t, f.Run("r").State().Implied)
	require.Equal(t, "done", f.Run("r").State().Reason)
}

// Lists have the runs of a value in the order of start, with counters for each class.
func TestLists(t *testing.T) {
	f := newFed()
	rnd := rand.New(rand.NewPCG(1, 2))
	outcomes := []string{"", "succeeded", "failed", "cancelled", "something else"}
	type known struct {
		id      line.Identity
		outcome string
	}
	var all []known
	for i := range 1000 {
		id := run(fmt.Sprint("r-", i))
		id.Operation, id.Server = fmt.Sprint("o-", rnd.IntN(5)), fmt.Sprint("s-", rnd.IntN(2))
		k := known{id, outcomes[rnd.IntN(len(outcomes))]}
		f.record(1, id, start)
		all = append(all, k)
	}
	for _, k := range all {
		if k.outcome != "" {
			f.record(1, k.id, line.Lifecycle{Phase: line.PhaseEnd, Outcome: k.outcome})
		}
	}
	for range 2 {
		v := f.view()
		failed := runs.Classes(func(c runs.Class) bool { return c.Outcome() == "failed" })
		for o := range 6 {
			name := fmt.Sprint("o-", o)
			list := v.List(runs.ByOperation, name)
			var want, got []string
			for _, k := range all {
				if k.id.Operation == name && k.outcome == "failed" {
					want = append(want, k.id.Run)
				}
			}
			require.EqualValues(t, len(want), list.Count(failed, v.AsOf))
			list.Each(true, 0, 0, failed, func(row *runs.Row) bool {
				require.Equal(t, name, row.Scope.Operation)
				require.True(t, row.Class.Ended())
				got = append(got, v.Of(row.Ref()).Identity.Run)
				return true
			})
			require.Equal(t, want, got)
			var last []string
			list.Each(false, 0, 3, failed, func(row *runs.Row) bool {
				last = append(last, v.Of(row.Ref()).Identity.Run)
				return len(last) < 2
			})
			if len(want) >= 5 {
				require.Equal(t, []string{want[len(want)-4], want[len(want)-5]}, last, "newest first, three passed over")
			}
		}
		early := v.AllRuns()
		require.EqualValues(t, 10, early.Count(runs.AnyClass(), 10), "those that started until then")
		f.Settle(true)
	}
}

// What lines count before the run is known, or the step, is given to it.
func TestLinesBeforeTheirRun(t *testing.T) {
	f := newFed()
	f.line(step("r", "s"), zapcore.InfoLevel)
	f.do(func() {
		id := step("r", "s")
		f.AddTally(&id, &runs.Tally{Lines: line.Levels{4: 5}, Bytes: 500}, 77)
	})
	_, _, aside := f.Held()
	require.Equal(t, 1, aside)
	f.record(1, run("r"), start)
	require.Equal(t, line.Levels{2: 1, 4: 5}, f.Run("r").State().Lines)
	require.EqualValues(t, 600, f.Run("r").State().Bytes)
	f.record(1, step("r", "s"), start)
	require.Equal(t, line.Levels{2: 1, 4: 5}, f.Step("s").State().Lines)
	_, _, aside = f.Held()
	require.Zero(t, aside)
}

// Of runs without records it is taken back; of others it stays.
func TestTakeBack(t *testing.T) {
	f := newFed()
	f.record(1, run("known"), start)
	take := func(id line.Identity, n int64, sealed bool) {
		f.do(func() { f.TakeBack(&id, &runs.Tally{Lines: line.Levels{2: n}, Bytes: 100 * n}, sealed) })
	}
	for _, id := range []line.Identity{run("known"), run("no"), step("no", "s"), step("known", "t")} {
		f.line(id, zapcore.InfoLevel)
		f.do(func() { f.AddTally(&id, &runs.Tally{Lines: line.Levels{2: 2}, Bytes: 200}, 1) })
	}
	for _, id := range []line.Identity{run("no"), step("no", "s"), step("known", "t")} {
		take(id, 2, true)
	}
	f.record(2, run("known"), line.Lifecycle{Phase: line.PhaseUpdate})
	_, _, aside := f.Held()
	require.Positive(t, aside, "of each there is one line left")
	for _, id := range []line.Identity{run("no"), step("no", "s"), step("known", "t")} {
		take(id, 1, false)
		take(id, 1, false) // more than there is
	}
	require.Equal(t, line.Levels{2: 6}, f.Run("known").State().Lines)
	for _, id := range []line.Identity{run("no"), step("no", "s")} {
		f.do(func() { f.DropRow(f.Owner(&id).Code()) })
	}
	_, _, aside = f.Held()
	require.Zero(t, aside)
}

// What is not taken back is told of the run and the step as soon as they have records.
func TestLeftOfWhatIsTakenBack(t *testing.T) {
	of, in := run("r"), step("r", "s")
	for _, c := range []struct {
		taken             [2]int64 // of the run and of the step, of lines that are not sealed
		sealed            [2]int64
		wantRun, wantStep int64
	}{
		{wantRun: 6, wantStep: 3},
		{sealed: [2]int64{0, 2}, wantRun: 4, wantStep: 1},
		{taken: [2]int64{1, 0}, wantRun: 5, wantStep: 3},
		{taken: [2]int64{0, 1}, wantRun: 5, wantStep: 2},
		{taken: [2]int64{1, 1}, sealed: [2]int64{2, 2}},
		{taken: [2]int64{3, 3}},
	} {
		f := newFed()
		for i, id := range []line.Identity{of, in} {
			f.line(id, zapcore.InfoLevel)
			f.do(func() {
				f.AddTally(&id, &runs.Tally{Lines: line.Levels{2: 2}, Bytes: 200}, 1)
				f.TakeBack(&id, &runs.Tally{Lines: line.Levels{2: c.sealed[i]}, Bytes: 100 * c.sealed[i]}, true)
				f.TakeBack(&id, &runs.Tally{Lines: line.Levels{2: c.taken[i]}, Bytes: 100 * c.taken[i]}, false)
			})
		}
		f.record(1, of, start)
		f.record(1, in, start)
		require.Equal(t, c.wantRun, f.Run("r").State().Lines[2])
		require.Equal(t, 100*c.wantRun, f.Run("r").State().Bytes)
		require.Equal(t, c.wantStep, f.Step("s").State().Lines[2])
		require.Equal(t, 100*c.wantStep, f.Step("s").State().Bytes)
	}
}

// A code is given to another identity once no row has it; a view keeps its own.
func TestCodes(t *testing.T) {
	f := newFed()
	code := f.line(run("r"), zapcore.InfoLevel)
	require.Equal(t, code, f.line(run("r"), zapcore.InfoLevel))
	early := f.view()
	owner := func() (o *runs.Owner) {
		id := run("r")
		f.do(func() { o = f.Owner(&id) })
		return o
	}()
	f.do(func() { f.DropRow(code); f.DropRow(code) })
	require.Equal(t, code, f.line(run("other"), zapcore.InfoLevel))
	require.Equal(t, run("r"), *early.Owner(code))
	late := f.view()
	require.Equal(t, run("other"), *late.Owner(code))
	f.do(func() { owner = f.Current(owner); f.AddRow(owner.Code()) })
	require.NotEqual(t, code, owner.Code(), "whoever logs on gets a code again")
	require.Equal(t, run("r"), *owner.Identity())
	require.Contains(t, string(owner.Encoded()), `"run":"r"`)
}

// sections keeps what a table is saved to.
type sections struct {
	done [][]byte
	buf  bytes.Buffer
}

func (s *sections) Write(b []byte) (int, error) { return s.buf.Write(b) }
func (s *sections) End() {
	s.done = append(s.done, bytes.Clone(s.buf.Bytes()))
	s.buf.Reset()
}

// TestSaved saves a table and loads it into another one, which tells the same.
func TestSaved(t *testing.T) {
	f := newFed()
	rnd := rand.New(rand.NewPCG(3, 4))
	var ids []string
	for i := range 300 {
		id := fmt.Sprint("r-", i)
		switch i % 3 {
		case 1:
			id = uuid.UUID{byte(i), 1, 2, byte(i >> 8)}.String()
		case 2:
			id = strings.ToUpper(uuid.UUID{byte(i), 7}.String()) // is none that is kept in 16 bytes
		}
		ids = append(ids, id)
		first := start
		first.Iterated, first.IterationIndex, first.IterationValue = i%2 == 0, i, []byte(`{"n":1}`)
		first.Inbound, first.Schedule = i%5 == 0, "daily"
		f.record(uint32(1+i/100), run(id), first)
		other := step(id, id+"/s")
		if i%7 == 0 {
			other.Operation, other.RootRun, other.ParentStep = "elsewhere", "root", "above"
		}
		f.record(uint32(1+i/50), other, start)
		f.line(other, zapcore.Level(rnd.IntN(4)))
		f.line(run("without records "+id), zapcore.ErrorLevel)
		f.line(step(id, "without records "+id), zapcore.ErrorLevel)
		if i%4 > 0 {
			f.record(uint32(1+i/50), other, end)
			f.record(3, run(id), line.Lifecycle{Phase: line.PhaseEnd, Outcome: "failed", Duration: 7, Counted: true, Processed: 3, Levels: line.Levels{1: 9}})
		}
		if i == 200 {
			f.Settle(true)
		}
	}
	_, ok := f.NewCut(10)
	require.False(t, ok, "more are objects")
	cut, ok := f.NewCut(1 << 20)
	require.True(t, ok)
	f.do(func() { ok = cut.Take(10) })
	require.False(t, ok, "more are objects")
	f.do(func() { ok = cut.Take(1 << 20) })
	require.True(t, ok)
	defer cut.Done()
	var codes []uint32
	for code := range uint32(cut.Owners()) {
		codes = append(codes, code)
	}
	var s sections
	require.NoError(t, cut.WriteRuns(&s))
	require.NoError(t, cut.WriteOwners(&s, codes))
	require.Len(t, s.done, 5)
	head := cut.AppendAside(cut.AppendNames(cut.AppendSeed(nil)))

	again := load(t, head, s.done, len(codes))
	require.NotNil(t, again)
	again.do(again.Loaded)
	for _, id := range append(ids, "none") {
		want, got := f.Run(id), again.Run(id)
		if want == nil {
			require.Nil(t, got)
			continue
		}
		require.Equal(t, want.Seq, got.Seq)
		require.Equal(t, *want.Identity, *got.Identity)
		require.True(t, want.Started.Equal(got.Started))
		require.Equal(t, told(want.State()), told(got.State()))
		require.Equal(t, want.Start.IterationValue, got.Start.IterationValue)
		for i, s := range want.Steps() {
			require.Equal(t, *s.Identity, *got.Steps()[i].Identity)
			require.Equal(t, told(s.State()), told(got.Steps()[i].State()))
			require.Equal(t, s.Seq, again.Step(s.Identity.Step).Seq)
		}
	}
	before, after := f.view(), again.view()
	for code := range codes {
		require.Equal(t, *before.Owner(uint32(code)), *after.Owner(uint32(code)))
	}
	_, _, want := f.Held()
	_, _, got := again.Held()
	require.Equal(t, want, got, "what is counted for runs and steps without records")
	require.Equal(t, len(f.Going()), len(again.Going()))
	again.do(again.Sweep)
	fresh := run("fresh")
	again.do(func() { require.Less(t, again.Owner(&fresh).Code(), uint32(len(codes)), "codes without rows are free") })
	// One bit less or another number of runs is seen.
	require.Nil(t, load(t, head, [][]byte{s.done[0][1:], s.done[1], s.done[2], s.done[3], s.done[4]}, len(codes)))
	require.Nil(t, load(t, head, [][]byte{s.done[0], s.done[1][:len(s.done[1])-1], s.done[2], s.done[3], s.done[4]}, len(codes)))
	require.Nil(t, load(t, head, s.done, len(codes)-1))
	require.Nil(t, load(t, head[:len(head)/2], s.done, len(codes)))
}

// told is what a state tells.
func told(s runs.State) []any {
	return []any{s.Ended, s.Implied, s.End.UnixNano(), s.Duration, s.Outcome, s.Reason, s.Counted, s.Processed, s.Lines, s.Bytes, s.Steps, s.Seen}
}

// load makes a table of what was saved, nil where it is damaged.
func load(t *testing.T, head []byte, sections [][]byte, owners int) *fed {
	t.Helper()
	f := newFed()
	w := wire.Reader{B: head}
	f.LoadSeed(&w)
	if !f.LoadNames(&w) {
		return nil
	}
	f.LoadAside(&w)
	if w.Bad || len(w.B) > 0 || !f.LoadRuns(sections[0], sections[1], sections[2]) || !f.LoadOwners(sections[3], sections[4], owners) {
		return nil
	}
	f.seq = 1 << 40
	return f
}
