package journal_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// account is all that a journal tells of a run or step.
type account struct {
	Seq      uint64
	Identity line.Identity
	Start    line.Lifecycle
	Started  time.Time
	State    []any
	Steps    []account
}

func accountOf(seq uint64, id *line.Identity, start line.Lifecycle, started time.Time, state runs.State) account {
	// How it started is kept; what else its first record said is told by the state.
	start = line.Lifecycle{TriggeredBy: start.TriggeredBy, Schedule: start.Schedule, Inbound: start.Inbound, Order: start.Order,
		Iterated: start.Iterated, IterationIndex: start.IterationIndex, IterationValue: start.IterationValue}
	return account{Seq: seq, Identity: *id, Start: start, Started: started, State: told(state)}
}

func accounts(j *journal.Journal) (list []account) {
	for _, r := range j.Snapshot().Runs() {
		a := accountOf(r.Seq, r.Identity, r.Start, r.Started, r.State())
		for _, s := range r.Steps() {
			a.Steps = append(a.Steps, accountOf(s.Seq, s.Identity, s.Start, s.Started, s.State()))
		}
		list = append(list, a)
	}
	return list
}

// modelRun is a run of a plain model, which knows what was asked for and nothing
// of files but in how many parts the records came.
type modelRun struct {
	id             line.Identity
	seq            uint64
	ended, implied bool
	outcome        string
	counted        int64
	archived       bool
	lines          line.Levels
	last           int // part of usage that has the last record
	steps          []*modelRun
}

// TestHistoryAgainstModel does things at random, and compares what the tables
// tell with the model: while runs are objects, after they were written down, after
// files were sealed and removed, by a reader and after the folder was opened again.
func TestHistoryAgainstModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := &model{t: t, rnd: rand.New(rand.NewPCG(seed, 4)), mem: vfs.NewMem(), mode: []journal.Mode{journal.ModeJournal, journal.ModeWrite}[seed%2]}
			m.open()
			for i := range 1500 {
				m.step()
				if i%50 == 0 {
					m.check()
				}
			}
			m.check()
			m.settle()
			m.check()
		})
	}
}

type model struct {
	t       *testing.T
	rnd     *rand.Rand
	mem     *vfs.Mem
	mode    journal.Mode
	f       *folder
	runs    []*modelRun
	part    int      // of usage
	parts   []string // names of closed ones, oldest first
	retired bool     // a part is gone
}

func (m *model) open() {
	m.f = open(m.t, m.mem, func(o *journal.Options) {
		o.Mode, o.Rule.Compression = m.mode, rotation.Gzip
		o.KeepOpen = func(*runs.Run) bool { return true }
	})
}

func (m *model) step() {
	switch k := m.rnd.IntN(100); {
	case k < 12 || len(m.runs) == 0:
		m.start()
	case k < 30:
		m.startStep()
	case k < 60:
		m.log()
	case k < 75:
		m.end()
	case k < 80:
		m.update()
	case k < 84:
		m.resume()
	case k < 92:
		m.settle()
	case k < 94:
		m.rotate("user")
	case k < 96:
		m.rotate(tables.Usage)
	case k < 97:
		m.retain()
	case k < 98:
		m.reopen()
	default:
		m.lists()
	}
}

func (m *model) newID() string {
	switch m.rnd.IntN(4) {
	case 0:
		return fmt.Sprintf("id-%d", m.rnd.Uint64())
	case 1:
		return uuid.NewString()[:35] + "G" // no UUID
	default:
		return uuid.NewString()
	}
}

func (m *model) start() {
	id := line.Identity{Server: fmt.Sprint("s", m.rnd.IntN(2)), Service: "v", Project: fmt.Sprint("p", m.rnd.IntN(3)),
		Operation: fmt.Sprint("o", m.rnd.IntN(4)), OperationName: "Operation", Run: m.newID()}
	if len(m.runs) > 0 && m.rnd.IntN(4) == 0 {
		parent := m.any()
		id.ParentRun, id.RootRun, id.ParentStep = parent.id.Run, parent.id.Run, "ps"
	}
	r := &modelRun{id: id}
	r.seq = m.tell(r, r, line.Lifecycle{Phase: line.PhaseStart, TriggeredBy: []string{"", "me", m.newID()}[m.rnd.IntN(3)],
		Schedule: "daily", Inbound: m.rnd.IntN(2) == 0})
	m.runs = append(m.runs, r)
}

func (m *model) any() *modelRun { return m.runs[m.rnd.IntN(len(m.runs))] }

// tell writes a record of a run or step.
func (m *model) tell(r, of *modelRun, lc line.Lifecycle) uint64 {
	of.last = m.part
	_ = r
	return m.f.lifecycle(of.id, lc)
}

