package journal_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// reliability asks for the reliability tests in full, which take some minutes.
// Without it they run with less of the same.
var reliability = flag.Bool("reliability", false, "run the reliability tests in full")

// sized is how often a test tries something.
func sized(quick, full int) int {
	if *reliability {
		return full
	}
	if underRace {
		return max(1, quick/4)
	}
	return quick
}

// inTurns runs one try after the other, several at a time.
func inTurns(t *testing.T, tries int, try func(t *testing.T, n int)) {
	workers := max(2, runtime.GOMAXPROCS(0))
	t.Run("tries", func(t *testing.T) {
		for w := range workers {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for n := w; n < tries && !t.Failed(); n += workers {
					try(t, n)
				}
			})
		}
	})
}

// inBubbles does so with a clock of its own for each.
func inBubbles(t *testing.T, tries int, try func(t *testing.T, n int)) {
	inTurns(t, tries, func(t *testing.T, n int) {
		synctest.Test(t, func(t *testing.T) { try(t, n) })
	})
}

// fork makes a source of its own for a goroutine.
func fork(rng *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), 0)) }

// setup is how a folder is used.
type setup struct {
	mode        journal.Mode
	compression rotation.Compression
	maxBytes    int64
	maxFiles    int
	failing     bool // fewer files may be there than the rule keeps
}

// anySetup combines settings at random.
func anySetup(rng *rand.Rand) setup {
	return setup{
		mode:        journal.Mode(rng.IntN(2)),
		compression: rotation.Compression(rng.IntN(3)),
		maxBytes:    []int64{1500, 6000, 100_000}[rng.IntN(3)],
		maxFiles:    []int{0, 0, 2}[rng.IntN(3)],
	}
}

func (s setup) String() string {
	return fmt.Sprintf("mode %v, %v, %d bytes, %d files", s.mode, s.compression, s.maxBytes, s.maxFiles)
}

func (s setup) options(fsys vfs.FS, boot string) journal.Options {
	return journal.Options{
		FS: fsys, Mode: s.mode, RingBytes: 4 << 20, Boot: boot, SaveAfter: 3000,
		Rule: rotation.Rule{MaxBytes: s.maxBytes, Compression: s.compression, MaxFiles: s.maxFiles},
	}
}

// session is one process that logs.
type session struct {
	t     *testing.T
	j     *journal.Journal
	rng   *rand.Rand
	book  *ledger
	burst int // records at a time, at most
	runs  int
	open  []line.Identity // runs that go on
	errs  []error         // of appends
}

// ours marks the records of a session, so that those of the library can be told
// apart.
const ours = "record of "

// step does one thing that a host may do.
func (s *session) step() {
	switch r := s.rng.IntN(100); {
	case r < 55:
		for range 1 + s.rng.IntN(s.burst) {
			s.say([]string{"user", "user", "email"}[s.rng.IntN(3)], s.rng.IntN(400))
		}
	case r < 60:
		s.say("user", 2000+s.rng.IntN(4000))
	case r < 75:
		s.lifecycle()
	case r < 80:
		s.sync()
	case r < 82:
		_ = s.j.Rotate("user") // a fault may keep it from that
	case r < 83:
		_ = s.j.Rotate("email")
	default:
		s.pause()
	}
}

// pause lets the writer and everything else in the background get on.
func (s *session) pause() { <-time.After(time.Duration(5+s.rng.IntN(30)) * time.Millisecond) }

func (s *session) sync() {
	before := s.book.copy()
	s.book.durable(before, s.j.Sync(context.Background()))
}

// say appends a line or an event.
func (s *session) say(log string, size int) error {
	id, kind := service, line.KindEvent
	if log == "user" {
		id, kind = run, line.KindLine
		if n := len(s.open); n > 0 {
			id = s.open[s.rng.IntN(n)]
			if s.rng.IntN(2) == 0 {
				id.Step = id.Run + " step"
			}
		}
	}
	level := zapcore.Level(s.rng.IntN(3) - 1)
	if s.rng.IntN(30) == 0 {
		level = zapcore.ErrorLevel // asks for a sync
	}
	pad := zap.String("pad", strings.Repeat("p", size))
	return s.add(log, id, journal.Meta{Level: level, Kind: kind}, pad)
}

