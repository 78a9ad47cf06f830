package journal_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/vfs"
)

// scene is what a kill left.
type scene struct {
	fs    *vfs.Mem
	book  *ledger
	where string
}

// parts is into how many tries the operations of one session are divided: each
// scene holds a ring in memory.
const parts = 10

// camera takes a scene before and after every operation that changes something
// on the disk, and of every append to a text also one in which the kill came in
// the middle of it.
type camera struct {
	mem    *vfs.Mem
	book   *ledger
	phase  string
	part   int64   // of parts: which operations are filmed
	chance float64 // of those to be filmed
	figure *tally

	mu     sync.Mutex
	rng    *rand.Rand
	scenes []scene
	sizes  map[int64]int64 // of the text before an operation
}

func (c *camera) hooks() vfs.Hooks {
	c.sizes = map[int64]int64{}
	return vfs.Hooks{
		Before: func(op vfs.Op) error { c.take(op, "before"); return nil },
		After:  func(op vfs.Op, _ error) { c.take(op, "after") },
	}
}

// still takes a scene between two operations.
func (c *camera) still() {
	c.mu.Lock()
	defer c.mu.Unlock()
	fsys, book := c.book.moment(c.mem.Kill)
	c.figure.add("kills", 1)
	c.figure.add("at "+c.phase+": between operations", 1)
	c.scenes = append(c.scenes, scene{fsys, book, "between operations"})
}

// stop leaves out what comes.
func (c *camera) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chance = 0
	clear(c.sizes) // operations under way too
}

func (c *camera) take(op vfs.Op, when string) {
	if !op.Writes() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	filmed := c.sizes[op.N] > 0
	if when == "before" {
		if filmed = op.N%parts == c.part && c.rng.Float64() < c.chance; filmed {
			c.sizes[op.N] = c.size(op.Name) + 1
		}
	}
	if !filmed {
		return
	}
	fsys, book := c.book.moment(c.mem.Kill)
	where := fmt.Sprintf("%s %v", when, op)
	c.figure.add("kills", 1)
	c.figure.add(fmt.Sprintf("at %s: %v %s", c.phase, op.Kind, role(op)), 1)
	c.scenes = append(c.scenes, scene{fsys, book, where})
	if when == "before" {
		return
	}
	from := c.sizes[op.N] - 1
	delete(c.sizes, op.N)
	if grown := c.size(op.Name) - from; op.Kind == vfs.OpWrite && grown > 1 && strings.HasSuffix(op.Name, ".log") {
		part := 1 + c.rng.Int64N(grown-1)
		if page := (from+part)/4096*4096 - from; page > 0 && c.rng.IntN(2) == 0 {
			part = page // where a kill cuts a write(2) in truth
		}
		torn := fsys.Kill()
		text, err := torn.OpenFile(op.Name, os.O_RDWR, 0)
		if err == nil {
			err = text.Truncate(from + part)
		}
		if err == nil {
			err = text.Close()
		}
		if err != nil {
			panic(err)
		}
		c.figure.add("kills", 1)
		c.figure.add("at "+c.phase+": half a write", 1)
		c.scenes = append(c.scenes, scene{torn, book, "in the middle of " + where})
	}
}

func (c *camera) size(name string) int64 {
	info, err := c.mem.Lstat(filepath.Clean(name))
	if err != nil {
		return 0
	}
	return info.Size()
}

// A process is killed at every operation of rotation, compression, retention,
// recovery and of all else. What was accepted is there, once, in order, and no
// line is torn.
func TestKillAtEveryOperation(t *testing.T) {
	t.Parallel()
	var figure tally
	const sessions = 60
	inBubbles(t, sized(24, sessions*parts), func(t *testing.T, n int) {
		seed, part := uint64(n%sessions), (n/sessions+n)%parts
		rng := rand.New(rand.NewPCG(seed, 2))
		s := anySetup(rng)
		mem, book := vfs.NewMem(), &ledger{}
		lens := &camera{mem: mem, book: book, phase: "work", part: int64(part), chance: 1, figure: &figure, rng: fork(rng)}
		j, err := journal.Open(dir, s.options(vfs.Wrap(mem, lens.hooks()), "one"))
		require.NoError(t, err)
		defer func() { j.Close() }() // not at the end of the test: a journal holds its ring in memory
		who := &session{t: t, j: j, rng: rand.New(rand.NewPCG(seed, 3)), book: book, burst: 3}
		for i := range 30 {
			who.step()
			if i%10 == 5 {
				<-time.After(250 * time.Millisecond) // the tables are saved
			}
			if i%parts == part {
				lens.still()
			}
		}
		require.NoError(t, j.Close())
		require.Empty(t, who.errs)
		for i, sc := range lens.scenes {
			lens.scenes[i] = scene{} // what is opened holds its ring in memory
			recoverFrom(t, sc, s, rng, &figure, 0)
		}
	})
	if !underRace {
		for _, op := range []string{"write sidecar", "sync sidecar", "rename sidecar", "write compressed file", "rename compressed file",
			"write tables", "sync tables", "rename tables"} {
			require.Positive(t, figure.of("at work: "+op), op)
		}
	}
	t.Logf("%d kills: 0 lost, 0 repeated, 0 torn; %d in recoveries; %d recoveries replayed %d records in all",
		figure.of("kills"), figure.of("in recovery"), figure.of("replaying"), figure.of("replayed"))
	require.Positive(t, figure.of("went on from the saved tables"))
	t.Logf("%d of %d that had saved tables went on from them", figure.of("went on from the saved tables"), figure.of("compared"))
	t.Logf("while working: %s", figure.table("at work: "))
	t.Logf("while recovering: %s", figure.table("at recovery: "))
}