func (m *model) startStep() {
	r := m.any()
	s := &modelRun{id: r.id}
	s.id.Step, s.id.Action, s.id.ActionName, s.id.Attempt = m.newID(), fmt.Sprint("a", m.rnd.IntN(3)), "An action", 1+m.rnd.IntN(2)
	if m.rnd.IntN(8) == 0 {
		s.id.Server = "elsewhere"
	}
	lc := line.Lifecycle{Phase: line.PhaseStart, Order: m.rnd.IntN(5)}
	if m.rnd.IntN(3) == 0 {
		lc.Iterated, lc.IterationIndex, lc.IterationValue = true, m.rnd.IntN(9), []byte(`{"n":1}`)
	}
	s.seq = m.tell(r, s, lc)
	r.steps = append(r.steps, s)
}

// target returns a run, or one of its steps.
func (m *model) target() (r, of *modelRun) {
	r = m.any()
	if len(r.steps) > 0 && m.rnd.IntN(2) == 0 {
		return r, r.steps[m.rnd.IntN(len(r.steps))]
	}
	return r, r
}

func (m *model) log() {
	r, of := m.target()
	level := m.rnd.IntN(5)
	_, err := m.f.log("user", of.id, []zapcore.Level{-2, -1, 0, 1, 2}[level], "message")
	require.NoError(m.t, err)
	r.lines[level]++
	if of != r {
		of.lines[level]++
	}
}

func (m *model) end() {
	r, of := m.target()
	lc := line.Lifecycle{Phase: line.PhaseEnd, ID: of.seq, Duration: time.Duration(m.rnd.IntN(1e9)), Implied: m.rnd.IntN(4) == 0,
		Outcome: []string{"succeeded", "failed", "cancelled", "another word"}[m.rnd.IntN(4)], Levels: of.lines}
	if m.rnd.IntN(3) == 0 {
		lc.Reason = "because " + m.newID()
	}
	if of.counted > 0 {
		lc.Counted, lc.Processed = true, of.counted
	}
	lc.Archived = of.archived
	m.tell(r, of, lc)
	if !of.ended || of.implied && !lc.Implied {
		of.ended, of.implied, of.outcome = true, lc.Implied, lc.Outcome
	}
}

func (m *model) update() {
	r, of := m.target()
	lc := line.Lifecycle{Phase: line.PhaseUpdate, ID: of.seq}
	if m.rnd.IntN(3) == 0 {
		lc.Archived, of.archived = true, true
	} else {
		of.counted += int64(m.rnd.IntN(3))
		lc.Counted, lc.Processed = true, of.counted
	}
	m.tell(r, of, lc)
}

func (m *model) resume() {
	r, of := m.target()
	m.tell(r, of, line.Lifecycle{Phase: line.PhaseResume, ID: of.seq})
	if of.ended && of.implied {
		of.ended, of.implied, of.outcome = false, false, ""
	}
}

func (m *model) settle() {
	before := accounts(m.f.Journal)
	m.f.Settle()
	require.Equal(m.t, before, accounts(m.f.Journal), "written down")
	live := 0
	for _, r := range m.runs {
		if !r.ended {
			live++
		}
	}
	runs, _, _ := m.f.Held()
	require.Equal(m.t, live, runs, "runs that are objects")
}

func (m *model) rotate(log string) {
	names := m.closed(log)
	require.NoError(m.t, m.f.Rotate(log))
	after := m.closed(log)
	if log == tables.Usage && len(after) > len(names) {
		m.parts = append(m.parts, after[len(after)-1])
		m.part++
	}
	require.Eventually(m.t, func() bool {
		return !slices.ContainsFunc(m.f.Snapshot().Segments, func(s journal.Segment) bool {
			return s.Name() != s.File()+".log" && s.Index() == nil
		})
	}, 10*time.Second, time.Millisecond)
}

func (m *model) closed(log string) (names []string) {
	for _, s := range m.f.Snapshot().Segments {
		if s.File() == log && s.Name() != log+".log" && !slices.Contains(names, s.Name()) {
			names = append(names, s.Name())
		}
	}
	return names
}

// retain removes the oldest part of usage.
func (m *model) retain() {
	if len(m.parts) == 0 {
		return
	}
	require.NoError(m.t, m.f.Folder().Delete(m.t.Context(), m.parts[0]))
	gone := m.part - len(m.parts)
	m.parts = m.parts[1:]
	m.retired = true
	// What goes on stays: the process logs for it, and ends it.
	m.runs = slices.DeleteFunc(m.runs, func(r *modelRun) bool { return r.last == gone && r.ended })
	for _, r := range m.runs {
		r.steps = slices.DeleteFunc(r.steps, func(s *modelRun) bool { return s.last == gone && (r.ended || s.ended) })
	}
	m.check()
	if m.rnd.IntN(2) == 0 {
		// What else the removed part said is forgotten by the next open: start
		// over without it.
		require.NoError(m.t, m.f.Close())
		m.mem = vfs.NewMem()
		m.runs, m.parts, m.part, m.retired = nil, nil, 0, false
		m.open()
	}
}