// lifecycle starts or ends a run or a step of it.
func (s *session) lifecycle() {
	if len(s.open) == 0 || s.rng.IntN(3) == 0 {
		s.runs++
		id := run
		id.Run = fmt.Sprintf("run %d of %p", s.runs, s)
		s.open = append(s.open, id)
		_ = s.add(tables.Usage, id, journal.Meta{Kind: line.KindRun, Lifecycle: &line.Lifecycle{Phase: line.PhaseStart}})
		return
	}
	i := s.rng.IntN(len(s.open))
	id, lc := s.open[i], &line.Lifecycle{Phase: line.PhaseStart, Order: 1}
	if s.rng.IntN(2) == 0 {
		id.Step = id.Run + " step"
		_ = s.add(tables.Usage, id, journal.Meta{Kind: line.KindStep, Lifecycle: lc})
		return
	}
	s.open = slices.Delete(s.open, i, i+1)
	lc.Phase, lc.Outcome = line.PhaseEnd, "succeeded"
	_ = s.add(tables.Usage, id, journal.Meta{Kind: line.KindRun, Lifecycle: lc})
}

// add offers one record.
func (s *session) add(log string, id line.Identity, m journal.Meta, fields ...zap.Field) error {
	err := s.book.offer(log, func(text string) (uint64, error) {
		f, err := s.j.File(log)
		if err != nil {
			return 0, err
		}
		owner := s.j.Owner(id)
		m.Time = time.Now().UTC()
		return f.Append(owner, m, encoder.Append(nil, &line.Entry{Time: m.Time, Level: m.Level, Kind: m.Kind,
			Identity: owner.Encoded(), Message: ours + text, Lifecycle: m.Lifecycle}, fields))
	})
	if err != nil {
		s.errs = append(s.errs, err)
	}
	return err
}

// find reads every record back, by log, and checks that each is where its row
// says and what its row says, and that they are in order. Files may be deleted
// meanwhile.
func find(t *testing.T, j *journal.Journal, note any) map[string][]string {
	for try := 0; ; try++ {
		found, err := findIn(t, j.Snapshot(), note)
		if errors.Is(err, journal.ErrGone) && try < 5 {
			continue
		}
		if err != nil {
			require.NoError(t, err, "%v", note)
		}
		return found
	}
}

func findIn(t *testing.T, snap *journal.Snapshot, note any) (map[string][]string, error) {
	found := map[string][]string{}
	last := map[string]uint64{}
	var rec line.Record
	var buf []byte
	for i := range snap.Segments {
		seg := &snap.Segments[i]
		for r := range seg.Len() {
			row := seg.Row(r)
			var err error
			if buf, err = seg.Read(r, buf[:0]); err != nil {
				return nil, fmt.Errorf("row %d of %d, seq %d, offset %d: %w", r, seg.Len(), row.Seq, row.Offset, err)
			}
			if line.Parse(buf, &rec) != nil || rec.Seq != row.Seq || rec.Time.UnixNano() != row.Time || int8(rec.Level) != row.Level ||
				rec.Identity != *seg.Identity(row.Owner) || last[seg.File()] >= rec.Seq {
				require.Fail(t, "not the record of its row", "%v: row %+v, after seq %d, in %s: %s", note, row, last[seg.File()], seg.Name(), buf)
			}
			last[seg.File()] = rec.Seq
			if text, ok := strings.CutPrefix(rec.Message, ours); ok {
				found[seg.File()] = append(found[seg.File()], text)
			}
		}
	}
	return found, nil
}