// recoverFrom opens what a kill left, and kills that at some of its operations
// too.
func recoverFrom(t *testing.T, sc scene, s setup, rng *rand.Rand, figure *tally, depth int) {
	note := fmt.Sprintf("%v, killed %s", s, sc.where)
	lens := &camera{mem: sc.fs, book: sc.book, phase: "recovery", part: rng.Int64N(parts), figure: figure, rng: fork(rng)}
	if depth < 3 && rng.IntN(8) == 0 {
		lens.chance = 0.4
	}
	bare := withoutTables(t, sc, s, rng)
	o := s.options(vfs.Wrap(sc.fs, lens.hooks()), "one")
	j, err := journal.Open(dir, o)
	require.NoError(t, err, note)
	defer func() { j.Close() }() // not at the end of the test: a journal holds its ring in memory
	found := check(t, j, s, sc.book, accepted, note)
	require.Zero(t, j.Recovery().Foreign, "%s: garbage", note)
	if bare != nil {
		figure.add("compared", 1)
		if j.TookSaved() {
			figure.add("went on from the saved tables", 1)
		}
		require.Equal(t, runsOf(t, bare, s), toldOf(j), "%s: what is derived anew, and what goes on from the saved tables", note)
	}
	figure.add("replayed", j.Recovery().Replayed)
	if j.Recovery().Replayed > 0 {
		figure.add("replaying", 1)
	}
	if rng.IntN(4) == 0 {
		// It goes on, and a later process finds the same.
		lens.stop()
		next := sc.book.copy()
		next.settle(s, found)
		who := &session{t: t, j: j, rng: fork(rng), book: next, burst: 3}
		for range 5 {
			who.step()
		}
		require.NoError(t, j.Close(), note)
		j, _ = reopen(t, sc.fs, s, "one", next, accepted, note+", and closed")
	}
	require.NoError(t, j.Close(), note)
	figure.add("in recovery", int64(len(lens.scenes)))
	for i, again := range lens.scenes {
		lens.scenes[i] = scene{}
		again.where = sc.where + ", then " + again.where
		recoverFrom(t, again, s, rng, figure, depth+1)
	}
}

// withoutTables returns a copy of some scenes in which no tables are saved; nil of the
// others, and where files are deleted, of which the tables may still know.
func withoutTables(t *testing.T, sc scene, s setup, rng *rand.Rand) *vfs.Mem {
	path := filepath.Join(dir, ".journal", "tables")
	if _, err := sc.fs.Lstat(path); err != nil || s.maxFiles > 0 || rng.IntN(2) == 0 {
		return nil
	}
	bare := sc.fs.Kill()
	require.NoError(t, bare.Remove(path))
	return bare
}

// runsOf opens a folder and returns what it tells of its runs.
func runsOf(t *testing.T, fsys *vfs.Mem, s setup) []string {
	j, err := journal.Open(dir, s.options(fsys, "one"))
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	return toldOf(j)
}

// toldOf returns what a folder tells of its runs and steps, but when what it ended itself
// did.
func toldOf(j *journal.Journal) (list []string) {
	say := func(id *line.Identity, seq uint64, start line.Lifecycle, state runs.State) {
		if state.Implied {
			state.End, state.Duration = time.Time{}, 0
		}
		list = append(list, fmt.Sprintf("%d %+v %+v %v %v %q %q %v %v %v %v %v", seq, *id, start, state.Ended, state.End, state.Outcome,
			state.Reason, state.Implied, state.Duration, state.Lines, state.Bytes, state.Steps))
	}
	for _, r := range j.Snapshot().Runs() {
		say(r.Identity, r.Seq, r.Start, r.State())
		for _, st := range r.Steps() {
			say(st.Identity, st.Seq, st.Start, st.State())
		}
	}
	return list
}