func (m *model) reopen() {
	before := accounts(m.f.Journal)
	damaged := false
	switch m.rnd.IntN(4) {
	case 0:
		m.mem = m.mem.Kill()
	case 1:
		require.NoError(m.t, m.f.Close())
	case 2:
		require.NoError(m.t, m.f.Close())
		require.NoError(m.t, ignoreMissing(m.mem.Remove(dir+"/.journal/tables")))
	default:
		require.NoError(m.t, m.f.Close())
		damaged = m.damage()
	}
	if m.retired {
		m.mem = vfs.NewMem()
		m.runs, m.parts, m.part, m.retired = nil, nil, 0, false
		m.open()
		return
	}
	m.open()
	require.Equal(m.t, before, accounts(m.f.Journal), "opened again")
	require.Eventually(m.t, func() bool { return m.f.problemSeen() == damaged }, 10*time.Second, time.Millisecond)
	require.NoError(m.t, m.f.Flush())
	reader, err := journal.OpenReader(m.mem, dir)
	require.NoError(m.t, err)
	defer reader.Close()
	require.Equal(m.t, before, accounts(reader), "read")
	m.check()
}

// damage changes a byte of the saved tables, and reports whether there are any.
func (m *model) damage() bool {
	file, err := m.mem.OpenFile(dir+"/.journal/tables", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	require.NoError(m.t, err)
	info, err := file.Stat()
	require.NoError(m.t, err)
	at := 24 + m.rnd.Int64N(info.Size()-24)
	b := make([]byte, 1)
	_, err = file.ReadAt(b, at)
	require.NoError(m.t, err)
	b[0] ^= 1 << m.rnd.IntN(8)
	_, err = file.WriteAt(b, at)
	require.NoError(m.t, err)
	require.NoError(m.t, file.Close())
	return true
}

// check compares what is known of each run, and finds each run and step by its id.
func (m *model) check() {
	list := accounts(m.f.Journal)
	require.Equal(m.t, len(m.runs), len(list))
	slices.SortFunc(m.runs, func(a, b *modelRun) int { return int(a.seq) - int(b.seq) })
	snap := m.f.Snapshot()
	for i, r := range m.runs {
		m.same(r, &list[i])
		require.Equal(m.t, len(r.steps), len(list[i].Steps))
		require.Equal(m.t, r.seq, snap.Run(r.id.Run).Seq)
		for k, s := range r.steps {
			m.same(s, &list[i].Steps[k])
			found := snap.Step(s.id.Step)
			require.Equal(m.t, s.seq, found.Seq)
			require.Equal(m.t, r.seq, found.Run().Seq)
		}
	}
	require.Nil(m.t, snap.Run("nobody"))
	require.Nil(m.t, snap.Step("nobody"))
}

func (m *model) same(want *modelRun, got *account) {
	require.Equal(m.t, want.seq, got.Seq)
	require.Equal(m.t, want.id, got.Identity)
	require.Equal(m.t, want.ended, got.State[0])
	require.Equal(m.t, want.implied, got.State[1])
	require.Equal(m.t, want.outcome, got.State[4])
	require.Equal(m.t, want.counted, got.State[6])
	require.Equal(m.t, want.lines, got.State[11])
	require.Equal(m.t, len(want.steps), got.State[13])
	require.Equal(m.t, want.archived, got.State[14])
}

// lists asks for the runs of a flow and the like, and compares with the model.
func (m *model) lists() {
	snap := m.f.Snapshot()
	asOf := snap.AsOf - uint64(m.rnd.IntN(int(min(snap.AsOf, 50))+1))
	by := runs.Dimension(m.rnd.IntN(4))
	of := func(r *modelRun) string {
		return [...]string{r.id.Operation, r.id.Service, r.id.Server, r.id.Project}[by]
	}
	value := "unknown"
	if len(m.runs) > 0 {
		value = of(m.any())
	}
	list := snap.List(by, value)
	want := runs.AnyClass()
	if m.rnd.IntN(2) == 0 {
		want = runs.Classes(func(c runs.Class) bool { return c.Outcome() == "succeeded" || !c.Ended() })
	}
	var seqs []uint64
	slices.SortFunc(m.runs, func(a, b *modelRun) int { return int(a.seq) - int(b.seq) })
	for _, r := range m.runs {
		if of(r) == value && (*want == *runs.AnyClass() || !r.ended || r.outcome == "succeeded") {
			seqs = append(seqs, r.seq)
		}
	}
	count := 0
	for _, seq := range seqs {
		if seq <= asOf {
			count++
		}
	}
	require.Equal(m.t, int64(count), list.Count(want, asOf))
	skip := m.rnd.IntN(5)
	for _, oldest := range []bool{true, false} {
		var got []uint64
		list.Each(oldest, 0, skip, want, func(row *runs.Row) bool {
			got = append(got, row.Seq)
			return true
		})
		expected := slices.Clone(seqs)
		if !oldest {
			slices.Reverse(expected)
		}
		expected = expected[min(skip, len(expected)):]
		require.Equal(m.t, append([]uint64{}, expected...), append([]uint64{}, got...), "oldest %v, skip %d", oldest, skip)
		if len(expected) > 1 {
			first := got[0]
			got = nil
			list.Each(oldest, first, 0, want, func(row *runs.Row) bool {
				got = append(got, row.Seq)
				return len(got) < 2
			})
			require.Equal(m.t, expected[1:min(3, len(expected))], got)
		}
	}
}