// check compares what is found with what was offered: everything with the fate
// must, what was refused must not, the rest may be there; in order and once. The
// oldest records may be missing where the rule deletes files, and as many files
// are there as it keeps.
func check(t *testing.T, j *journal.Journal, s setup, book *ledger, must fate, note any) map[string][]string {
	t.Helper()
	require.NoError(t, book.back, "%v", note)
	found := find(t, j, note)
	closed := map[string]int{}
	snap := j.Snapshot()
	if must == accepted && s.maxFiles == 0 && !s.failing {
		checkTotals(t, snap, note)
	}
	for i := range snap.Segments {
		if seg := &snap.Segments[i]; seg.Name() != seg.File()+".log" {
			closed[seg.File()]++
		}
	}
	for _, log := range slices.Sorted(maps.Keys(book.logs)) {
		there := found[log]
		retained := s.maxFiles > 0 && (closed[log] >= s.maxFiles || s.failing)
		for _, e := range book.logs[log] {
			switch {
			case len(there) > 0 && there[0] == e.text:
				require.NotEqual(t, refused, e.fate, "%v: %s was refused and is there", note, e.text)
				there = there[1:]
				retained = false
			case e.fate >= must && !retained:
				require.Fail(t, "lost", "%v: %s, seq %d; next found %q; closed files %v", note, e.text, e.seq, there[:min(3, len(there))], closed)
			}
		}
		if len(there) > 0 {
			require.Fail(t, "twice, out of order or never offered", "%v: %s: %q of %q", note, log, there[:min(3, len(there))], found[log])
		}
	}
	return found
}

// reopen opens a folder and checks it; note is for messages.
func reopen(t *testing.T, fsys vfs.FS, s setup, boot string, book *ledger, must fate, note any) (*journal.Journal, map[string][]string) {
	t.Helper()
	var problems []error
	var mu sync.Mutex
	o := s.options(fsys, boot)
	o.OnProblem = func(err error) {
		mu.Lock()
		defer mu.Unlock()
		problems = append(problems, err)
	}
	j, err := journal.Open(dir, o)
	require.NoError(t, err, "%v", note)
	found := check(t, j, s, book, must, note)
	require.Zero(t, j.Recovery().Foreign, "%v: garbage in the text: %v", note, problems)
	return j, found
}

// tally adds up what many tries came to.
type tally struct {
	mu     sync.Mutex
	counts map[string]int64
}

func (c *tally) add(what string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int64{}
	}
	c.counts[what] += n
}

func (c *tally) of(what string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[what]
}

// table lists the counts whose names begin with a prefix, largest first.
func (c *tally) table(prefix string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := slices.SortedFunc(maps.Keys(c.counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.counts[b], c.counts[a]), cmp.Compare(a, b))
	})
	var list []string
	for _, name := range names {
		if what, ok := strings.CutPrefix(name, prefix); ok {
			list = append(list, fmt.Sprintf("%s %d", what, c.counts[name]))
		}
	}
	return strings.Join(list, ", ")
}

// inRing counts the records between tail and head of a folder's ring.
func inRing(fsys vfs.FS) (n int64) {
	f, err := fsys.OpenFile(dir+"/.journal/ring", os.O_RDONLY, 0)
	if err != nil {
		return 0
	}
	defer f.Close()
	var head [136]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return 0
	}
	size, to, at := binary.LittleEndian.Uint64(head[16:]), binary.LittleEndian.Uint64(head[64:]), binary.LittleEndian.Uint64(head[128:])
	for ; at < to && size > 0; n++ {
		var length [4]byte
		if _, err := f.ReadAt(length[:], 4096+int64(at%size)); err != nil {
			return n
		}
		at += (32 + uint64(binary.LittleEndian.Uint32(length[:])) + 31) / 32 * 32
	}
	return n
}

// role says which of the files an operation is about.
func role(op vfs.Op) string {
	name := op.Name[strings.LastIndexByte(op.Name, '/')+1:]
	switch {
	case op.Name == dir || name == ".journal":
		return name
	case strings.Contains(op.Name, ".journal/"):
		return strings.TrimSuffix(name, ".tmp")
	case strings.HasSuffix(name, ".log.next"):
		return "next file"
	case strings.HasSuffix(strings.TrimSuffix(name, ".tmp"), ".idx"):
		return "sidecar"
	case strings.HasSuffix(name, ".tmp"), strings.HasSuffix(name, ".gz"), strings.HasSuffix(name, ".zst"):
		return "compressed file"
	case strings.HasSuffix(name, ".broken"):
		return "put aside"
	case strings.Contains(name, "-20"):
		return "closed file"
	case strings.HasSuffix(name, ".log"):
		return "active file"
	}
	return "folder"
}
